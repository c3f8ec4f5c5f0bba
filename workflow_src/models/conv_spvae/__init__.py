"""Conv-SPVAE: a sum-product network over convolutional autoencoder leaves (ICML 2019)."""
