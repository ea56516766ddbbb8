"""Sounds, pictures and films to ask with: checked when they come, kept for an hour under names of our own."""

import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from mmasc.audio.decode import open_audio
from mmasc.collection.query import Query
from mmasc.collection.space import SpaceReader
from mmasc.errors import MmascError, show_path
from mmasc.ivf.pictures import FILM_EXTENSIONS, read_film
from mmasc.storage.pictures import as_shown, opened_picture
from mmasc.web.faults import Refused
from mmasc.web.sounds import sound_file
from mmasc.web.state import Session

_MOST_BYTES, _MOST_SECONDS = 20_000_000, 60.0
_MOST_UPLOADS, _KEPT_SECONDS, _AT_ONCE = 20, 3_600.0, 4
# First bytes of the formats of pictures that browsers send
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
_NAME = 100
_SMALL, _FIRST_SIDE = 16, 256  # pixels of a frame that only shows that there are some, and of the one that is shown
# What the endpoint takes, for its description
_PART = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
_FORM = {"requestBody": {"content": {"multipart/form-data": {"schema": _PART}}, "required": True}}


@dataclass
class Upload:
    """A file to ask with.

    Attributes:
        path: Where it lies.
        kind: "sound", "picture" or "film".
        seconds: How long it sounds; None of a picture, and of a film without sound.
        name: What the client calls it; only shown.
        at: When it came, or was used last, in seconds of `time.monotonic`.
        vectors: By identity of a space: its vector, and those of its windows.
    """

    path: Path
    kind: str
    seconds: float | None
    name: str
    at: float
    vectors: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def questions(self) -> tuple[Query, ...]:
        """Ways to ask with it, the best first: of a film its pictures, where a space reads films, else its sound."""
        by_sound, by_pictures = Query(sounds=(self.path,)), Query(images=(self.path,))
        if self.kind == "film":
            return (by_pictures, by_sound) if self.seconds else (by_pictures,)
        return (by_sound,) if self.kind == "sound" else (by_pictures,)


class Uploads:
    """The files of a session; the oldest go when there are more than 20, or after an hour.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Upload] = {}
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)

    def get(self, upload: str) -> Upload:
        """One of them.

        Raises:
            Refused: If it is gone.
        """
        with self._lock:
            found = self._known.get(upload)
            if found is None:
                raise Refused(404, "this upload does not exist any more; send the file again")
            found.at = time.monotonic()
            return found

    def add(self, content: Any, name: str) -> tuple[str, Upload]:
        """Keep a file.

        Args:
            content: Open binary file.
            name: What the client calls it.
        Raises:
            Refused: If it is too large, too long, or neither a sound nor a picture nor a film.
        """
        key = secrets.token_hex(16)
        ending = os.path.splitext(name)[1].lower()
        film = ending in FILM_EXTENSIONS  # only what ends as films do is taken for one, here as in every query
        path = self._folder / f"upload-{key}{ending if film else ''}"
        with self._room:
            try:
                data = content.read(_MOST_BYTES + 1)
                if len(data) > _MOST_BYTES:
                    raise Refused(413, "files can have 20 MB")
                path.write_bytes(data)
                kind, seconds = _looked_at(path, data, film)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        shown = show_path(os.path.basename(name.replace("\\", "/")))[:_NAME]
        upload = Upload(path, kind, seconds, shown or kind, time.monotonic())
        with self._lock:
            self._known[key] = upload
            self._drop_old()
        return key, upload

    def vectors(self, key: str, session: Session, reader: SpaceReader) -> tuple[np.ndarray, np.ndarray]:
        """The vector of an upload in a space, and those of its windows (none of pictures). For the worker's thread.

        Raises:
            Refused: If the space does not understand it, or nothing sounds in it.
        """
        upload = self.get(key)
        identity = reader.space.identity
        if identity not in upload.vectors:
            query = next((one for one in upload.questions if one.fits(reader.space.encoder)), None)
            if query is None:
                raise Refused(422, f"the space {reader.name!r} does not understand a {upload.kind}")
            encoder = session.encoders.of(reader, None, query)
            upload.vectors[identity] = _encoded(upload, query, encoder, reader.space.dim)
        return upload.vectors[identity]

    def _drop_old(self) -> None:
        now = time.monotonic()
        by_age = sorted(self._known, key=lambda key: self._known[key].at)
        late = [key for key in by_age if now - self._known[key].at > _KEPT_SECONDS]
        for key in {*late, *by_age[: max(len(by_age) - _MOST_UPLOADS, 0)]}:
            self._known.pop(key).path.unlink(missing_ok=True)


def _encoded(upload: Upload, query: Query, encoder: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    from mmasc.encoders.embedding import embed_file  # late: it loads torch, which words do without

    nothing = np.zeros((0, dim), np.float32)
    try:
        if query.images and upload.kind == "film":
            return encoder.embed_film([upload.path])[0], nothing
        if query.images:
            with opened_picture(upload.path) as image:
                return encoder.embed_image([as_shown(image)])[0], nothing
        encoded = embed_file(upload.path, encoder)
    except MmascError as error:
        raise Refused(422, f"{upload.name}: {_reason(error, upload.path)}") from error
    if not encoded.vector.any():
        raise Refused(422, "no sound arrived: the recording is silent")
    return encoded.vector, encoded.vectors


def _looked_at(path: Path, data: bytes, film: bool) -> tuple[str, float | None]:
    """What a file is, and how long it sounds.

    Args:
        path, data: The file and its bytes.
        film: Whether it ends as films do.
    """
    if data.startswith(_PICTURES) or data[8:12] == b"WEBP":
        try:
            with opened_picture(path):
                return "picture", None
        except MmascError as error:
            raise Refused(415, f"the picture cannot be read: {_reason(error, path)}") from error
    shows = film and _has_pictures(path)
    try:
        seconds = _seconds_of(path)
    except (MmascError, OSError) as error:
        if not shows:
            raise Refused(415, "this is neither a sound nor a picture nor a film that can be read") from error
        seconds = 0.0
    if shows:
        return "film", round(seconds, 3) or None
    if not seconds:
        raise Refused(415, "no sound is in this file")
    return "sound", round(seconds, 3)


def _seconds_of(path: Path) -> float:
    """How long a file sounds."""
    seconds = 0.0
    with open_audio(path) as file:
        for block in file.blocks(5.0):
            seconds += block.shape[1] / file.sample_rate
            if seconds > _MOST_SECONDS:
                raise Refused(413, "sounds can be 60 s long; cut out what you ask for")
    return seconds


def _has_pictures(path: Path) -> bool:
    """Whether a film shows something; one with sound alone is a sound."""
    try:
        _, times, _ = read_film(path, _SMALL, 1.0, int(_MOST_SECONDS) + 2)
    except MmascError:
        return False
    if times[-1] > _MOST_SECONDS:
        raise Refused(413, "films can be 60 s long; cut out what you ask for")
    return True


def _reason(error: Exception, path: Path) -> str:
    return str(error).replace(str(path), "the file").removeprefix("the file: ")


def upload_router(session: Session, uploads: Uploads) -> APIRouter:
    """The endpoints of this module."""
    router = APIRouter()

    @router.post("/api/uploads", openapi_extra=_FORM)
    async def upload(request: Request) -> dict[str, Any]:
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise Refused(422, "send the file as the part 'file' of multipart/form-data")
            key, kept = await run_in_threadpool(uploads.add, file.file, file.filename or "")
        return {"upload": key, "kind": kept.kind, "seconds": kept.seconds, "name": kept.name}

    @router.get("/api/uploads/{key}/audio")
    def audio(key: str) -> FileResponse:
        kept = uploads.get(key)
        if not kept.seconds:
            raise Refused(404, f"this upload is a {kept.kind} without sound")
        return sound_file(session, f"upload {key}", kept.path, 0.0, kept.seconds)

    @router.get("/api/uploads/{key}/picture")
    def picture(key: str) -> FileResponse:
        kept = uploads.get(key)
        if kept.kind == "sound":
            from mmasc.web.pictures import PictureSize, picture_file

            return picture_file(session, f"upload {key}", kept.path, (0.0, kept.seconds or 0.0), PictureSize())

        def make(target: Path) -> None:
            if kept.kind == "film":
                frames, _, _ = read_film(kept.path, _FIRST_SIDE, 1.0, 1)
                Image.fromarray(frames[0]).save(target, "JPEG", quality=85)
                return
            with opened_picture(kept.path) as image:
                small = as_shown(image)
                small.thumbnail((512, 512))
                small.save(target, "JPEG", quality=85)

        found = session.cache.get(f"upload {key} picture", ".jpg", make)
        return FileResponse(found, media_type="image/jpeg")

    return router
