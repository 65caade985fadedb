"""`rnnnlp serve` gives its options to the server, and says where it serves."""

import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from rnnnlp.cli.main import main
from rnnnlp.server.run import _listening
from rnnnlp.server.settings import ServerOptions

ADDRESS = "http://127.0.0.1:8123/"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerOptions]:
    """The options of the servers that were started."""
    found: list[ServerOptions] = []

    def serve(options: ServerOptions, ready: Callable[[str], None]) -> None:
        found.append(options)
        ready(ADDRESS)

    monkeypatch.setattr("rnnnlp.server.run.serve", serve)
    return found


def test_options_reach_the_server(served: list[ServerOptions], capsys: pytest.CaptureFixture):
    words = "serve one two --allowed-host films.example --allowed-host b.example --host 0.0.0.0 --port 0"
    words += " --token a-token-of-some-length --max-body 2000 --max-texts 3 --max-characters 4 --max-length 5"
    words += " --max-waiting 6 --max-streams 7 --timeout 8.5 --backend numpy"
    assert main(words.split()) == 0
    assert served == [
        ServerOptions(
            runs=("one", "two"),
            allowed_hosts=("films.example", "b.example"),
            host="0.0.0.0",
            port=0,
            token="a-token-of-some-length",
            max_body=2000,
            max_texts=3,
            max_characters=4,
            max_length=5,
            max_waiting=6,
            max_streams=7,
            timeout=8.5,
        )
    ]
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[-1]) == ("", f"serving at {ADDRESS}")


def test_no_other_program_takes_the_port_on_windows(monkeypatch: pytest.MonkeyPatch):
    """Another option of a socket stands for the one that only Windows has."""
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with closing(_listening(ServerOptions(port=0))) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_without_options_it_serves_this_computer_alone(served: list[ServerOptions]):
    assert main(["serve", "--backend", "numpy"]) == 0
    assert served == [ServerOptions()]
    assert served[0].is_loopback
