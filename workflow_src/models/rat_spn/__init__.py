"""RAT-SPN: an Einsum network over random binary trees."""
