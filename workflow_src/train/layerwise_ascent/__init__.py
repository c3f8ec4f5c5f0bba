"""Gradient ascent of mixture layers side by side, each on its own annealed loss."""
