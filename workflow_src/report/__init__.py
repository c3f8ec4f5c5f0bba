"""Metrics, tables, figures and the page that people read. Imports evaluation files, never a model."""
