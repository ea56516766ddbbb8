"""Playlists (m3u, UTF-8) that players open: a recording for each row, with its span for those that can jump to it."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

from mmasc.errors import MmascError, show_path
from mmasc.label_files.rows import LabelRow
from mmasc.label_files.texts import cell, fits_a_line


def m3u_text(rows: Iterable[LabelRow], relative_to: Path | None = None) -> str:
    """An extended playlist.

    #EXTINF is the length of the span in whole seconds (-1: to the end) and its label; VLC begins and ends where
    #EXTVLCOPT says, other players pass over these lines.

    Args:
        rows: Entries, in order.
        relative_to: The folder of the playlist: paths become relative to it; default: as they are.
    Raises:
        MmascError: If the name of a recording holds a line break.
    """
    lines = ["#EXTM3U"]
    for row in rows:
        if not fits_a_line(row.path.replace("\t", " ")):
            raise MmascError(f"{show_path(row.path)}: a playlist cannot hold a name with a line break; rename the file")
        seconds = math.ceil(row.end - row.start) if row.end < math.inf else -1
        score = "" if row.score is None else f" {row.score:.2f}"
        title = cell(f"{row.label}{score} ({Path(row.path).name} at {row.start:.1f} s)")
        lines += [f"#EXTINF:{seconds},{title}", f"#EXTVLCOPT:start-time={row.start:.3f}"]
        lines += [f"#EXTVLCOPT:stop-time={row.end:.3f}"] if row.end < math.inf else []
        path = row.path if relative_to is None else os.path.relpath(row.path, relative_to)
        lines.append(f"./{path}" if path.startswith("#") else path)
    return "\n".join(lines) + "\n"
