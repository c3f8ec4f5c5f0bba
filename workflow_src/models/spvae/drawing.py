"""How an SPVAE's images are put together from its super-pixels."""

from workflow_src.models.super_pixel_drawing import (
    assemble,
    leaf_layout,
    responsibilities,
    sample_components,
)

__all__ = ["assemble", "leaf_layout", "responsibilities", "sample_components"]
