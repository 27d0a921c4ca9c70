"""The routes of `rankiqa app`: photos that come, their scores, maps and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.printable import printable
from rankiqa.web.asked import Refused
from rankiqa.web.judging import Judging
from rankiqa.web.labelling import answer_json, picture_routes
from rankiqa.web.pictures import SIDES, TILE, Pictures
from rankiqa.web.serving import LIMIT, Guard, page_routes
from rankiqa.web.shelf import MOST_BYTES, Shelf

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_UPLOAD = "/api/upload"


def photo_app(shelf: Shelf, judging: Judging, pictures: Pictures, models: Sequence[str], token: str) -> ASGIApp:
    """The application.

    Args:
        shelf: the photos.
        judging: what scores them.
        pictures: of the photos of the shelf.
        models: that the page offers, the first one first; no other is loaded.
        token: the first part of each path.
    """
    with extra("label"):
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse, PlainTextResponse, Response
        from starlette.routing import Route

    def model_of(name: Any) -> str:
        if name not in models:
            raise Refused("there is no such model here")
        return str(name)

    def say(body: dict[str, Any]) -> dict[str, Any]:
        return {"models": list(models), "sides": SIDES, "tile": TILE, "most": MOST_BYTES}

    def state(body: dict[str, Any]) -> dict[str, Any]:
        named, since = _count(body, "named"), _count(body, "since")
        names = [printable(item.name) for item in shelf.items[named : named + 5000]]
        return judging.state(model_of(body.get("model")), since) | {"names": names}

    def score(body: dict[str, Any]) -> dict[str, Any]:
        judging.start(model_of(body.get("model")))
        return {}

    def stop(body: dict[str, Any]) -> dict[str, Any]:
        judging.stop()
        return {}

    def size(body: dict[str, Any]) -> dict[str, Any]:
        from rankiqa.images.reading import read_size

        number = _count(body, "n")
        if number >= len(shelf.items):
            raise Refused("there is no such photo")
        try:
            height, width = read_size(shelf.items[number].path)
        except InputError as error:
            raise Refused(error.text(path=False)) from None
        return {"n": number, "w": width, "h": height}

    async def upload(request: Request) -> Response:
        try:
            number = await shelf.drop(request.query_params.get("name", ""), request.stream())
        except InputError as error:
            return JSONResponse({"error": error.text(path=False)}, 400)
        judging.wake()
        return JSONResponse({"n": number})

    def heat(request: Request) -> Response:
        number, model = request.path_params["number"], request.query_params.get("model")
        if number >= len(shelf.items) or model not in models:
            return PlainTextResponse("There is no such map.\n", 404)
        try:
            return Response(judging.map(number, str(model)), media_type="image/png")
        except InputError as error:
            return PlainTextResponse(f"{error.text(path=False)}\n", 410)

    def csv(request: Request) -> Response:
        from rankiqa.scoring.score_table import best_first, csv_text

        model = request.query_params.get("model")
        if model not in models:
            return PlainTextResponse("There is no such model here.\n", 404)
        text = csv_text(best_first(judging.results(str(model))))
        headers = {"content-disposition": 'attachment; filename="scores.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "about": say, "state": state, "score": score, "stop": stop, "size": size,
    }  # fmt: skip
    routes = [
        *page_routes("app.html"),
        *(Route(f"/api/{name}", answer_json(call), methods=["POST"]) for name, call in calls.items()),
        Route(_UPLOAD, upload, methods=["POST"]),
        *picture_routes(pictures),
        Route("/photo/{number:int}/heat", heat),
        Route("/scores.csv", csv),
    ]
    return Guard(Starlette(routes=routes), token, lambda path: MOST_BYTES if path == _UPLOAD else LIMIT)


def _count(body: dict[str, Any], key: str) -> int:
    value = body.get(key)
    if type(value) is not int or value < 0:
        raise Refused(f"{key} is a number from 0 on")
    return value
