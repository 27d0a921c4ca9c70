"""A study while it runs: which questions are on whose screen, and what became of them."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from rankiqa.errors import InputError
from rankiqa.study.vote_file import Comparison, Order, Rating, Vote, VoteFile
from rankiqa.web.asked import Asked, Refused, Signer
from rankiqa.web.modes import Mode

AHEAD = 3  # questions that a page holds: one on the screen, the others being loaded
SCREENS = 500  # pages whose questions are remembered
WAITS = 900.0  # seconds after which a question on a screen that says nothing is free for others
NAME = 80  # characters of a rater's name
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # Unicode's bidirectional controls


class Session:
    """Asks and keeps answers; threads may share it.

    A page is told apart by a name that it makes up and keeps through a reload: it then shows the same question.

    Args:
        votes: the file, whose votes `mode` knows.
        mode: what is asked.
        secret: see `rankiqa.web.serving.secret_of`.
        clock: seconds.
    """

    def __init__(self, votes: VoteFile, mode: Mode, secret: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._votes, self._mode, self._clock = votes, mode, clock
        self._signer = Signer(secret, mode.name)
        self._screens: OrderedDict[tuple[str, str], tuple[float, list[Asked]]] = OrderedDict()
        self._lock = threading.RLock()
        self._left_out: dict[int, str] = {}
        self._fresh: deque[tuple[Any, bool]] = deque()
        self._stands: dict[str, list[str]] = {}  # identifiers of each rater's votes, as they came
        told: dict[str, Sequence[Vote]] = {
            "compare": votes.comparisons(), "rate": votes.ratings(), "sort": votes.orders(),
        }  # fmt: skip
        for vote in told[mode.name]:
            self._stands.setdefault(vote.rater, []).append(vote.uid)

    def questions(self, rater: str, page: str, drop: Collection[str] = ()) -> dict[str, Any]:
        """What a page shall have on its screen and ready, first things first, and how far the study is.

        Args:
            rater: the name that was given.
            page: the name of the page.
            drop: identifiers of questions that the page cannot show, or shall come later.

        Raises:
            Refused: no name.
        """
        rater = name_of(rater)
        with self._lock:
            self._take_in()
            held = [asked for asked in self._held(rater, page) if asked.uid not in drop]
            passed = [asked.photos for asked in self._held(rater, page) if asked.uid in drop]
            while len(held) < AHEAD:
                waiting = [*self._waiting((rater, page)), *passed, *(asked.photos for asked in held)]
                found = self._mode.next(rater, waiting)
                if found is None and passed:
                    passed = []  # better the same once more than none
                    continue
                if found is None or any(set(asked.photos) == set(found[0]) for asked in held):
                    break  # nothing else to ask for now
                held.append(self._signer.ask(rater, *found))
            self._hold(rater, page, held)
            return {
                "questions": [self._shown(asked) for asked in held],
                "progress": self._mode.progress(rater) | {"raters": sum(map(bool, self._stands.values()))},
                "last": self._last(rater),
                "left_out": len(self._left_out),
            }

    def vote(self, rater: str, uid: str, photos: tuple[int, ...], answer: Any, seconds: float | None) -> dict[str, Any]:
        """Keep an answer; when this returns it is on the disk. One that is sent again counts once.

        Raises:
            Refused: a question that was never asked of this rater, or no answer to it.
            InputError: the file cannot be written.
        """
        rater = name_of(rater)
        asked = self._signer.known(uid, rater, photos)
        if any(not 0 <= number < len(self._votes.photos) for number in asked.photos):
            raise Refused("there is no such photo")
        vote = self._mode.vote(rater, asked, answer, seconds)
        counted = self._votes.add(vote)
        self._fresh.append((vote, counted))  # what follows from it may wait: the rater shall not
        return {"counted": counted, "last": uid}

    def undo(self, rater: str, page: str, uid: str) -> dict[str, Any]:
        """Take back a vote and put its question first on the page; asked again it does so once.

        Raises:
            Refused: this rater has no such vote.
            InputError: the file cannot be written.
        """
        rater = name_of(rater)
        with self._lock:
            self._take_in()
            vote = self._votes.undo(rater, uid)
            if vote is None:
                raise Refused("this rater has no such vote")
            photos, held = self._photos_of(vote), self._held(rater, page)
            if uid in self._stands.get(rater, ()):
                self._stands[rater].remove(uid)
                self._mode.undone(vote)
                held = [asked for asked in held if asked.photos != photos]
            if not held or held[0].photos != photos:
                held = [self._signer.ask(rater, photos, vote.purpose), *held]
            self._hold(rater, page, held)
            return self.questions(rater, page)

    def progress(self) -> dict[str, Any]:
        """How far the study is: what the mode says, of no rater in particular."""
        with self._lock:
            self._take_in()
            return self._mode.progress("")

    def leave_out(self, number: int, reason: InputError) -> None:
        """Ask for a photo no more, as it cannot be shown."""
        with self._lock:
            self._take_in()
            self._left_out[number] = str(reason)
            self._mode.drop(number)
            for key, (at, held) in self._screens.items():
                self._screens[key] = at, [asked for asked in held if number not in asked.photos]

    def _take_in(self) -> None:
        """Let the mode and the screens know of the votes that came."""
        while self._fresh:
            vote, counted = self._fresh.popleft()
            if counted:
                self._mode.told(vote)
                self._stands.setdefault(vote.rater, []).append(vote.uid)
            for key, (at, held) in self._screens.items():
                if key[0] == vote.rater:
                    self._screens[key] = at, [asked for asked in held if asked.uid != vote.uid]

    def _photos_of(self, vote: Comparison | Rating | Order) -> tuple[int, ...]:
        numbers = {photo.path: number for number, photo in enumerate(self._votes.photos)}
        if isinstance(vote, Comparison):
            return numbers[vote.left], numbers[vote.right]
        return (numbers[vote.photo],) if isinstance(vote, Rating) else tuple(numbers[path] for path in vote.photos)

    def _held(self, rater: str, page: str) -> list[Asked]:
        return list(self._screens.get((rater, page), (0.0, []))[1])

    def _hold(self, rater: str, page: str, held: list[Asked]) -> None:
        self._screens[rater, page] = self._clock(), held
        self._screens.move_to_end((rater, page))
        while len(self._screens) > SCREENS:
            self._screens.popitem(last=False)

    def _waiting(self, but: tuple[str, str]) -> list[tuple[int, ...]]:
        """The photos of the questions on other screens; in a rating or an order others may have the same ones."""
        if self._mode.name != "compare":
            return []
        late = self._clock() - WAITS
        return [a.photos for key, (at, held) in self._screens.items() if key != but and at > late for a in held]

    def _last(self, rater: str) -> str | None:
        stands = self._stands.get(rater)
        return stands[-1] if stands else None

    def _shown(self, asked: Asked) -> dict[str, Any]:
        """A question as a page gets it: the names of files are not told, as they may say what was done to a photo."""
        photos = [(number, self._votes.photos[number]) for number in asked.photos]
        return {"uid": asked.uid, "photos": [{"n": n, "w": photo.width, "h": photo.height} for n, photo in photos]}


def name_of(rater: str) -> str:
    """The name of a rater, without spaces around it.

    `Refused` for none, a very long one, control characters, and what turns the direction of all text around it. What
    joins the parts of an emoji or of a letter stays, though it does not print either.
    """
    name = " ".join(rater.split())
    if not 0 < len(name) <= NAME or any(unicodedata.category(c) in ("Cc", "Cs") or c in _TURNS for c in name):
        raise Refused(f"a name has 1 to {NAME} characters that print")
    return name
