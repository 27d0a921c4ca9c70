"""Take the pictures of the pages anew: python -m tests.web.make_screens docs

docs/label.png and docs/app.png show the built-in photographs, as they are, blurred, and as JPEG of quality 8.
"""

from __future__ import annotations

import base64
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFilter

from rankiqa.images import builtin_photos
from rankiqa.study.vote_file import VoteFile
from tests.web.browser import Browser, Served, browsing

WIDE, PHONE = {"width": 1200, "height": 750}, {"width": 375, "height": 750, "dark": True}
WORTH = {"": 2, "_q8": 1, "_blur": 0}  # what the simulated rater goes by
VOTES, LEFT, RIGHT = 20, "\ue012", "\ue014"
SCALE, GAP = 0.72, 18  # of the pictures


def photos(folder: Path) -> None:
    """Put them there."""
    for name in builtin_photos.PHOTOS:
        image, path = Image.open(builtin_photos.folder() / name).convert("RGB"), folder / name
        image.thumbnail((720, 720))
        image.save(path.with_suffix(".jpg"), quality=92)
        image.save(folder / f"{path.stem}_q8.jpg", quality=8)
        image.filter(ImageFilter.GaussianBlur(3)).save(folder / f"{path.stem}_blur.jpg", quality=92)


def screen(browser: Browser) -> Image.Image:
    """What the window shows."""
    taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def together(screens: list[Image.Image], path: Path) -> None:
    """Write the pictures beside each other, smaller, with 256 colours."""
    small = [
        one.resize((round(one.width * SCALE), round(one.height * SCALE)), Image.Resampling.LANCZOS) for one in screens
    ]
    width = sum(one.width for one in small) + GAP * (len(small) - 1)
    whole, x = Image.new("RGB", (width, max(one.height for one in small)), "white"), 0
    for one in small:
        whole.paste(one, (x, 0))
        x += one.width + GAP
    whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


@contextmanager
def served(*command: str) -> Iterator[Served]:
    """A command that serves its page for a while."""
    running = Served(*command)
    try:
        yield running
    finally:
        running.kill()


def label(folder: Path, out: Path) -> None:
    """Two raters look, one of them on a phone in the dark."""
    votes = folder.parent / "votes.sqlite"
    with (
        served("label", str(folder), "--out", str(votes)) as page,
        browsing(**WIDE) as wide,
        browsing(**PHONE) as phone,
    ):
        with VoteFile(votes) as file:
            worth = [WORTH[re.sub(r".*?(_q8|_blur)?\.jpg", r"\1", photo.path)] for photo in file.photos]
        for browser, name in ((wide, "Ada"), (phone, "Bo")):
            browser.open(page.address, name)
            for _ in range(VOTES):
                left, right = (worth[int(re.search(r"/photo/(\d+)/", src)[1])] for src in browser.pictures())
                browser.press(LEFT if left >= right else RIGHT)
        together([screen(wide), screen(phone)], out)


def app(folder: Path, out: Path) -> None:
    """All photos; a sharp one beside a blurred one, with their heat maps."""
    with served("app", str(folder)) as page, browsing(**WIDE) as browser:
        browser.driver.get(page.address)
        count = len(list(folder.iterdir()))
        browser.until(
            "return document.getElementById('progress').textContent === arguments[0]", f"{count} of {count} scored"
        )
        browser.until("return [...document.querySelectorAll('.card img')].every(image => image.complete)")
        for name in ("astronaut.jpg", "astronaut_blur.jpg"):
            browser.run(f"document.querySelector('.pick[aria-label=\"choose {name} to compare\"]').click()")
        grid = screen(browser)
        browser.run("document.getElementById('compare').click()")
        browser.until("return document.querySelectorAll('#look-stage .whole').length === 2")
        browser.keys("h")
        browser.until("return document.querySelectorAll('.heat').length === 2")
        browser.until("return getComputedStyle(document.getElementById('toast')).opacity === '1'")
        together([grid, screen(browser)], out)


def main(out: Path) -> None:
    """Both pictures."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "photos")
        folder.mkdir()
        photos(folder)
        label(folder, out / "label.png")
        app(folder, out / "app.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
