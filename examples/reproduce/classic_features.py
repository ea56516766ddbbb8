"""Classic features of ESC-10: mean and deviation of MFCC and zero crossings with four plain classifiers, fold by fold.

    python examples/reproduce/classic_features.py ESC-10

Every fold that is there is tested by classifiers that learnt from the others. Beside the mean of the folds stands the
published one of the same folds, whose classifiers learnt from all five.
"""

import argparse

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mmasc.datasets import Dataset, WaveformCache, read_dataset
from mmasc.features.classic import CLASSIC, ClassicFeatures

# Piczak 2015, the log in karolpiczak/paper-2015-esc-dataset: accuracy of folds 1 to 5 in %
PUBLISHED = {
    "k-NN": (58.7, 72.5, 67.5, 72.5, 62.5),
    "linear SVM": (57.5, 78.7, 65.0, 73.7, 62.5),
    "random forest": (57.5, 77.5, 77.5, 77.5, 73.7),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of ESC-10 or ESC-50")
    options = parser.parse_args()
    dataset = read_dataset("esc10", options.data)
    numbers = classic_numbers(dataset)
    codes = dataset.targets().argmax(1)
    print(f"{len(dataset)} clips, folds {', '.join(dataset.folds)}")
    for name, classifier in classifiers():
        folds = accuracies(dataset, numbers, codes, classifier)
        told = ", ".join(f"{fold}: {100 * value:.2f}" for fold, value in folds.items())
        print(f"{name:24} {100 * np.mean(list(folds.values())):.1f} % ({told}){published(name, list(folds))}")


def classic_numbers(dataset: Dataset) -> np.ndarray:
    """26 numbers for every clip."""
    waveforms = WaveformCache(None, CLASSIC.sample_rate).load(dataset.paths)
    features = ClassicFeatures()
    with torch.inference_mode():
        return np.concatenate([features(torch.from_numpy(waveform.copy())).numpy() for waveform in waveforms])


def classifiers() -> list[tuple[str, ClassifierMixin]]:
    models = [
        ("k-NN", KNeighborsClassifier(5)),
        ("linear SVM, C 0.1", SVC(kernel="linear", C=0.1)),
        ("linear SVM, C 1", SVC(kernel="linear", C=1.0)),
        ("RBF SVM", SVC()),
        *[(f"random forest, seed {seed}", RandomForestClassifier(500, random_state=seed)) for seed in range(3)],
    ]
    return [(name, make_pipeline(StandardScaler(), model)) for name, model in models]


def accuracies(
    dataset: Dataset, numbers: np.ndarray, codes: np.ndarray, classifier: ClassifierMixin
) -> dict[str, float]:
    """Of every fold, by a classifier that learnt from the others."""
    found = {}
    for fold in dataset.folds:
        train, _, test = dataset.split(fold)
        said = classifier.fit(numbers[train], codes[train]).predict(numbers[test])
        found[fold] = float((said == codes[test]).mean())
    return found


def published(name: str, folds: list[str]) -> str:
    known = PUBLISHED.get(name.partition(",")[0])
    if known is None or not all(fold.isdecimal() and 1 <= int(fold) <= 5 for fold in folds):
        return ""
    return f"; published {np.mean([known[int(fold) - 1] for fold in folds]):.1f} %"


if __name__ == "__main__":
    main()
