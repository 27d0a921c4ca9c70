"""The routes of `rankiqa label`: pages, pictures by number, questions and votes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.study.vote_file import WORDS
from rankiqa.web.asked import Refused
from rankiqa.web.pictures import SIDES, TILE, Picture, Pictures
from rankiqa.web.serving import Guard, is_of_this_machine, page_routes, token_of
from rankiqa.web.session import Session

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_KEEP = "private, max-age=86400"  # a number stands for the same photo as long as the address stays the same
MOST_SECONDS = 1e9  # of an answer; whole numbers of JSON may be larger than any float


def label_app(session: Session, pictures: Pictures, mode: str, secret: bytes, then: str = "") -> ASGIApp:
    """The application.

    Args:
        session: what is asked.
        pictures: of the study's photos.
        mode: one of `rankiqa.web.modes.MODES`.
        secret: see `rankiqa.web.serving.secret_of`; its token is the first part of each path.
        then: the command that goes on with the votes; it is told to pages on this machine alone, as it names a file.
    """
    with extra("label"):
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route

    about = {"mode": mode, "photos": len(pictures.photos), "sides": SIDES, "tile": TILE, "words": WORDS}

    async def say(request: Request) -> Response:
        return JSONResponse(about | {"then": then if is_of_this_machine(request.scope) else ""})

    def more(body: dict[str, Any]) -> dict[str, Any]:
        drop = body.get("drop", [])
        if not isinstance(drop, list) or not all(isinstance(uid, str) for uid in drop):
            raise Refused("drop is a list of texts")
        return session.questions(_text(body, "rater"), _text(body, "page"), drop)

    def vote(body: dict[str, Any]) -> dict[str, Any]:
        photos = body.get("photos")
        if not isinstance(photos, list) or not all(type(number) is int for number in photos):
            raise Refused("photos is a list of numbers")
        given = _text(body, "rater"), _text(body, "uid"), tuple(photos), body.get("answer"), _seconds(body)
        return session.vote(*given)

    def undo(body: dict[str, Any]) -> dict[str, Any]:
        return session.undo(_text(body, "rater"), _text(body, "page"), _text(body, "uid"))

    routes = [
        *page_routes("label.html"),
        Route("/api/about", say, methods=["POST"]),
        *(
            Route(f"/api/{name}", answer_json(call), methods=["POST"])
            for name, call in {"next": more, "vote": vote, "undo": undo}.items()
        ),
        *picture_routes(pictures),
    ]
    return Guard(Starlette(routes=routes), token_of(secret))


def answer_json(call: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A route for a function of a JSON object, which runs in a thread.

    What a page should not have sent is 400, and what the system refuses, as a full disk, 503: the page tries again.
    """

    async def answer(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            return JSONResponse({"error": "no JSON"}, 400)
        try:
            if not isinstance(body, dict):
                raise Refused("a JSON object is expected")
            return JSONResponse(await run_in_threadpool(call, body))
        except Refused as error:
            return JSONResponse({"error": str(error)}, 400)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 503)

    return answer


def picture_routes(pictures: Pictures) -> list[Any]:
    """The routes of whole photos and of their tiles, by number."""
    from starlette.routing import Route

    async def screen(request: Request) -> Response:
        numbers = request.path_params
        return await answer_picture(lambda: pictures.screen(numbers["number"], numbers["side"]))

    async def tile(request: Request) -> Response:
        numbers = request.path_params
        return await answer_picture(lambda: pictures.tile(numbers["number"], numbers["column"], numbers["row"]))

    return [
        Route("/photo/{number:int}/{side:int}", screen),
        Route("/photo/{number:int}/tile/{column:int}/{row:int}", tile),
    ]


async def answer_picture(make: Callable[[], Future[Picture]]) -> Response:
    """A picture once it is made; 404 for one that there is not, 410 for a photo that cannot be read."""
    from starlette.responses import PlainTextResponse, Response

    try:
        picture = await asyncio.wrap_future(make())
    except LookupError:
        return PlainTextResponse("There is no such picture.\n", 404)
    except InputError:  # which names a file: raters need not know it
        return PlainTextResponse("This photo cannot be read.\n", 410)
    except (RuntimeError, CancelledError, asyncio.CancelledError):
        return PlainTextResponse("The server stops.\n", 503)
    return Response(picture.data, media_type=picture.kind, headers={"cache-control": _KEEP})


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or len(value) > 200 or any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise Refused(f"{key} is a text")
    return value


def _seconds(body: dict[str, Any]) -> float | None:
    value = body.get("seconds")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_SECONDS:
        raise Refused("seconds is a number that is not negative")
    return round(float(value), 3)
