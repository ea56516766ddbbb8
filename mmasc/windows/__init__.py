"""Waveforms → windows, and scores of windows → recordings, timelines and events.

cut.py cuts windows; pooling.py makes one vector or score per recording; timeline.py makes cells and events
(`find_events`: thresholds, gaps, shortest events), several.py does so for many recordings; units.py: unit vectors.
"""
