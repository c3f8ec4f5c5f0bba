"""Max-pooling of activities.

Gepperth, "A new perspective on probabilistic image modeling", section III-D, eq. (9).
"""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor

from workflow_src.layouts import Pooling


def pool(activities: Tensor, block: Pooling) -> Tensor:
    """The largest value of every channel in each window, [R, N, h', w', C] of [R, N, h, w, C].

    Axes are runs, images, rows, columns and channels. Windows at the far edges are cut or left
    off, as the block says.
    """
    runs, images = activities.shape[:2]
    # Channels stay last in memory: no copy before, none after.
    planes = activities.flatten(0, 1).permute(0, 3, 1, 2)
    pooled = functional.max_pool2d(planes, block.size, block.stride, ceil_mode=block.ceil)
    last = pooled.permute(0, 2, 3, 1)
    return last.reshape(runs, images, *last.shape[1:])
