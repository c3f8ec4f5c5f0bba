"""The command line itself: parsers, help, completion and its page, from what commands declare."""
