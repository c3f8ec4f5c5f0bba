"""Expectation maximisation in batches, for models whose expected statistics have a closed form."""
