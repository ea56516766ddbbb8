"""The page in Chromium: ask, hear, judge by keys, undo, learn, record, draw, look at it narrow and dark."""

import io
import re
from base64 import b64encode
from shutil import copy, copytree

import pytest
from PIL import Image

from tests.helpers.page import HOSTILE, STORED, Served, Visit, judge_all, site, visit  # noqa: F401

# ruff: noqa: F811  fixtures are imported
pytestmark = pytest.mark.browser
VIEWS = ["search?text=rain", "review", "recordings", "map", "activity", "about"]


def test_words_find_sounds_and_space_plays_one(visit):
    assert "#t=" not in visit.page.url
    names = visit.ask("rooster crowing")
    assert len(names) > 5
    assert visit.page.locator(".card.here .where").inner_text().startswith(("fen", "mill"))
    visit.until("document.querySelector('.card.here img')?.naturalWidth > 100")
    visit.page.keyboard.press(" ")
    visit.page.wait_for_selector(".card.here.playing .spec-head:not([hidden])")
    first = visit.page.eval_on_selector(".card.playing .spec-head", "node => node.style.left")
    visit.until("before => document.querySelector('.card.playing .spec-head')?.style.left !== before", first)
    visit.page.keyboard.press(" ")
    visit.page.wait_for_selector(".card.here:not(.playing)")


def test_for_against_and_weights_are_in_the_address_and_come_back(visit):
    visit.ask("rain")
    visit.ask("-church bells")
    visit.page.locator(".chip.part.against .weight").click()
    visit.until("location.hash.includes('not=church+bells*1.5') && location.hash.includes('text=rain')")
    visit.page.reload()
    visit.page.wait_for_selector(".card.here")
    assert visit.page.locator(".chip.part").count() == 2
    visit.page.go_back()
    visit.until("document.querySelectorAll('.chip.part.against .weight')[0]?.textContent === '×1'")
    visit.page.fill("#query", "xyzzyq")
    visit.page.press("#query", "Enter")
    assert "xyzzyq" in visit.page.locator(".remarks li").first.inner_text()


def test_twenty_verdicts_by_keys_and_all_undone(visit):
    visit.open("#/search?text=rain&f.windows=true")
    visit.page.wait_for_selector(".card.here")
    judged = [["ArrowUp", "j", "u", "k"][place % 4] for place in range(20)]
    judge_all(visit, "wet", judged)
    stored = visit.annotations()
    assert sorted(one["verdict"] for one in stored) == ["absent"] * 5 + ["present"] * 10 + ["unsure"] * 5
    assert {(one["by"], one["question"]) for one in stored} == {("Kim", "rain")}
    for _ in judged:
        visit.page.keyboard.press("z")
    visit.until(STORED, 0)
    assert visit.page.locator(".verdict[aria-pressed=true]").count() == 0
    visit.page.keyboard.press("Shift+Z")
    visit.until(STORED, 1)
    visit.page.reload()  # what was done before can still be undone
    visit.page.wait_for_selector(".card.here .verdict, .verdict[aria-pressed=true]")
    visit.page.keyboard.press("z")
    visit.until(STORED, 0)


def test_several_hits_and_several_labels_at_once(visit):
    visit.ask("rain")
    judge_all(visit, "wet", ["ArrowUp"])
    for _ in range(3):
        visit.page.keyboard.press("Shift+ArrowRight")
    assert visit.page.locator(".card.chosen").count() == 4
    visit.page.keyboard.press("ArrowDown")
    visit.until(STORED, 5)
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("l")
    visit.page.keyboard.type("dripping")
    visit.page.keyboard.press("Enter")
    visit.until(STORED, 6)
    assert visit.page.locator(".card.here .chip.small").inner_text() == "dripping"
    visit.page.keyboard.press("z")
    visit.page.keyboard.press("z")
    visit.until(STORED, 1)  # the four were one step


def test_a_label_is_learned_reviewed_and_applied(visit):
    visit.ask("rooster crowing")
    judge_all(visit, "rooster", ["ArrowUp", "ArrowUp"])
    visit.open("#/search")
    visit.page.wait_for_selector(".welcome")
    visit.ask("rain")
    assert visit.page.locator(".card[data-verdict=present]").count() == 2  # hits know what was said before
    judge_all(visit, "rooster", ["ArrowDown"] * 3, stored=2)
    visit.open("#/review?label=rooster")
    visit.page.locator(".review-top .strong").click()
    visit.page.wait_for_selector(".card.as-stage")
    assert visit.page.locator(".strip .card").count() > 3
    assert re.search(r"\d yes, \d no", visit.page.locator(".side h2").first.inner_text())
    visit.page.keyboard.press("ArrowDown")
    visit.page.wait_for_selector(".strip .card[data-verdict=absent]")
    visit.page.get_by_text("Apply to everything").click()
    visit.page.get_by_text("See when").click()
    visit.page.wait_for_selector(".heat rect")


def test_the_microphone_finds_its_own_sound(visit):
    visit.page.get_by_label("Ask with the microphone").click()
    visit.until("parseFloat(document.querySelector('.microphone .time')?.textContent.split(':')[1]) >= 3.2")
    visit.page.get_by_text("Stop", exact=True).click()
    visit.until("document.querySelector('.microphone audio')?.duration > 2.5")  # heard before it is asked
    visit.page.get_by_text("Ask with this").click()
    visit.page.wait_for_selector(".card.here")
    assert visit.page.locator(".card .name").first.inner_text().startswith("asked")
    assert visit.page.locator(".chip.part").count() == 1


def test_more_like_this_and_open_in_the_recording_where_a_label_is_drawn(visit):
    visit.ask("rain")
    visit.page.keyboard.press("s")
    visit.until("document.querySelectorAll('.chip.part').length === 2 && location.hash.includes('like=')")
    visit.page.wait_for_selector(".card.here")
    visit.page.fill("#new-label", "wet")
    visit.page.press("#new-label", "Enter")
    visit.page.keyboard.press("f")
    visit.page.wait_for_selector(".tiles img")
    box = visit.page.locator(".long-plot .spec-plot").bounding_box()
    visit.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=4)
    visit.page.mouse.up()
    visit.page.locator(".drawn-bar .chip", has_text="wet").click()
    visit.until(STORED, 1)
    assert visit.page.locator(".lane-mark.yes").count() == 1
    found = visit.annotations()[0]
    assert found["end"] - found["start"] > 1
    visit.page.locator(".lane-mark").click()
    visit.page.locator(".drawn-bar .chip", has_text="no").click()
    visit.page.wait_for_selector(".lane-mark.no")
    visit.page.keyboard.press("z")
    visit.page.keyboard.press("z")
    visit.until("document.querySelectorAll('.lane-mark').length === 0")
    visit.until(STORED, 0)


def test_the_map_draws_and_shows_what_lies_under_the_pointer(visit):
    visit.open("#/map")
    visit.until("document.querySelector('.map-view .hint')?.textContent.endsWith('windows')")
    visit.page.get_by_label("Words").uncheck()  # points alone are looked for
    visit.page.evaluate("new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end)))")
    ink = "() => { const c = document.querySelector('.map-canvas'); const d = c.getContext('2d')"
    ink += ".getImageData(0, 0, c.width, c.height).data; const first = d.slice(0, 3).join();"
    ink += "for (let i = 0; i < d.length; i += 4) if (d.slice(i, i + 3).join() !== first)"
    ink += "return [(i / 4) % c.width, Math.floor(i / 4 / c.width)]; return null; }"
    visit.until(f"({ink})() !== null")
    x, y = visit.page.evaluate(ink)
    box = visit.page.locator(".map-canvas").bounding_box()
    visit.page.mouse.move(box["x"] + x + 1, box["y"] + y + 1)
    visit.page.wait_for_selector(".map-hit .card")


def test_names_are_text_and_no_view_is_wider_than_a_phone(site, visit):
    browser, served = site
    phone = Visit(browser, served.address, 390, 844, color_scheme="dark", reduced_motion="reduce")
    for view in VIEWS:
        phone.open(f"#/{view}")
        phone.until("document.querySelector('#tabs [aria-current]') && !document.querySelector('main > .empty')")
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390, view
    phone.open("#/recordings")
    phone.page.get_by_role("link", name=HOSTILE).wait_for()
    assert "broken" not in phone.page.title()
    dark = phone.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 40
    assert phone.faults == []
    phone.context.close()


def test_every_icon_button_says_what_it_does(visit):
    visit.ask("rain")
    assert visit.page.locator("button:not([aria-label]):not([title])", has_not_text=re.compile(r"\w")).count() == 0
    visit.page.keyboard.press("?")
    legend = visit.page.locator("dialog").inner_text()
    assert all(word in legend for word in ("Play or pause", "Unsure", "More like this", "Undo", "Select several"))


def test_a_server_that_is_killed_and_started_again_loses_no_verdict(site, tmp_path):
    browser, first = site
    served = Served(copytree(first.collection, tmp_path / "c"))
    one = Visit(browser, served.address)
    one.open("#/search?text=rain&f.windows=true")
    one.page.wait_for_selector(".card.here")
    judge_all(one, "wet", ["ArrowUp"] * 3)
    served.end()
    for _ in range(3):
        one.page.keyboard.press("ArrowDown")
    one.page.wait_for_selector("#unsent.bad")
    assert "does not answer" in one.page.locator("#notice").inner_text()
    one.page.evaluate("location.hash = '#/search?text=wind'")
    one.page.wait_for_selector(".result-line .bad")
    again = Served(tmp_path / "c", served.port)
    one.page.goto(again.address)  # the same tab, so only its fragment changes
    one.until(STORED, 6)
    assert "#t=" not in one.page.url
    one.page.wait_for_selector(".card.here")  # what could not be asked is asked now
    one.until("document.getElementById('notice').hidden")
    assert sorted(found["verdict"] for found in one.annotations()) == ["absent"] * 3 + ["present"] * 3
    one.context.close()
    again.end()


def test_the_box_has_the_focus_as_soon_as_its_key_is_pressed(visit):
    slash = "() => { dispatchEvent(new KeyboardEvent('keydown', { key: '/' })); return document.activeElement.id; }"
    visit.open("#/search")
    visit.page.wait_for_selector(".welcome")
    assert visit.page.evaluate(slash) == "query"
    visit.open("#/map")
    visit.page.wait_for_selector(".map-canvas")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("rain")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector(".card.here")
    assert visit.page.url.endswith("text=rain")


def test_keys_alone_lead_past_many_hits_and_to_every_view(visit):
    visit.ask("rain")
    assert visit.page.locator(".hits .card").count() > 2
    reached = "[...document.querySelectorAll('.hits button')].filter((one) => one.tabIndex === 0)"
    for _ in range(2):  # Tab stops at the buttons of the hit in focus alone
        assert visit.page.evaluate(f"{reached}.every((one) => one.closest('.card.here'))")
        assert visit.page.evaluate(f"{reached}.length") >= 8
        visit.page.keyboard.press("ArrowRight")
    names = []
    for _ in range(6):
        visit.page.keyboard.press("v")
        visit.page.wait_for_timeout(300)
        names.append(visit.page.locator("#tabs [aria-current]").inner_text())
    assert names == ["Review", "Recordings", "Map", "Activity", "About", "Search"]
    visit.page.keyboard.press("r")
    visit.page.wait_for_selector(".review-start h2")
    visit.page.keyboard.press("r")
    visit.page.wait_for_selector(".card.as-stage")


def test_what_yes_and_no_are_about_is_said_where_something_else_was_asked(visit):
    visit.ask("rain")
    assert visit.page.locator(".about-label").inner_text() == ""
    visit.open("#/search?text=wind")
    visit.page.get_by_text("Yes and no are about “rain”.").wait_for()
    visit.page.get_by_role("button", name="Label “wind”").click()
    assert visit.page.locator(".about-label").inner_text() == ""
    assert visit.page.locator(".label-list .here .label-name").inner_text() == "wind"


def test_hits_are_saved_as_a_table_and_labels_get_other_names(visit):
    visit.ask("rain")
    judge_all(visit, "wet", ["ArrowUp", "ArrowUp"])
    visit.page.get_by_text("Export", exact=True).click()
    with visit.page.expect_download() as saved:
        visit.page.get_by_text("Table (CSV)").click()
    with open(saved.value.path(), encoding="utf-8") as file:
        assert len(file.readlines()) == 1 + visit.page.locator(".card").count()
    visit.page.locator(".label-list li").first.hover()
    visit.page.get_by_label("Rename wet").click()
    visit.page.keyboard.type("drops")
    visit.page.keyboard.press("Enter")
    visit.until("document.querySelector('.label-list .here .label-name')?.textContent === 'drops'")
    visit.until("document.querySelector('.label-list .here b')?.textContent === '2'")
    visit.page.wait_for_selector(".card .verdict.yes[aria-pressed=true]")
    assert {one["label"] for one in visit.annotations()} == {"drops"}


def test_a_lasso_on_the_map_takes_windows_that_are_labelled_at_once(visit):
    visit.open("#/map")
    visit.until("document.querySelector('.map-view .hint')?.textContent.endsWith('windows')")
    visit.page.fill(".map-view #new-label", "near")
    visit.page.press(".map-view #new-label", "Enter")
    visit.page.get_by_role("radio", name="Lasso").click()
    box = visit.page.locator(".map-canvas").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    for place, (across, down) in enumerate(corners):
        visit.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if not place:
            visit.page.mouse.down()
    visit.page.mouse.up()
    visit.page.wait_for_selector(".map-taken .card")
    taken = visit.page.locator(".map-taken .card").count()
    assert visit.page.locator(".map-taken h2").inner_text() == f"{taken} windows inside"
    visit.page.get_by_text("All shown are “near”").click()
    visit.until(STORED, taken)
    assert {one["label"] for one in visit.annotations()} == {"near"}


GIVE = """([kind, name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, {type}));
  const options = {bubbles: true, cancelable: true};
  const event = kind === "drop"
    ? new DragEvent(kind, {...options, dataTransfer: given})
    : new ClipboardEvent(kind, {...options, clipboardData: given});
  document.body.dispatchEvent(event);
}"""


def test_a_sound_that_is_dropped_finds_itself_and_a_picture_that_is_pasted_is_shown(visit, site):
    sound = (site[1].collection.parent / "asked.wav").read_bytes()
    visit.page.evaluate(GIVE, ["drop", "mine.wav", "audio/wav", b64encode(sound).decode()])
    visit.page.wait_for_selector(".card.here")
    assert visit.page.locator(".card .name").first.inner_text().startswith("asked")
    assert visit.page.locator(".card .twin").first.inner_text() == "duplicate"
    visit.page.get_by_label("Remove mine.wav").click()
    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 120, 60)).save(drawn, "PNG")
    visit.page.evaluate(GIVE, ["paste", "seen.png", "image/png", b64encode(drawn.getvalue()).decode()])
    visit.until("document.querySelector('.chip .thumb-asked')?.naturalWidth > 0")
    visit.page.wait_for_selector(".result-line .bad")  # mini has no side for pictures
    assert "understands image" in visit.page.locator(".result-line .bad").inner_text()
    visit.faults[:] = [
        one for one in visit.faults if not (("422" in one and "api/search" in one) or "status of 422" in one)
    ]


def test_a_selection_is_exported_alone(visit):
    visit.ask("rain")
    for _ in range(2):
        visit.page.keyboard.press("Shift+ArrowRight")
    visit.page.get_by_text("Export", exact=True).click()
    assert visit.page.locator(".export-menu .hint").inner_text() == "3 moments"
    with visit.page.expect_download() as saved:
        visit.page.get_by_text("Raven selection tables").click()
    with open(saved.value.path(), encoding="utf-8") as file:
        assert len(file.readlines()) == 1 + 3


def test_a_folder_is_added_while_the_page_is_used_and_copies_are_found(visit, site, tmp_path):
    """The last test: the collection is another one afterwards."""
    copy(site[1].collection.parent / "asked.wav", tmp_path / "copy.wav")
    visit.open("#/about")
    visit.page.get_by_label("Folder on this machine").fill(str(tmp_path))
    visit.page.get_by_role("button", name="Add", exact=True).click()
    visit.open("#/search")
    visit.ask("rain")
    visit.open("#/about")
    visit.page.get_by_text("Added 1 of 1 recording.").wait_for()
    visit.page.get_by_text("Find duplicates").click()
    visit.page.wait_for_selector(".copies")
    names = visit.page.locator(".copies a").all_inner_texts()
    assert sorted(name.rpartition("/")[2] for name in names) == ["asked_20240509_051500.wav", "copy.wav"]
    assert visit.page.locator(".copies .chip", has_text="keep").count() == 1
