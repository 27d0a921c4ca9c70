"""`rankiqa label` in Chromium: from the command to the first pair, and from a key to the next pair, with large photos.

The next pair is on the screen when the frame that shows it has been drawn. Beside it stands what the browser takes for
a bare request and a frame in the same run, between the votes: no page that asks its server can be faster.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from rankiqa.images import builtin_photos

HERE = Path(__file__).parent
RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"
# What the command imports until it answers.
IMPORTS = "import rankiqa.web.modes, rankiqa.web.labelling, rankiqa.images.reading, starlette.applications, uvicorn"
NAME = "document.getElementById('name').value = 'Ada'; document.getElementById('name-form').requestSubmit()"
THERE = "return document.querySelectorAll('.pane .whole').length == 2"
MEASURES = "return performance.getEntriesByName('key to next').map(entry => entry.duration)"
SENT = """\
return performance.getEntriesByType('resource').filter(e => e.name.endsWith('api/vote')).map(e => e.duration)
"""
BARE = """\
const done = arguments[0], start = performance.now();
fetch("api/about", {method: "POST", body: "{}"}).then(answer => answer.json()).then(() =>
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))));
"""


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parse.add_argument("--photos", type=int, default=24, help="of 4000×3000 pixels")
    parse.add_argument("--votes", type=int, default=60, help="how many")
    parse.add_argument("--think", type=float, default=1.5, help="seconds that a rater looks at a pair")
    parse.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    parse.add_argument("--chromedriver", default="/usr/bin/chromedriver", help="what drives it")
    parse.add_argument("--out", type=Path, default=HERE / "label_latency.md", help="where the table goes")
    args = parse.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        _photos(Path(folder, "photos"), args.photos)
        rows = _measure(args, Path(folder))
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    command = shlex.join(["python", "results/benchmarks/label_latency.py", *argv])
    text = "\n".join(["# `rankiqa label` in Chromium", "", f"    {command}", "", "| | |", "|---|---|", *lines, ""])
    args.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _photos(folder: Path, count: int) -> None:
    """Parts of the built-in photographs, enlarged and with noise, as JPEGs of 12 megapixels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.integers(-6, 7, (3000, 4000, 1), dtype=np.int16)
    for k in range(count):
        with Image.open(builtin_photos.folder() / builtin_photos.PHOTOS[k % len(builtin_photos.PHOTOS)]) as image:
            side = min(image.size) * 3 // 4
            left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
            part = image.convert("RGB").crop((left, top, left + side, top + side * 3 // 4)).resize((4000, 3000))
        pixels = np.clip(np.asarray(part, dtype=np.int16) + np.roll(noise, k * 97, 0), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.jpg", quality=92)


def _measure(args: argparse.Namespace, folder: Path) -> dict[str, str]:
    options = webdriver.ChromeOptions()
    options.binary_location = args.chromium
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,1000"):
        options.add_argument(option)
    browser = webdriver.Chrome(options, webdriver.ChromeService(args.chromedriver))
    command = [sys.executable, "-c", RUN, "label", str(folder / "photos"), "--out", str(folder / "votes.sqlite")]
    try:
        imports = statistics.median(_seconds_of_imports() for _ in range(3))
        start = time.monotonic()
        server = subprocess.Popen([*command, "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = next(line.split()[1] for line in server.stdout if line.startswith("open "))
            browser.get(address)
            _until(browser, "return document.querySelector('dialog[open]') !== null")
            browser.execute_script(f"performance.setResourceTimingBufferSize(100000); {NAME}")
            _until(browser, THERE)
            first = time.monotonic() - start
            bare = []
            for _ in range(args.votes):
                time.sleep(args.think)
                before = len(browser.execute_script(MEASURES))
                ActionChains(browser).send_keys(Keys.ARROW_LEFT).perform()
                _until(browser, f"return performance.getEntriesByName('key to next').length > {before}")
                bare.append(browser.execute_async_script(BARE))
            took, sent = browser.execute_script(MEASURES), browser.execute_script(SENT)
        finally:
            server.kill()
    finally:
        browser.quit()
    slow = [k for k, duration in enumerate(took) if duration > 100]  # whose photos were not made by then
    ratio = statistics.median(took) / statistics.median(bare)
    return {
        "photos, of 12 megapixels": str(args.photos),
        "load of the machine, processes that want to run, on cores": f"{os.getloadavg()[0]:.1f}, {os.cpu_count()}",
        "from the command to the first pair": f"{first:.1f} s",
        "what is imported for it, alone": f"{imports:.1f} s",
        "votes, a look at each pair": f"{len(took)}, {args.think:g} s",
        "from a key to the next pair, median": f"{statistics.median(took):.0f} ms",
        "nine of ten within": f"{sorted(took)[len(took) * 9 // 10]:.0f} ms",
        "slower than 100 ms; of them in the first third": f"{len(slow)}; {sum(k < len(took) // 3 for k in slow)}",
        "of it the vote, to the disk and back, median": f"{statistics.median(sent):.0f} ms",
        "a bare request and a frame, median": f"{statistics.median(bare):.0f} ms",
        "ratio of the medians": f"{ratio:.1f}",
    }


def _seconds_of_imports() -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - start


def _until(browser: webdriver.Chrome, script: str) -> None:
    end = time.monotonic() + 120
    while not browser.execute_script(script):
        if time.monotonic() > end:
            raise SystemExit(f"the page does not get so far: {script}")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
