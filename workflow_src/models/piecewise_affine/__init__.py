"""Deep generative networks of piecewise-affine units: partitions, exact integrals, inference, EM."""
