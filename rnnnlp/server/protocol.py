"""HTTP/1.1 as uvicorn speaks it, but with an end to what comes before the body of a request."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BEFORE_BODY = 1 << 20  # bytes; more than the system gives at a time, as the end of another request may be in it


class Protocol(HttpToolsProtocol):
    """Closes a connection whose header, or what follows the last chunk, has no end: httptools would keep it."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._before_body: int | None = 0  # bytes; None while a body is read

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._before_body is not None:
            self._before_body += len(data)
            if self._before_body > MOST_BEFORE_BODY:
                self.transport.close()

    def on_message_begin(self) -> None:
        self._before_body = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._before_body = None
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._before_body = 0  # it may be the last chunk, and then trailers come

    def on_body(self, body: bytes) -> None:
        self._before_body = None
        super().on_body(body)
