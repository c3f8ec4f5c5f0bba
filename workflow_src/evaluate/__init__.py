"""Chooses each group's winner by validation and measures it on the test set.

Imports data, models, plan and provenance.
"""
