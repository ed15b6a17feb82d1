"""How servers differ from RFC 4533 where a client must know: the one place for it.

A `Dialect` is a row of a table: what may be kept of the cookies a server gives, what the end of its refreshes says, and
which of its messages cannot be taken at their word.  Facts behind the rows:

* OpenLDAP: cookies are vectors; a refresh ends with a present phase that names everything unchanged, or with a delete
  phase that names what is gone.  Builds are about that leave the names out, and ApacheDS, which never sends them, has
  cookies of the same form.  What changed after the moment that a search is about is withheld from it, not sent as it
  was: to a client without a cookie it looks as if it were gone.
* 389 Directory Server: a cookie holds the number of the last change in the retro changelog.  Content updates never have
  a present phase, although their end says so.  Entries that left the filter, moved in or out of a one-level base, or
  are the 51st in a row of deletions are not told, so the copy is compared with the server after each resumption.  What
  an update sends of attributes is not what was asked for.  A search in persist mode holds one of the few threads of
  its connection until that is closed, abandoned or not: after five of them nothing is answered on it any more.
* The same in its OpenLDAP mode: cookies look like OpenLDAP's, the number hidden in a date; its refreshes end right.  It
  is for clients whose first cookie looks like that, and has other UUIDs: a search without a cookie never leads there,
  so a cookie of this mode is not gone on from.
* FreeIPA: its changelog covers the DNS entries alone.  A cookie leads nowhere, so each start reads everything.
* ApacheDS: a refresh leaves out what changed after the last entry that was deleted was last written, so plain searches
  tell what there is.  In the persist stage the first change of each entry after a refresh is lost, and who begins to
  match or moves in is not told of, so that the stream is a hint at most, and its entries have all attributes.  A
  refresh in persist mode ends with a new cookie; operational attributes come without being asked for, alone if no
  attributes are; Cancel and Abandon do damage.
* Servers nobody knows are taken at RFC 4533's word.

Whoever it is that says so, a present phase in which nobody was named as present sweeps nothing that an independent
search does not confirm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from syncrepl_client.contentsync.cookies import ChangeNumberCookie, OpenLDAPCookie

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "APACHEDS",
    "DIALECTS",
    "DS389",
    "DS389_OPENLDAP",
    "FREEIPA",
    "OPENLDAP",
    "UNKNOWN",
    "CookiePolicy",
    "Dialect",
    "Sweep",
    "dialect_of",
]


class Sweep(Enum):
    """What the end of a refresh means for entries that were not mentioned."""

    NOTHING = auto()
    """They are as they were."""
    EVERYTHING = auto()
    """They are gone."""
    DOUBTFUL = auto()
    """They are gone if an independent search says so."""


class CookiePolicy(Protocol):
    """What may be kept of a server's cookies."""

    def to_send(self, cookie: bytes | None) -> bytes | None:
        """Return the cookie to send for the one stored; None to ask for everything."""

    def after_refresh(self, cookie: bytes | None) -> bytes | None:
        """Return what to keep of a cookie at the end of a refresh; None to keep the former one."""

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:
        """Return what to keep of a cookie in the persist stage; None to keep the former one.

        An empty answer means that no cookie of this server can be resumed from any more.
        """

    def covers(self, cookie: bytes | None, other: bytes) -> bool:
        """Tell whether a cookie is at least as new as another one."""


class _OpenLDAPCookies:
    def to_send(self, cookie: bytes | None) -> bytes | None:
        parsed = OpenLDAPCookie.parse(cookie)
        return parsed.encode() if parsed else None

    def after_refresh(self, cookie: bytes | None) -> bytes | None:
        # Replaced, never merged: after a refresh from a lagging provider the content is *its* state, and keeping a
        # newer CSN from elsewhere would mean that what it lacks is never sent again.
        return self.to_send(cookie)

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:
        # A change carries the CSN of its own server id alone, or none at all.
        newer = OpenLDAPCookie.parse(cookie)
        if newer is None:
            return None
        known = OpenLDAPCookie.parse(former)
        return (known.updated(newer) if known else newer).encode()

    def covers(self, cookie: bytes | None, other: bytes) -> bool:
        ours, theirs = OpenLDAPCookie.parse(cookie), OpenLDAPCookie.parse(other)
        return ours is not None and theirs is not None and not theirs.newer_than(ours)


class _ChangeNumberCookies:
    def to_send(self, cookie: bytes | None) -> bytes | None:
        return cookie if ChangeNumberCookie.parse(cookie) else None

    def after_refresh(self, cookie: bytes | None) -> bytes | None:
        return self.to_send(cookie)

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:
        # A change that is not in the changelog comes with a number that was never given, or with an old one.
        newer, known = ChangeNumberCookie.parse(cookie), ChangeNumberCookie.parse(former)
        if newer is None or (known is not None and newer.number < known.number):
            return b""
        return cookie

    def covers(self, cookie: bytes | None, other: bytes) -> bool:
        ours, theirs = ChangeNumberCookie.parse(cookie), ChangeNumberCookie.parse(other)
        return ours is not None and theirs is not None and ours.number >= theirs.number


class _OpaqueCookies:
    def to_send(self, cookie: bytes | None) -> bytes | None:
        return cookie or None

    def after_refresh(self, cookie: bytes | None) -> bytes | None:
        return cookie or None

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:  # noqa: ARG002 - the newest counts
        return cookie or None

    def covers(self, cookie: bytes | None, other: bytes) -> bool:
        return cookie == other


class _NoCookies:
    def to_send(self, cookie: bytes | None) -> bytes | None:  # noqa: ARG002 - none is ever sent
        return None

    def after_refresh(self, cookie: bytes | None) -> bytes | None:  # noqa: ARG002 - none is ever kept
        return None

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:  # noqa: ARG002 - the same
        return None

    def covers(self, cookie: bytes | None, other: bytes) -> bool:  # noqa: ARG002 - the same
        return False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server speaks.

    Args:
        name: what is stored beside the cookie.
        cookies: what may be kept of its cookies.
        present_phase: what the end of a content update means that says it was a present phase.
        verified: whether the stream alone cannot be right, so that the copy is compared with the server again and
            again.
        withholds: whether a search leaves out what changes while it runs, so that who was not sent may still be there;
            a plain search finds it.
        omits_entries: whether a refresh leaves out entries that are there, so that the content is asked for by plain
            searches, and what the stream says is no more than a reason to compare.
        cookie_ends_refresh: whether a new cookie is all that ends a refresh in persist mode.
        keeps_attributes: whether updates have exactly the attributes that were asked for.
        hides_operational: whether operational attributes come only if asked for.
        reusable: whether a connection is of use after a search in persist mode was given up on it; otherwise the next
            search needs another one.
        can_abandon: whether a search may be ended by Abandon; otherwise the connection is closed.
        nsuniqueid: whether the UUIDs are 389's own rather than the entryUUID.
    """

    name: str
    cookies: CookiePolicy
    present_phase: Sweep
    verified: bool = False
    withholds: bool = False
    omits_entries: bool = False
    cookie_ends_refresh: bool = False
    keeps_attributes: bool = True
    hides_operational: bool = True
    reusable: bool = True
    can_abandon: bool = True
    nsuniqueid: bool = False

    def sweep(self, *, cookie_sent: bool, deletes: bool, presents: bool) -> Sweep:
        """Tell what the end of a refresh means.

        Args:
            cookie_sent: whether the refresh began at a cookie.
            deletes: whether it ended with a delete phase.
            presents: whether an entry was named as present.
        """
        if not cookie_sent:
            # RFC 4533 section 3.3.1: without a cookie the content is exactly what was sent, whatever the flag says
            # (slapd sets it although nothing was deleted).
            return Sweep.EVERYTHING
        if deletes:
            return Sweep.NOTHING
        if self.present_phase is Sweep.EVERYTHING and not presents:
            return Sweep.DOUBTFUL
        return self.present_phase

    def uuid_assertion(self, uuid: UUID) -> tuple[bytes, bytes]:
        """Return the attribute and the value that an entry of a UUID is found by."""
        if self.nsuniqueid:
            digits = uuid.hex
            return b"nsUniqueId", "-".join(digits[start : start + 8] for start in range(0, 32, 8)).encode()
        return b"entryUUID", str(uuid).encode()


OPENLDAP: Final = Dialect("openldap", _OpenLDAPCookies(), Sweep.EVERYTHING, withholds=True)
DS389: Final = Dialect(
    "389",
    _ChangeNumberCookies(),
    Sweep.NOTHING,
    verified=True,
    keeps_attributes=False,
    reusable=False,
    nsuniqueid=True,
)
DS389_OPENLDAP: Final = replace(DS389, name="389 in OpenLDAP mode", cookies=_OpenLDAPCookies(), nsuniqueid=False)
FREEIPA: Final = replace(DS389, name="freeipa", cookies=_NoCookies())
APACHEDS: Final = Dialect(
    "apacheds",
    _NoCookies(),
    Sweep.NOTHING,
    verified=True,
    omits_entries=True,
    cookie_ends_refresh=True,
    keeps_attributes=False,
    hides_operational=False,
    reusable=False,
    can_abandon=False,
)
UNKNOWN: Final = Dialect("unknown", _OpaqueCookies(), Sweep.EVERYTHING, withholds=True)

DIALECTS: Final = {one.name: one for one in (OPENLDAP, DS389, DS389_OPENLDAP, FREEIPA, APACHEDS, UNKNOWN)}
"""All dialects by name."""


def dialect_of(cookie: bytes | None) -> Dialect:
    """Choose the dialect of a server that does not say what it is by the shape of a cookie."""
    if cookie is None or cookie.startswith(b"rid="):
        return OPENLDAP
    return DS389 if ChangeNumberCookie.parse(cookie) else UNKNOWN
