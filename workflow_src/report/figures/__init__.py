"""Figures as bytes, one module per kind. Imports the report's evidence, tables and wording."""
