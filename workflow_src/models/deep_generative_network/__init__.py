"""A deep generative network: a piecewise-affine map of a normal latent variable, plus noise."""
