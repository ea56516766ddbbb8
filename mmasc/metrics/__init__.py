"""Truth and answers → numbers, and figures of them.

functions.py: metrics of classification; predictions.py: all of them at once, with intervals; events.py: sound event
detection (segment-based and event-based, as sed_eval), with event_matching.py and threshold_curves.py; figures.py
draws.
"""
