"""What models with binary latent variables share: encoder, priors, divergences, estimators."""
