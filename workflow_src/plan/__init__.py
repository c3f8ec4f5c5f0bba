"""From settings and studies to runs, fingerprints, shards and evaluations, without any tensor.

Imports config, errors and storage.
"""
