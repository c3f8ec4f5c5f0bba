"""Results packed into few files, and one way to read what lies loose or packed."""
