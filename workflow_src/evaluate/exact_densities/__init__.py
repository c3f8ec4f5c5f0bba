"""Measuring models whose density is computed in closed form, region by region of their network."""
