"""Smoothing transformations of binary latent variables, one per file, found by name."""
