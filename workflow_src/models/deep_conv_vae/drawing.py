"""How a deep Conv-VAE's images are made."""

from workflow_src.models.whole_image_drawing import (
    assemble,
    leaf_layout,
    responsibilities,
    sample_components,
)

__all__ = ["assemble", "leaf_layout", "responsibilities", "sample_components"]
