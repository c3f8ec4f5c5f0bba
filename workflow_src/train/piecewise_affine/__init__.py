"""Training of piecewise-affine generators: by the exact posterior, its gradient or an encoder."""
