"""Images from their source to arrays: fetch, read, split, prepare, subsets, batches.

Imports config, plan, provenance, errors and storage; what is fingerprinted (preparation and what it
reaches, streams, subsets) imports plan.seeds alone.
"""
