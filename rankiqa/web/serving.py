"""What every local page of rankiqa is served by: an address with a token, limits, headers, and a server."""

from __future__ import annotations

import errno
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankiqa.errors import InputError, explain_os_error
from rankiqa.extras import extra

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = Path(__file__).parent / "pages"
LIMIT = 64 * 1024  # bytes of a body
LOCAL = "127.0.0.1"
# Nothing is loaded from elsewhere, no script or style but the files of the package is taken, and no other page may show
# this one in a frame. Pictures that the page itself holds (blob:) are those that a user drops on it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def secret_of(path: str | os.PathLike[str]) -> bytes:
    """32 bytes that nobody else knows, kept in a file that only its owner may read, so that addresses stay the same.

    Raises:
        InputError: the file can be neither read nor written, or holds something else.
    """
    path = Path(path)
    try:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = path.read_bytes()
        else:
            with open(file, "wb") as stream:
                stream.write(text := secrets.token_hex(32).encode())
    except OSError as error:
        raise explain_os_error(error, path) from error
    try:
        found = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        found = b""
    if len(found) != 32:
        raise InputError("holds no secret of rankiqa", path=path, cure="remove it, and a new one is made")
    return found


def token_of(secret: bytes) -> str:
    """The part of the address that makes it known only to those it was told to."""
    return hmac.new(secret, b"address", hashlib.sha256).hexdigest()[:24]


class Guard:
    """An ASGI application that hands on what has the token in its path, within a limit, and adds the headers.

    Args:
        app: what is handed on to, with the path behind the token.
        token: see `token_of`.
        limit: bytes of a body; what is larger gets 413 and is not read. A function gives that of a path.
    """

    def __init__(self, app: ASGIApp, token: str, limit: int | Callable[[str], int] = LIMIT) -> None:
        with extra("label"):
            from starlette.responses import PlainTextResponse, RedirectResponse

        self._redirect, self._text = RedirectResponse, PlainTextResponse
        self.app, self.token = app, token
        self.limit = limit if callable(limit) else lambda _: limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] != "http":
            return
        first, slash, rest = scope["path"][1:].partition("/")
        if not hmac.compare_digest(first.encode(), self.token.encode()):
            refusal = "This address lacks the token: take the whole address that the command has shown."
            await self._answer(403, refusal, scope, receive, send)
            return
        if not slash:
            await self._redirect(f"/{self.token}/")(scope, receive, _with_headers(send))
            return
        limit = self.limit(f"/{rest}")
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > limit:
            await self._answer(413, f"At most {limit:,} bytes are taken.", scope, receive, send)
            return
        inside = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        await self.app(inside, _limited(receive, limit), _with_headers(send))

    async def _answer(self, status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._text(text + "\n", status, {"connection": "close"})
        await response(scope, receive, _with_headers(send))


def _limited(receive: Receive, limit: int) -> Receive:
    """What reads a body of unknown length, up to the limit."""
    read = 0

    async def take() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            from starlette.exceptions import HTTPException

            raise HTTPException(413, f"At most {limit:,} bytes are taken.")
        return message

    return take


def _with_headers(send: Send) -> Send:
    async def put(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            more = {name.encode(): value.encode() for name, value in HEADERS.items()} | {b"cache-control": b"no-store"}
            message["headers"] = [*message["headers"], *((k, v) for k, v in more.items() if k not in own)]
        await send(message)

    return put


def is_of_this_machine(scope: Scope) -> bool:
    """Whether who asks sits at this machine, under whatever address of it."""
    (host, *_), (own, *_) = scope.get("client") or ("",), scope.get("server") or ("",)
    try:
        return host == own or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def page(name: str) -> Callable[[Request], Response]:
    """A route that answers with a file of the package."""
    path = PAGES / name

    def answer(request: Request) -> Response:
        from starlette.responses import Response

        return Response(path.read_bytes(), media_type=f"{_KINDS[path.suffix]}; charset=utf-8")

    return answer


def page_routes(index: str) -> list[Any]:
    """The routes of all files in `PAGES`, by their names, and of the first page."""
    from starlette.routing import Route

    files = sorted(path.name for path in PAGES.iterdir() if path.suffix in _KINDS)
    return [Route("/", page(index)), *(Route(f"/pages/{name}", page(name)) for name in files)]


def listen(host: str, port: int) -> socket.socket:
    """A socket that a server can take.

    Raises:
        InputError: the port is in use, or the address is none of this machine.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(kind, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(128)
    except (OSError, OverflowError) as error:
        taken.close()
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise InputError(f"the port {port} is in use", cure="choose another one, or 0", options=("port",)) from None
        raise InputError(f"cannot listen at {host}, port {port}: {error}", options=("host", "port")) from None
    return taken


def addresses(taken: socket.socket, token: str) -> list[str]:
    """Where the pages are found: of a socket for the whole network, under this machine's own address too."""
    host, port = taken.getsockname()[:2]
    hosts = [host]
    if host in ("0.0.0.0", "::"):
        hosts = [LOCAL, *_own_address()]
    return [f"http://{f'[{name}]' if ':' in name else name}:{port}/{token}/" for name in hosts]


def _own_address() -> list[str]:
    """The address by which others in the network reach this machine; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: for documentation, nobody's
            return [probe.getsockname()[0]]
        except OSError:
            return []


def serve(app: ASGIApp, taken: socket.socket, open_page: str | None = None) -> None:
    """Serve until Ctrl-C or a polite kill; `open_page` is shown in the user's browser once the server answers."""
    with extra("label"):
        import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if open_page is not None:
                import threading

                threading.Thread(target=webbrowser.open, args=(open_page,), daemon=True).start()

    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    try:
        Server(config).run(sockets=[taken])
    except KeyboardInterrupt:  # how people stop it
        pass
    finally:
        taken.close()
