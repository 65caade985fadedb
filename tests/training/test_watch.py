"""A computer that cannot be reached is noticed. A process that ends or is stopped is not taken for one."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from rnnnlp.training import watch as watching
from rnnnlp.training.watch import HELLO, Listener, connect, is_lost, keep_alive, own_addresses, wait_for_loss, watch
from tests.conftest import PATIENCE


class Broken:
    """A connection that ends with an error."""

    def __init__(self, number: int):
        self.number = number

    def recv(self, size: int) -> bytes:
        raise OSError(self.number, os.strerror(self.number))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.setattr(watching, "own_addresses", lambda: ["127.0.0.1"])
    return Listener(2)


@pytest.mark.parametrize(
    ("number", "lost"),
    [
        (errno.ETIMEDOUT, True),
        (errno.EHOSTUNREACH, True),
        (errno.ENETUNREACH, True),
        (errno.ECONNRESET, False),  # of a process that was killed
    ],
)
def test_only_a_computer_without_an_answer_is_lost(number: int, lost: bool):
    connection: Any = Broken(number)
    assert is_lost(connection) == lost


def test_others_connect_and_end(listener: Listener):
    invitation = listener.listen()
    accepting = threading.Thread(target=listener.accept)
    accepting.start()
    with socket.create_connection(("127.0.0.1", invitation.port)) as stranger:
        stranger.sendall(HELLO.pack(b"?" * 32, 1))
        assert stranger.recv(1) == b""  # it is not a process of the job
    found = [connect(invitation, rank) for rank in (1, 2)]
    accepting.join(timeout=PATIENCE)
    assert set(listener.connections) == {1, 2}
    for connection in found:
        assert connection is not None
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        connection.close()
    assert wait_for_loss(listener.connections) is None


def test_a_process_that_does_not_connect_is_not_waited_for_for_ever(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(watching, "ACCEPT_SECONDS", 0.2)
    monkeypatch.setattr(watching, "Listener", lambda others: listener)
    waiting = threading.Event()
    monkeypatch.setattr(watching, "wait_for_loss", lambda connections: waiting.set())
    with socket.socket() as one:

        def share(invitation: Any) -> Any:
            one.connect(("127.0.0.1", invitation.port))
            one.sendall(HELLO.pack(invitation.secret, 1))
            return invitation

        watch(0, 2, share, lambda rank: None)
        assert waiting.wait(timeout=PATIENCE)
    assert set(listener.connections) == {1}
    listener.connections[1].close()
    assert "1 of 2 processes cannot be reached beside MPI, so nobody notices if their computers are lost" in caplog.text


def test_a_first_process_that_cannot_be_reached(listener: Listener):
    invitation = listener.listen()
    listener._server.close()
    assert connect(invitation, 1) is None


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPCNT"), reason="the system has no such options")
def test_the_system_asks_for_nine_seconds():
    with socket.socket() as connection:
        keep_alive(connection)
        names = ["TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"]
        idle, ask, times = (connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names)
        assert idle + ask * times == 9


def test_what_is_lost_is_told(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    told, is_told = [], threading.Event()

    def lost(rank: int) -> None:
        told.append(rank)
        is_told.set()

    monkeypatch.setattr(watching, "Listener", lambda others: listener)
    listener.others = 1
    invitations = []

    def share(invitation: Any) -> Any:
        invitations.append(invitation)
        return invitation

    monkeypatch.setattr(watching, "is_lost", lambda connection: True)
    watch(0, 1, share, lost)
    other = connect(invitations[0], 7)
    assert other is not None
    other.close()
    assert is_told.wait(timeout=PATIENCE)
    listener.connections[7].close()
    assert told == [7]


@pytest.mark.skipif(os.name != "posix", reason="stops a process")
def test_a_stopped_process_is_not_lost(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    for name in ("IDLE_SECONDS", "ASK_SECONDS", "TIMES"):
        monkeypatch.setattr(watching, name, 1)
    listener.others = 1
    invitation = listener.listen()
    code = "import sys; from rnnnlp.training.watch import Invitation, connect\n"
    code += (
        f"found = connect(Invitation(['127.0.0.1'], {invitation.port}, bytes.fromhex('{invitation.secret.hex()}')), 1)"
    )
    code += "\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        listener.accept()
        process.send_signal(signal.SIGSTOP)
        ended = threading.Thread(target=wait_for_loss, args=(listener.connections,), daemon=True)
        ended.start()
        ended.join(timeout=3.5)
        assert ended.is_alive()  # its system answers
        process.send_signal(signal.SIGCONT)
        process.communicate()
        ended.join(timeout=PATIENCE)
        assert not ended.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the interfaces as on Linux")
def test_addresses_are_those_of_the_interfaces_and_of_the_name_but_not_of_the_computer_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    found = {"lo": "127.0.0.1", "eth0": "10.0.0.7", "eth1": "192.168.5.1"}

    def ioctl(descriptor: int, request: int, name: bytes) -> bytes:
        if (address := found.get(name.rstrip(b"\0").decode())) is None:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return name[:20] + socket.inet_aton(address) + name[24:]

    of_name = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in ("127.0.1.1", "10.0.0.7", "10.0.0.8")]
    monkeypatch.setattr("socket.if_nameindex", lambda: list(enumerate(("lo", "eth0", "unplugged", "eth1"), 1)))
    monkeypatch.setattr("fcntl.ioctl", ioctl)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: of_name)
    assert own_addresses() == ["10.0.0.7", "192.168.5.1", "10.0.0.8"]
