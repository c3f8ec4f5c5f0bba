"""Gradient training of models with latent variables under schedules: rates, divergence, decay."""
