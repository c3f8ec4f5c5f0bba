"""SPVAE: a sum-product network over variational autoencoder leaves (Tan and Peharz, ICML 2019)."""
