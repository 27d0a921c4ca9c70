"""The whole walk of docs/your-own-eyes.md, from photos to a model, with a simulated rater in a real browser."""

from __future__ import annotations

import csv
import re
import shlex
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from rankiqa.study.simulated_raters import SimulatedRater
from rankiqa.study.vote_file import VoteFile
from tests.docs.pages import DOCS, Command, parse
from tests.launching import environment
from tests.web.browser import ROOT, RUN, Browser, Served, browsing

VOTES, BOUND = 150, 0.75  # it is .85; a slow machine may ask for other pairs
KEYS = {"left": "\ue012", "right": "\ue014", "tie": "\ue015"}
SIDES = (256, 320)
[PAGE] = [page for page in DOCS if page.name == "your-own-eyes.md"]


def the_walk() -> list[Command]:
    """The commands of the section, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("\n## The whole walk\n")[1].split("\n## ")[0]
    first = text[: text.index(section)].count("\n") + 1
    lines = enumerate(section.splitlines(), first)
    return [Command(PAGE, number, line) for number, line in lines if line.startswith("rankiqa ")]


@pytest.fixture
def quality(photos, tmp_path: Path, monkeypatch) -> dict[str, float]:
    """The current folder gets photos/, a hundred parts of photographs, as JPEG ever worse; what each is worth."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    draw, found = np.random.default_rng(0), {}
    numbers = draw.permutation(100)  # the name must not tell
    for k, number in enumerate(numbers):
        photo, level = list(photos.values())[k % 5], (k // 5) / 19
        height, width = (int(draw.integers(SIDES[0], min(side, SIDES[1]) + 1)) for side in photo.shape[:2])
        top, left = (int(draw.integers(n - m + 1)) for n, m in zip(photo.shape[:2], (height, width), strict=True))
        image, coded = Image.fromarray(photo[top : top + height, left : left + width]), BytesIO()
        image.save(coded, "jpeg", quality=round(95 - 90 * level))
        name = f"IMG_{1000 + number}.jpg"
        Path("photos", name).write_bytes(coded.getvalue())
        found[name] = -5 * level
    return found


def vote(browser: Browser, names: list[str], quality: dict[str, float]) -> None:
    """Look at what the page shows, and press the rater's keys."""
    rater, draw = SimulatedRater(noise=1.0, tie=0.2), np.random.default_rng(1)
    for _ in range(VOTES):
        left, right = (quality[names[int(re.search(r"/photo/(\d+)/", src)[1])]] for src in browser.pictures())
        browser.press(KEYS[rater.compare(left, right, draw)])


def run(command: Command) -> str:
    """What a command of the page says, as a process of its own."""
    argv = [sys.executable, "-c", RUN, *command.words[1:]]
    done = subprocess.run(argv, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True, timeout=300)
    command.check(done.returncode, done.stdout + done.stderr)
    return done.stdout


def test_the_walk_is_written():
    walk = the_walk()
    assert [command.words[1] for command in walk] == ["label", "scale", "tune", "score", "app"]
    for command in walk:
        parse(command)


@pytest.mark.slow
def test_a_newcomer_walks_from_photos_to_a_model(quality):
    pytest.importorskip("uvicorn")
    pytest.importorskip("jinja2")
    label, scale, tune, score, app = the_walk()
    with browsing() as browser:
        served = Served(*label.words[1:])
        try:
            with VoteFile("votes.sqlite") as file:
                names = [photo.path for photo in file.photos]
            assert sorted(names) == sorted(quality)
            browser.open(served.address, "Ada")
            vote(browser, names, quality)
            assert browser.complaints() == []
            served.process.send_signal(signal.SIGINT)
            said, _ = served.process.communicate(timeout=60)
        finally:
            served.kill()
    assert served.process.returncode == 0
    assert f"{VOTES} votes of 1 rater in votes.sqlite, of about" in said and " % sure" in said
    assert shlex.join(scale.words[:5]) in said  # what comes next is told as the page tells it

    said = run(scale)
    assert f"100 photos, {VOTES} votes of 1 rater; scores in JOD around 0" in said
    assert tune.text in said
    with open("scores.csv", newline="") as file:
        scores = {row["name"]: float(row["mos"]) for row in csv.DictReader(file)}
    names = sorted(scores)
    found = spearmanr([scores[name] for name in names], [quality[name] for name in names]).statistic
    print(f"SROCC with the known quality after {VOTES} votes: {found:.3f}")
    assert len(names) > 95 and found > BOUND

    said = run(tune)
    assert re.search(r"^Learned: (nothing|a linear map)", said, re.MULTILINE) and "The difference is" in said

    said = run(score)
    assert said.count("photos/IMG_") == 100 and "Scores of models/mine, higher is better" in said
    assert "the photos in photos/ that were voted on" in said
    with browsing() as browser:
        served = Served(*app.words[1:])
        try:
            browser.driver.get(served.address)
            browser.until("return document.getElementById('progress').textContent === '100 of 100 scored'")
            assert browser.complaints() == []
        finally:
            served.kill()
