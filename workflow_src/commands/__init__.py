"""One file per subcommand of ``python -m workflow_src``: arguments in, one call, exit code out.

Imports everything else of the package; what is heavy, only inside the function that needs it.
"""
