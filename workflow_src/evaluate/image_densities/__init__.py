"""Measuring densities of images that score, draw and fill in: mixture networks and circuits."""
