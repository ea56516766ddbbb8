"""Recordings or collections → labels: by prompts, by heads, and heads fitted to labels."""
