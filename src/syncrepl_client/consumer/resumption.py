"""Whether a search may go on from the stored cookie: asked of the server before the search begins.

A cookie that its server takes back may still lose changes, and no server says so.  What is checked for each kind:

* OpenLDAP finds what changed by ``entryCSN``.  An identity that may not search it is told "nothing changed" for ever;
  without ``entryUUID`` it is told that changed entries are gone.
* OpenLDAP with several providers: one that lags behind the cookie would name less than there is.
* 389 Directory Server trims its changelog and answers with what is left of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.contentsync.cookies import ChangeNumberCookie, OpenLDAPCookie
from syncrepl_client.contentsync.server import ROOT_DSE, Server
from syncrepl_client.exceptions import Interrupted, LDAPResultError, ProviderBehind
from syncrepl_client.ldap import ber
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.store.store import State

__all__ = [
    "Resumption",
    "catch_up",
    "context_csns",
    "decide",
    "read_server",
    "shows_change_numbers",
]

_EVERYTHING: Final = "(objectClass=*)"
_MARKS: Final = ("entryUUID", "entryCSN")
# How long a provider that lags is waited for, and how long between two looks at it, in seconds.
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a search begins.

    Args:
        dialect: what the server speaks; None to let its cookie tell.
        cookie: the cookie to go on from; None to ask for everything.
        reason: why a stored cookie is not used; empty if it is, or if there is none.
    """

    dialect: Dialect | None
    cookie: bytes | None
    reason: str = ""


def read_server(client: Client) -> Server:
    """Read what the server says of itself; one that hides it is a server of no known kind."""
    try:
        found = client.search("", 0, _EVERYTHING, ROOT_DSE)
    except LDAPResultError:
        found = []
    return Server.of(found[0][1] if found else {})


def decide(client: Client, server: Server, search: Search, state: State, stopping: Callable[[], bool]) -> Resumption:
    """Decide how a search begins.

    Args:
        client: bound; no search runs on it.
        server: what it says of itself.
        search: what will be asked for.
        state: what is stored.
        stopping: tells whether everything is to be dropped at once.

    Raises:
        ProviderBehind: the server has not seen changes that the copy holds, and does not catch up.
        Interrupted: a stop was asked for.
    """
    dialect = server.dialect(search.base)
    if state.cookie is None or not state.whole:
        return Resumption(dialect, None)
    speaks = dialect or dialects.dialect_of(state.cookie)
    if state.dialect not in {None, speaks.name}:
        return Resumption(dialect, None, f"the cookie is of a server of another kind ({state.dialect})")
    if speaks.cookies.to_send(state.cookie) is None:
        return Resumption(dialect, None, "a cookie of this server cannot be resumed from")
    if speaks is dialects.OPENLDAP:
        reason = _openldap(client, server, search, state.cookie, stopping)
    elif speaks is dialects.DS389:
        reason = _change_numbers(server, state.cookie)
    else:
        reason = ""
    return Resumption(dialect, None if reason else state.cookie, reason)


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def shows_change_numbers(client: Client, search: Search) -> bool:
    """Tell whether the identity may search and read entryUUID and entryCSN in the content.

    The base tells in most cases; where it does not, an entry of the content is looked for by them.
    """
    for base, scope, filter_ in (
        (search.base, 0, filters.encode(_EVERYTHING)),
        (search.base, search.scope, ber.tlv(0xA0, search.filter_, *(ber.tlv(0x87, m.encode()) for m in _MARKS))),
    ):
        try:
            found = client.search(base, scope, filter_, _MARKS, size_limit=1)
        except LDAPResultError:
            # The search itself will say what is wrong.
            return True
        if any(len(values) == len(_MARKS) for _, values in found):
            return True
    return False


def context_csns(client: Client, suffix: str) -> OpenLDAPCookie | None:
    """Read how far a provider is; None if it does not show that."""
    try:
        found = client.search(suffix, 0, _EVERYTHING, ("contextCSN",))
    except LDAPResultError:
        return None
    return OpenLDAPCookie.of(csn for _, values in found for csn in values.get("contextCSN", ()))


def _openldap(client: Client, server: Server, search: Search, cookie: bytes, stopping: Callable[[], bool]) -> str:
    if not shows_change_numbers(client, search):
        return (
            "this identity may not search entryUUID and entryCSN, by which the server finds what changed: each refresh "
            "reads everything until it may"
        )
    return catch_up(client, server, search, cookie, stopping)


def catch_up(client: Client, server: Server, search: Search, cookie: bytes | None, stopping: Callable[[], bool]) -> str:
    """Wait until a provider has seen what the copy holds: until then it shows less than there is.

    Returns:
        Why the cookie means nothing to it; empty if it does, or if the provider does not show how far it is.

    Raises:
        ProviderBehind: it does not catch up.
        Interrupted: a stop was asked for.
    """
    suffix, ours = server.suffix_of(search.base), OpenLDAPCookie.parse(cookie)
    if suffix is None or ours is None:
        return ""
    deadline = time.monotonic() + _PATIENCE
    while (theirs := context_csns(client, suffix)) and ours.newer_than(theirs):
        if ours.sids - theirs.sids:
            return "the server knows nothing of another one whose changes the copy holds"
        if len(theirs.sids) == 1:
            # It forgot changes of its own, which it will say itself.
            return ""
        if time.monotonic() > deadline:
            raise ProviderBehind(ours.encode(), theirs.encode())
        client.receive(_PAUSE)
        if stopping():
            raise Interrupted
    return ""


# --- 389 Directory Server ---------------------------------------------------------------------------------------------


def _change_numbers(server: Server, cookie: bytes) -> str:
    known = ChangeNumberCookie.parse(cookie)
    first, last = server.first_change, server.last_change
    if known is None or first is None or last is None:
        return "the server shows no changelog, so nobody knows whether it still holds all since the cookie"
    if not first <= known.number + 1 or known.number > last:
        return f"the changelog holds changes {first} to {last}, the cookie is of change {known.number}"
    return ""
