"""Generators of piecewise-affine units: partitions, exact integrals, inference and EM."""
