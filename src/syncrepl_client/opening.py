"""What stands behind an open replica: the data file, a link to a provider, and what chooses the provider.

They are put together here, once the data file has told what the program left out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from syncrepl_client.backoff import Backoff
from syncrepl_client.connection.access import Access, Timeouts, credentials_of
from syncrepl_client.consumer.guard import MaxDeletes
from syncrepl_client.consumer.heartbeat import Heartbeat
from syncrepl_client.exceptions import LDAPUrlError
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.connection import DEFAULT_MAX_MESSAGE
from syncrepl_client.provider.discovery import providers_of
from syncrepl_client.provider.follow import Follower
from syncrepl_client.provider.link import Link, Terms
from syncrepl_client.reader import Reader
from syncrepl_client.secret import Secret
from syncrepl_client.store.retention import Retention
from syncrepl_client.store.store import Store
from syncrepl_client.transport.reservoir import Buffers
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from syncrepl_client.connection.listener import AnyListener
    from syncrepl_client.credentials import Credentials
    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import SyncreplMode
    from syncrepl_client.provider.providers import Providers
    from syncrepl_client.redaction import Redaction

__all__ = ["Opened", "Settings", "settings_of"]

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
    changelog: Retention | None
    redaction: Redaction | None

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
        store = Store(path, stopping, retention=self.changelog, redaction=self.redaction)
        try:
            url = url or _stored(store, path)
            providers = providers_of(url, self.others, self.srv, _random)
            accesses = self._accesses(url, providers, path)
            link = Link(accesses[0], url, store, listener, self.terms, stopping=stopping, leaving=leaving)
            follower = Follower(link, providers, listener, self.backoff, random=_random)
            reader = Reader(path)
        except BaseException:
            store.close()
            raise
        return Opened(url, store, accesses, link, follower, reader)

    def check(self, url: LDAPUrl, path: Path) -> None:
        """Find out what contradicts itself, and open nothing; see `open`."""
        self._accesses(url, providers_of(url, self.others, self.srv, _random), path)

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


def settings_of(
    mode: SyncreplMode,
    *,
    starttls: bool = False,
    password: Secret | bytes | str | None = None,
    credentials: Credentials | None = None,
    tls: TLS | ssl.SSLContext | None = None,
    cleartext_password: bool = False,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
    on_behalf_of: str = "",
    progress: Callable[[int], None] | None = None,
    trace: Callable[[str], None] | None = None,
    max_message: int = DEFAULT_MAX_MESSAGE,
    verify_every: float | None = None,
    patience: float = 300.0,
    heartbeat: Heartbeat | None = Heartbeat(),  # noqa: B008 - a frozen value
    lag_every: float | None = None,
    buffers: Buffers | None = Buffers(),  # noqa: B008 - a frozen value
    max_deletes: MaxDeletes | None = MaxDeletes(),  # noqa: B008 - a frozen value
    providers: Iterable[str | LDAPUrl | SupportsUnparse] = (),
    srv: str | None = None,
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    changelog: Retention | None = Retention(),  # noqa: B008 - a frozen value
    redaction: Redaction | None = None,
) -> Settings:
    """Put the options of a program together; they are those of `Options`, with their defaults.

    It is long because there are many, and for nothing else.
    """
    try:
        others = tuple(urls.of(provider) for provider in providers)
        secret = password if password is None or isinstance(password, Secret) else Secret(password)
    finally:
        # Tools print the variables of a traceback: no password may be among them.
        del password, providers
    return Settings(
        terms=Terms(
            mode=mode,
            max_message=max_message,
            max_deletes=max_deletes,
            verify_every=verify_every,
            patience=patience,
            heartbeat=heartbeat,
            lag_every=lag_every,
            progress=progress,
            trace=trace,
            redaction=redaction or None,
        ),
        others=others,
        srv=srv,
        backoff=backoff,
        credentials=credentials,
        password=secret,
        starttls=starttls,
        tls=TLS.of(tls),
        cleartext_password=cleartext_password,
        timeouts=timeouts,
        on_behalf_of=on_behalf_of,
        buffers=buffers,
        changelog=changelog,
        redaction=redaction,
    )


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
        reader: reads the data file, also in the middle of what is written.
    """

    url: LDAPUrl
    store: Store
    accesses: list[Access]
    link: Link
    follower: Follower
    reader: Reader

    def close(self) -> None:
        """Disconnect and close the data file."""
        try:
            self.link.close()
        finally:
            self.reader.close()
            self.store.close()
