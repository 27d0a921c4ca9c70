"""What came of a tuning, by votes that were not learned from: beside the model that it began with, and the ceiling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

import numpy as np

from rankiqa.datasets.pairs import Pairs
from rankiqa.metrics.preferences import Agreement, Mean, mean_over_pairs
from rankiqa.text_table import text_table

WIDTH = 100  # columns of the text


@dataclass(frozen=True)
class HeldOut:
    """What two models say of the votes of photos that neither has learned from.

    Attributes:
        before: the share of votes whose better photo has the higher score, by the model that was tuned; without ties.
        after: of the tuned one; in truth of models that learned likewise from a part of the votes.
        gain: their difference.
        votes: how many votes were tried.
    """

    before: Mean
    after: Mean
    gain: Mean
    votes: int

    @classmethod
    def of(cls, pairs: Pairs, before: np.ndarray, after: np.ndarray, group: Sequence[str]) -> HeldOut:
        """From the (P,) shares of right answers, NaN where a row was never held out."""
        used = np.isfinite(before) & np.isfinite(after) & ~pairs.tied
        held = pairs.select(used)

        def mean(values: np.ndarray) -> Mean:
            return mean_over_pairs(values[used], held.better, held.worse, held.weight, group)

        return cls(mean(before), mean(after), mean(after - before), held.votes)


@dataclass(frozen=True)
class TuningReport:
    """What a tuning tells of itself.

    Attributes:
        model: what it began with.
        votes: how many there are.
        ties: how many of them.
        photos: that they are on.
        scenes: groups of look-alikes among these.
        dropped: share of votes between photos of which one was held out; they neither teach nor measure then.
        folds: parts of the photos, of which one is held out at a time.
        chosen: what was learned, in words.
        choices: what was chosen in each of the trials that measure.
        held_out: the measure.
        agreement: of the voters.
        slope: of the preference: a difference of scores d means σ(slope · d).
        known: photos that the model which it began with has learned from, so that no vote on them is quite held out.
        checks: answers to catch trials, which are not among the votes.
        learns: whether anything but the slope was learned.
    """

    model: str
    votes: int
    ties: int
    photos: int
    scenes: int
    dropped: float
    folds: int
    chosen: str
    choices: tuple[str, ...]
    held_out: HeldOut
    agreement: Agreement
    slope: float
    known: int = 0
    checks: int = 0
    learns: bool = True

    @property
    def gained(self) -> bool:
        """Whether the tuned model has more of the held-out votes right, be it by chance."""
        return self.held_out.gain.value > 0

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        found = asdict(self)
        for name in ("before", "after", "gain"):
            mean: Mean = getattr(self.held_out, name)
            found["held_out"][name] = asdict(mean) | {"interval": list(mean.interval)}
        found["agreement"] = self.agreement.facts()
        return _no_nan(found)

    def text(self) -> str:
        """For people, as plain lines that are Markdown too."""
        held, ties = self.held_out, f", {self.ties} of them ties," if self.ties else ""
        rows = [
            ("", "votes it has right", "95 %"),
            (self.model, *_percent(held.before)),
            ("tuned", *_percent(held.after)),
        ]
        gain = f"The difference is {_signed(held.gain.value)} points ({_signed(held.gain.interval[0])} to "
        chance = held.gain.interval[0] < 0 < held.gain.interval[1]
        gain += f"{_signed(held.gain.interval[1])}){', which may be chance: more votes tell more' if chance else ''}."
        times = ", ".join(f"{what} ({count}×)" for what, count in Counter(self.choices).most_common())
        lines = [
            f"{self.votes} votes{ties} on {self.photos} photos of {self.scenes} scenes.{self._left_out()}",
            f"Learned: {self.chosen}.",
            "",
            text_table(rows, "<><"),
            "",
            f"{gain} It is told by {held.votes} votes between photos that were held out, one of {self.folds} parts "
            "at a time, scenes whole; votes between the other photos taught, and those that cross, "
            f"{self.dropped:.0%}, were dropped. The model itself has learned from all votes.",
            f"Chosen in these trials: {times}.",
            self.agreement.text(),
        ]
        if not self.gained:
            lines.append(self._advice())
        if self.known:
            lines.append(
                f"The model that it began with has learned from {self.known} of the {self.photos} photos: all shares "
                "above are too good. Begin with the model of before, and all votes."
            )
        if self.slope == 0:
            lines.append("The score that it began with has no part in it: by itself it runs against these votes.")
        return "\n".join(line if "  " in line else fill(line, WIDTH) for line in lines)

    def _left_out(self) -> str:
        if not self.checks:
            return ""
        one = self.checks == 1
        return (
            f" {self.checks} more {'is the answer to a catch trial' if one else 'are answers to catch trials'}, whose "
            "right answer is known: left out."
        )

    def _advice(self) -> str:
        keep = f"keep {self.model}, and tune again when there are more votes"
        if not self.learns:
            return f"Nothing was learned, so nothing is gained: {keep}."
        return f"What was learned has gained nothing on votes that were held out: {keep}."


def _percent(mean: Mean) -> tuple[str, str]:
    low, high = (min(max(bound, 0), 1) for bound in mean.interval)
    return f"{mean.value:.1%}", f"{low:.1%} to {high:.1%}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _no_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _no_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_no_nan(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
