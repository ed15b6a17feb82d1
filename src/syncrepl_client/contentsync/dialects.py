"""How servers differ from RFC 4533 where a client must know: the one place for it.

A dialect answers what may be kept of the cookies a server gives, and whether the end of a refresh says that everything
unmentioned is gone.
"""

from __future__ import annotations

from typing import Final, Protocol

from syncrepl_client.contentsync.cookies import OpenLDAPCookie

__all__ = ["CAUTIOUS", "OPENLDAP", "Dialect", "dialect_of"]


class Dialect(Protocol):
    """What a session asks of a dialect."""

    @property
    def name(self) -> str:
        """The name stored beside the cookie."""

    def to_send(self, cookie: bytes | None) -> bytes | None:
        """Return the cookie to send for the one stored; None to ask for everything."""

    def after_refresh(self, cookie: bytes | None) -> bytes | None:
        """Return what to keep of a cookie at the end of a refresh; None to keep the former one."""

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:
        """Return what to keep of a cookie in the persist stage; None to keep the former one."""

    def sweeps(self, *, cookie_sent: bool, deletes: bool) -> bool:
        """Tell whether the end of a refresh, of a delete phase or not, means that what was not mentioned is gone."""


class _OpenLDAP:
    name = "openldap"

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

    def sweeps(self, *, cookie_sent: bool, deletes: bool) -> bool:
        # RFC 4533 section 3.3.1: without a cookie the content is exactly what was sent, whatever the flag says
        # (slapd sets it although nothing was deleted).
        return not cookie_sent or not deletes


class _Cautious(_OpenLDAP):
    """A server that is not known: its cookies are not resumed from, so each refresh brings everything and is right."""

    name = "cautious"

    def to_send(self, cookie: bytes | None) -> bytes | None:  # noqa: ARG002 - none is ever sent
        return None

    def in_persist(self, former: bytes | None, cookie: bytes) -> bytes | None:  # noqa: ARG002 - none is ever kept
        return None


OPENLDAP: Final[Dialect] = _OpenLDAP()
CAUTIOUS: Final[Dialect] = _Cautious()


def dialect_of(cookie: bytes | None) -> Dialect:
    """Choose the dialect by the shape of a cookie; a session without one speaks OpenLDAP's until it sees one."""
    if cookie is None or cookie.startswith(b"rid="):
        return OPENLDAP
    return CAUTIOUS
