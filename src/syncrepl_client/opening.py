"""What stands behind an open replica: the data file, a link to a provider, and what chooses the provider.

They are put together here, once the data file has told what the program left out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from syncrepl_client.access import Access, Timeouts, credentials_of
from syncrepl_client.discovery import providers_of
from syncrepl_client.exceptions import LDAPUrlError
from syncrepl_client.follow import Follower
from syncrepl_client.ldap import url as urls
from syncrepl_client.link import Link, Terms
from syncrepl_client.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncrepl_client.backoff import Backoff
    from syncrepl_client.credentials import Credentials
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.listener import AnyListener
    from syncrepl_client.providers import Providers
    from syncrepl_client.secret import Secret
    from syncrepl_client.transport.reservoir import Buffers
    from syncrepl_client.transport.tls import TLS

__all__ = ["Opened", "Settings"]

# The system's: what it deals out differs even in processes that were forked from one.
_random: Final = random.SystemRandom().random


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a program says once for all; see `Replica`."""

    terms: Terms
    others: tuple[LDAPUrl, ...]
    srv: str | None
    backoff: Backoff
    credentials: Credentials | None
    password: Secret | None
    starttls: bool
    tls: TLS
    cleartext_password: bool
    timeouts: Timeouts
    on_behalf_of: str
    buffers: Buffers | None

    def open(
        self,
        url: LDAPUrl | None,
        path: Path,
        listener: AnyListener | None,
        *,
        stopping: Callable[[], bool],
        leaving: Callable[[], bool],
    ) -> Opened:
        """Open the data file, and get ready to connect.

        Args:
            url: the search as the program names it; None for the one that the data file names.
            path: the data file.
            listener: the program's; None if it has none.
            stopping: tells whether everything is to be dropped at once.
            leaving: tells whether to end once a refresh in progress is complete.

        Raises:
            DBError: the data file cannot be used.
            UsageError: what was said contradicts itself.
            CleartextPassword: a password would go over the network in clear.
        """
        store = Store(path, stopping, self.terms.redaction)
        try:
            url = url or _stored(store, path)
            providers = providers_of(url, self.others, self.srv, _random)
            accesses = self._accesses(url, providers, path)
            link = Link(accesses[0], url, store, listener, self.terms, stopping=stopping, leaving=leaving)
            follower = Follower(link, providers, listener, self.backoff, random=_random)
        except BaseException:
            store.close()
            raise
        return Opened(url, store, accesses, link, follower)

    def _accesses(self, url: LDAPUrl, providers: Providers, path: Path) -> list[Access]:
        """Return the ways into all that is known: what cannot be is said before anybody is asked."""
        buffers = self.buffers
        if buffers is not None and buffers.folder is None:
            # The file is beside the data file, unless told otherwise: it holds the same data.
            buffers = replace(buffers, folder=path.parent)
        credentials = self.credentials or credentials_of(url, self.password)
        return [
            Access(
                where,
                credentials,
                self.starttls,
                self.timeouts,
                self.tls,
                self.cleartext_password,
                self._buffers(where, buffers),
                self.on_behalf_of,
            )
            for where in providers.known()
        ]

    def _buffers(self, where: LDAPUrl, buffers: Buffers | None) -> Buffers | None:
        """Return the buffers of one connection: what is redacted must not go to a file, where it would be in clear."""
        if buffers is None or self.terms.redaction is None or self.starttls or where.scheme == "ldaps":
            return buffers
        return replace(buffers, spool=0)


def _stored(store: Store, path: Path) -> LDAPUrl:
    stored = store.state().url
    if stored is None:
        raise LDAPUrlError(f"no URL was given, and {path} holds none", hint="give the URL of the search the first time")
    return urls.parse(stored)


@dataclass(frozen=True, slots=True)
class Opened:
    """What an open replica works with.

    Args:
        url: the search that the copy is of.
        store: the copy.
        accesses: the ways into the servers, as far as they are known without asking the DNS.
        link: the connection to one of them.
        follower: what chooses it.
    """

    url: LDAPUrl
    store: Store
    accesses: list[Access]
    link: Link
    follower: Follower

    def close(self) -> None:
        """Disconnect and close the data file."""
        try:
            self.link.close()
        finally:
            self.store.close()
