"""Trains the runs of a shard: one folder per trainer, and the job around them.

Imports data, models and plan; a trainer itself only data.streams, data.subsets and models.
"""
