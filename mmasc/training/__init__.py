"""Training: stage.py is the one loop (steps, checkpoints, resuming), run_folder.py the files of a run, schedules.py the
learning rates. What is trained: `supervised` (networks on labels), `alignment` (encoders on texts and teachers),
`ivf` (imagined visual features).
"""
