"""Checks every number and follows it to its origins; exports, releases and prunes results."""
