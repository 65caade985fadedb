"""The options of the server."""

import ipaddress
import os
import re
from dataclasses import dataclass

from rnnnlp.config import Config, at_least, between, setting
from rnnnlp.errors import UserError, option

TOKEN = "RNNNLP_TOKEN"  # environment variable: the token, so that the list of processes does not show it
SHORTEST_TOKEN = 12
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerOptions(Config):
    """Which models are served, where, and how much a request may ask for."""

    runs: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    host: str = setting("address to listen on; 0.0.0.0 is every address of this machine", "127.0.0.1")
    port: int = setting("port to listen on; 0 takes a free one", 8000, check=between(0, 65535))
    token: str | None = setting(
        f"secret of at least {SHORTEST_TOKEN} characters, which each request must send as a bearer token; needed "
        f"unless the host is loopback (or set {TOKEN})",
        None,
    )
    max_body: int = setting("maximum size of a request in bytes", 8_000_000, check=at_least(1000))
    max_texts: int = setting("maximum number of texts of a request", 1000, check=at_least(1))
    max_characters: int = setting("maximum number of characters of a text or prompt", 100_000, check=at_least(1))
    max_length: int = setting("maximum number of tokens that a request may generate", 10_000, check=at_least(1))
    max_waiting: int = setting("maximum number of waiting texts; further requests are refused", 5000, check=at_least(1))
    max_streams: int = setting("maximum number of texts generated at the same time", 8, check=at_least(1))
    timeout: float = setting("maximum duration of a request in seconds", 60.0, check=between(1, 3600))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token is None and os.environ.get(TOKEN):
            object.__setattr__(self, "token", os.environ[TOKEN])  # the dataclass is frozen
        if self.token is not None and not re.fullmatch(rf"[!-~]{{{SHORTEST_TOKEN},500}}", self.token):
            raise UserError(
                f"{option('token')} has {len(self.token)} characters or others than letters, digits and signs; it must "
                f"have at least {SHORTEST_TOKEN} of them, and no space"
            )
        if not self.is_loopback and self.token is None:
            raise UserError(
                f"{option('host')} is {self.host}, which other machines reach; give {option('token')} too, or set "
                f"{TOKEN}"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def serves_host(self, name: str) -> bool:
        """Whether a request may name this host, without a port.

        Names that are not expected are refused, so that no page of others can reach the server under a name of its own
        (DNS rebinding). A number is not such a name.
        """
        name = name.lower().strip("[]")
        if name in (*LOOPBACK_NAMES, self.host.lower(), *(host.lower() for host in self.allowed_hosts)):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return not self.is_loopback
