"""Bodies of requests: unknown fields, numbers that are not finite and texts that are too long are refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Words = Annotated[str, Field(min_length=1, max_length=1_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Weight = Annotated[float, Field(gt=0, le=1_000)]
Score = Annotated[float, Field(ge=-1e6, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[float, float]], Field(min_length=3, max_length=1_000)]
Where = Annotated[str, Field(max_length=2_000)]
Verdict = Literal["present", "absent", "unsure"]
_MANY = 50
_DAY = r"^\d{4}-\d\d-\d\d$"


class Body(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class TextPart(Body):
    """Words of a query."""

    text: Words
    weight: Weight = 1.0


class UploadPart(Body):
    """A sound or a picture of a query."""

    upload: Key
    weight: Weight = 1.0


class MomentPart(Body):
    """A stretch of a recording as a query."""

    recording: Id
    start: Seconds
    end: Seconds
    weight: Weight = 1.0


class HeadScore(Body):
    """Probabilities that a kept head gives, at least and at most.

    Attributes:
        name: Name of the head.
        label: Which of its labels; None: its only one.
    """

    name: Name
    label: Name | None = None
    least: Share = 0.0
    most: Share = 1.0


class Filters(Body):
    """Which windows may be found.

    Attributes:
        site: Any of these.
        from, to: Days, "2024-05-01", both included.
        hours: From the first to before the second hour of the day; over midnight, if the first is later.
        label: Only where an annotation has this label.
        reviewed: Whether somebody has labelled it.
        length: Least and most seconds of the recording; None: no limit.
        head: What a head says of it.
        inside: Corners of a polygon on the map of the space.
    """

    site: Annotated[list[Name], Field(max_length=200)] | None = None
    begin: Annotated[str | None, Field(alias="from", pattern=_DAY)] = None
    to: Annotated[str | None, Field(pattern=_DAY)] = None
    hours: tuple[Annotated[float, Field(ge=0, le=24)], Annotated[float, Field(ge=0, le=24)]] | None = None
    label: Name | None = None
    reviewed: bool | None = None
    length: tuple[Seconds | None, Seconds | None] | None = None
    head: HeadScore | None = None
    inside: Polygon | None = None


class Search(Body):
    """A question.

    Attributes:
        score: Least and most score of a hit; None: no limit.
    """

    texts: Annotated[list[TextPart], Field(max_length=_MANY)] = []
    not_texts: Annotated[list[TextPart], Field(max_length=_MANY)] = []
    uploads: Annotated[list[UploadPart], Field(max_length=_MANY)] = []
    not_uploads: Annotated[list[UploadPart], Field(max_length=_MANY)] = []
    moments: Annotated[list[MomentPart], Field(max_length=_MANY)] = []
    not_moments: Annotated[list[MomentPart], Field(max_length=_MANY)] = []
    where: Where | None = None
    filters: Filters = Filters()
    score: tuple[Score | None, Score | None] | None = None
    space: Name | None = None
    k: Annotated[int, Field(ge=1, le=200)] = 50
    spread: Annotated[int, Field(ge=1, le=200)] | None = None
    windows: bool = False


class WordsCheck(Body):
    """Texts to look at."""

    space: Name | None = None
    texts: Annotated[list[Words], Field(max_length=_MANY)]


class NewAnnotation(Body):
    """A label on a moment.

    Attributes:
        id: Chosen by the client, so that the same request sent twice adds it once; "": chosen by the server.
    """

    id: Key | Literal[""] = ""
    recording: Id
    start: Seconds
    end: Seconds
    label: Name
    verdict: Verdict = "present"
    score: float | None = None
    question: Annotated[str, Field(max_length=1_000)] = ""
    note: Annotated[str, Field(max_length=5_000)] = ""


class NewAnnotations(Body):
    """Labels, added all or none."""

    annotations: Annotated[list[NewAnnotation], Field(max_length=5_000)]
    by: Name | None = None


class Ids(Body):
    """Ids of annotations."""

    ids: Annotated[list[Key], Field(min_length=1, max_length=5_000)]


class Change(Ids):
    """Changes of annotations; fields that are None stay as they are."""

    label: Name | None = None
    verdict: Verdict | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    note: Annotated[str, Field(max_length=5_000)] | None = None


class Steps(Body):
    """How many changes.

    Attributes:
        ids: Only changes of these annotations, even if others changed something since; None: of all.
    """

    n: Annotated[int, Field(ge=1, le=1_000)] = 1
    ids: Annotated[list[Key], Field(max_length=5_000)] | None = None


class Rename(Body):
    """A label and its new name."""

    old: Name
    new: Name


class Learn(Body):
    """What to learn, and which windows to ask about next."""

    label: Name
    space: Name | None = None
    queue: Literal["uncertain", "likely", "random", "spread"] = "uncertain"
    n: Annotated[int, Field(ge=1, le=50)] = 20
    where: Where | None = None
    filters: Filters = Filters()


class KeepHead(Body):
    """A head to keep as a file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,59}$")]
    label: Name | None = None
    labels: Annotated[list[Name], Field(min_length=1, max_length=200)] | None = None
    space: Name | None = None
    replace: bool = False


class Apply(Body):
    """A head to apply to the collection.

    Attributes:
        threshold: Least probability; default: that of the head.
        background: "own": a label must stand out from what is usual in its own recording, as in `mmasc head apply`.
    """

    head: Name
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    background: Literal["own"] | None = None


class Add(Body):
    """A folder of recordings on this machine."""

    folder: Annotated[str, Field(min_length=1, max_length=4_096)]


class Select(Body):
    """A polygon on the map."""

    space: Name | None = None
    polygon: Polygon
    k: Annotated[int, Field(ge=1, le=200)] = 200


class ExportHit(Body):
    """A moment to export."""

    recording: Id
    start: Seconds
    end: Seconds
    label: Annotated[str, Field(max_length=200)] = ""
    score: float | None = None


class Export(Body):
    """Moments, or all annotations, as a file."""

    format: Literal["csv", "jsonl", "json", "raven", "audacity", "m3u", "parquet", "clips"]
    hits: Annotated[list[ExportHit], Field(max_length=5_000)] | None = None
    pad: Annotated[float, Field(ge=0, le=30)] = 0.0
