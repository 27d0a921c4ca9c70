"""Questions that prove themselves: their identifiers are signed, so that only what was asked can be answered.

Nothing has to be remembered for it: a page may answer after the server was killed and started again. A page is not told
which of its questions is a repeat or a catch; the signature says it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from rankiqa.errors import InputError
from rankiqa.study.vote_file import PURPOSES, Purpose


class Refused(InputError):
    """A page sent what none of ours sends."""


@dataclass(frozen=True)
class Asked:
    """A question to a rater: photos by number, and why they are asked for; `uid` is what its vote is kept under."""

    uid: str
    photos: tuple[int, ...]
    purpose: Purpose = "ask"


class Signer:
    """Makes questions, and tells those that it made.

    Args:
        secret: see `rankiqa.web.serving.secret_of`.
        kind: of the questions; one for comparisons is none for ratings.
    """

    def __init__(self, secret: bytes, kind: str) -> None:
        self._secret, self._kind = secret, kind

    def ask(self, rater: str, photos: Sequence[int], purpose: Purpose = "ask") -> Asked:
        """A new question."""
        nonce = secrets.token_hex(8)
        return Asked(f"{nonce}-{self._mark(nonce, rater, photos, purpose)}", tuple(photos), purpose)

    def known(self, uid: str, rater: str, photos: Sequence[int]) -> Asked:
        """The question of this rater with these photos and this identifier.

        Raises:
            Refused: it was never asked.
        """
        nonce, _, mark = uid.partition("-")
        for purpose in PURPOSES:
            if hmac.compare_digest(mark.encode(), self._mark(nonce, rater, photos, purpose).encode()):
                return Asked(uid, tuple(photos), purpose)
        raise Refused("this question was never asked of this rater")

    def _mark(self, nonce: str, rater: str, photos: Sequence[int], purpose: str) -> str:
        text = json.dumps([nonce, self._kind, rater, list(photos), purpose])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]
