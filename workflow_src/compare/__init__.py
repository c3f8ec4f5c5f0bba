"""What changed between two sets of results, by how much, and whether noise can explain it.

Imports report, release and changes, whose files and plans it reads; nothing computes or trains.
"""
