"""Metrics, tables, figures and the pages that people read.

Imports config, lineage, plan, provenance and storage; it reads records and arrays, never a model.
"""
