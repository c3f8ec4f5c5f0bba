"""Restricted Boltzmann machines of binary units: sampling, and their log partition functions."""
