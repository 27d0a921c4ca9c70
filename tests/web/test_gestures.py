"""What is done by mouse and fingers on the pages: photos dragged, dropped, pinched and enlarged."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.web.browser import Browser, Served, browsing

pytestmark = pytest.mark.slow

ESCAPE, RIGHT = "\ue00c", "\ue014"
ORDER = "return [...document.querySelectorAll('.sorting li')].map(card => Number(card.dataset.photo))"
LARGE = "return document.querySelector('#large[open] .whole')?.getBoundingClientRect().width ?? 0"
SCALES = "return [...document.querySelectorAll('.photo')].map(p => p.getBoundingClientRect().width / p.offsetWidth)"


def between(start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> list[tuple[float, float]]:
    """Places on the way."""
    (x0, y0), (x1, y1) = start, end
    return [(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in range(steps + 1)]


def drop(browser: Browser, *paths: Path) -> None:
    """Drag files from outside over the page, and let them fall."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        browser.driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 300, "data": data})
    browser.until("return !document.getElementById('over').hidden")
    browser.driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": "drop", "x": 400, "y": 300, "data": data})


@pytest.fixture
def large_photos(tmp_path: Path, photos) -> Path:
    """A folder with two photos that no window of the tests shows whole at their size."""
    folder = tmp_path / "large"
    folder.mkdir()
    for name in ("chelsea.png", "coffee.png"):
        Image.fromarray(photos[name]).resize((2000, 1500)).save(folder / name)
    return folder


def test_a_card_is_dragged_by_mouse(browser, label, votes):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    browser.open(label("--mode", "sort").address, "Ada")
    first = browser.run(ORDER)
    cards = browser.driver.find_elements(By.CSS_SELECTOR, ".sorting li")
    chain = ActionChains(browser.driver).click_and_hold(cards[0]).move_by_offset(20, 0)
    chain.move_to_element(cards[1]).perform()
    assert browser.run("return document.querySelectorAll('.ghost').length") == 1
    cards = browser.driver.find_elements(By.CSS_SELECTOR, ".sorting li")
    ActionChains(browser.driver).move_to_element(cards[2]).release().perform()
    assert browser.run(ORDER) == [first[1], first[2], first[0]]
    assert browser.run("return document.querySelectorAll('.ghost, .drag').length") == 0
    assert browser.text(".sorting li:last-child .place") == "3 worst"
    assert browser.complaints() == []


def test_a_card_is_dragged_sideways_by_a_finger_and_enlarged_by_one(label, votes):
    with browsing(width=820, height=1100) as tablet:
        tablet.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
        tablet.open(label("--mode", "sort").address, "Ada")
        first = tablet.run(ORDER)
        start, end = tablet.middle(".sorting li", 0), tablet.middle(".sorting li", 1)
        tablet.touch(*([place] for place in between(start, end)))
        assert tablet.run(ORDER) == [first[1], first[0], first[2]]
        tablet.touch([tablet.middle(".enlarge", 2)])
        tablet.until(LARGE)
        tablet.touch([tablet.middle("#large-close")])
        tablet.until("return !document.getElementById('large').open")
        assert tablet.run(ORDER) == [first[1], first[0], first[2]]
        assert tablet.complaints() == []


def test_cards_do_not_lie_over_each_other_in_a_low_window(label):
    with browsing(width=500, height=360) as low:
        low.open(label("--mode", "sort").address, "Ada")
        boxes = "return [...document.querySelectorAll('.sorting li')].map(card => card.getBoundingClientRect())"
        first, second, third = low.run(boxes)
        assert first["bottom"] <= third["top"] and first["right"] <= second["left"]
        assert first["width"] / first["height"] == pytest.approx(4 / 3, rel=0.02)


def test_a_card_is_enlarged_by_key_and_by_double_click(browser, large_photos, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    served = Served("label", str(large_photos), "--out", str(tmp_path / "large.sqlite"), "--mode", "sort")
    try:
        browser.open(served.address, "Ada")
        small = browser.run("return document.querySelector('.sorting img').getBoundingClientRect().width")
        first = browser.run(ORDER)
        browser.run("document.querySelectorAll('.sorting li')[1].focus()")
        browser.keys("f")
        browser.until(LARGE)
        assert browser.run(LARGE) > 1.5 * small
        assert f"/photo/{first[1]}/" in browser.run("return document.querySelector('#large .whole').src")
        browser.keys("f")  # exact pixels
        assert browser.run(LARGE) == pytest.approx(2000, abs=1)
        browser.keys(RIGHT, "s", "z")  # nothing that is done to the cards
        browser.keys(ESCAPE)
        assert browser.run("return document.activeElement.dataset.photo") == str(first[1])
        [card, *_] = browser.driver.find_elements(By.CSS_SELECTOR, ".sorting li")
        ActionChains(browser.driver).double_click(card).perform()
        browser.until(LARGE)
        browser.until(
            "return document.querySelector('#large .whole').src.includes(arguments[0])", f"/photo/{first[0]}/"
        )
        browser.keys(ESCAPE)
        assert browser.run(ORDER) == first and browser.complaints() == []
    finally:
        served.kill()


def test_two_fingers_pinch_both_photos_and_one_moves_them(large_photos, tmp_path):
    served = Served("label", str(large_photos), "--out", str(tmp_path / "large.sqlite"))
    try:
        with browsing(width=390, height=780) as phone:
            phone.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
            phone.open(served.address, "Ada")
            whole = phone.run(SCALES)
            x, y = phone.middle(".pane", 0)
            apart = (40 + 8 * k for k in range(11))  # three times as far
            phone.touch(*([(x - d / 2, y), (x + d / 2, y)] for d in apart))
            near = phone.run(SCALES)
            assert near[0] == pytest.approx(3 * whole[0], rel=0.1) and near == pytest.approx([near[0]] * 2)
            assert phone.middle(".photo")[0] == pytest.approx(x, abs=8)  # what lay between the fingers stays there
            before = [phone.middle(".photo", k) for k in (0, 1)]
            phone.touch(*([place] for place in between((x, y), (x - 60, y))))
            moved = [
                now[0] - then[0] for now, then in zip([phone.middle(".photo", k) for k in (0, 1)], before, strict=True)
            ]
            assert moved == pytest.approx([-60, -60], abs=15)
            assert phone.run("return scrollX + scrollY + visualViewport.scale") == 1  # the page itself stays
            assert phone.complaints() == []
    finally:
        served.kill()


def test_files_and_folders_are_dropped_on_the_app(browser, photo_folder):
    pytest.importorskip("uvicorn")
    (photo_folder / "b" / "deep").mkdir()
    (photo_folder / "b" / "x.png").rename(photo_folder / "b" / "deep" / "y.png")
    (photo_folder / "b" / "notes.txt").write_text("no photo")
    served = Served("app", "--model", "ranks")
    try:
        browser.driver.get(served.address)
        browser.until("return !document.getElementById('empty').hidden")
        drop(browser, photo_folder / "x.png", photo_folder / "b")
        browser.until("return document.getElementById('progress').textContent === '2 of 2 scored'")
        assert browser.run("return document.getElementById('over').hidden")
        names = "return [...document.querySelectorAll('.card .name')].map(name => name.textContent).sort()"
        assert browser.run(names) == ["x.png", "y.png"]
        browser.until("return document.getElementById('trouble').textContent.includes('1 left out. notes.txt')")
        assert browser.complaints() == []
    finally:
        served.kill()
