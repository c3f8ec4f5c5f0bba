"""What can be asked for: settings, studies, data sets and models as strict types.

Imports nothing heavier than pydantic and yaml, and of this package only errors and storage.
"""
