"""One file per subcommand of ``python -m workflow_src``: arguments in, one call down, exit code out."""
