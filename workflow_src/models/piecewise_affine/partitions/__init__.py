"""The regions on which a network is affine: found, bounded, told apart."""
