"""Small convex problems and local searches, many at a time."""
