"""Questions about a whole collection → tables, figures and pages.

- prompts on a labelled collection: study.py, prompt_sweep.py, prompt_tuning.py (calibrations), report.py with
  report_*.py
- activity by day and hour: activity.py, detections.py, activity_plot.py
- kinds of sounds: clusters.py; map of the windows: window_map.py, map_colours.py, map_plot.py
"""
