"""A Redis server that confirms what is on its disk, and what its streams hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.sinks.broker import Broker

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["STREAM", "RedisServer"]

STREAM = "ldap:directory"


class RedisServer(Broker):
    """A server with ``appendfsync always``.

    Its configuration is what `settings` holds when it starts.
    """

    program = "redis-server"
    package = "redis-server"

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.settings = settings
        # Who looks at what the server holds.
        self.login: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def _prepare(self) -> list[str]:
        ports = (
            {"port": "0", "tls-port": str(self.port)} if "tls-cert-file" in self.settings else {"port": str(self.port)}
        )
        settings = {
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "always",
            **ports,
            **self.settings,
        }
        path = self.folder / "redis.conf"
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return [str(path)]

    def _answers(self) -> bool:
        try:
            return self.ask("EXISTS", STREAM) is not None
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def use_tls(self, cert: Path, key: Path, ca_file: Path, *, clients: str = "no") -> None:
        """Let it encrypt, after the next start."""
        files = {"tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": ca_file}
        self.settings |= {name: str(path) for name, path in files.items()} | {"tls-auth-clients": clients}
        self.login |= {"ssl": True, "ssl_ca_certs": str(ca_file)}

    def _client(self) -> redis.Redis:
        retry = Retry(NoBackoff(), 0)
        return redis.Redis("127.0.0.1", self.port, socket_timeout=5, protocol=2, retry=retry, **self.login)

    def ask(self, *words: str | int) -> Any:
        """Ask the server something, as its administrator."""
        with self._client() as client:
            return client.execute_command(*words)

    def set(self, name: str, value: str) -> None:
        """Change a setting while it runs."""
        self.ask("CONFIG", "SET", name, value)

    def entries(self, name: str = STREAM) -> list[dict[bytes, bytes]]:
        """Return the fields of all entries of a stream, in their order."""
        with self._client() as client:
            return [fields for _, fields in client.xrange(name)]
