"""Why something would run, what a change costs, and changes accepted to change no result.

Imports whatever it explains or tries again; what is heavy, only inside the function that needs it.
"""
