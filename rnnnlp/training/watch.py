"""Notices a computer that cannot be reached any more. MPI does not: the others would wait for it for ever.

Beside MPI, each process has a connection to the first one, on which nothing is sent. The operating systems of both ends
ask each other every few seconds (TCP keepalive), and without an answer the connection ends. A process that computes,
writes a checkpoint, waits or is stopped is not taken for lost, because its system answers for it. One that was killed
is left to MPI, which notices that itself.
"""

import errno
import hmac
import logging
import secrets
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

IDLE_SECONDS, ASK_SECONDS, TIMES = 3, 2, 3  # asked after 3 seconds of silence, then every 2; lost after 3 times: 9 s
CONNECT_SECONDS = 2.0  # for each address of the first process
ACCEPT_SECONDS = 60.0  # in which all processes connect
LOST = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
SIOCGIFADDR = 0x8915  # of Linux: the address of a network interface
HELLO = struct.Struct("!32sI")  # the secret of the job, and the number of the process

log = logging.getLogger(__name__)


class Invitation(NamedTuple):
    """Where the first process listens, and what to say there."""

    addresses: list[str]
    port: int
    secret: bytes


class Listener:
    """The first process, which has a connection to each other."""

    def __init__(self, others: int):
        self.others = others
        self.connections: dict[int, socket.socket] = {}
        self.invitation = Invitation(own_addresses(), 0, secrets.token_bytes(32))

    def listen(self) -> Invitation:
        """Opens the port. Others may connect from now on."""
        self._server = socket.create_server(("", 0), backlog=self.others)
        self.invitation = self.invitation._replace(port=self._server.getsockname()[1])
        return self.invitation

    def accept(self) -> None:
        """Waits until all others are connected, or a while has passed."""
        deadline = time.monotonic() + ACCEPT_SECONDS
        with self._server as server:
            while len(self.connections) < self.others and (left := deadline - time.monotonic()) > 0:
                server.settimeout(left)
                with suppress(OSError):
                    self._greet(server.accept()[0])

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(CONNECT_SECONDS)
        try:
            secret, rank = HELLO.unpack(connection.recv(HELLO.size, socket.MSG_WAITALL))
            if not hmac.compare_digest(secret, self.invitation.secret):
                raise ValueError("this is not a process of the job")
            connection.sendall(HELLO.pack(secret, 0))
        except (OSError, struct.error, ValueError):
            connection.close()
            return
        self.connections[rank] = keep_alive(connection)


def connect(invitation: Invitation, rank: int) -> socket.socket | None:
    """A connection to the first process; None if it cannot be reached beside MPI."""
    for address in invitation.addresses:
        with suppress(OSError):
            connection = socket.create_connection((address, invitation.port), CONNECT_SECONDS)
            connection.sendall(HELLO.pack(invitation.secret, rank))
            if connection.recv(HELLO.size, socket.MSG_WAITALL) == HELLO.pack(invitation.secret, 0):
                return keep_alive(connection)
            connection.close()
    return None


def keep_alive(connection: socket.socket) -> socket.socket:
    """Lets the system ask whether the other end is there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    for name, value in ((idle, IDLE_SECONDS), ("TCP_KEEPINTVL", ASK_SECONDS), ("TCP_KEEPCNT", TIMES)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    connection.settimeout(None)
    return connection


def wait_for_loss(connections: dict[int, socket.socket]) -> int | None:
    """Waits until a process cannot be reached, and returns its number; None once all connections are closed."""
    with selectors.DefaultSelector() as selector:
        for rank, connection in connections.items():
            selector.register(connection, selectors.EVENT_READ, rank)
        while selector.get_map():
            for key, _ in selector.select():
                connection = connections[key.data]
                if is_lost(connection):
                    return int(key.data)
                selector.unregister(connection)
                connection.close()
    return None


def is_lost(connection: socket.socket) -> bool:
    """Whether a connection ended because the other end cannot be reached, and not because its process has ended."""
    try:
        connection.recv(1)
    except OSError as error:
        return error.errno in LOST
    return False


def watch(
    rank: int, others: int, share: Callable[[Invitation | None], Invitation], lost: Callable[[int], None]
) -> None:
    """Begins to watch, in a thread of its own that ends with the process.

    Args:
        rank: The number of this process.
        others: The number of the other processes.
        share: Gives all processes what the first one has.
        lost: Called with the number of a process that cannot be reached.
    """
    listener = Listener(others) if rank == 0 else None
    invitation = share(listener.listen() if listener else None)

    def run() -> None:
        if listener:
            listener.accept()
            connections = listener.connections
            if (missing := others - len(connections)) > 0:
                log.warning(
                    "%d of %d processes cannot be reached beside MPI, so nobody notices if their computers are lost",
                    missing,
                    others,
                )
        else:
            first = connect(invitation, rank)
            connections = {} if first is None else {0: first}
        if (found := wait_for_loss(connections)) is not None:
            lost(found)

    threading.Thread(target=run, name="watch", daemon=True).start()


def own_addresses() -> list[str]:
    """The addresses of this computer in its networks."""
    found = []
    if sys.platform == "linux":
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for _, name in socket.if_nameindex():
                with suppress(OSError):  # an interface without an address
                    answer = fcntl.ioctl(any_socket.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                    found.append(socket.inet_ntoa(answer[20:24]))
    with suppress(OSError):
        found += [str(place[0]) for *_, place in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]
