import json

import numpy as np
import pyarrow as pa

from mmasc.collection import Collection
from mmasc.studies.map_colours import binned_numbers
from mmasc.web.map import shown_points
from mmasc.web.places import inside_polygon
from mmasc.windows.units import unit_float32
from tests.conftest import STANDIN_SPEC, StandIn
from tests.helpers.web import annotate, ids, search


def points(server, **asked) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Positions, places, colours and their names, when the map is ready."""
    for _ in range(200):
        answer = server.client.get("/api/map", params=asked)
        if answer.headers["x-ready"] == "1":
            break
    count = int(np.frombuffer(answer.content[:4], np.uint32)[0])
    assert len(answer.content) == 4 + 13 * count
    positions = np.frombuffer(answer.content[4 : 4 + 4 * count], np.uint32)
    places = np.frombuffer(answer.content[4 + 4 * count : 4 + 12 * count], np.float32).reshape(-1, 2)
    return (
        positions,
        places,
        np.frombuffer(answer.content[4 + 12 * count :], np.uint8),
        json.loads(answer.headers["x-colours"]),
    )


def test_the_map_is_the_principal_axes(server):
    units = unit_float32(Collection(server.folder).space().vectors()).astype(np.float64)
    _, _, axes = np.linalg.svd(units - units.mean(axis=0), full_matrices=False)
    wanted = (units - units.mean(axis=0)) @ axes[:2].T
    wanted /= np.abs(wanted).max()
    positions, places, colours, names = points(server)
    assert positions.tolist() == list(range(36))
    np.testing.assert_allclose(np.abs(places), np.abs(wanted), atol=1e-3)
    for axis in range(2):
        assert places[np.abs(places[:, axis]).argmax(), axis] > 0
    assert (set(colours.tolist()), names) == ({0}, [""])


def test_colours(server):
    positions, _, colours, names = points(server, colour="site")
    sites = {one["id"]: one["site"] for one in server.client.get("/api/recordings").json()["recordings"]}
    for position, colour in zip(positions.tolist(), colours.tolist(), strict=True):
        hit = server.client.get(f"/api/windows/{position}").json()
        assert names[colour] == sites[hit["recording"]] == hit["site"]
    annotate(server, ids(server)[0], 0, 2, "fr\u00f6g")
    _, _, colours, names = points(server, colour="label")
    assert (names, int((colours == 1).sum())) == (["", "fr\u00f6g"], 2)
    assert server.client.get("/api/map", params={"colour": "nothing"}).status_code == 404
    assert server.client.get("/api/windows/36").status_code == 404
    assert server.client.get("/api/windows/-1").status_code == 404


def test_a_polygon_selects_what_lies_in_it(server):
    positions, places, _, _ = points(server)
    box = [[0, -2], [2, -2], [2, 2], [0, 2]]
    found = server.client.post("/api/map/select", json={"polygon": box}).json()
    wanted = positions[places[:, 0] > 0].tolist()
    assert found["positions"] == len(wanted)
    assert [one["position"] for one in found["hits"]] == wanted
    none = server.client.post("/api/map/select", json={"polygon": [[5, 5], [6, 5], [6, 6]]}).json()
    assert none == {"positions": 0, "hits": []}
    assert server.client.post("/api/map/select", json={"polygon": [[0, 0], [1, 1]]}).status_code == 422


def test_a_polygon_is_a_filter_and_words_stand_where_they_are_found(server):
    positions, places, _, _ = points(server)
    right = [[0, -2], [2, -2], [2, 2], [0, 2]]
    found = search(server, windows=True, k=200, filters={"inside": right})["hits"]
    assert sorted(one["position"] for one in found) == positions[places[:, 0] > 0].tolist()
    assert search(server, windows=True, filters={"inside": [[5, 5], [6, 5], [6, 6]]})["hits"] == []
    anchors = server.client.get("/api/map/anchors", params={"text": ["a", "b", " ", "a"]}).json()["anchors"]
    assert sorted(one["text"] for one in anchors) == ["a", "b"]
    units = unit_float32(Collection(server.folder).space().vectors())
    for one in anchors:
        best = np.argsort(-(units @ unit_float32(StandIn(STANDIN_SPEC).embed_text([one["text"]]))[0]))[
            :3
        ]  # of so few windows
        np.testing.assert_allclose([one["x"], one["y"]], np.median(places[best], axis=0), atol=0.05)
    assert server.client.get("/api/map/anchors").json() == {"anchors": []}
    assert server.client.get("/api/map/anchors", params={"text": ["a"] * 81}).status_code == 422


def test_many_numbers_are_coloured_in_bins():
    numbers = np.random.default_rng(0).normal(0, 1, 800)
    column = pa.chunked_array([pa.array([None, *numbers.tolist()])])
    codes, names = binned_numbers(column)
    assert codes[0] == 0
    assert len(names) == 8
    assert np.bincount(codes[1:], minlength=9)[1:].tolist() == [100] * 8
    for code in range(1, 9):
        low, high = map(float, names[code - 1].split(" to "))
        inside = numbers[codes[1:] == code]
        assert low - 1e-3 <= inside.min() <= inside.max() <= high + 1e-3
    assert (
        binned_numbers(pa.chunked_array([pa.array(["a"])]))
        is binned_numbers(pa.chunked_array([pa.array([1, 2])]))
        is None
    )


def test_polygons_with_holes_and_corners():
    generator = np.random.default_rng(0)
    some = generator.uniform(-2, 2, (2_000, 2)).astype(np.float32)
    circle = np.stack([np.cos(np.linspace(0, 2 * np.pi, 400)), np.sin(np.linspace(0, 2 * np.pi, 400))], 1)
    distance = np.linalg.norm(some, axis=1)
    inside = inside_polygon(some, circle)
    assert inside[distance < 0.99].all()
    assert not inside[distance > 1.01].any()
    doubled = np.concatenate([circle, circle / 2])  # what lies in it twice lies outside
    assert not inside_polygon(some, doubled)[distance < 0.49].any()


def test_very_many_points_are_a_sample_that_holds_the_labelled_ones():
    always = np.zeros(500_000, bool)
    always[123::5_000] = True
    chosen = shown_points(500_000, always)
    assert len(set(chosen.tolist())) == len(chosen) == 200_000
    assert np.isin(np.flatnonzero(always), chosen).all()
    assert np.array_equal(chosen, shown_points(500_000, always))
