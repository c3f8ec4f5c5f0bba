"""Exact likelihoods, posteriors, conditionals and bounds of a generator."""
