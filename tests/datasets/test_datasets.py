"""Readers on tiny trees of every layout, and the laws of splits: no group on two sides, counts, seeds."""

import csv
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mmasc.datasets import DATASETS, Clip, Dataset, read_dataset
from mmasc.datasets.splits import draw_groups
from mmasc.errors import MmascError


def write_table(path: Path, rows: list[dict], delimiter: str = ",", header: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        if header:
            writer.writeheader()
        writer.writerows(rows)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def clips_of(n_groups: int, per_group: int, n_classes: int = 3, n_folds: int = 0) -> Dataset:
    """Groups of one class each, in folds one after the other."""
    clips = [
        Clip(
            Path(f"{group}-{take}.wav"),
            (f"class {group % n_classes}",),
            fold=str(group % n_folds + 1) if n_folds else "",
            group=f"upload {group}",
            columns={"city": "lyon" if group % 4 == 0 else "paris"},
        )
        for group in range(n_groups)
        for take in range(per_group)
    ]
    return Dataset("made", Path("made"), tuple(clips), tuple(f"class {one}" for one in range(n_classes)))


@pytest.fixture
def esc50(tmp_path) -> Path:
    rows = []
    for fold in (1, 2):
        for target, category, esc10 in [(10, "rain", "True"), (0, "dog", "True"), (2, "pig", "False")]:
            for take in "AB":
                name = f"{fold}-{fold}{target}-{take}-{target}.wav"
                rows.append(
                    dict(filename=name, fold=fold, target=target, category=category, esc10=esc10)
                    | dict(src_file=f"{fold}{target}", take=take)
                )
                touch(tmp_path / "audio" / name)
    write_table(tmp_path / "meta" / "esc50.csv", rows)
    return tmp_path


def test_esc50_has_all_kinds_in_the_order_of_targets(esc50):
    dataset = read_dataset("esc50", esc50)
    assert len(dataset) == 12
    assert dataset.classes == ("dog", "pig", "rain")
    assert dataset.folds == ["1", "2"]
    assert dataset.clips[0].group == "110"
    assert dataset.clips[0].columns == {"take": "A"}


def test_esc10_is_the_marked_part_of_esc50(esc50):
    dataset = read_dataset("esc10", esc50)
    assert len(dataset) == 8
    assert dataset.classes == ("dog", "rain")
    assert dataset.label_counts() == {"dog": 4, "rain": 4}


def test_esc10_of_its_own(tmp_path):
    names = ["1-100-A-dog.ogg", "1-100-B-dog.ogg", "2-7-A-rain.ogg"]
    rows = [dict(filename=name, fold=name[0], target=len(name) % 2, category=name[6:-4]) for name in names]
    rows = [row | {"category": name.rpartition("-")[2][:-4]} for row, name in zip(rows, names, strict=True)]
    rows = [row | {"target": ["dog", "rain"].index(row["category"])} for row in rows]
    write_table(tmp_path / "meta.csv", rows)
    for name in names:
        touch(tmp_path / "audio" / name)
    assert [clip.group for clip in read_dataset("esc10", tmp_path).clips] == ["100", "100", "7"]


@pytest.mark.parametrize("kind", DATASETS)
def test_missing_tables_show_the_layout(kind, tmp_path):
    with pytest.raises(MmascError) as caught:
        read_dataset(kind, tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
    assert DATASETS[kind].layout in str(caught.value)


@pytest.mark.parametrize("kind", DATASETS)
def test_unknown_options_are_named(kind, tmp_path):
    with pytest.raises(MmascError, match=f"{kind} has no option 'colour'; it has: "):
        read_dataset(kind, tmp_path, colour="red")


def test_unknown_kind_is_named():
    with pytest.raises(MmascError, match="unknown kind of data set 'esc11'; there are: esc10, esc50"):
        read_dataset("esc11", ".")


def test_missing_files_are_counted_and_the_first_named(esc50):
    for name in ("1-110-B-10.wav", "2-20-A-0.wav"):
        (esc50 / "audio" / name).unlink()
    with pytest.raises(
        MmascError, match=r"2 of the 12 clips in .*esc50.csv are not on disk, the first is .*1-110-B-10"
    ):
        read_dataset("esc50", esc50)
    dataset = read_dataset("esc50", esc50, missing="skip")
    assert len(dataset) == 10
    assert "2 of the 12 clips" in dataset.remarks[0]


def test_tables_that_are_none_are_named(tmp_path):
    table = tmp_path / "t.csv"
    table.write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(MmascError, match="not UTF-8 .byte 0xff in line 2"):
        read_dataset("csv", table)
    table.write_text("path,label\n")
    with pytest.raises(MmascError, match="has no rows"):
        read_dataset("csv", table)
    table.write_text("path,label\na.wav,\n")
    with pytest.raises(MmascError, match="line 2: label is empty"):
        read_dataset("csv", table)


def urbansound(root: Path, folds: str = "1123") -> Path:
    rows = []
    for number, fold in enumerate(folds):
        recording = 100 + (0 if number < 2 else number)
        name = f"{recording}-{number % 2}-0-{number}.wav"
        rows.append(
            dict(slice_file_name=name, fsID=recording, start=0, end=4, salience=1, fold=fold, classID=number % 2)
            | {"class": ["dog_bark", "air_conditioner"][number % 2]}
        )
        touch(root / "audio" / f"fold{fold}" / name)
    write_table(root / "metadata" / "UrbanSound8K.csv", rows)
    return root


def test_urbansound8k(tmp_path):
    dataset = read_dataset("urbansound8k", urbansound(tmp_path))
    assert dataset.classes == ("dog_bark", "air_conditioner")
    assert dataset.folds == ["1", "2", "3"]
    assert dataset.clips[1].path == tmp_path / "audio" / "fold1" / "100-1-0-1.wav"
    assert dataset.clips[1].columns["salience"] == "1"
    train, _, test = dataset.split("1")
    assert (train.tolist(), test.tolist()) == ([2, 3], [0, 1])


def test_urbansound8k_whose_folds_were_changed_is_refused(tmp_path):
    with pytest.raises(MmascError, match="recording 100 lies in folds 1 and 2"):
        read_dataset("urbansound8k", urbansound(tmp_path, folds="1223"))


TAU_NAMES = {
    "audio/airport-lyon-1-10-a.wav": "train",
    "audio/airport-lyon-1-11-b.wav": "train",
    "audio/bus-paris-2-12-a.wav": "train",
    "audio/airport-milan-3-13-s6.wav": "evaluate",
    "audio/bus-paris-4-14-a.wav": "evaluate",
    "audio/bus-paris-5-15-a.wav": "",
}


def tau(root: Path, names: dict[str, str] = TAU_NAMES, ending: str = "csv", header: bool = True) -> Path:
    def scene(name: str) -> str:
        return Path(name).stem.split("-")[0]

    for name in names:
        touch(root / name)
    meta = [dict(filename=name, scene_label=scene(name), identifier="x", source_label="a") for name in names]
    write_table(root / "meta.csv", meta, "\t")
    for part in ("train", "evaluate"):
        rows = [dict(filename=name, scene_label=scene(name)) for name, where in names.items() if where == part]
        write_table(root / "evaluation_setup" / f"fold1_{part}.{ending}", rows, "\t", header)
    return root


@pytest.mark.parametrize(("kind", "ending", "header"), [("tau2018", "txt", False), ("tau2020", "csv", True)])
def test_tau(kind, ending, header, tmp_path):
    dataset = read_dataset(kind, tau(tmp_path, ending=ending, header=header))
    assert dataset.folds == ["1"]
    assert dataset.classes == ("airport", "bus")
    assert dataset.clips[3].columns == dict(scene="airport", city="milan", place="3", segment="13", device="s6")
    assert dataset.clips[0].group == "lyon-1"
    train, validation, test = dataset.split("1")
    assert (train.tolist(), validation.tolist(), test.tolist()) == ([0, 1, 2], [], [3, 4])
    assert dataset.unseen("city", train)[test].tolist() == [True, False]


def test_tau_of_one_second_segments(tmp_path):
    names = {"audio/airport-lyon-1-10-0-a.wav": "train", "audio/bus-paris-2-12-3-s1.wav": "evaluate"}
    columns = read_dataset("tau2022", tau(tmp_path, names)).clips[1].columns
    assert columns == dict(scene="bus", city="paris", place="2", segment="12", part="3", device="s1")


def test_a_place_in_both_parts_of_tau_is_refused(tmp_path):
    names = {"audio/bus-paris-2-12-a.wav": "train", "audio/bus-paris-2-13-a.wav": "evaluate"}
    with pytest.raises(MmascError, match="'paris-2' lies in training and in test"):
        read_dataset("tau2020", tau(tmp_path, names)).split("1")


def test_tau_with_strange_names_is_refused(tmp_path):
    with pytest.raises(MmascError, match=r"noise.wav is not a name of this set: scene-city-place"):
        read_dataset("tau2020", tau(tmp_path, {"audio/noise.wav": "train", "audio/bus-paris-2-12-a.wav": "evaluate"}))


def audioset(root: Path) -> Path:
    (root / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/1,"Speech"\n1,/m/2,"Child speech, kid speaking"\n2,/t/3,"Rain"\n'
    )
    head = "# Segments csv created Sun Mar  5 10:54:25 2017\n# YTID, start_seconds, end_seconds, positive_labels\n"
    (root / "balanced_train_segments.csv").write_text(
        f'{head}-abc, 30.000, 40.000, "/m/1,/m/2"\nxyz, 0.000, 10.000, "/t/3"\nnot, 1.000, 11.000, "/t/3,/m/1"\n'
    )
    (root / "eval_segments.csv").write_text(f'{head}eva, 5.500, 15.500, "/t/3"\n')
    for name in ("some/Y-abc.wav", "xyz_0.000_10.000.flac", "eval/eva_5500.wav"):
        touch(root / name)
    return root


def test_audioset_takes_what_is_there(tmp_path):
    dataset = read_dataset("audioset", audioset(tmp_path))
    assert dataset.multi_label
    assert dataset.classes == ("Speech", "Child speech, kid speaking", "Rain")
    assert [clip.path.name for clip in dataset.clips] == ["Y-abc.wav", "xyz_0.000_10.000.flac", "eva_5500.wav"]
    assert dataset.targets().tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert "1 of the 4 clips" in dataset.remarks[0]
    train, _, test = dataset.split("eval")
    assert (train.tolist(), test.tolist()) == ([0, 1], [2])
    with pytest.raises(MmascError, match=r"1 of the 4 clips .*not\.wav"):
        read_dataset("audioset", tmp_path, missing="fail")


def test_audioset_by_chosen_labels(tmp_path):
    dataset = read_dataset("audioset", audioset(tmp_path), labels=["/m/1", "Child speech, kid speaking"])
    assert dataset.classes == ("Speech", "Child speech, kid speaking")
    assert len(dataset) == 1
    with pytest.raises(MmascError, match="has no label 'Thunder'"):
        read_dataset("audioset", tmp_path, labels=["Thunder"])


@pytest.mark.parametrize("released", [True, False])
def test_fsdkaggle2019(released, tmp_path):
    folder = "FSDKaggle2019.audio_" if released else ""
    meta = tmp_path / "FSDKaggle2019.meta" if released else tmp_path
    ending = "_post_competition" if released else ""
    for part, table, labels in [
        ("train_curated", f"train_curated{ending}", "Bark,Run"),
        ("train_noisy", f"train_noisy{ending}", "Run"),
        ("test", "test_post_competition", "Bark"),
    ]:
        write_table(meta / f"{table}.csv", [dict(fname=f"{part}.wav", labels=labels)])
        touch(tmp_path / f"{folder}{part}" / f"{part}.wav")
    dataset = read_dataset("fsdkaggle2019", tmp_path)
    assert dataset.targets().tolist() == [[1, 1], [0, 1], [1, 0]]
    assert dataset.column("split") == ["curated", "noisy", "test"]
    assert dataset.folds == ["test"]
    assert read_dataset("fsdkaggle2019", tmp_path, train="noisy").column("split") == ["noisy", "test"]
    (tmp_path / f"{folder}train_noisy" / "train_noisy.wav").unlink()
    (tmp_path / f"{folder}train_noisy").rmdir()
    with pytest.raises(MmascError, match="has no train_noisy or FSDKaggle2019.audio_train_noisy"):
        read_dataset("fsdkaggle2019", tmp_path)


def test_folder_for_each_class(tmp_path):
    for kind in ("rain", "wind"):
        for number in range(6):
            touch(tmp_path / kind / f"day {number % 2}" / f"{number}.wav")
    dataset = read_dataset("folder", tmp_path, n_folds=3)
    assert dataset.classes == ("rain", "wind")
    assert dataset.folds == ["1", "2", "3"]
    for fold in dataset.folds:
        train, _, test = dataset.split(fold)
        assert Counter(dataset.clips[clip].labels[0] for clip in test) == {"rain": 2, "wind": 2}
        assert sorted([*train, *test]) == list(range(12))
    touch(tmp_path / "stray.wav")
    with pytest.raises(MmascError, match=r"stray.wav is not in a class folder"):
        read_dataset("folder", tmp_path)


def test_csv_with_columns_of_its_own(tmp_path):
    rows = [
        dict(sound=f"{number}.wav", what="a;b" if number % 2 else "b", part="xy"[number // 2], where=f"p{number}")
        for number in range(4)
    ]
    for row in rows:
        touch(tmp_path / "audio" / row["sound"])
    write_table(tmp_path / "t.csv", rows)
    options = dict(path_column="sound", label_column="what", fold_column="part", group_column="where")
    dataset = read_dataset("csv", tmp_path / "t.csv", label_separator=";", **options)
    assert dataset.folds == ["x", "y"]
    assert dataset.targets().tolist() == [[0, 1], [1, 1], [0, 1], [1, 1]]
    assert dataset.column("where") == ["p0", "p1", "p2", "p3"]
    with pytest.raises(MmascError, match="say which column holds the paths with --path-column; its columns are sound"):
        read_dataset("csv", tmp_path / "t.csv")
    with pytest.raises(MmascError, match="has no column 'colour'; its columns are sound, what, part, where"):
        read_dataset("csv", tmp_path / "t.csv", path_column="sound", label_column="colour")


def test_a_fold_that_does_not_exist_lists_those_that_do():
    clips = [Clip(Path(f"{fold}.wav"), ("a",), fold=fold) for fold in ("10", "2", "1")]
    with pytest.raises(MmascError, match="made has no fold '7'; there are: 1, 2, 10"):
        Dataset("made", Path("made"), tuple(clips), ("a",)).split("7")
    with pytest.raises(MmascError, match="made has no fold '7'; there are: 1, 2, 10"):
        Dataset("made", Path("made"), tuple(clips), ("a",)).split("1", validation="7")


def test_validation_is_never_the_test_fold():
    dataset = clips_of(12, 2, n_folds=4)
    with pytest.raises(MmascError, match="fold '2' is tested: validation must be another fold"):
        dataset.split("2", validation="2")
    with pytest.raises(ValueError, match="must be in"):
        dataset.split("2", validation=1.0)


@pytest.mark.parametrize("validation", [None, "3", 0.1, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_is_on_two_sides(validation, seed):
    dataset = clips_of(60, 3, n_folds=5)
    assert dataset.folds == ["1", "2", "3", "4", "5"]
    for fold in dataset.folds:
        if fold == validation:
            continue
        sides = dataset.split(fold, validation, seed)
        assert sorted(np.concatenate(sides)) == list(range(180))
        groups = [{dataset.groups[clip] for clip in side} for side in sides]
        assert all(not one & other for one, other in combinations(groups, 2))
        assert {dataset.clips[clip].fold for clip in sides[2]} == {fold}
        if isinstance(validation, float):
            shares = dataset.targets()[sides[1]].sum(0) / dataset.targets()[np.concatenate(sides[:2])].sum(0)
            assert np.abs(shares - validation).max() <= 1.5 / 16  # a group of a class's sixteen


def test_a_test_fold_that_is_everything_is_refused():
    clips = [Clip(Path(f"{number}.wav"), ("a",), fold="1", columns={"city": "lyon"}) for number in range(4)]
    dataset = Dataset("made", Path("made"), tuple(clips), ("a",))
    with pytest.raises(MmascError, match="made: nothing is left to learn from when fold '1' is tested"):
        dataset.split("1")
    more = replace(dataset, clips=(*clips, replace(clips[0], fold="2", path=Path("more.wav"))))
    assert [side.tolist() for side in more.split("1")] == [[4], [], [0, 1, 2, 3]]
    with pytest.raises(MmascError, match="made: nothing is left to learn from when fold '1' is tested"):
        more.holding_out("city", ["lyon"]).split("1")


def test_a_share_follows_its_seed():
    dataset = clips_of(60, 3, n_folds=5)
    again = [dataset.split("1", 0.2, seed)[1].tolist() for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


def test_a_share_of_too_few_groups_is_refused():
    with pytest.raises(MmascError, match="too few to hold back 10%"):
        clips_of(6, 2, n_classes=3, n_folds=2).split("1", 0.1)


def test_a_group_that_brings_a_share_no_nearer_is_not_held_back():
    """Two groups of two, of which a quarter is wanted: one clip too many or one too few."""
    has = np.ones((4, 1), bool)
    with pytest.raises(MmascError, match="2 groups of 4 clips are too few to hold back 25%"):
        draw_groups(has, ["a", "a", "b", "b"], 0.25, 0)
    assert draw_groups(has, ["a", "a", "b", "b"], 0.26, 0).sum() == 2


@pytest.mark.parametrize("seed", range(4))
def test_something_of_every_class_is_left_to_learn(seed):
    """Class 0 lies in one group, class 1 in two, class 2 in none: most clips are wanted, never all of one."""
    has = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], bool)
    held = draw_groups(has, ["a", "a", "b", "c"], 0.9, seed)
    assert held.tolist() in ([False, False, True, False], [False, False, False, True])


def test_folds_that_tear_a_group_are_refused():
    clips = [Clip(Path(f"{number}.wav"), ("a",), fold=str(number % 2), group=str(number // 2)) for number in range(4)]
    with pytest.raises(MmascError, match="'0' lies in training and in test when fold '1' is tested"):
        Dataset("made", Path("made"), tuple(clips), ("a",)).split("1")


@pytest.mark.parametrize("seed", [0, 5])
def test_pruning_balances_classes(seed):
    dataset = clips_of(20, 2).subset(range(33))
    assert sorted(dataset.label_counts().values()) == [10, 11, 12]
    pruned = dataset.pruned(4, seed)
    assert set(pruned.label_counts().values()) == {4}
    assert [clip.path for clip in pruned.clips] == [clip.path for clip in dataset.clips if clip in pruned.clips]
    assert set(dataset.pruned().label_counts().values()) == {10}
    assert pruned.clips == dataset.pruned(4, seed).clips != dataset.pruned(4, seed + 1).clips
    with pytest.raises(MmascError, match="'class 2' has 10 clips, fewer than the 11 per class"):
        dataset.pruned(11)


def test_pruning_of_several_labels_gives_every_class_enough():
    generator = np.random.default_rng(2)
    has = generator.random((200, 5)) < [0.5, 0.4, 0.3, 0.2, 0.1]
    clips = [Clip(Path(f"{n}.wav"), tuple("abcde"[k] for k in np.flatnonzero(row))) for n, row in enumerate(has)]
    pruned = Dataset("made", Path("made"), tuple(clips), tuple("abcde"), True).pruned(10)
    assert min(pruned.label_counts().values()) == 10
    assert len(pruned) <= 50


def test_held_out_cities_are_tested_and_never_learnt():
    dataset = clips_of(24, 2, n_folds=3).holding_out("city", ["lyon"])
    for fold in dataset.folds:
        train, _, test = dataset.split(fold)
        assert {dataset.clips[clip].columns["city"] for clip in train} == {"paris"}
        assert {dataset.clips[clip].columns["city"] for clip in test} == {"paris", "lyon"}
        lyon = [dataset.clips[clip].columns["city"] == "lyon" for clip in test]
        assert dataset.unseen("city", train)[test].tolist() == lyon
    with pytest.raises(MmascError, match="no clip has city 'oslo'; there are: lyon, paris"):
        dataset.holding_out("city", ["oslo"])
    with pytest.raises(MmascError, match="has no column 'device'; its columns are city"):
        dataset.holding_out("device", ["a"])


def test_made_folds_keep_groups_and_classes():
    dataset = clips_of(30, 3).with_folds(5, seed=1)
    assert dataset.folds == ["1", "2", "3", "4", "5"]
    for fold in dataset.folds:
        train, _, test = dataset.split(fold)
        assert not {dataset.groups[clip] for clip in train} & {dataset.groups[clip] for clip in test}
        assert set(dataset.subset(test.tolist()).label_counts().values()) == {6}
    with pytest.raises(MmascError, match="has folds of its own"):
        dataset.with_folds(5)
    with pytest.raises(MmascError, match="4 groups are fewer than 5 folds"):
        clips_of(4, 3).with_folds(5)


def labelled_clips(*labels: str) -> Dataset:
    """A clip for each text, its labels with commas between them; classes a to d, whether they have clips or not."""
    clips = tuple(Clip(Path(f"{n}.wav"), tuple(one.split(","))) for n, one in enumerate(labels))
    return Dataset("made", Path("made"), clips, tuple("abcd"), any("," in one for one in labels))


def counts_by_fold(dataset: Dataset) -> list[tuple[int, ...]]:
    column = np.array(dataset.column("fold"))
    return [tuple(dataset.targets()[column == fold].sum(0).astype(int).tolist()) for fold in dataset.folds]


def test_made_folds_of_classes_without_clips():
    assert counts_by_fold(labelled_clips(*6 * ["b"], *9 * ["d"]).with_folds(3)) == 3 * [(0, 2, 0, 3)]
    for count, said in ((1, "1 clip"), (2, "2 clips")):
        with pytest.raises(MmascError, match=f"a class has {said}, fewer than 3 folds; ask for fewer folds"):
            labelled_clips(*6 * ["b"], *count * ["d"]).with_folds(3)
    with pytest.raises(ValueError, match="n_folds must be 2 or more, got 1"):
        labelled_clips(*6 * ["b"]).with_folds(1)


def test_made_folds_of_several_labels_go_by_the_rarest():
    dataset = labelled_clips(*6 * ["a"], *6 * ["a,c"], *3 * ["a,c,d"], "b")
    counts = np.array(counts_by_fold(dataset.with_folds(3)))
    assert counts[:, [0, 2, 3]].tolist() == 3 * [[5, 3, 1]]
    assert sorted(counts[:, 1]) == [0, 0, 1]
    # A label that comes with others may be rarer than the folds are many: its clips are in some of them
    rare = np.array(counts_by_fold(labelled_clips(*6 * ["a"], *2 * ["a,c"]).with_folds(3)))
    assert sorted(rare[:, 2]) == [0, 1, 1]


def test_real_esc10(test_data):
    dataset = read_dataset("esc10", test_data / "data" / "esc10")
    assert len(dataset) == 320
    assert dataset.folds == ["1", "2", "3", "4"]
    assert set(dataset.label_counts().values()) == {32}
    for fold in dataset.folds:
        train, validation, test = dataset.split(fold, 0.1)
        assert len(test) == 80
        assert set(dataset.subset(test.tolist()).label_counts().values()) == {8}
        assert (dataset.targets()[validation].sum(0) >= 2).all()
        assert len(train) + len(validation) == 240
