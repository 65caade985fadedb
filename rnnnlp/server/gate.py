"""What a request must pass before anything reads it: host, origin, token, size and time; and what each answer has."""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnnnlp.server.counters import Counters
from rnnnlp.server.settings import ServerOptions

MOST_REQUESTS = 512  # at the same time
OPEN_TO_ALL = ("/healthz",)  # without a token; the page and its files are, too
SECURITY = {
    # Scripts, styles and connections come from this server alone, and nothing is run that stands in the page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that goes no further: the status and the reason."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None):
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


class Gate:
    """Lets requests through to `app` that name a host of ours, come from our page or from no page, and have the token.

    The body is read here, as far as it may be, so that a slow or endless one holds nothing else.

    Args:
        app: What answers.
        options: The limits.
        counters: Counts each request.
        paths: The paths that are counted by name.
        posts: The paths whose POST requests have a body. The body of any other request is refused.
    """

    def __init__(
        self, app: ASGIApp, options: ServerOptions, counters: Counters, paths: Sequence[str], posts: Collection[str]
    ):
        self.app, self.options, self.counters = app, options, counters
        self.paths, self.posts = frozenset(paths), frozenset(posts)
        self.now = 0  # requests
        self.security = [(name.encode(), value.encode()) for name, value in SECURITY.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # nothing here speaks another protocol
        began, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *self.security]}
            await send(message)

        self.now += 1
        try:
            try:
                self._check(scope)
                receive = await self._with_body(scope, receive)
                await self.app(scope, receive, answer)
            except RefusedError as refused:
                await refuse(answer, refused)
            except asyncio.CancelledError:  # the server stops, and this request did not end in the time that was left
                log.warning("a request to %s was cancelled: the server is stopping", scope["path"])
                if not status:
                    await refuse(answer, RefusedError(503, "the server is stopping; try again later"))
            except Exception as error:
                log.exception("an internal error, at %s", scope["path"])
                if status:
                    raise
                await refuse(answer, RefusedError(500, internal_error(error)))
        finally:
            self.now -= 1
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.counters.answered(path, status, time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        """Raises RefusedError for a request that is not for us."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in (b"host", b"origin", b"authorization") and name in headers:
                raise RefusedError(400, f"the header {name.decode()} is there twice; send it once")
            headers[name] = value
        host = headers.get(b"host", b"").decode("latin-1")
        if not self.options.serves_host(_name_of(host)):
            raise RefusedError(
                421, "the header Host does not name this server; use its address, or start it with allowed_host"
            )
        origin = headers.get(b"origin")
        if origin is not None and not _same_origin(origin.decode("latin-1"), host):
            raise RefusedError(403, "pages of other origins may not send requests to this server")
        path = scope["path"]
        if self.options.token is not None and (path.startswith(("/v1/", "/metrics", "/openapi"))):
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {self.options.token}".encode()):
                raise RefusedError(
                    401,
                    "the token is missing or wrong; send Authorization: Bearer and the token",
                    {"www-authenticate": "Bearer"},
                )
        if self.now > MOST_REQUESTS and path not in OPEN_TO_ALL:
            raise RefusedError(429, "there are too many requests at the same time; try again", {"retry-after": "1"})

    async def _with_body(self, scope: Scope, receive: Receive) -> Receive:
        """A `receive` that has the whole body."""
        most, reason = 0, "this path and method take no body; send the request without one"
        if scope["method"] == "POST" and scope["path"] in self.posts:
            most = self.options.max_body
            reason = f"the request has more than {most} bytes; send less"
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if (length.isdigit() and int(length[:20]) > most) or (not most and b"transfer-encoding" in headers):
            raise RefusedError(413, reason)  # at once: a chunked body may never end
        body = bytearray()
        try:
            async with asyncio.timeout(self.options.timeout):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        break  # the client is gone
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > most:
                        raise RefusedError(413, reason)
        except TimeoutError:
            late = f"the request did not arrive within {self.options.timeout:g} seconds; send it faster"
            raise RefusedError(408, late) from None
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return again


async def refuse(send: Send, refused: RefusedError) -> None:
    """Answers, and ends the connection, so that nothing more of the request is read."""
    body = error_body(refused.reason)
    of_answer = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    headers = of_answer | refused.headers
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def internal_error(error: Exception) -> str:
    """The reason of a 500: nothing of what the error itself says, which may be of other requests."""
    return f"internal error: {type(error).__name__}; see the log"


def error_body(reason: Any) -> bytes:
    """What every refusal has: one line for people."""
    return json.dumps({"error": " ".join(str(reason)[:1000].split())}).encode()


def _name_of(host: str) -> str:
    """A host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) and not name.endswith(":") and name else host


def _same_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and _without_default(parts.netloc) == _without_default(host)


def _without_default(netloc: str) -> str:
    return netloc.lower().removesuffix(":80").removesuffix(":443")
