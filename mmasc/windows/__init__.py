"""Waveforms to windows, and what was said of windows back to recordings and timelines."""
