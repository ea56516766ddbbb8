"""Change the core modules at random, one small change at a time, and see whether their tests notice.

    python examples/prove/mutate.py -n 200 --seed 0 --jobs 2
    python examples/prove/mutate.py --modules windows/ features/ -n 50 --resume mutants.jsonl
    python examples/prove/mutate.py --modules windows/ features/ -n 50 --resume mutants.jsonl --again
    python examples/prove/mutate.py -n 200 --seed 1 --minutes 60 --resume mutants.jsonl

Every change is made in a copy of the working tree, and the tests that cover the module run on it until the first one
fails. A server that has imported torch and the rest, but nothing of mmasc, is forked for every change, so that none
pays for imports. What survives is printed with its line; changes that make no difference are listed with their
reasons in equivalent.txt, which lies next to this file.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path

from mutants import Mutant, compiles, mutants_of

ROOT = Path(__file__).parent.parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent.txt")

# The tests of a module, quick ones first: "audio/find" is tests/audio/test_find.py. When a file moves, its line moves.
_AUDIO = ["audio/chunks", "audio/flac", "audio/mpeg", "audio/ogg", "audio/native", "audio/layout", "audio/decode"]
_AUDIO += ["audio/lengths", "audio/headers", "audio/container"]
_WRITING = ["collection/collection", "collection/changes", "collection/durability", "collection/life"]
_READING = ["collection/collection", "collection/ingest"]
_ANNOTATIONS = ["collection/annotations", "collection/journal"]
_CONDITIONS = ["collection/filters", "collection/collection"]
_ZERO_SHOT = ["heads/zeroshot", "heads/calibration", "heads/unlabelled_shifts", "heads/thresholds"]
_PROMPTS = ["heads/zeroshot", "prompts/prompts"]
_WEIGHTS = ["weights/weights"]
_FRONT_ENDS = ["features/log_mel", "features/front_ends"]
_FILES = ["storage/files", "collection/durability"]
_WINDOWS = ["windows/windows", "windows/events", "encoders/embedding"]

TESTS: dict[str, list[str]] = {
    "mmasc/audio/arrays.py": ["audio/arrays"],
    "mmasc/audio/boxes.py": ["audio/container"],
    "mmasc/audio/chained.py": _AUDIO,
    "mmasc/audio/channels.py": ["audio/channels"],
    "mmasc/audio/chunks.py": _AUDIO,
    "mmasc/audio/clock.py": ["audio/clock"],
    "mmasc/audio/clock_chunks.py": ["audio/clock_chunks", "audio/clock"],
    "mmasc/audio/clock_names.py": ["audio/clock_names"],
    "mmasc/audio/clock_parts.py": ["audio/clock_parts", "audio/clock_patterns", "audio/clock_names"],
    "mmasc/audio/clock_patterns.py": ["audio/clock_patterns", "audio/clock_names"],
    "mmasc/audio/cutting.py": ["audio/cutting", "collection/clip_files"],
    "mmasc/audio/declared.py": ["audio/declared", *_AUDIO],
    "mmasc/audio/decode.py": _AUDIO,
    "mmasc/audio/find.py": ["audio/find", "audio/names"],
    "mmasc/audio/flac.py": _AUDIO,
    "mmasc/audio/forms.py": ["audio/forms", "integrations/sounds"],
    "mmasc/audio/headers.py": _AUDIO,
    "mmasc/audio/joining.py": _AUDIO,
    "mmasc/audio/layout.py": ["audio/pcm", "audio/declared", *_AUDIO],
    "mmasc/audio/mpeg.py": _AUDIO,
    "mmasc/audio/ogg.py": _AUDIO,
    "mmasc/audio/pcm.py": ["audio/pcm", *_AUDIO],
    "mmasc/audio/quality.py": ["audio/quality"],
    "mmasc/audio/similarity.py": ["audio/similarity", "collection/duplicates"],
    "mmasc/audio/stream.py": ["audio/stream", "audio/channels", "audio/layout", "encoders/embedding"],
    "mmasc/collection/annotation.py": [*_ANNOTATIONS, "collection/label_exchange"],
    "mmasc/collection/annotation_faults.py": ["collection/check", "collection/annotations"],
    "mmasc/collection/annotation_merge.py": _ANNOTATIONS,
    "mmasc/collection/annotation_table.py": _ANNOTATIONS,
    "mmasc/collection/annotations.py": _ANNOTATIONS,
    "mmasc/collection/check.py": ["collection/check", *_READING, "collection/durability"],
    "mmasc/collection/check_space.py": ["collection/check", *_READING],
    "mmasc/collection/checksums.py": ["collection/durability"],
    "mmasc/collection/clip_files.py": ["collection/clip_files", "collection/clips"],
    "mmasc/collection/clips.py": ["collection/clips"],
    "mmasc/collection/clock.py": ["collection/clock"],
    "mmasc/collection/collection.py": [*_READING, "cli/cli"],
    "mmasc/collection/columns.py": ["collection/columns", *_READING, "collection/derived"],
    "mmasc/collection/condition_functions.py": _CONDITIONS,
    "mmasc/collection/condition_texts.py": _CONDITIONS,
    "mmasc/collection/condition_tokens.py": _CONDITIONS,
    "mmasc/collection/condition_tree.py": _CONDITIONS,
    "mmasc/collection/condition_types.py": _CONDITIONS,
    "mmasc/collection/condition_values.py": _CONDITIONS,
    "mmasc/collection/conditions.py": _CONDITIONS,
    "mmasc/collection/contradictions.py": ["collection/annotations"],
    "mmasc/collection/copies.py": ["collection/duplicates"],
    "mmasc/collection/coverage.py": _WRITING,
    "mmasc/collection/damage.py": ["collection/collection", "collection/durability"],
    "mmasc/collection/derived.py": ["collection/derived", "collection/columns"],
    "mmasc/collection/duplicates.py": ["collection/duplicates"],
    "mmasc/collection/export.py": ["collection/export", "collection/collection"],
    "mmasc/collection/filters.py": _CONDITIONS,
    "mmasc/collection/frames.py": ["collection/vectors"],
    "mmasc/collection/growing.py": ["collection/adding", "collection/own_vectors"],
    "mmasc/collection/head.py": _WRITING,
    "mmasc/collection/history.py": _ANNOTATIONS,
    "mmasc/collection/hit_files.py": ["collection/hit_files"],
    "mmasc/collection/hits.py": ["collection/hits", "collection/hit_files"],
    "mmasc/collection/id_map.py": [
        "collection/id_map",
        "collection/merge_plan",
        "collection/removal",
        "collection/merging",
        "collection/pieces",
    ],
    "mmasc/collection/index.py": ["collection/index", *_WRITING, "collection/segments"],
    "mmasc/collection/index_files.py": ["collection/index", *_WRITING],
    "mmasc/collection/index_upkeep.py": ["collection/segments", "collection/index"],
    "mmasc/collection/indexing.py": ["collection/segments", "collection/index"],
    "mmasc/collection/ingest.py": [*_READING, *_WRITING[1:]],
    "mmasc/collection/intake.py": [*_READING, *_WRITING[1:]],
    "mmasc/collection/journal.py": _ANNOTATIONS,
    "mmasc/collection/known.py": [*_READING, *_WRITING[1:]],
    "mmasc/collection/known_recordings.py": ["collection/known_recordings", "collection/ingest"],
    "mmasc/collection/label_exchange.py": ["collection/label_exchange"],
    "mmasc/collection/leases.py": _WRITING,
    "mmasc/collection/linked_paths.py": ["collection/linked_paths"],
    "mmasc/collection/locks.py": ["collection/durability"],
    "mmasc/collection/looks.py": ["collection/moves", "collection/changes"],
    "mmasc/collection/merge.py": ["collection/merge_plan", "collection/merging", "collection/life"],
    "mmasc/collection/merge_plan.py": ["collection/merge_plan", "collection/merging"],
    "mmasc/collection/metadata.py": ["collection/metadata", "collection/ingest", "collection/changes"],
    "mmasc/collection/moments.py": ["collection/moments"],
    "mmasc/collection/joining.py": ["collection/moments"],
    "mmasc/collection/tracks.py": ["collection/tracks", "collection/moments"],
    "mmasc/collection/moves.py": ["collection/moves", "collection/changes"],
    "mmasc/collection/named_recordings.py": ["collection/named_recordings", "collection/annotations"],
    "mmasc/collection/near_recordings.py": ["collection/duplicates"],
    "mmasc/collection/new_folder.py": ["collection/collection", "collection/ingest"],
    "mmasc/collection/pair_matches.py": ["collection/duplicates"],
    "mmasc/collection/partial.py": ["collection/partial"],
    "mmasc/collection/path_digests.py": ["collection/pieces", "collection/merge_plan", "collection/known_recordings"],
    "mmasc/collection/pieces.py": ["collection/pieces"],
    "mmasc/collection/probes.py": ["collection/ingest"],
    "mmasc/collection/projection.py": ["collection/projection", "studies/window_map", "web/map"],
    "mmasc/collection/publication.py": ["collection/publication", "collection/publish"],
    "mmasc/collection/publish.py": ["collection/publish"],
    "mmasc/collection/published.py": ["collection/publish"],
    "mmasc/collection/query.py": [*_READING, "collection/index", "collection/changes"],
    "mmasc/collection/query_items.py": ["collection/collection", "cli/search"],
    "mmasc/collection/question.py": [*_READING, "collection/own_vectors"],
    "mmasc/collection/removal.py": ["collection/removal", "collection/collection"],
    "mmasc/collection/returning.py": ["collection/annotations"],
    "mmasc/collection/rows.py": _READING,
    "mmasc/collection/row_writer.py": ["collection/changes", "collection/ingest", "collection/merging"],
    "mmasc/collection/schema.py": _WRITING,
    "mmasc/collection/searchable.py": _READING,
    "mmasc/collection/segment_files.py": ["collection/segments"],
    "mmasc/collection/segments.py": ["collection/segments"],
    "mmasc/collection/shards.py": ["collection/shards"],
    "mmasc/collection/sharing.py": ["collection/sharing"],
    "mmasc/collection/silence.py": ["collection/silence"],
    "mmasc/collection/snapshot.py": [*_READING, "collection/changes"],
    "mmasc/collection/space.py": ["collection/space", "collection/index", *_READING, *_WRITING[1:]],
    "mmasc/collection/space_index.py": ["collection/segments", "collection/index"],
    "mmasc/collection/stamps.py": ["collection/stamps", *_WRITING],
    "mmasc/collection/store.py": [*_READING, *_WRITING[1:]],
    "mmasc/collection/stored_moments.py": ["collection/own_vectors"],
    "mmasc/collection/table_reader.py": ["collection/pieces", *_READING],
    "mmasc/collection/tables.py": _WRITING,
    "mmasc/collection/text_probes.py": ["collection/ingest"],
    "mmasc/collection/touched_windows.py": ["labelling/moments"],
    "mmasc/collection/transaction.py": ["collection/merging", *_WRITING],
    "mmasc/collection/vector_files.py": ["collection/vector_files"],
    "mmasc/collection/vector_intake.py": ["collection/own_vectors"],
    "mmasc/collection/vector_rows.py": ["collection/vector_rows", "collection/own_vectors"],
    "mmasc/collection/vectors.py": ["collection/vectors", "collection/silence"],
    "mmasc/collection/written_since.py": ["collection/written_since"],
    "mmasc/datasets/cache.py": ["datasets/cache", "training/supervised_parts"],
    "mmasc/datasets/dataset.py": ["datasets/datasets"],
    "mmasc/datasets/splits.py": ["datasets/datasets"],
    "mmasc/encoders/adapters/files.py": ["encoders/adapters/files"],
    "mmasc/encoders/adapters/onnx_about.py": ["encoders/adapters/onnx_about", "encoders/adapters/onnx_models"],
    "mmasc/encoders/adapters/transformers_files.py": ["encoders/adapters/transformers_files"],
    "mmasc/encoders/ahead.py": ["encoders/embedding"],
    "mmasc/encoders/base.py": [
        "encoders/waveforms",
        "encoders/mini",
        "encoders/embedding",
        "encoders/onnx",
        "encoders/hearing",
    ],
    "mmasc/encoders/embedding.py": ["collection/partial", "encoders/embedding", "encoders/mini", "collection/ingest"],
    "mmasc/features/cepstrum.py": _FRONT_ENDS,
    "mmasc/features/deltas.py": [*_FRONT_ENDS, "features/librosa"],
    "mmasc/features/log_mel.py": [*_FRONT_ENDS, "networks/vggish"],
    "mmasc/heads/from_words.py": ["heads/from_words", "labelling/word_start"],
    "mmasc/heads/background.py": ["heads/background", "labelling/timelines"],
    "mmasc/heads/calibration.py": _ZERO_SHOT,
    "mmasc/heads/calibration_file.py": ["studies/tuning", *_ZERO_SHOT],
    "mmasc/heads/conversion.py": ["heads/conversion", "heads/from_words", "heads/estimators", "heads/fitted"],
    "mmasc/heads/decisions.py": ["heads/support_vectors", "heads/prototypes"],
    "mmasc/heads/estimators.py": ["heads/estimators", "heads/conversion"],
    "mmasc/heads/familiarity.py": ["heads/familiarity", "labelling/unlike"],
    "mmasc/heads/fitted.py": ["labelling/labeller", "heads/fitted", "labelling/apply", "labelling/moments"],
    "mmasc/heads/one_against_rest.py": ["heads/predictors", "labelling/moments"],
    "mmasc/heads/predictor.py": ["heads/predictors", "heads/estimators", "heads/fitted"],
    "mmasc/heads/predictors.py": ["heads/predictors", "heads/estimators", "heads/fitted"],
    "mmasc/heads/prototypes.py": ["heads/prototypes", "heads/estimators", "heads/estimator_checks"],
    "mmasc/heads/registry.py": ["heads/registry", "heads/estimators"],
    "mmasc/heads/sample_weights.py": ["heads/sample_weights", "heads/estimator_checks"],
    "mmasc/heads/shifted.py": [*_ZERO_SHOT, "heads/estimator_checks"],
    "mmasc/heads/support_vectors.py": ["heads/support_vectors", "heads/estimators", "heads/estimator_checks"],
    "mmasc/heads/thresholds.py": ["heads/thresholds", "labelling/moments"],
    "mmasc/heads/tree_sums.py": ["heads/predictors", "heads/estimators", "heads/fitted"],
    "mmasc/heads/unlabelled_shifts.py": _ZERO_SHOT,
    "mmasc/heads/zeroshot.py": [*_ZERO_SHOT, "heads/estimator_checks"],
    "mmasc/integrations/lists.py": ["integrations/sentence_transformers", "integrations/mteb"],
    "mmasc/integrations/packages.py": ["integrations/mteb", "integrations/spaces_out"],
    "mmasc/integrations/pickles.py": ["integrations/sklearn"],
    "mmasc/integrations/space.py": ["integrations/sentence_transformers"],
    "mmasc/ivf/losses.py": ["ivf/losses", "ivf/vqvae"],
    "mmasc/ivf/vqvae.py": ["ivf/vqvae"],
    "mmasc/labelling/apply.py": [
        "labelling/labeller",
        "labelling/apply",
        "labelling/moments",
        "labelling/timelines",
        "cli/head",
    ],
    "mmasc/labelling/carrying.py": ["labelling/moments", "labelling/word_start"],
    "mmasc/labelling/choosing.py": ["labelling/review"],
    "mmasc/labelling/fit.py": ["labelling/fit", "labelling/moments", "cli/head"],
    "mmasc/labelling/fit_moments.py": ["labelling/moments", "labelling/word_start"],
    "mmasc/labelling/folds.py": ["labelling/folds", "labelling/fit", "labelling/moments", "borders"],
    "mmasc/labelling/learning.py": ["labelling/review"],
    "mmasc/labelling/moment_report.py": ["labelling/moments"],
    "mmasc/labelling/moments.py": ["labelling/moments", "labelling/word_start"],
    "mmasc/labelling/network_head.py": ["labelling/labeller", "labelling/timelines"],
    "mmasc/labelling/one_label_rows.py": ["labelling/one_label_rows"],
    "mmasc/labelling/out_of_fold.py": ["labelling/moments", "labelling/review"],
    "mmasc/labelling/own_background.py": ["labelling/own_background", "labelling/timelines"],
    "mmasc/labelling/recordings.py": ["labelling/recordings", "labelling/fit"],
    "mmasc/labelling/review.py": ["labelling/labeller", "labelling/review"],
    "mmasc/labelling/review_files.py": ["labelling/review"],
    "mmasc/labelling/sources.py": ["labelling/timelines", "labelling/apply", "labelling/sources", "heads/calibration"],
    "mmasc/labelling/timelines.py": ["labelling/timelines", "labelling/classify"],
    "mmasc/metrics/event_matching.py": ["metrics/events", "metrics/threshold_curves"],
    "mmasc/metrics/events.py": ["metrics/events", "metrics/threshold_curves"],
    "mmasc/metrics/functions.py": ["metrics/functions", "metrics/predictions"],
    "mmasc/metrics/predictions.py": ["metrics/predictions"],
    "mmasc/metrics/threshold_curves.py": ["metrics/threshold_curves"],
    "mmasc/networks/folding.py": ["networks/export"],
    "mmasc/prompts/lint.py": _PROMPTS,
    "mmasc/prompts/prompts.py": _PROMPTS,
    "mmasc/prompts/reader.py": _PROMPTS,
    "mmasc/prompts/vectors.py": _PROMPTS,
    "mmasc/storage/arrays.py": _FILES,
    "mmasc/storage/configs.py": ["evaluation/runs", "training/checkpoints"],
    "mmasc/storage/contents.py": _FILES,
    "mmasc/storage/csv_lines.py": ["storage/csv_lines"],
    "mmasc/storage/digests.py": ["storage/digests"],
    "mmasc/storage/files.py": _FILES,
    "mmasc/storage/keras.py": ["storage/keras"],
    "mmasc/storage/matching.py": ["storage/matching"],
    "mmasc/storage/parquet.py": ["collection/vector_files"],
    "mmasc/storage/pictures.py": ["hostile_pictures"],
    "mmasc/storage/sealed.py": ["storage/sealed"],
    "mmasc/storage/table_texts.py": ["storage/tables"],
    "mmasc/storage/tables.py": ["storage/tables", "storage/matching", "collection/ingest"],
    "mmasc/storage/tensors.py": ["training/checkpoints", "networks/panns", "ivf/vqvae"],
    "mmasc/storage/texts.py": _FILES,
    "mmasc/storage/together.py": ["storage/together"],
    "mmasc/storage/values.py": ["storage/values", "storage/tables"],
    "mmasc/storage/yaml_texts.py": ["storage/yaml_texts"],
    "mmasc/training/alignment/kept.py": ["training/teaching"],
    "mmasc/training/run_folder.py": ["training/checkpoints", "training/alignment"],
    "mmasc/training/schedules.py": ["training/alignment", "training/supervised_parts"],
    "mmasc/training/stage.py": ["training/checkpoints", "training/ivf_training", "training/alignment"],
    "mmasc/training/supervised/batches.py": [
        "training/supervised_parts",
        "training/supervised",
        "training/tags_training",
    ],
    "mmasc/training/supervised/pseudo_sources.py": ["training/tags_training"],
    "mmasc/weights/download.py": _WEIGHTS,
    "mmasc/weights/store.py": _WEIGHTS,
    "mmasc/weights/table.py": _WEIGHTS,
    "mmasc/windows/cut.py": _WINDOWS,
    "mmasc/windows/pooling.py": _WINDOWS,
    "mmasc/windows/several.py": ["windows/several", "labelling/timelines"],
    "mmasc/windows/timeline.py": [*_WINDOWS, "windows/several"],
    "mmasc/windows/units.py": ["windows/units", "heads/background"],
}

# Imported before forking. Nothing here may start threads that work, and nothing of mmasc may be among it.
HEAVY = [
    "pytest",
    "numpy",
    "torch",
    "torch.distributed.tensor",
    "torchvision",
    "sklearn.ensemble",
    "sklearn.svm",
    "sklearn.linear_model",
]
HEAVY += ["scipy.signal", "scipy.stats", "matplotlib.pyplot", "pyarrow.parquet", "lance", "faiss", "soundfile", "soxr"]
HEAVY += ["av", "librosa", "beartype", "jaxtyping", "hypothesis", "einops", "safetensors.torch", "yaml", "rich.console"]

KILLED, SURVIVED, EQUAL, NOT_JUDGED, NO_TESTS = "killed", "survived", "equivalent", "not judged", 5
_AT_LEAST_SECONDS = 30.0


def main() -> int:
    options = read_options()
    missing = [path for path in sorted(TESTS) if not (ROOT / path).exists()]
    missing += sorted({str(test) for tests in TESTS.values() for test in map(test_file, tests) if not test.exists()})
    if missing:
        print(f"the table of modules and tests names what does not exist: {', '.join(missing)}", file=sys.stderr)
        return 2
    chosen = choose(options.modules)
    every = [mutant for path in chosen for mutant in mutants_of(path, (ROOT / path).read_bytes())]
    random.Random(options.seed).shuffle(every)
    # the first ones are the same whatever -n, so that a run can be made longer
    # two equal arguments that change places are no change
    other = (one for one in every if one.before.split() != one.after.split())
    taken = (one for one in other if compiles(one.applied((ROOT / one.path).read_bytes())))
    drawn = list(islice(taken, options.n))
    print(f"{len(drawn)} of {len(every)} mutants of {len(chosen)} modules", flush=True)
    results = dict(read_results(options.resume))
    listed = equivalents()
    todo = [one for one in drawn if one.name not in results or (options.again and results[one.name] == SURVIVED)]
    if todo:
        prepare_server()
        with tempfile.TemporaryDirectory() as folder:
            slots, unchanged = make_slots(Path(folder), options.jobs), Unchanged(Path(folder) / "unchanged")
            for mutant, outcome in run(todo, slots, unchanged, 60 * options.minutes):
                results[mutant.name] = outcome
                keep(options.resume, mutant, outcome)
                if outcome == SURVIVED and key_of(mutant) not in listed:
                    print(f"survived: {mutant.path}:{mutant.line}: {mutant.change}", flush=True)
    return report(drawn, results, listed, options.at_least)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", nargs="+", default=[""], help="parts of paths; all core modules")
    parser.add_argument("-n", type=int, default=200, help="mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--resume", type=Path, help="file of results, one a line; those in it are not run again")
    parser.add_argument("--again", action="store_true", help="run those of that file that survived once more")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no mutant after so many")
    parser.add_argument("--at-least", type=float, default=0.96, help="share that must be killed for exit status 0")
    return parser.parse_args()


def choose(parts: Sequence[str]) -> list[str]:
    """Modules of the table whose paths hold one of these parts."""
    chosen = [path for path in TESTS if any(part in path for part in parts)]
    if not chosen:
        sys.exit(f"no module of the table has {' or '.join(parts)} in its path; there are: {', '.join(TESTS)}")
    return chosen


def test_file(name: str) -> Path:
    folder, _, module = name.rpartition("/")
    return ROOT / "tests" / folder / f"test_{module}.py"


# Results


def key_of(mutant: Mutant) -> tuple[str, str, str]:
    """What names a mutant in equivalent.txt: a line is found again by its text when its number has changed."""
    return mutant.path, mutant.text, mutant.change


def equivalents() -> set[tuple[str, str, str]]:
    """Of equivalent.txt: path, line, change and reason, with tabs between them."""
    rows = [
        line.split("\t") for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")
    ]
    wrong = [row for row in rows if len(row) != 4 or not row[3].strip()]
    if wrong:
        sys.exit(f"{EQUIVALENT}: path, line, change and reason are wanted, with tabs between them: {wrong[0]}")
    return {(path, text, change) for path, text, change, _ in rows}


def read_results(path: Path | None) -> Iterator[tuple[str, str]]:
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row["name"], row["outcome"]


def keep(path: Path | None, mutant: Mutant, outcome: str) -> None:
    if path is not None:
        row = {"name": mutant.name, "outcome": outcome, "text": mutant.text}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def report(drawn: list[Mutant], results: dict[str, str], listed: set[tuple[str, str, str]], at_least: float) -> int:
    print()
    counts, by_module = Counter[str](), Counter[tuple[str, str]]()
    for mutant in sorted(drawn, key=lambda one: (one.path, one.start)):
        outcome = results.get(mutant.name, NOT_JUDGED)
        if outcome == SURVIVED and key_of(mutant) in listed:
            outcome = EQUAL
        counts[outcome] += 1
        by_module[mutant.path, outcome] += 1
        if outcome == SURVIVED:
            print(f"survived: {mutant.path}:{mutant.line}: {mutant.change}\n    {mutant.text}")
    for path in sorted({mutant.path for mutant in drawn}):
        told = ", ".join(f"{by_module[path, kind]} {kind}" for kind in (KILLED, SURVIVED, EQUAL))
        print(f"{path}: {told}")
    left = f" ({counts[NOT_JUDGED]} not judged: go on with --resume)" if counts[NOT_JUDGED] else ""
    share = counts[KILLED] / max(1, counts[KILLED] + counts[SURVIVED])
    print(
        f"{len(drawn)} mutants{left}: {counts[KILLED]} killed, {counts[SURVIVED]} survived, "
        f"{counts[EQUAL]} equivalent; {share:.1%} of those that change something are killed"
    )
    return 0 if share >= at_least and not left else 1


# Running


@dataclass
class Slot:
    """A copy of the working tree and what runs in it."""

    folder: Path
    limit: float = 0.0
    mutant: Mutant | None = None
    process: int = 0
    begun: float = 0.0


def prepare_server() -> None:
    """Import what is heavy, one thread each, and nothing of mmasc."""
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ["MPLBACKEND"] = "agg"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HEAVY:
            import_module(name)
    # It is only imported here, and begins to work in the children
    warnings.filterwarnings("ignore", message="lance is not fork-safe")
    assert not any(name.partition(".")[0] in ("mmasc", "tests") for name in sys.modules)


def make_slots(folder: Path, n_slots: int) -> list[Slot]:
    """Copies of the working tree."""
    first = folder / "0"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "results", "build", "dist")
    shutil.copytree(ROOT, first, ignore=left_out)
    shutil.copytree(ROOT / "prompts", first / "mmasc" / "prompt_files", ignore=left_out, dirs_exist_ok=True)
    for number in range(1, n_slots):
        shutil.copytree(first, folder / str(number))
    return [Slot(folder / str(number)) for number in range(n_slots)]


class Unchanged:
    """How long the tests of modules take while nothing is changed, which they must pass; asked when first needed."""

    def __init__(self, folder: Path) -> None:
        self._slot = make_slots(folder, 1)[0]
        self._seconds: dict[str, float] = {}

    def limit(self, path: str) -> float:
        """Seconds that the tests of a module may take with a change in it."""
        return _AT_LEAST_SECONDS + 3 * sum(map(self._of, TESTS[path]))

    def _of(self, test: str) -> float:
        if test not in self._seconds:
            begun = time.monotonic()
            process = fork_tests(self._slot.folder, [test])
            if (code := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])) != 0:
                said = (self._slot.folder / "log").read_text()[-3000:]
                sys.exit(f"{test} fails without any change (status {code}): {said}")
            self._seconds[test] = time.monotonic() - begun
            print(f"{test}: {self._seconds[test]:.1f} s unchanged", flush=True)
        return self._seconds[test]


def amount_of_tests(path: str) -> int:
    """How long the tests of a module may take, before any was run: the size of their files."""
    return sum(test_file(name).stat().st_size for name in TESTS[path])


def run(todo: list[Mutant], slots: list[Slot], unchanged: Unchanged, seconds: float) -> Iterator[tuple[Mutant, str]]:
    """Mutants and what became of them, as they end; those with few tests first, so that many are judged in a short
    time."""
    waiting = sorted(todo, key=lambda one: amount_of_tests(one.path))
    latest = time.monotonic() + seconds
    while waiting or any(slot.process for slot in slots):
        for slot in slots:
            if slot.process and (code := ended(slot)) is not None:
                assert slot.mutant is not None
                shutil.copy(ROOT / slot.mutant.path, slot.folder / slot.mutant.path)
                if code == NO_TESTS:
                    sys.exit(f"no tests ran for {slot.mutant.path}: {(slot.folder / 'log').read_text()[-3000:]}")
                yield slot.mutant, SURVIVED if code == 0 else KILLED
            if waiting and time.monotonic() > latest:
                waiting.clear()
            if waiting and not slot.process:
                slot.limit = unchanged.limit(waiting[0].path)
                begin(slot, waiting.pop(0))
        time.sleep(0.05)


def begin(slot: Slot, mutant: Mutant) -> None:
    path = slot.folder / mutant.path
    path.write_bytes(mutant.applied((ROOT / mutant.path).read_bytes()))
    # Bytecode goes by seconds and size, which a small change may share with what was there
    for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        stale.unlink()
    slot.mutant, slot.begun = mutant, time.monotonic()
    slot.process = fork_tests(slot.folder, TESTS[mutant.path], mutant.path)


def ended(slot: Slot) -> int | None:
    """The exit status of what ran in a slot, None while it runs; past its time it is killed with all it has started."""
    assert slot.mutant is not None
    late = time.monotonic() - slot.begun > slot.limit
    if late:
        # Of endless loops; where the machine was only busy, --resume without its line judges it anew
        print(f"ended after {slot.limit:.0f} s: {slot.mutant.name}", flush=True)
        os.killpg(slot.process, signal.SIGKILL)
    process, status = os.waitpid(slot.process, 0 if late else os.WNOHANG)
    if not process:
        return None
    slot.process = 0
    return os.waitstatus_to_exitcode(status)


def fork_tests(folder: Path, tests: Sequence[str], changed: str | None = None) -> int:
    """A process of its own group that runs tests in a copy with or without a change; its exit status is pytest's."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        code = run_tests(folder, tests, changed)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_tests(folder: Path, tests: Sequence[str], changed: str | None) -> int:
    import pytest

    os.chdir(folder)
    sys.path[0] = str(folder)  # where this script lies comes no longer first
    os.environ["PYTHONPATH"] = str(folder)
    # Processes that tests start import what is tested, not this script
    del sys.modules["__main__"].__file__
    if changed is not None:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    files = [str(test_file(name).relative_to(ROOT)) for name in tests]
    plain = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short"]
    plain += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins are imported already
    code = int(pytest.main([*plain, f"--basetemp={folder / 'pytest'}", *files]))
    if changed is not None and code == 0:
        module = sys.modules.get(changed.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        if module is None or module.__file__ != str(folder / changed):
            print(f"{changed} was not imported from {folder}")
            return NO_TESTS
    return code


if __name__ == "__main__":
    sys.exit(main())
