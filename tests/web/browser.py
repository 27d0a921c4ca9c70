"""A real browser, without a screen, and the commands whose pages it looks at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUN = "import sys; from rankiqa.cli import main; sys.exit(main())"
SECONDS = 120  # for whatever is waited for: machines are slow at times


class Served:
    """A command that serves pages at an address; `again` starts it anew at the same one."""

    def __init__(self, *command: str) -> None:
        self.command, self.port = command, 0
        self.again()

    def again(self) -> None:
        argv = [sys.executable, "-c", RUN, *self.command, "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(
            argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        )
        self.address = next(line.split()[1] for line in self.process.stdout if line.startswith("open "))
        self.port = int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Browser:
    """Chromium with a window of its own, of some size in CSS pixels."""

    def __init__(self, width: int = 1200, height: int = 800, dark: bool = False) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium")
        for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(_program("chromedriver")))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address: str, name: str | None = None) -> None:
        self.driver.get(address)
        if name is not None:
            self.until("return document.querySelector('#name-dialog[open]') !== null")
            self.run("document.getElementById('name').value = arguments[0]", name)  # the driver cannot type emoji
            self.keys("\ue007")  # enter
        self.until("return document.querySelector('.pane .whole, .sorting img, .wait') !== null")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def until(self, script: str, *values: Any) -> Any:
        end = time.monotonic() + SECONDS
        while not (found := self.run(script, *values)):
            assert time.monotonic() < end, f"{script}: {self.run('return document.body.innerText')}"
            time.sleep(0.02)
        return found

    def keys(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, held: str, key: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    def touch(self, *frames: list[tuple[float, float]]) -> None:
        """Fingers, by number, put down at the places of the first frame, moved to those of the others, and lifted.

        They rest before they are lifted: after a swing Chromium takes the next tap as an end of it.
        """
        for k, places in enumerate([*frames, frames[-1], []]):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            kind = "touchStart" if k == 0 else "touchMove" if places else "touchEnd"
            time.sleep(0.1 if k == len(frames) else 0)
            self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def middle(self, place: str, number: int = 0) -> tuple[float, float]:
        """The middle of what a selector finds, in CSS pixels of the window."""
        script = "const b = document.querySelectorAll(arguments[0])[arguments[1]].getBoundingClientRect();"
        x, y = self.run(f"{script} return [b.x + b.width / 2, b.y + b.height / 2]", place, number)
        return x, y

    def press(self, key: str) -> None:
        """Press a key that answers, and wait for what comes next."""
        before = self.run("return performance.getEntriesByName('key to next').length")
        self.keys(key)
        self.until("return performance.getEntriesByName('key to next').length > arguments[0]", before)

    def text(self, place: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", place)

    def pictures(self) -> list[str]:
        """The addresses of the photos that are shown."""
        return self.run("return [...document.querySelectorAll('.pane .whole, .sorting img')].map(image => image.src)")

    def complaints(self) -> list[str]:
        """What the browser has to say of the page, such as of its policy; not of requests that were answered by no."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [text for text in said if "Failed to load resource" not in text]


def _program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"there is no {name}")


@contextmanager
def browsing(**options: Any) -> Iterator[Browser]:
    """A browser for a while; the test is skipped where there is none."""
    pytest.importorskip("selenium")
    browser = Browser(**options)
    try:
        yield browser
    finally:
        browser.driver.quit()
