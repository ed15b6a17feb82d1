"""What a program may say about a replica besides the search and the file; each has a default that is right for most."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from syncrepl_client.backoff import Backoff
    from syncrepl_client.connection.access import Timeouts
    from syncrepl_client.consumer.guard import MaxDeletes
    from syncrepl_client.consumer.heartbeat import Heartbeat
    from syncrepl_client.credentials import Credentials
    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.secret import Secret
    from syncrepl_client.store.retention import Retention
    from syncrepl_client.transport.reservoir import Buffers
    from syncrepl_client.transport.tls import TLS

__all__ = ["Options"]


class Options(TypedDict, total=False):
    """The options of `Replica`, as keyword arguments.

    Args:
        starttls: whether to encrypt an ``ldap://`` connection before binding.
        password: for a simple bind as the URL's ``bindname``; overrides the URL's own.
        credentials: who to be; overrides the URL's ``bindname``.
        tls: how to encrypt, as `TLS` or an ``ssl.SSLContext``; the default verifies by the system's authorities.
        cleartext_password: whether a password may go over the network in clear; to this machine it always may.
        timeouts: how long connecting and binding may take.
        on_behalf_of: in whose name to search, ``dn:DN`` or ``u:NAME`` (proxied authorization, RFC 4370).
        progress: is called with the number of entries received, a few times each second of a refresh.
        trace: is called with one line for each protocol message, without credentials.
        max_message: the largest message that is accepted, in bytes.
        verify_every: seconds between comparisons of the copy with the server; None (the default) where the stream alone
            cannot be right (389 Directory Server, FreeIPA, ApacheDS), after each resumption and each ten minutes, and
            elsewhere once after everything was read while somebody wrote; 0 never.
        patience: seconds that the server may be silent in the middle of a refresh before the connection counts as lost.
        heartbeat: when a server that says nothing in the persist stage is asked whether it is still there; None for
            never.
        lag_every: seconds between two questions how far the provider is, for `Replica.lag`; None for none.
        buffers: how much of what the server sends is taken from it while the program is busy in a callback; None for
            nothing. The file of it is made in the folder of the data file, if no other is named.
        max_deletes: how much a refresh may delete without being held; None holds nothing.  In any case what it would
            delete beyond the default is confirmed by an independent search first.
        providers: URLs of further servers that hold the same content, tried in this order after the first; they differ
            in host and port only, and the search may be left out of them.
        srv: a domain such as ``example.com``, in whose DNS the servers are looked up (RFC 2782) each time that one is
            needed; the URL has no host then, as in ``ldap:///dc=example,dc=com``.
        backoff: how long `follow` waits between tries.
        redaction: which attributes are dropped, masked or hashed before anything is stored, told or traced; a copy that
            was made with rules goes on with rules, and an empty `Redaction` ends them.
        changelog: how long the changelog is kept; None for no changelog, and nothing of it is written.
    """

    starttls: bool
    password: Secret | bytes | str | None
    credentials: Credentials | None
    tls: TLS | ssl.SSLContext | None
    cleartext_password: bool
    timeouts: Timeouts
    on_behalf_of: str
    progress: Callable[[int], None] | None
    trace: Callable[[str], None] | None
    max_message: int
    verify_every: float | None
    patience: float
    heartbeat: Heartbeat | None
    lag_every: float | None
    buffers: Buffers | None
    max_deletes: MaxDeletes | None
    providers: Iterable[str | LDAPUrl | SupportsUnparse]
    srv: str | None
    backoff: Backoff
    redaction: Redaction | None
    changelog: Retention | None
