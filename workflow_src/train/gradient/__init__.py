"""Stochastic gradient training of a bank of runs with early stopping."""
