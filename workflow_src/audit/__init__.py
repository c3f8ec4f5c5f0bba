"""Checks every number, word and byte of results, down to code and data, and measures again."""
