"""The routes of the server."""

import asyncio
import contextvars
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from importlib import resources
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Receive, Scope, Send

from rnnnlp.errors import UserError
from rnnnlp.server import counters as counting
from rnnnlp.server import inspect_models
from rnnnlp.server.batching import Batcher
from rnnnlp.server.catalogue import CLASSIFIER, LANGUAGE_MODEL, Catalogue, Entry, UnknownModelError
from rnnnlp.server.classify import Classification, Wanted
from rnnnlp.server.gate import Gate, RefusedError, error_body, internal_error
from rnnnlp.server.generate import Generation
from rnnnlp.server.json_routes import Posts
from rnnnlp.server.schemas import (
    GenerateRequest,
    GenerateResponse,
    InspectRequest,
    InspectResponse,
    ModelsResponse,
    PredictRequest,
    PredictResponse,
    UnrollRequest,
    refusals,
)
from rnnnlp.server.settings import ServerOptions
from rnnnlp.tasks.char_lm.generate import Sampling
from rnnnlp.tasks.sentiment.bundled import models_for
from rnnnlp.version import __version__

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
EVENT = {  # how a server-sent event is described
    "type": "object",
    "properties": {"data": {"type": "string", "description": "a JSON object with a part of the text, or the end"}},
    "required": ["data"],
}
LATE = 5.0  # seconds after --timeout in which a slow client may still read the end of a text
SAMPLING = ("length", "temperature", "top_k", "top_p", "repetition_penalty", "repetition_window")
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Server:
    """What the routes share.

    Args:
        options: Which models, and the limits.
        stopping: Whether the server is about to stop: texts that are being generated then end.
        threads: The number of threads that classify texts with each model.

    Raises:
        UserError: If there is no model to serve.
    """

    def __init__(self, options: ServerOptions, stopping: Callable[[], bool] = lambda: False, threads: int = 1):
        self.options, self.stopping, self._threads = options, stopping, threads
        self.catalogue = Catalogue(options.runs)
        self.counters = counting.Counters(lambda: sum(batcher.waiting for batcher in self.catalogue.batchers))
        self.streams = 0
        self.threads = ThreadPoolExecutor(options.max_streams + 2, thread_name_prefix="compute")

    async def compute(self, function: Callable[..., Result], *args: Any) -> Result:
        """Calls a function in a thread, with the kernels of this context."""
        run = partial(contextvars.copy_context().run, function, *args)
        return await asyncio.get_running_loop().run_in_executor(self.threads, run)

    async def computed(self, function: Callable[..., Result], *args: Any) -> Result:
        """As `compute`, for a request: a place must be free, and it may take only so long."""
        if self.streams >= self.options.max_streams:
            raise HTTPException(429, "too much is computed at the same time; try again", {"retry-after": "1"})
        self.streams += 1
        try:
            async with asyncio.timeout(self.options.timeout):
                return await self.compute(function, *args)
        finally:
            self.streams -= 1

    def batcher(self, entry: Entry) -> Batcher:
        if entry.batcher is None:
            entry.batcher = Batcher(Classification(entry, self.counters), self._threads)
        return entry.batcher

    async def classified(self, name: str | None, texts: list[str], wanted: Wanted) -> tuple[str, list[Any]]:
        """The name of the model, and its answer to each text."""
        entry = self.catalogue.choose(name, CLASSIFIER)
        await self.catalogue.opened(entry)
        batcher = self.batcher(entry)
        if batcher.waiting and batcher.waiting + len(texts) > self.options.max_waiting:
            raise HTTPException(429, f"{batcher.waiting} texts wait already; try again", {"retry-after": "1"})
        return entry.name, await batcher.result(texts, wanted, self.options.timeout)

    async def classified_by_script(self, texts: list[str], wanted: Wanted) -> tuple[str, list[Any]]:
        """The names of the models that the scripts of the texts choose, and the answer to each text.

        The first model answers where no text has letters: requests may have a single text, such as "10/10".
        """
        usual = self.catalogue.choose(None, CLASSIFIER).name
        names = await asyncio.to_thread(models_for, texts, usual=usual)
        parts: dict[str, list[str]] = {name: [] for name in names}
        for name, text in zip(names, texts, strict=True):
            parts[name].append(text)
        found = await asyncio.gather(*(self.classified(name, part, wanted) for name, part in parts.items()))
        answers = {name: iter(part) for name, part in found}
        return ", ".join(parts), [next(answers[name]) for name in names]

    def close(self) -> None:
        for batcher in self.catalogue.batchers:
            batcher.close()
        self.threads.shutdown(wait=False, cancel_futures=True)


def create_app(server: Server) -> Gate:
    """The web application of a server, which speaks ASGI."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for kind in (CLASSIFIER, LANGUAGE_MODEL):
            if entries := server.catalogue.of_kind(kind):
                try:
                    await server.catalogue.opened(entries[0])
                except UserError:  # which is logged, and said to those who ask for it
                    log.debug("%s is damaged", entries[0].name)
        yield
        server.close()

    app = FastAPI(
        title="rnnnlp", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan, redirect_slashes=False
    )

    async def refused(request: Request, error: Exception) -> Response:
        answer = _refusal(error)
        assert answer is not None  # as it was added for these kinds
        return answer

    async def failed(request: Request, error: Exception) -> Response:
        return _refused(500, internal_error(error))

    posts = Posts(app, _refusal)
    _add_models(posts, server)
    _add_page(app)
    _add_service(app, server)
    _add_inspection(posts, server)
    for kind in (RequestValidationError, StarletteHTTPException, UserError, TimeoutError):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(Exception, failed)
    paths = [path for route in app.routes if "{" not in (path := getattr(route, "path", "{"))]
    return Gate(posts, server.options, server.counters, paths, posts.paths)


def _add_page(app: FastAPI) -> None:
    files = {}
    for file in resources.files("rnnnlp.server").joinpath("page").iterdir():
        kind = TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None and file.is_file():
            content = file.read_bytes()
            files[file.name] = (content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')

    def answer(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404, "there is no such page; the page is at /")
        content, kind, tag = files[name]
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return answer("index.html", request)

    @app.api_route("/page/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file_of_page(name: str, request: Request) -> Response:
        return answer(name, request)


def _add_service(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", summary="Whether the server answers")
    async def healthz() -> dict[str, str]:
        return {"status": "stopping" if server.stopping() else "ok"}

    @app.get("/metrics", summary="Counts, as Prometheus reads them", response_class=Response, responses=refusals())
    async def metrics() -> Response:
        return Response(server.counters.text(), media_type=counting.TYPE)

    @app.get("/v1/models", summary="The models that are served", response_model=ModelsResponse, responses=refusals())
    async def models() -> Response:
        listed = []
        for entry in await asyncio.to_thread(server.catalogue.entries):
            opened = entry.kind == CLASSIFIER and entry.model is not None
            labels = list(entry.model.labels) if opened else entry.labels
            listed.append({"name": entry.name, "kind": entry.kind, "labels": labels})
        names = ("max_texts", "max_characters", "max_length", "max_body")
        limits = {name: getattr(server.options, name) for name in names}
        limits["max_inspected"] = inspect_models.LONGEST_TEXT
        by_script = server.catalogue.by_script
        return _json({"models": listed, "by_script": by_script, "version": __version__, "limits": limits})


def _add_models(posts: Posts, server: Server) -> None:
    options = server.options

    async def predict(given: PredictRequest, request: Request) -> Response:
        if len(given.texts) > options.max_texts:
            raise HTTPException(422, f"there are {len(given.texts)} texts; send at most {options.max_texts} at a time")
        for k, text in enumerate(given.texts):
            _require_short(text, f"text {k + 1}", options.max_characters)
        threshold = None if given.threshold is None else (given.threshold.label, given.threshold.probability)
        wanted = Wanted(given.explain, threshold)
        if given.model is None and server.catalogue.by_script:
            name, answers = await server.classified_by_script(given.texts, wanted)
        else:
            name, answers = await server.classified(given.model, given.texts, wanted)
        return _json({"model": name, "predictions": answers})

    async def generate(given: GenerateRequest, request: Request) -> Response:
        if given.length > options.max_length:
            raise HTTPException(422, f"length is {given.length}; it must be at most {options.max_length}")
        _require_short(given.prompt, "the prompt", options.max_characters)
        sampling = Sampling(**{name: getattr(given, name) for name in SAMPLING}, stop=tuple(given.stop))
        entry = server.catalogue.choose(given.model, LANGUAGE_MODEL)
        model = await server.catalogue.opened(entry)
        seed = secrets.randbelow(2**32) if given.seed is None else given.seed
        if server.streams >= options.max_streams:
            raise HTTPException(429, "too much is generated at the same time; try again", {"retry-after": "1"})
        generation = Generation(
            model, given.prompt, sampling, seed=seed, seconds=options.timeout, stopping=server.stopping
        )
        unknown = model.tokenizer.unknown_characters(given.prompt)[:50]
        rest = {"model": entry.name, "seed": seed, "unknown": unknown}
        parts = _parts(server, generation, entry.name)
        first = await anext(parts, "")  # takes the place now; and what goes wrong here has its own status
        if given.stream:
            return _Events(_events(first, parts, generation, rest), parts, options.timeout + LATE)
        text = [first]
        async with aclosing(parts):
            async for part in parts:
                text.append(part)
                if await request.is_disconnected():
                    break
        return _json({"text": "".join(text), "reason": generation.reason, **rest})

    posts.add(
        *("/v1/predict", predict),
        summary="Classify texts",
        response_model=PredictResponse,
        responses=refusals(404),
    )
    posts.add(
        *("/v1/generate", generate),
        summary="Generate the text after a prompt",
        response_model=GenerateResponse,
        responses={200: {"content": {"text/event-stream": {"schema": EVENT}}}, **refusals(404)},
    )


async def _parts(server: Server, generation: Generation, name: str) -> AsyncGenerator[str, None]:
    """The parts of a text as they are made; each is computed only when the one before was taken."""
    server.streams += 1
    try:
        while (part := await server.compute(generation.part)) is not None:
            if part:
                yield part
    finally:
        server.streams -= 1
        server.counters.tokens[name] += generation.tokens


async def _events(
    first: str, parts: AsyncGenerator[str, None], generation: Generation, rest: dict[str, Any]
) -> AsyncIterator[bytes]:
    """Server-sent events: the parts, then what remains to be said."""
    if first:
        yield b"data: " + _dumps({"text": first}) + b"\n\n"
    async for part in parts:
        yield b"data: " + _dumps({"text": part}) + b"\n\n"
    yield b"data: " + _dumps({"done": True, "reason": generation.reason, **rest}) + b"\n\n"


class _Events(StreamingResponse):
    """Server-sent events with a time limit, so that a client that stops reading does not keep its place.

    Args:
        events: The events.
        parts: What they are made from; it is closed in the end.
        seconds: The time limit. The connection is closed when it is over.
    """

    def __init__(self, events: AsyncIterator[bytes], parts: AsyncGenerator[str, None], seconds: float):
        super().__init__(events, media_type="text/event-stream", headers={"cache-control": "no-store"})
        self._parts, self._seconds = parts, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._parts):
            try:
                async with asyncio.timeout(self._seconds):
                    await super().__call__(scope, receive, send)
            except TimeoutError:
                log.warning("a generated text was broken off: the client did not read it to its end in time")


def _add_inspection(posts: Posts, server: Server) -> None:
    app = posts.app

    async def inspect(given: InspectRequest, request: Request) -> Response:
        entry = server.catalogue.choose(given.model, LANGUAGE_MODEL)
        model = await server.catalogue.opened(entry)
        return _json({"model": entry.name, **await server.computed(inspect_models.inspection, model, given)})

    async def unroll(given: UnrollRequest, request: Request) -> Response:
        return _json(await server.computed(inspect_models.unrolled, given))

    posts.add(
        *("/v1/inspect", inspect),
        summary="A text through the eyes of a language model: surprise, likeliest tokens, hidden units",
        response_model=InspectResponse,
        responses=refusals(404),
    )
    posts.add(*("/v1/unroll", unroll), summary="Backpropagation through time in a small example", responses=refusals())

    @app.get("/v1/runs", summary="The runs that are served, with their last figures", responses=refusals())
    async def runs() -> Response:
        return _json({"runs": await server.computed(lambda: inspect_models.runs_of(server.catalogue.entries()))})

    @app.get("/v1/run", summary="The curves, the last sample and the settings of a run", responses=refusals(404))
    async def run(name: str = Query(max_length=500)) -> Response:
        return _json(await server.computed(inspect_models.run_of, server.catalogue.choose(name)))


def _refusal(error: Exception) -> Response | None:
    """The answer to an exception that the client can do something about; None for all others."""
    match error:
        case RequestValidationError() | ValidationError():
            first = error.errors()[0]
            status = 400 if first["type"] == "json_invalid" else 422
            where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
            return _refused(status, f"{where}: {first['msg']}" if where else first["msg"])
        case StarletteHTTPException():
            return _refused(error.status_code, error.detail, error.headers)
        case RefusedError():
            return _refused(error.status, error.reason, error.headers)
        case UnknownModelError():
            return _refused(404, error)
        case UserError():
            return _refused(422, error)
        case TimeoutError():
            return _refused(503, "this took too long, so it was given up; send less at a time")
    return None


def _refused(status: int, reason: Any, headers: Any = None) -> Response:
    return Response(error_body(reason), status, headers, "application/json")


def _require_short(text: str, what: str, most: int) -> None:
    if len(text) > most:
        raise HTTPException(422, f"{what} has {len(text)} characters; at most {most} are read: send a shorter one")


def _json(content: Any) -> Response:
    return Response(_dumps(content), media_type="application/json")


def _dumps(content: Any) -> bytes:
    return ENCODER.encode(content).encode("utf-8", "replace")
