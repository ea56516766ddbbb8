"""Prompt sets studied on labelled collections: swept, tuned, reported."""
