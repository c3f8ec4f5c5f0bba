"""Measures classifiers: how many test images they tell the class of, and how surely."""
