"""Measuring densities made of latent-variable leaves."""
