"""`mmasc doctor`: what this installation can do, what is missing, and the command that fixes it."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import click

from mmasc.cli.options import format_option
from mmasc.errors import MmascError
from mmasc.printing import counted
from mmasc.version import __version__

# The formats of most sound archives; shown are those that soundfile can read
_FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "RF64", "W64", "CAF", "AU")


@dataclass(frozen=True)
class Check:
    """The state of one part of the installation.

    Attributes:
        part: Name of the part.
        state: "ok"; "missing" (needed: some commands fail without it); "absent" (optional).
        found: Version, names or numbers; the reason if it does not work.
        mend: What to type or do if something is missing.
    """

    part: str
    state: Literal["ok", "missing", "absent"]
    found: str
    mend: str = ""


def examine() -> Iterator[Check]:
    """Check the installation part by part, in the order in which a user would fix it."""
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Check("mmasc", "ok", __version__)
    yield from _package("torch", "torch", "pip install torch")
    yield from _devices()
    yield _cores()
    yield _faiss()
    yield from _package("lance", "pylance", "pip install pylance")
    yield from _package("soxr", "soxr", "pip install soxr")
    yield _soundfile()
    yield _pyav()
    yield _web()
    yield _ray()
    yield from _encoders()
    yield _prompts()


@click.command()
@format_option()
def doctor(output_format: str) -> int:
    """Show what this installation can do and what is missing.

    The exit status is 1 when something that commands need is missing; parts that are optional may be absent.
    """
    from mmasc.cli.output import print_rows, remark

    checks = list(examine())
    rows = [asdict(check) for check in checks]
    if output_format == "table":
        for row in rows:
            row["found"] = "; ".join(filter(None, (row["found"], row["mend"])))
    print_rows(rows, output_format, ["part", "state", "found"] + ["mend"] * (output_format != "table"))
    missing = [check.part for check in checks if check.state == "missing"]
    if missing:
        remark(f"mmasc: missing: {', '.join(missing)}; the last column says how to fix it")
    return 1 if missing else 0


def _try(part: str, look: Callable[[], str], mend: str, optional: bool = False) -> Check:
    """Run a check; an exception becomes a line with its reason and the fix."""
    try:
        return Check(part, "ok", look())
    except (ImportError, PackageNotFoundError, OSError, MmascError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Check(part, "absent" if optional else "missing", reason, mend)


def _package(module: str, distribution: str, mend: str) -> Iterator[Check]:
    def look() -> str:
        import_module(module)
        return version(distribution)

    yield _try(module, look, mend)


def _devices() -> Iterator[Check]:
    def look() -> str:
        import torch

        names = [f"cpu (threads: {torch.get_num_threads()})"]
        names += [f"cuda:{item} {torch.cuda.get_device_name(item)}" for item in range(torch.cuda.device_count())]
        names += ["mps"] if torch.backends.mps.is_available() else []
        return ", ".join(names)

    yield _try("devices", look, "pip install torch")


def _cores() -> Check:
    """Which numbers of threads and processes `embed` takes, and where they come from."""

    def look() -> str:
        from mmasc.collection.index import import_faiss
        from mmasc.cores import own_memory, threads_are_set, usable_cores, worker_count

        cores, workers = usable_cores(), worker_count(own_memory())
        network = "as the environment says" if threads_are_set() else "1 thread (clap: all cores)"
        processes = f"then up to {workers} processes where these pay" if min(workers, cores) > 1 else "no processes"
        return (
            f"{cores}; embed: 1 thread decodes, network {network}, {processes}; index: "
            f"{counted(import_faiss().omp_get_max_threads(), 'thread')}"
        )

    return _try("cores", look, "pip install torch, and 'mmasc[cpu]'")


def _ray() -> Check:
    """Looked up, not imported: that takes seconds."""
    return _try("Ray", lambda: f"{version('ray')}: embed --executor ray", "pip install 'mmasc[scale]'", optional=True)


def _faiss() -> Check:
    def look() -> str:
        from mmasc.collection.index import import_faiss

        faiss = import_faiss()
        gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
        return f"{faiss.__version__} (GPUs: {gpus})"

    return _try("faiss", look, "pip install 'mmasc[cpu]' (or, with an NVIDIA card, pip install 'mmasc[gpu]')")


def _soundfile() -> Check:
    def look() -> str:
        import soundfile

        known = soundfile.available_formats()
        read = ", ".join(name for name in _FORMATS if name in known)
        return f"{soundfile.__version__} ({soundfile.__libsndfile_version__}): {read}"

    return _try("soundfile", look, "pip install --force-reinstall soundfile")


def _pyav() -> Check:
    def look() -> str:
        import av

        return f"{av.__version__}: M4A, AAC, WMA, MP4, MKV, WebM and other sound and video"

    return _try("PyAV", look, "pip install 'mmasc[video]' (for M4A, AAC and the sound of videos)", optional=True)


def _web() -> Check:
    def look() -> str:
        import fastapi
        import python_multipart
        import uvicorn

        several = {"FastAPI": fastapi, "uvicorn": uvicorn, "python-multipart": python_multipart}
        return ", ".join(f"{name} {module.__version__}" for name, module in several.items())

    return _try("mmasc serve", look, "pip install 'mmasc[web]' (for the page of mmasc serve)", optional=True)


def _encoders() -> Iterator[Check]:
    """Load every encoder of the package and embed one window of silence and one of noise."""
    from mmasc.encoders.registry import ENCODERS, load_encoder

    for name, spec in ENCODERS.items():
        if spec.weights != "bundled":
            continue

        def look(name: str = name) -> str:
            import numpy as np

            encoder = load_encoder(name)
            noise = np.random.default_rng(0).standard_normal(encoder.window_samples).astype(np.float32) * 0.1
            vectors = encoder.embed(np.stack([noise, np.zeros_like(noise)]))
            if not np.isfinite(vectors).all():
                raise MmascError("gives vectors that are not finite")
            return f"loads; {encoder.spec.dim} numbers every {encoder.spec.window_seconds:g} s; {encoder.identity}"

        yield _try(f"encoder {name}", look, "install mmasc again: they are part of the package")
    yield _try("weights", _weights_folder, "install mmasc again: they are part of the package")


def _weights_folder() -> str:
    from importlib.resources import as_file, files

    with as_file(files("mmasc.encoders").joinpath("weights")) as folder:
        sizes = [file.stat().st_size for file in folder.iterdir() if file.is_file()]
        return f"{folder} ({counted(len(sizes), 'file')}, {sum(sizes) / 1e6:.1f} MB)"


def _prompts() -> Check:
    def look() -> str:
        from mmasc.prompts.prompts import bundled_prompts

        return ", ".join(bundled_prompts())

    return _try("prompt files", look, "install mmasc again: they are part of the package")
