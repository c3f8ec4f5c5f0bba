"""The deep convolutional Gaussian mixture model: mixture layers with a loss of their own each."""
