"""Trained networks, heads, labels and transcripts → accuracies with intervals, comparisons and sweeps.

- `mmasc evaluate`: evaluate.py, runs.py, scores.py, pooling.py, svm.py, run_figures.py, epoch_figure.py
- `mmasc compare`: compare.py, compare_table.py, cost.py, published.py (published figures), learned.py
- `mmasc sweep`: value_sweep.py, tag_sweep.py, feature_sweep.py with feature_table.py
- `mmasc label compare`: label_comparison.py, label_sides.py; `mmasc evaluate transcripts`: transcripts.py, wer.py

The metrics themselves are in `mmasc.metrics`.
"""
