"""Names of published data sets are told from other names, and figures on other clips or folds from the same ones."""

import pytest

from mmasc.datasets import DATASETS
from mmasc.datasets.known import FAMILIES, clip_ids, clips_digest


@pytest.mark.parametrize(
    ("family", "path", "clip"),
    [
        ("esc", "audio/1-100032-A-0.wav", "1-100032-A"),  # ESC-50
        ("esc", "dogs/1-100032-A-dog.ogg", "1-100032-A"),
        ("esc", "1-100032-A.flac", "1-100032-A"),  # ESC-10 as first published
        ("urbansound8k", "audio/fold5/100032-3-0-0.wav", "100032-3-0-0"),
        ("tau", "audio/street_pedestrian-barcelona-11-430-a.wav", "street_pedestrian-barcelona-11-430-a"),
        ("tau", "metro_station-vienna-87-2361-4-s3.wav", "metro_station-vienna-87-2361-4-s3"),
        ("audioset", "Y--4gqARaEJE.wav", "Y--4gqARaEJE"),
        ("audioset", "eval/0fV8dlB1ZJU_30_40.flac", "0fV8dlB1ZJU_30_40"),
    ],
)
def test_clips_are_told_by_their_names_after_moves_and_conversions(family, path, clip):
    assert clip_ids([path]) == {family: {0: clip}}


@pytest.mark.parametrize(
    "path",
    [
        "rain.wav",
        "6-100032-A-0.wav",
        "1-100032-a-0.wav",
        "recording_1_10_20.wav",
        "2024-05-01.wav",
        "12-13-14.wav",
        "SMM01_20240501_041320.wav",
        "kitchen-table-1-2-a.wav",
        "20240501_041320.WAV",
    ],
)
def test_other_names_belong_to_no_data_set(path):
    assert clip_ids([path]) == {}


def test_an_id_of_audioset_counts_only_among_others():
    ids = [f"Y{'aB3_-xY9zQ'}{letter}.wav" for letter in "abcdefgh"]
    assert set(clip_ids(ids)["audioset"]) == set(range(8))
    assert clip_ids([*ids[:2], *(f"{number}.wav" for number in range(8))]) == {}


def test_every_family_names_kinds_of_data_sets():
    assert set(FAMILIES) <= set(DATASETS)


def test_the_digest_sees_clips_and_folds_and_nothing_else():
    clips = [("a/x.wav", "1"), ("b/y.wav", "2")]
    same = clips_digest(clips)
    assert same == clips_digest([("other/y.flac", "2"), ("x.ogg", "1")])
    assert same != clips_digest([("x.wav", "2"), ("y.wav", "1")])
    assert same != clips_digest(clips[:1])
