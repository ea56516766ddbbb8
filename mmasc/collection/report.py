"""What an `embed` did, for people and programs."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BadFile:
    """A file that gave no vectors, or fewer than it promised, and why."""

    path: str
    reason: str


@dataclass
class EmbedReport:
    """What an `embed` did.

    Attributes:
        found: Files found.
        added: Recordings new in the space.
        changed: Recordings embedded again because the content of their files changed; they keep their own columns.
        skipped: Recordings there already, also those whose files were written again with the same content.
        moved: Recordings there already under a path that is gone: they have the new path now.
        missing: Recordings of the collection that lay under the folders given and are no longer there.
        windows: Windows added to the space.
        audio_seconds: Seconds of decoded sound.
        failed, truncated: Files that could not be read, and those that end before their header says or are lost in the
            mix of their channels.
        seconds: Seconds of wall time.
        store_seconds: Seconds of it that commits and the index took.
        executor: Who embedded: "local", "processes" or "ray".
        workers: Most workers at once; 0 where the process itself embedded.
        lost_units: Number of times that a worker was lost with files; another one embedded these.
        hosts: Machines of the workers.
        remarks: What users may want to know, one line each.
    """

    found: int = 0
    added: int = 0
    changed: int = 0
    skipped: int = 0
    moved: int = 0
    missing: int = 0
    windows: int = 0
    audio_seconds: float = 0.0
    failed: list[BadFile] = field(default_factory=list)
    truncated: list[BadFile] = field(default_factory=list)
    seconds: float = 0.0
    store_seconds: float = 0.0
    executor: str = "local"
    workers: int = 0
    lost_units: int = 0
    hosts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Files that need no more work."""
        return self.added + self.changed + self.skipped + self.moved + len(self.failed)
