"""Bytes to the disk so that they stay there whole."""
