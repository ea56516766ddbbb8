"""A few phrases that attract everything, and what takes that out: plain, centred and prior-matched accuracies.

    mmasc embed ESC-10/audio --into esc10 --metadata ESC-10/meta.csv
    python examples/reproduce/prompt_bias.py esc10

Shifts are learnt from half of the official folds, without their labels, and tested on the other half, both ways round.
`--encoder mini-strict` in the first line makes it a test on recordings that the encoder has not heard.
"""

import argparse

import numpy as np

from mmasc.collection import Collection
from mmasc.heads.calibration import fit_temperature, reliability_curve
from mmasc.heads.shifted import CentredZeroShot, PriorMatchedZeroShot
from mmasc.heads.zeroshot import ZeroShotClassifier
from mmasc.metrics.functions import bootstrap_interval
from mmasc.prompts.prompts import Prompts, load_prompts
from mmasc.studies.study import Study, load_study

# In the place of one plain phrase each: what several kinds of sound are like
ATTRACTING = {
    "dog": ("dog barking near the sea waves",),
    "sea_waves": ("dog barking or sea waves or rain",),
    "rooster": ("a rooster, a dog and a chainsaw in the rain",),
    "helicopter": ("chainsaw and helicopter engine",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection", help="collection of ESC-10 with the columns category and fold")
    options = parser.parse_args()
    plain = load_prompts("esc10")
    biased = Prompts("biased", "four labels said badly", plain.templates, plain.labels | ATTRACTING)
    collection = Collection(options.collection)
    study = load_study(collection, "category", [plain, biased])
    folds = dict(zip(*(collection.recordings.column(name).to_pylist() for name in ("path", "fold")), strict=True))
    half = np.array([int(folds[path]) % 2 for path in study.recordings.paths])
    print(f"{study.recordings.space.encoder}, {len(study.recordings)} sounds, {len(study.recordings.classes)} labels")
    for number, prompts in enumerate(study.prompts):
        true = study.true(number)
        for kind in (ZeroShotClassifier, CentredZeroShot, PriorMatchedZeroShot):
            said = answers(kind, study, prompts, half)
            right = (said == true).astype(float)
            low, high = bootstrap_interval(lambda items, right=right: float(right[items].mean()), len(right))
            names, counts = np.unique(said, return_counts=True)
            most = counts.argmax()
            print(
                f"{prompts.name:8} {kind.__name__:22} accuracy {right.mean():.3f} ({low:.3f} to {high:.3f}), "
                f"most said: {names[most]} {counts[most]} times"
            )
    calibrate_temperature(study, half)


def answers(kind: type[ZeroShotClassifier], study: Study, prompts: Prompts, half: np.ndarray) -> np.ndarray:
    """What each sound is called, by a classifier that was calibrated on the other half."""
    said = np.empty(len(half), object)
    for tested in (0, 1):
        classifier = kind(study.encoder)
        classifier.fit(prompts)
        if kind is not ZeroShotClassifier:
            classifier.calibrate(study.vectors[half != tested])
        said[half == tested] = classifier.predict(study.vectors[half == tested])
    return said


def calibrate_temperature(study: Study, half: np.ndarray) -> None:
    """The biased prompts' calibration error with the encoder's own temperature and with one from 20 labels."""
    classifier = ZeroShotClassifier(study.encoder).fit(study.prompts[1])
    cosines, true = classifier.decision_function(study.vectors), study.true(1)
    labels = classifier.classes_.tolist()
    codes = np.array([labels.index(name) for name in true])
    few = np.random.default_rng(0).permutation(np.flatnonzero(half == 0))[:20]
    fitted = fit_temperature(cosines[few], codes[few])
    for name, temperature in (("the encoder's", 1 / study.scale), ("from 20 labels", fitted)):
        classifier.temperature = temperature
        chances = classifier.predict_proba(study.vectors[half == 1])
        error = reliability_curve(true[half == 1], chances, labels).error
        print(f"biased   temperature {temperature:.4f} ({name}): calibration error {error:.3f}")


if __name__ == "__main__":
    main()
