"""Recordings or collections → labels: by prompts, by heads, and heads fitted to labels.

- `mmasc classify`: classify.py; `mmasc head apply`: apply.py, network_head.py; for both: sources.py (windows from
  files or from a collection), timelines.py (windows → labels and events), own_background.py, unlike.py
- `mmasc head fit`: fit.py with recordings.py and folds.py (labels of recordings); fit_moments.py with moments.py,
  carrying.py, word_start.py, out_of_fold.py (annotated moments); head_report.py and moment_report.py hold the results
- `mmasc review`: review.py, choosing.py (which moments), learning.py (what more answers are worth), review_files.py
- `mmasc models centre`: centring.py
"""
