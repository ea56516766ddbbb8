"""Annotated windows as rows of one label each: classes that exclude each other, and "none of these"."""

from mmasc.heads.zeroshot import NONE
from mmasc.labelling.apply import apply_head
from mmasc.labelling.fit import fit_head
from mmasc.labelling.moments import Moments
from tests.helpers.moments import SECONDS, annotation, levels_of


def test_one_label_each_with_a_background(annotated, bare):
    bare.annotations.add(
        [
            annotation(bare, item, second, second + 1, "up" if level > 0 else "down")
            for item in range(8)
            for second, level in enumerate(levels_of(item))
            if abs(level) > 0.5
        ]
    )
    report = fit_head(bare, Moments(background="moments"), head="neighbours", folds=4)
    assert (report.classes, report.unit) == (["down", "up", NONE], "windows")
    assert report.recordings == 8 * SECONDS == report.tested
    assert report.interval_over == "recordings"
    assert report.fitted.stamp.background == NONE
    answers = list(apply_head(report.fitted, bare, timeline=True))
    # All windows below zero have one direction, whether they are labelled or not; those above differ in theirs
    assert "up" in {event.label for one in answers for event in one.events} <= {"down", "up"}
    assert all(NONE not in one.labels for one in answers)
    plain = fit_head(bare, Moments(), head="logistic", folds=4)
    assert plain.classes == ["down", "up"]
    assert plain.left_out == {"without an annotation": 8 * SECONDS - plain.recordings}
