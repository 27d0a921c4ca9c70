"""Scores of photos while a page looks on: one after another in a thread, by any model, until it is told to stop."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rankiqa.errors import InputError
from rankiqa.scoring.score_table import Result
from rankiqa.web.shelf import Shelf

if TYPE_CHECKING:
    from rankiqa.scoring.scorer import Scorer

AT_ONCE = 1000  # results of one answer


class Judging:
    """Scores the photos of a shelf, those that come later too; the results of each model are kept.

    Args:
        shelf: the photos.
        load: gives a scorer for the name of a model.
        look: called in a thread with the number and the pixels of each photo that is read.
    """

    def __init__(self, shelf: Shelf, load: Callable[[str], Scorer], look: Callable[[int, np.ndarray], None]) -> None:
        self._shelf, self._load, self._look = shelf, load, look
        self._results: dict[str, list[Result]] = {}  # by model; that of photo k is the k-th
        self._meaning: dict[str, str] = {}
        self._scorers: dict[str, Scorer] = {}
        self._mappers: dict[str, Scorer] = {}
        self._model = ""
        self._going = self._closed = False
        self._trouble = ""
        self._changed = threading.Condition()
        self._mapping = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="judging", daemon=True)
        self._thread.start()

    def start(self, model: str) -> None:
        """Score all that this model has not scored yet, in place of what another one was doing."""
        with self._changed:
            self._model, self._going, self._trouble = model, True, ""
            self._results.setdefault(model, [])
            self._changed.notify_all()

    def wake(self) -> None:
        """Photos have come."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """Go no further; what is scored is kept."""
        with self._changed:
            self._going = False

    def close(self) -> None:
        """End the thread, after the photo that it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(30)

    def results(self, model: str) -> list[Result]:
        """What a model has said so far, in the order of the photos."""
        return list(self._results.get(model, ()))

    def state(self, model: str, since: int) -> dict[str, Any]:
        """The results of a model from number `since` on, some of them if they are many, and how far it is."""
        found = self._results.get(model, [])
        total = len(self._shelf.items)
        return {
            "total": total,
            "done": len(found),
            "going": self._going and self._model == model and len(found) < total,
            "loading": self._going and model == self._model and model not in self._scorers and not self._trouble,
            "trouble": self._trouble,
            "meaning": self._meaning.get(model, ""),
            "results": [_row(result) for result in found[since : since + AT_ONCE]],
        }

    def map(self, number: int, model: str) -> bytes:
        """A heat map of a photo: see `rankiqa.web.heat.overlay`.

        Raises:
            InputError: a photo that cannot be read, a model that gives no map.
        """
        from rankiqa.images.reading import read_image
        from rankiqa.scoring.heatmap import quality_map
        from rankiqa.web.heat import overlay

        with self._mapping:  # a network of its own, as the other one is busy with scores
            scorer = self._mappers.setdefault(model, self._mappers.get(model) or self._load(model))
            pixels = read_image(self._shelf.items[number].path, convert=True, frames="first")
            return overlay(quality_map(scorer, pixels))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_wanted(self._model))
                if self._closed:
                    return
                model = self._model
            try:
                self._score(model)
            except Exception as error:  # told on the page; a thread that ends would be told by nobody
                with self._changed:
                    self._trouble, self._going = str(error) or type(error).__name__, False

    def _is_wanted(self, model: str) -> bool:
        wanted = self._going and self._model == model and not self._closed
        return wanted and len(self._results[model]) < len(self._shelf.items)

    def _score(self, model: str) -> None:
        from rankiqa.scoring.score_table import meaning

        if model not in self._scorers:
            scorer = self._load(model)
            self._meaning[model] = meaning(scorer)
            self._scorers[model] = scorer
        found, numbers = self._results[model], {}

        def paths() -> Iterator[str]:
            number = len(found)
            while number < len(self._shelf.items) and self._is_wanted(model):
                path = str(self._shelf.items[number].path)
                numbers[path] = number
                yield path
                number += 1

        look = lambda path, pixels: self._look(numbers[path], pixels)  # noqa: E731
        scores = self._scorers[model].score_files(paths(), look=look)
        for score in scores:
            name = self._shelf.items[len(found)].name
            if isinstance(score, InputError):
                found.append(Result(name, error=score.but(path=name)))
            else:
                found.append(Result(name, score))
            if not self._is_wanted(model):
                scores.close()  # type: ignore[attr-defined]  # a generator
                return


def _row(result: Result) -> dict[str, Any]:
    if result.score is None:
        return {"error": result.reason}
    score = result.score
    numbers = {"score": score.value, "unit": score.unit, "percentile": score.percentile, "spread": score.spread}
    return {key: value if math.isfinite(value) else None for key, value in numbers.items()} | {"note": score.note}
