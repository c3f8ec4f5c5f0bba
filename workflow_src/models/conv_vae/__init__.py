"""The convolutional variational autoencoder that SPVAEs are compared with (ICML 2019)."""
