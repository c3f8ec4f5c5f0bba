"""Folding: overlapping patches of activities as channels of one position.

Gepperth, "A new perspective on probabilistic image modeling", section III-E, eqs. (10) and (11).
"""

from __future__ import annotations

from torch import Tensor

from workflow_src.layouts import Folding


def fold(activities: Tensor, block: Folding) -> Tensor:
    """Patches of activities [R, N, h, w, C], as [R, N, h', w', f * f * C].

    Axes are runs, images, rows, columns and channels. A patch's channels are in the order (row in
    the patch, column in the patch, channel). Where one patch holds everything, this is a view.
    """
    size, stride = block.size, block.stride
    patches = activities.unfold(2, size, stride).unfold(3, size, stride)
    ordered = patches.permute(0, 1, 2, 3, 5, 6, 4)
    return ordered.reshape(*ordered.shape[:4], -1)
