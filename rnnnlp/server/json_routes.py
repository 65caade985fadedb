"""Requests with a JSON body. They are answered here, as the layers of the framework take longer than the rest.

The framework knows them too, and describes them at /openapi.json.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any, get_type_hints

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from rnnnlp.server.gate import RefusedError
from rnnnlp.server.schemas import RequestBody

Handler = Callable[[Any, Request], Awaitable[Response]]
_IS_JSON = re.compile(rb"application/(?:[\w.+-]+\+)?json\b", re.IGNORECASE)


class Posts:
    """Answers POST requests of the paths that were added; all others are for `app`.

    Args:
        app: Answers the others, and describes all.
        refusal: The answer to an exception; None if it is not the fault of the client.
    """

    def __init__(self, app: FastAPI, refusal: Callable[[Exception], Response | None]):
        self.app, self._refusal = app, refusal
        self._handlers: dict[str, tuple[type[RequestBody], Handler]] = {}

    def add(self, path: str, handler: Handler, **description: Any) -> None:
        """Adds a path, whose handler gets the body, checked as the type of its argument `given` says, and the request.

        Args:
            path: The path.
            handler: Answers.
            description: As `FastAPI.post` takes it.
        """
        self._handlers[path] = get_type_hints(handler)["given"], handler
        self.app.post(path, **description)(handler)

    @property
    def paths(self) -> Collection[str]:
        """Those that were added."""
        return self._handlers.keys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        schema, handler = found
        try:
            if not any(name == b"content-type" and _IS_JSON.match(value) for name, value in scope["headers"]):
                raise RefusedError(415, "the body must be JSON; send the header content-type: application/json")
            request = Request(scope, receive)
            response = await handler(schema.model_validate_json(await request.body()), request)
        except Exception as error:
            refused = self._refusal(error)
            if refused is None:
                raise
            response = refused
        await response(scope, receive, send)
