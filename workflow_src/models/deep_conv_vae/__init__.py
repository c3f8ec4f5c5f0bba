"""The deep convolutional variational autoencoder that DCGMMs' samples are compared with."""
