"""Gradient training of classifiers in epochs, by the cross-entropy of their labels."""
