"""Records found by their fingerprints, loose or packed, and the commands that make them again."""
