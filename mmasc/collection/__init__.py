"""Collections: folders with tables of recordings and of the vectors of their windows, search indexes, and annotations.

`Collection` (collection.py) has three layers below it: snapshot.py reads, searchable.py searches, growing.py adds.
The other files by subject; the first one named is where to begin:

- tables on disk: store.py (layout of the folder), head.py (collection.json), schema.py, tables.py, table_reader.py,
  transaction.py, checksums.py, locks.py, leases.py, sharing.py; damage.py turns errors of Lance into one line
- `mmasc embed`: ingest.py, intake.py, known.py, known_recordings.py, stamps.py (unchanged files), moves.py (renamed
  files), partial.py (unfinished long recordings), shards.py, row_writer.py, rows.py; executors/ computes the vectors
- vectors of other programs: vector_files.py, vector_rows.py, vector_intake.py
- search: question.py and query.py (question → vector), space.py (the windows of a space), moments.py and joining.py
  (windows → hits), hits.py (`Hit`), stored_moments.py, silence.py (silent windows); text_probes.py and probes.py
  (texts by which the recall of an index is measured)
- given to other parts: vectors.py (for heads and scikit-learn), frames.py (pandas), projection.py (the map),
  touched_windows.py (windows with their annotations)
- conditions (`--where`): filters.py, conditions.py (parser), condition_*.py
- index: index.py (FAISS), segments.py, segment_files.py, space_index.py, index_upkeep.py, indexing.py (the command)
- columns: metadata.py (tables and folders of users), clock.py (time and place), columns.py (columns mapped from disk)
- annotations: annotation.py (one of them), annotations.py (add, change, undo), journal.py and history.py (how they
  are stored), annotation_*.py, contradictions.py, label_exchange.py (label files in and out)
- paths and ids of users: named_recordings.py, linked_paths.py; compact tables of ids and paths: id_map.py,
  path_digests.py
- changes: removal.py, returning.py (removed files that come back), merge.py, export.py; object stores: publish.py
  (writing), published.py (reading), publication.py (the layout)
- checks: check.py, check_space.py, derived.py, coverage.py, written_since.py
- duplicates: duplicates.py, near_recordings.py, pair_matches.py, copies.py; clips: clips.py, clip_files.py,
  hit_files.py
"""

from mmasc.collection.collection import Collection

__all__ = ["Collection"]
