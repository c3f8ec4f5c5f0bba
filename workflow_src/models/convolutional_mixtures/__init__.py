"""Deep convolutional Gaussian mixtures: layers, their closed-form steps, and backwards mode."""
