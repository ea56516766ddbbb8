"""Weights that are not in the package: which there are, where they lie, how they are fetched."""
