"""The page in Chromium: filters as chips, a lasso as a filter, the map by keys, two collections in one server."""

from shutil import copytree

import pytest

from tests.helpers.page import STORED, Served, Visit, judge_all, site, visit  # noqa: F401

# ruff: noqa: F811  fixtures are imported
pytestmark = pytest.mark.browser
EVERYWHERE = "f.inside=-2,-2;2,-2;2,2;-2,2"


def test_filters_are_chips_that_the_address_brings_back(visit):
    visit.open(f"#/search?text=rain&f.length=10..&f.score=-1..0.9&{EVERYWHERE}")
    visit.page.wait_for_selector(".card.here")
    chips = visit.page.locator(".filter-row .what").all_inner_texts()
    assert chips == ["recordings \u2265 10 s", "score -1 to 0.9", "inside the lasso on the map"]
    visit.page.get_by_label("Remove filter recordings").click()
    visit.until("!location.hash.includes('f.length') && location.hash.includes('f.score=-1..0.9')")
    visit.page.get_by_role("button", name="Filter", exact=True).click()
    visit.page.get_by_label("Score, at least").fill("0.8")
    visit.page.keyboard.press("Tab")
    visit.page.get_by_text("Nothing passes these filters.").wait_for()
    assert visit.page.locator(".filter-row .what").all_inner_texts()[0] == "score 0.8 to 0.9"
    visit.page.reload()
    visit.page.get_by_text("Nothing passes these filters.").wait_for()
    visit.page.get_by_text("Reset", exact=True).click()
    visit.page.wait_for_selector(".card.here")
    assert "f." not in visit.page.evaluate("location.hash")


def test_the_map_goes_by_keys_and_a_lasso_becomes_a_filter(visit):
    visit.open("#/map")
    visit.until("document.querySelector('.map-view .hint')?.textContent.endsWith('windows')")
    visit.page.locator(".map-canvas").focus()
    for key in ("+", "ArrowLeft", "-", "Enter"):
        visit.page.keyboard.press(key)
    visit.page.wait_for_selector(".map-hit .card")
    box = visit.page.locator(".map-canvas").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    visit.page.get_by_role("radio", name="Lasso").click()
    for place, (x, y) in enumerate(corners):
        visit.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if place == 0:
            visit.page.mouse.down()
    visit.page.mouse.up()
    visit.page.get_by_role("button", name="Search inside").click()
    visit.page.wait_for_selector(".search-view .card.here")
    assert "f.inside=" in visit.page.evaluate("location.hash")


def test_two_collections_are_changed_with_the_words_and_have_their_own_labels(site, tmp_path):
    browser, first = site
    folders = [copytree(first.collection, tmp_path / name) for name in ("first fen", "other")]
    served = Served(folders[0], more=(folders[1],))
    one = Visit(browser, served.address)
    one.ask("rain")
    judge_all(one, "wet", ["ArrowUp"])
    one.page.locator(".room-picker").select_option("other")
    one.until("location.search === '?in=other' && document.title.startsWith('other')")
    one.page.wait_for_selector(".card.here")
    assert one.page.locator(".chip.part .what").all_inner_texts() == ["rain"]
    assert one.page.locator(".card[data-verdict=present]").count() == 0
    one.until("document.querySelector('.card.here img')?.naturalWidth > 100")
    one.page.go_back()
    one.until("document.title.startsWith('first fen')")
    one.until(STORED, 1)
    one.page.goto(f"http://127.0.0.1:{served.port}/?in=gone")
    one.page.get_by_text("there is no such collection here").wait_for()
    assert [fault for fault in one.faults if "404" not in fault] == []
    one.context.close()
    served.end()
