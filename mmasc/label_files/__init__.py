"""Files of labels, as other programs write and read them: selection tables, label tracks, tables, playlists."""
