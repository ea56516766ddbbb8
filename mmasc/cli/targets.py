"""Files that commands write results to: never one of the user's sounds."""

from pathlib import Path
from typing import Any

import click


class ResultPath(click.Path):
    """A file or folder to write to, which is not a sound or a film that is there.

    A path typed in the wrong place must not cost a recording: no result is a sound.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from mmasc.audio.find import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS  # late: --help needs no decoders

        path = Path(super().convert(value, param, ctx))
        if path.suffix.lower().removeprefix(".") in (*AUDIO_EXTENSIONS, *VIDEO_EXTENSIONS) and path.is_file():
            self.fail(f"{value} is a sound, which would be replaced; name another file.", param, ctx)
        return value
