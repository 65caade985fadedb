"""Running the server until it is stopped."""

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import closing, suppress

from rnnnlp.errors import UserError, option
from rnnnlp.kernels import one_thread_each
from rnnnlp.server.settings import ServerOptions

GRACE = 10  # seconds that requests have to end when the server is stopped
QUEUE = 1024  # connections that wait to be accepted

log = logging.getLogger(__name__)


def serve(options: ServerOptions, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serves until SIGINT or SIGTERM: then no request is taken any more, and those that run come to their end.

    Args:
        options: Which models, where, and the limits.
        ready: Is told the address of the page when the server listens.

    Raises:
        UserError: If the extra is not installed, there is no model, or the address cannot be taken.
    """
    try:
        import uvicorn

        from rnnnlp.server.app import Server, create_app
        from rnnnlp.server.protocol import Protocol
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("rnnnlp"):
            raise
        raise UserError(f"the server needs {error.name}; pip install 'rnnnlp[web]'") from None
    with closing(_listening(options)) as sock, one_thread_each() as threads:
        holder: list[uvicorn.Server] = []
        app = create_app(Server(options, lambda: bool(holder) and holder[0].should_exit, threads))
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
            http=Protocol,
        )
        server = uvicorn.Server(config)
        holder.append(server)
        host, port = sock.getsockname()[:2]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more when all is done
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[sock])
        finally:
            signal.signal(signal.SIGTERM, before)


def _listening(options: ServerOptions) -> socket.socket:
    """A socket at the address of the options."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            # On Windows, which alone has the other option, SO_REUSEADDR lets several programs take one port.
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
            sock.bind(address)
            sock.listen(QUEUE)
        except OSError:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:  # UnicodeError is for a name that no host can have
        raise UserError(
            f"{option('host')} {options.host} with {option('port')} {options.port} cannot be listened on "
            f"({getattr(error, 'strerror', None) or error}); give another one"
        ) from None
    return sock
