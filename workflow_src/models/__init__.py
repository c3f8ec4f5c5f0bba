"""Densities as torch code: banks, likelihoods, circuits, and one folder per model.

Imports torch and numpy, and nothing of this package outside models and plan.seeds.
"""
