"""Measuring models with latent variables over whole images, binary or not."""
