"""Follows a number, or a run, down to everything that it was made from, and makes it again."""
