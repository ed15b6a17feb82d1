"""Two OpenLDAP servers that replicate each other, as providers in one multi-provider group.

    with Providers(sessionlog=100) as providers:
        first, second = providers
        providers.load(empty_tree())
        providers.start()
        providers.cut(second)
        first.add(...)
        providers.restore(second)
        providers.wait_replicated()

A client of one that goes on with the other is where cookies are hardest; so each direction can be cut by itself.

Facts that shaped it (OpenLDAP 2.5.13):

* slapd refuses ``multiprovider on`` in a database without a ``syncrepl`` line; so both go when a direction is cut.
* Where a server begins with no data, the first refresh brings them, with their UUIDs and CSNs.
* A consumer whose provider is away looks again after a time of its own choice, of a second at least.
* A CSN names the server that made it.  ``contextCSN`` has the newest of each such server; that of a consumer grows only
  when all that it stands for is there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import ldap

from tests.slapd import Slapd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Providers", "context_csns"]

REPLICATION_TIMEOUT = 20.0


class Providers:
    """Two ``Slapd``, server IDs 1 and 2; the options are for both."""

    def __init__(self, **options: Any) -> None:
        self.first = Slapd(server_id=1, **options)
        self.second = Slapd(server_id=2, **options)
        for server in self:
            # What a test says of the database stays when replication is cut.
            server.extra_database += "\n"
            self._connect(server)

    def __iter__(self) -> Iterator[Slapd]:
        return iter((self.first, self.second))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self:
            server.close()

    def load(self, ldif: str | Path | Iterable[str]) -> None:
        """Add entries to the first; the second gets them when both run."""
        self.first.load(ldif)

    def start(self) -> None:
        """Start both, and wait until they hold the same."""
        for server in self:
            server.start()
        self.wait_replicated()

    def other(self, server: Slapd) -> Slapd:
        return self.second if server is self.first else self.first

    def cut(self, consumer: Slapd) -> None:
        """Start a server again such that it no longer gets what the other one writes."""
        consumer.extra_database = consumer.extra_database.replace(self._lines(consumer), "")
        consumer.restart()

    def restore(self, consumer: Slapd) -> None:
        """Start a server again such that it gets what the other one writes, also what it missed; wait for nothing."""
        self._connect(consumer)
        consumer.restart()

    def wait_replicated(self) -> None:
        """Return when both hold all that was written to either."""
        for server in self:
            self.wait_received(server)

    def wait_received(self, consumer: Slapd) -> None:
        """Return when one holds all that the other held when this was called."""
        wanted = context_csns(self.other(consumer))
        deadline = time.monotonic() + REPLICATION_TIMEOUT
        while any(csn > context_csns(consumer).get(server_id, "") for server_id, csn in wanted.items()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not replicated: {wanted} {context_csns(consumer)} {consumer.log[-1000:]}")
            time.sleep(0.01)

    def _connect(self, consumer: Slapd) -> None:
        consumer.extra_database += self._lines(consumer)

    def _lines(self, consumer: Slapd) -> str:
        provider = self.other(consumer)
        words = {
            "rid": f"{provider.server_id:03}",
            "provider": provider.url,
            "searchbase": provider.suffix,
            "bindmethod": "simple",
            "binddn": provider.rootdn,
            "credentials": provider.rootpw,
            "type": "refreshAndPersist",
            "retry": "1 +",
        }
        syncrepl = " ".join(f'{name}="{value}"' for name, value in words.items())
        return f"syncrepl {syncrepl}\nmultiprovider on\n"


def context_csns(server: Slapd) -> dict[int, str]:
    """Return the newest CSN of each server ID, as one server knows them."""
    try:
        [entry] = server.search(scope=ldap.SCOPE_BASE, attrs=["contextCSN"]).values()
    except ldap.NO_SUCH_OBJECT:
        # It has not begun to copy the other.
        return {}
    csns = [value.decode() for value in entry.get("contextCSN", [])]
    return {int(csn.split("#")[2], 16): csn for csn in csns}
