"""The index: FAISS over unit vectors, derived from the store by a measured policy; it may be thrown away.

Small: fp16, exact. Larger: inverted lists over fp16, with as many lists probed as a measurement on held-out windows
and on texts says. Larger than memory: inverted lists over one-bit codes, refined from fp16 mapped from disk. The large
ones are built a segment at a time, see `segments.py`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmasc.collection.index_files import load_files, save_files
from mmasc.errors import MmascError
from mmasc.forking import answer_after_fork
from mmasc.windows.units import unit_float32

_TRAINING_VECTORS_PER_LIST = 40
_TRAINING_ROUNDS = 8
_MEASURED_ROWS = 200
_MEASURED_K = 10

Scan = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]  # batches of row ids [item] and vectors [item dim]


@dataclass(frozen=True)
class IndexPolicy:
    """Which index for how many vectors.

    Attributes:
        flat_numbers: Up to this many numbers (rows x dim) the index is exact fp16: 500,000 x 512.
        memory_bytes: Inverted lists over fp16 while rows x (2 dim + 16) fit; default: half of the memory.
        recall: Mean recall at 10 against exact search that the number of probed lists must reach.
        k_factor_audio, k_factor_text: Candidates per hit that refinement of one-bit codes looks at.
        segment_rows: Rows of a full segment of an index that is not exact.
    """

    flat_numbers: int = 250_000_000
    memory_bytes: int = field(default_factory=lambda: _memory_bytes() // 2)
    recall: float = 0.98
    k_factor_audio: int = 16
    k_factor_text: int = 64
    segment_rows: int = 10_000_000

    def saved(self) -> dict[str, Any]:
        """The policy as headers of saved indexes have it, without the size of a segment."""
        return {name: value for name, value in asdict(self).items() if name != "segment_rows"}

    def kind(self, rows: int, dim: int) -> Literal["flat", "ivf", "rabitq"]:
        """The kind of index for `rows` vectors of `dim` numbers."""
        if rows * dim <= self.flat_numbers and 2 * rows * dim <= self.memory_bytes:
            return "flat"
        return "ivf" if rows * (2 * dim + 16) <= self.memory_bytes else "rabitq"


class VectorIndex:
    """A FAISS index over unit vectors, searched by inner product (cosine).

    Attributes:
        kind: "flat", "ivf" or "rabitq".
        row_ids: int64 `[row]`: the store's row of every position in the index.
        nprobe: Lists that a search looks into; 0 for "flat".
        curve: Measured recall at 10 by number of probed lists, for windows and for texts.
    """

    def __init__(
        self,
        kind: str,
        index: Any,
        row_ids: np.ndarray,
        nprobe: int = 0,
        curve: dict[str, dict[str, float]] | None = None,
        policy: IndexPolicy | None = None,
    ) -> None:
        self.kind, self.index, self.row_ids = kind, index, row_ids
        self.nprobe, self.curve, self.policy = nprobe, curve or {}, policy or IndexPolicy()

    def __len__(self) -> int:
        return len(self.row_ids)

    @classmethod
    def build(
        cls,
        scan: Scan,
        rows: int,
        dim: int,
        policy: IndexPolicy | None = None,
        probes: np.ndarray | None = None,
        kind: str | None = None,
    ) -> "VectorIndex":
        """Build from the store.

        Args:
            scan: Gives all vectors, batch by batch, in the same order each time it is called.
            rows: How many there are.
            dim: Numbers in a vector.
            policy: Sizes at which the kind of index changes.
            probes: Text vectors `[item dim]` of the space: recall is measured on them too.
            kind: "flat", "ivf" or "rabitq"; default: what the policy says of so many rows.
        """
        faiss = import_faiss()
        policy = policy or IndexPolicy()
        kind = kind or policy.kind(rows, dim)
        if kind == "flat":
            index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            index.train(np.zeros((1, dim), np.float32))
            return cls(kind, index, _fill(index, scan), policy=policy)
        lists = _list_count(rows)
        code = "SQfp16" if kind == "ivf" else "RaBitQfs,Refine(SQfp16)"
        index = faiss.index_factory(dim, f"IVF{lists},{code}", faiss.METRIC_INNER_PRODUCT)
        inner = faiss.extract_index_ivf(index)
        inner.cp.spherical, inner.cp.niter = True, _TRAINING_ROUNDS
        generator = np.random.default_rng(0)
        held_out = generator.choice(rows, min(_MEASURED_ROWS, rows), replace=False)
        # Held out of training where enough are left to train on
        others = np.setdiff1d(np.arange(rows), held_out) if rows >= 2 * _MEASURED_ROWS else np.arange(rows)
        chosen = generator.choice(others, min(len(others), lists * _TRAINING_VECTORS_PER_LIST), replace=False)
        index.train(_gather(scan, np.sort(chosen), dim))
        built = cls(kind, index, _fill(index, scan), policy=policy)
        queries = {"windows": _gather(scan, np.sort(held_out), dim)}
        if probes is not None and len(probes):
            queries["texts"] = unit_float32(probes)
        built._choose_nprobe(scan, queries, lists)
        return built

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None, text: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest by cosine.

        Args:
            queries: float32 `[query dim]`; unit vectors give cosines.
            k: Hits per query; where fewer rows are allowed the rest is filled with position -1.
            allowed: Which positions may be found, bool `[row]`; default: all.
            text: Whether the queries are texts: a modality gap needs more candidates.
        Returns:
            Scores `[query k]` and positions in the index `[query k]`, best first.
        """
        faiss = import_faiss()
        queries = np.ascontiguousarray(queries, np.float32)
        parameters = None
        if allowed is not None or self.kind != "flat":
            parameters = self._parameters(faiss, allowed, text)
        if len(queries) == 1 and faiss.omp_get_max_threads() > 1:
            # One query on many threads waits for the scheduler: 0.2 ms become 8 on a busy machine
            threads = faiss.omp_get_max_threads()
            faiss.omp_set_num_threads(1)
            try:
                scores, found = self.index.search(queries, k, params=parameters)
            finally:
                faiss.omp_set_num_threads(threads)
        else:
            scores, found = self.index.search(queries, k, params=parameters)
        # A damaged file holds positions that no row has: they count as not found, and the caller compares the vectors
        return scores, np.where(found < len(self), found, -1)

    def save(self, folder: Path, version: int, outdated: bool = False) -> bool:
        """Write next to the windows; the new files replace the old ones in one rename.

        Args:
            folder: Folder of the space.
            version: Version of the windows that the index was built from.
            outdated: Whether the windows have changed since: then an index of a newer version is left alone.
        Returns:
            Whether it was written: not while another process saves for a minute, nor in the place of a newer one.
        Raises:
            OSError: If it cannot be written; what was there stays.
        """
        about = {"version": version, **self.about}
        return save_files(import_faiss(), folder, self.index, self.row_ids, about, outdated)

    @property
    def about(self) -> dict[str, Any]:
        """What its header says of it."""
        return {"kind": self.kind, "nprobe": self.nprobe, "curve": self.curve, "policy": self.policy.saved()}

    @property
    def recall(self) -> float:
        """The lower of the recalls at 10 that were measured on windows and on texts; 1 where it is exact."""
        return min(self.curve.get(str(self.nprobe), {"exact": 1.0}).values())

    @classmethod
    def load(cls, folder: Path) -> "VectorIndex | None":
        """The index that `save` wrote; None if there is none or its files are not as they were written."""
        found = load_files(import_faiss(), folder)
        return None if found is None else cls.of_files(*found)

    @classmethod
    def of_files(cls, index: Any, row_ids: np.ndarray, header: dict[str, Any]) -> "VectorIndex | None":
        """From the files of an index and their header; None where it does not say what it must."""
        try:
            policy = IndexPolicy(**header["policy"])
            nprobe = int(header["nprobe"])
            curve = {at: {of: float(recall) for of, recall in some.items()} for at, some in header["curve"].items()}
            if header["kind"] != "flat" and min(nprobe, policy.k_factor_audio, policy.k_factor_text) < 1:
                raise ValueError
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None  # derived data: the caller builds it again from the store
        return cls(header["kind"], index, row_ids, nprobe, curve, policy)

    def _parameters(self, faiss: Any, allowed: np.ndarray | None, text: bool) -> Any:
        selector = None
        share = 1.0
        if allowed is not None:
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            share = max(float(allowed.mean()), 1e-9) if len(allowed) else 1.0
        if self.kind == "flat":
            return faiss.SearchParameters(sel=selector)
        lists = faiss.extract_index_ivf(self.index).nlist
        nprobe = min(lists, int(np.ceil(self.nprobe / share)))
        if self.kind == "ivf":
            return faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
        k_factor = self.policy.k_factor_text if text else self.policy.k_factor_audio
        inner = faiss.SearchParametersIVF(sel=selector, nprobe=nprobe)
        return faiss.IndexRefineSearchParameters(k_factor=k_factor, base_index_params=inner)

    def _choose_nprobe(self, scan: Scan, queries: dict[str, np.ndarray], lists: int) -> None:
        """The smallest power of two of probed lists whose recall is good for windows and for texts alike."""
        exact = {name: _exact(scan, vectors, _MEASURED_K) for name, vectors in queries.items()}
        self.nprobe = 1
        while True:
            recalls = {}
            for name, vectors in queries.items():
                _, found = self.search(vectors, _MEASURED_K, text=name == "texts")
                hits = [len(np.intersect1d(one, other)) for one, other in zip(found, exact[name], strict=True)]
                recalls[name] = float(np.mean(hits)) / min(_MEASURED_K, len(self))
            self.curve[str(self.nprobe)] = recalls
            if min(recalls.values()) >= self.policy.recall or self.nprobe >= lists:
                return
            self.nprobe = min(lists, self.nprobe * 2)


def import_faiss() -> Any:
    """FAISS, or one line that names both extras."""
    answer_after_fork()
    try:
        import faiss
    except ImportError as error:
        raise MmascError(
            "FAISS is missing: pip install 'mmasc[cpu]' (or 'mmasc[gpu]' on a machine with an NVIDIA GPU; not both)"
        ) from error
    return faiss


def _list_count(rows: int) -> int:
    """The power of two nearest to 4 sqrt(rows), with at least 40 vectors to train each."""
    lists = 2 ** round(np.log2(4 * np.sqrt(rows)))
    while lists > 1 and lists * _TRAINING_VECTORS_PER_LIST > rows:
        lists //= 2
    return lists


def _fill(index: Any, scan: Scan) -> np.ndarray:
    parts = [np.zeros(0, np.int64)]
    for row_ids, vectors in scan():
        index.add(unit_float32(vectors))
        parts.append(row_ids.astype(np.int64))
    return np.concatenate(parts)


def _gather(scan: Scan, positions: np.ndarray, dim: int) -> np.ndarray:
    """Unit vectors at sorted positions of the scan."""
    gathered, first = np.empty((len(positions), dim), np.float32), 0
    for row_ids, vectors in scan():
        inside = slice(*np.searchsorted(positions, [first, first + len(row_ids)]))
        gathered[inside] = unit_float32(vectors[positions[inside] - first])
        first += len(row_ids)
    return gathered


def _exact(scan: Scan, queries: np.ndarray, k: int) -> np.ndarray:
    """Positions `[query k]` of the best cosines, by looking at every vector."""
    scores, found, first = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1), 0
    for row_ids, vectors in scan():
        new = queries @ unit_float32(vectors).T
        both = np.concatenate([scores, new], axis=1)
        where = np.concatenate([found, np.broadcast_to(first + np.arange(len(row_ids)), new.shape)], axis=1)
        best = np.argsort(-both, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(both, best, 1), np.take_along_axis(where, best, 1)
        first += len(row_ids)
    return found


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30  # not known on this platform
