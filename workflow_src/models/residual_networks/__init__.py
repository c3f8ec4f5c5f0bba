"""Residual convolutional networks of the DVAE++ paper: blocks, a decoder by scales, pixels."""
