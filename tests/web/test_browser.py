"""The pages of `rankiqa label` in a real browser."""

from __future__ import annotations

import shutil
import time
from itertools import combinations

import pytest

from rankiqa.study.vote_file import Comparison, VoteFile
from tests.web.browser import Served, browsing

pytestmark = pytest.mark.slow

NAME = "Ada “O'Hara\" <b>😀"
LEFT, RIGHT, DOWN, SHIFT, CONTROL, ENTER = "\ue012", "\ue014", "\ue015", "\ue008", "\ue009", "\ue007"


def test_vote_tie_skip_and_undo(browser, label, votes, photo_folder):
    shutil.copy(photo_folder / "x.png", photo_folder / "y.png")
    browser.open(label().address, NAME)
    assert browser.text("#who") == NAME and browser.text("#ask") == "Which photo is better?"
    for key in (LEFT, RIGHT, DOWN, "s"):
        browser.press(key)
    assert [(vote.rater, vote.answer) for vote in votes()] == [
        (NAME, answer) for answer in ("left", "right", "tie", "skip")
    ]
    assert all(vote.seconds > 0 for vote in votes())
    browser.keys("z")
    browser.until("return document.getElementById('toast').textContent === 'Taken back.'")
    assert [vote.answer for vote in votes()] == ["left", "right", "tie"]
    browser.until("return document.getElementById('progress').textContent.startsWith('3 of about')")
    browser.press(LEFT)
    assert [vote.answer for vote in votes()] == ["left", "right", "tie", "left"]
    browser.run("document.querySelector('[data-answer=right]').click()")
    browser.until("return document.getElementById('progress').textContent.startsWith('5 of about')")
    assert browser.complaints() == []


def test_the_end_says_what_follows_and_undo_goes_back(browser, label, votes, tmp_path):
    browser.open(label().address, "Ada")
    for key in (LEFT, "s", RIGHT):
        browser.press(key)
    said = browser.text(".wait")
    assert "all pairs" in said and f"rankiqa scale {tmp_path / 'votes.sqlite'} --out scores.csv" in said
    browser.keys(LEFT)
    browser.keys("z")
    browser.until("return document.querySelector('.pane .whole') !== null")
    browser.press(DOWN)
    assert [vote.answer for vote in votes()] == ["left", "skip", "tie"]
    browser.run("document.querySelector('.wait button').click()")  # another rater
    browser.until("return document.querySelector('#name-dialog[open]') !== null")
    browser.run("document.getElementById('name').value = 'Bo'")
    browser.keys(ENTER)
    browser.until("return document.querySelector('.pane .whole') !== null && document.readyState === 'complete'")
    browser.press(LEFT)
    assert votes()[-1].rater == "Bo" and browser.complaints() == []


def test_enough_is_told_with_what_follows_until_it_was_read(browser, label, tmp_path):
    served = label()
    browser.open(served.address, "Ada")
    enough = "return !document.getElementById('enough').hidden"
    browser.press(LEFT)
    assert not browser.run(enough)
    served.kill()
    with VoteFile(tmp_path / "votes.sqlite") as file:
        names = [photo.path for photo in file.photos]
        for k in range(30):
            for left, right in combinations(names, 2):
                file.add(Comparison(f"{k} {left} {right}", f"rater {k}", left=left, right=right, answer="left"))
    served.again()
    browser.open(served.address)
    browser.until(enough)
    assert f"rankiqa scale {tmp_path / 'votes.sqlite'} --out scores.csv" in browser.text("#enough")
    browser.run("document.getElementById('enough-close').click()")
    browser.press(LEFT)
    assert not browser.run(enough) and "enough" in browser.text("#progress")


def test_two_raters(browser, label, votes):
    served = label()
    browser.open(served.address, "Ada")
    with browsing(width=390, height=780, dark=True) as phone:
        phone.open(served.address, "Bo")
        for _ in range(3):
            browser.press(LEFT)
            phone.press(RIGHT)
        phone.until("return document.getElementById('progress').textContent.includes('2 people')")
        assert phone.run("return document.documentElement.scrollWidth <= innerWidth")
        assert phone.text("[data-answer=left] span") == "Upper"
        assert phone.complaints() == []
    assert sorted((vote.rater, vote.answer) for vote in votes()) == [("Ada", "left")] * 3 + [("Bo", "right")] * 3


def test_a_reload_shows_the_same_pair(browser, label, votes):
    browser.open(label().address, "Ada")
    browser.press(LEFT)
    before = browser.pictures()
    browser.driver.refresh()
    browser.until("return document.querySelector('.pane .whole') !== null")
    assert browser.pictures() == before and len(votes()) == 1
    browser.press(LEFT)
    assert len(votes()) == 2


def test_a_server_that_is_gone_for_a_while(browser, label, votes):
    served = label()
    browser.open(served.address, "Ada")
    browser.press(LEFT)
    served.kill()
    browser.keys(RIGHT)
    browser.until("return !document.getElementById('trouble').hidden")
    assert "at most this one could be lost" in browser.text("#trouble")
    browser.driver.get("about:blank")  # closed meanwhile: the vote is sent when the page is there again
    served.again()
    browser.open(served.address)
    browser.until("return document.getElementById('progress').textContent.startsWith('2 of about')")
    assert [vote.answer for vote in votes()] == ["left", "right"]
    served.kill()
    browser.keys(DOWN)
    browser.until("return !document.getElementById('trouble').hidden")
    served.again()
    browser.until("return document.getElementById('trouble').hidden")
    browser.until("return document.getElementById('progress').textContent.startsWith('3 of about')")
    assert [vote.answer for vote in votes()] == ["left", "right", "tie"]


def test_two_tabs_of_one_rater_keep_a_vote_each(browser, label, votes, photo_folder):
    shutil.copy(photo_folder / "x.png", photo_folder / "y.png")
    served = label()
    tabs = [browser.driver.current_window_handle]
    browser.open(served.address, "Ada")
    browser.driver.switch_to.new_window("tab")
    tabs.append(browser.driver.current_window_handle)
    browser.open(served.address)
    served.kill()
    for tab, key in zip(tabs, (LEFT, RIGHT), strict=True):
        browser.driver.switch_to.window(tab)
        browser.keys(key)
        browser.until("return !document.getElementById('trouble').hidden")
    browser.driver.close()
    browser.driver.switch_to.window(tabs[0])
    browser.driver.get("about:blank")
    served.again()
    browser.open(served.address)
    assert sorted(vote.answer for vote in votes()) == ["left", "right"]
    browser.press(DOWN)
    browser.driver.refresh()
    browser.until("return document.querySelector('.pane .whole') !== null")
    assert sorted(vote.answer for vote in votes()) == ["left", "right", "tie"]
    assert browser.run("return Object.keys(localStorage).filter(key => key.includes('vote'))") == []


def test_a_photo_that_is_deleted_meanwhile(browser, label, photo_folder, votes):
    shutil.copy(photo_folder / "x.png", photo_folder / "y.png")
    served = label()
    (photo_folder / "x.png").unlink()  # before it was shown; the pictures of the others may be made already
    browser.open(served.address, "Ada")
    for _ in range(3):
        browser.press(LEFT)
    gone = browser.run("return performance.getEntriesByType('resource').some(e => e.name.includes('/photo/2/'))")
    told = browser.text("#progress")
    assert len(votes()) == 3
    assert not gone or "1 photo could not be read and is left out" in told
    assert all("x.png" not in (vote.left, vote.right) for vote in votes())


def test_exact_pixels_and_zoom_of_both(browser, label, tmp_path, photos):
    from PIL import Image

    folder = tmp_path / "large"
    folder.mkdir()
    for name in ("chelsea.png", "coffee.png"):
        Image.fromarray(photos[name]).resize((2000, 1500)).save(folder / name)
    served = Served("label", str(folder), "--out", str(tmp_path / "large.sqlite"))
    try:
        browser.open(served.address, "Ada")
        browser.keys("f")
        browser.until("return document.querySelectorAll('.tiles img').length >= 4")
        scale = (
            "return [...document.querySelectorAll('.photo')].map(photo => photo.getBoundingClientRect().width / 2000)"
        )
        assert browser.run(scale) == pytest.approx([1, 1])
        place = "return [...document.querySelectorAll('.photo')].map(p => p.getBoundingClientRect().left" \
            " - p.parentNode.getBoundingClientRect().left)"  # fmt: skip
        before = browser.run(place)
        browser.chord(SHIFT, RIGHT)
        after = browser.run(place)
        assert before[0] - after[0] == pytest.approx(before[1] - after[1], abs=1) and after[0] < before[0] - 50
        browser.keys("f")
        assert max(browser.run(scale)) < 0.35
        assert browser.complaints() == []
    finally:
        served.kill()


def test_ratings(browser, label, votes):
    browser.open(label("--mode", "rate").address, "Ada")
    for key in "53":
        browser.press(key)
    browser.keys("z")
    browser.until("return document.getElementById('toast').textContent === 'Taken back.'")
    browser.until("return document.getElementById('progress').textContent.startsWith('1 of 3')")
    browser.press("4")
    browser.keys("1")  # the last one: nothing comes next
    browser.until("return document.querySelector('.wait') !== null")
    assert sorted(vote.score for vote in votes()) == [1, 4, 5]
    browser.keys("z")
    browser.until("return document.querySelector('.pane .whole') !== null")
    assert browser.complaints() == []


def test_an_order_by_keys_and_by_mouse(browser, label, votes):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    browser.open(label("--mode", "sort").address, "Ada")
    order = "return [...document.querySelectorAll('.sorting li')].map(card => Number(card.dataset.photo))"
    first = browser.run(order)
    browser.run("document.querySelector('.sorting li').focus()")
    browser.keys(" ", RIGHT, RIGHT, " ")
    assert browser.run(order) == [first[1], first[2], first[0]]
    cards = browser.driver.find_elements(By.CSS_SELECTOR, ".sorting li")
    ActionChains(browser.driver).click_and_hold(cards[2]).move_by_offset(-20, 0).move_to_element(cards[0]).perform()
    ActionChains(browser.driver).release().perform()
    assert browser.run(order) == [first[0], first[1], first[2]]
    browser.chord(CONTROL, ENTER)
    browser.until("return document.querySelector('.wait') !== null")
    [vote] = votes()
    names = ["a/x.png", "b/x.png", "x.png"]
    assert vote.photos == tuple(names[number] for number in first)
    assert browser.complaints() == []


def test_buttons_have_names_and_what_changes_is_told(browser, label):
    browser.open(label().address, "Ada")
    time.sleep(0.2)
    nameless = (
        "return [...document.querySelectorAll('button')].filter(b => !(b.textContent.trim() || b.ariaLabel)).length"
    )
    assert browser.run(nameless) == 0
    assert browser.run("return document.getElementById('progress').getAttribute('aria-live')") == "polite"
    browser.keys("\ue004")  # tab: what has the focus is to be seen
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_app_shows_scores_and_takes_what_is_chosen(browser, photo_folder, tmp_path):
    pytest.importorskip("uvicorn")
    more = tmp_path / NAME.replace("<b>", "")
    (photo_folder / "x.png").rename(more.with_suffix(".png"))
    served = Served("app", str(photo_folder), "--model", "ranks")
    try:
        browser.driver.get(served.address)
        browser.until("return document.getElementById('progress').textContent === '2 of 2 scored'")
        browser.driver.find_element("id", "files").send_keys(f"{more.with_suffix('.png')}\n{__file__}")
        browser.until("return document.getElementById('progress').textContent === '3 of 3 scored'")
        browser.until("return document.getElementById('trouble').textContent.includes('1 left out. test_browser.py')")
        scores = "return [...document.querySelectorAll('.card b')].map(place => Number(place.textContent))"
        shown = "return [...document.querySelectorAll('.card')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)"
        assert len(browser.run(scores)) == 3
        best = browser.run(f"{shown}.map(card => Number(card.querySelector('b').textContent))")
        assert best == sorted(best, reverse=True)
        browser.run("document.querySelectorAll('.pick').forEach((pick, k) => k < 2 && pick.click())")
        browser.run("document.getElementById('compare').click()")
        browser.until("return document.querySelectorAll('#look-stage .whole').length === 2")
        browser.keys("h")
        browser.until("return document.querySelectorAll('.heat').length === 2")
        assert "Good places stay grey" in browser.text("#look #toast")  # elsewhere the dialog would lie over it
        lines = browser.driver.execute_async_script(
            "const done = arguments[0]; fetch(document.getElementById('csv').href).then(a => a.text()).then(done)"
        ).splitlines()
        assert len(lines) == 4 and lines[0].startswith("file,score,")
        assert browser.complaints() == []
    finally:
        served.kill()


def test_the_app_takes_thousands(browser, photo_folder, tmp_path):
    pytest.importorskip("uvicorn")
    folder = tmp_path / "many"
    folder.mkdir()
    for k in range(3000):
        (folder / f"{k:04}.png").hardlink_to(photo_folder / "x.png")
    served = Served("app", str(folder))
    try:
        browser.driver.get(served.address)
        browser.until("return document.getElementById('progress').textContent.includes('of 3000')")
        browser.run("document.getElementById('stop').click()")
        browser.until("return document.getElementById('progress').textContent.includes('cancelled')")
        browser.run(
            "const order = document.getElementById('order'); order.value = 'name'; order.onchange({target: order})"
        )
        assert 0 < browser.run("return document.querySelectorAll('.card').length") < 100
        browser.run("const grid = document.getElementById('grid'); grid.scrollTop = grid.scrollHeight")
        browser.until(
            "return [...document.querySelectorAll('.card .name')].some(name => name.textContent === '2999.png')"
        )
        browser.until("return [...document.querySelectorAll('.card img')].every(image => image.naturalWidth === 112)")
        assert browser.run("return document.querySelectorAll('.card').length") < 100
    finally:
        served.kill()
