"""Vectors → scores of labels: zero-shot classifiers from prompts, and classifiers fitted to labels ("heads").

- from prompts: zeroshot.py, shifted.py (centred, prior matched), background.py; calibration.py and
  calibration_file.py
- fitted to labels: registry.py (which there are), estimators.py, prototypes.py, from_words.py, one_against_rest.py
- saved heads: fitted.py (the file), conversion.py (scikit-learn → arrays), predictors.py (arrays → probabilities)
- familiarity.py: whether a vector is like those that a head learned from; thresholds.py, unlabelled_shifts.py

`mmasc.labelling` fits and applies them to recordings and collections.
"""
