"""Masses and moments of Gaussians on the regions of a partition: exact up to three dimensions."""
