"""Collections: store (truth), index (derived), ingest (files → store), search, and what keeps them in order."""

from mmasc.collection.collection import Collection

__all__ = ["Collection"]
