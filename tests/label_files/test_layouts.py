"""Tables that name recordings and channels in ways of their own: folders in columns, channels from 0."""

import pytest

from mmasc.label_files.formats import read_rows
from mmasc.label_files.rows import LabelRow

HEADER = "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,Fmean,Fmax,DATE,TIME,AUTO ID*,MANUAL ID*"


def rows_in(folder, text):
    (folder / "table.csv").write_text(text)
    return read_rows(folder / "table.csv")


@pytest.mark.parametrize("channels", [("0", "1"), ("1", "0"), ("1", "1")])
def test_kaleidoscope_has_folders_in_columns_and_channels_from_0(tmp_path, channels):
    lines = [
        rf"D:\rec,pond,x.wav,{channels[0]},12.5,0.75,2000,3000,4000,2024-05-01,23:00:12,NoID,owl",
        rf"D:\rec\,,x.wav,{channels[1]},1,1,2000,3000,4000,2024-05-01,23:00:12,NoID,owl",
    ]
    found = rows_in(tmp_path, "\n".join([HEADER, *lines, ""]))
    assert found.problems == []
    assert [(row.path, row.start, row.end, row.channel) for row in found.rows] == [
        (r"D:\rec\pond\x.wav", 12.5, 13.25, int(channels[0]) + 1),
        (r"D:\rec\x.wav", 1.0, 2.0, int(channels[1]) + 1),
    ]


def test_a_table_with_a_channel_0_counts_from_0_and_others_from_1(tmp_path):
    text = "path,start,end,label,channel\nx.wav,1,2,wren,{}\nx.wav,1,2,wren,1\nx.wav,1,2,wren,\n"
    for first, expected in [("0", [1, 2, None]), ("0.0", [1, 2, None]), ("2", [2, 1, None])]:
        assert [row.channel for row in rows_in(tmp_path, text.format(first)).rows] == expected
    found = rows_in(tmp_path, text.format("-1"))
    assert [str(one) for one in found.problems] == ["line 2: the channel must be 1 or more, not -1"]
    assert found.rows[0] == LabelRow("x.wav", 1.0, 2.0, "wren", channel=1)


def test_a_folder_column_of_another_table_is_left_alone(tmp_path):
    assert rows_in(tmp_path, "folder,file,start,end,label\nday 1,x.wav,1,2,wren\n").rows[0].path == "x.wav"
