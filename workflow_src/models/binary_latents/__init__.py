"""What models with binary latent variables share: networks, groups, priors, bounds, estimators."""
