"""What was found out about a server, one class for each question; the defaults mean that nobody asked.

Errors are facts: what a server refuses tells as much as what it answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.contentsync.server import Server

if TYPE_CHECKING:
    from syncrepl_client.contentsync.cookies import OpenLDAPCookie
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.exceptions import SyncreplError
    from syncrepl_client.ldap.url import LDAPUrl

__all__ = [
    "ApacheDSFacts",
    "Base",
    "Clock",
    "Containers",
    "DS389Facts",
    "Facts",
    "Link",
    "OpenLDAPFacts",
    "Overlay",
    "Sample",
    "Trial",
]

_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class Link:
    """The connection, and who is at our end of it.

    Args:
        encrypted: whether nobody on the way can read.
        verified: whether the server's certificate, if it is encrypted by TLS, was verified.
        days_left: until that certificate expires; None where it is not known.
        local: whether it does not leave this machine.
        connecting: why there is no connection.
        lost: why it ended before everything was asked.
        encrypting: why StartTLS failed.
        binding: why the bind failed, or was not tried.
        identity: what the server answers to Who am I?; None if it does not.
        mechanism: the SASL mechanism of the bind; empty for a simple one.
        layered: whether it is the mechanism that encrypts, and not TLS.
    """

    encrypted: bool = False
    verified: bool = True
    days_left: float | None = None
    local: bool = False
    connecting: SyncreplError | None = None
    lost: SyncreplError | None = None
    encrypting: SyncreplError | None = None
    binding: SyncreplError | None = None
    identity: str | None = None
    mechanism: str = ""
    layered: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """The search base; `visible` tells whether its entry may be read."""

    error: SyncreplError | None = None
    visible: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A sync request for the base alone, and its cookie; without an error it ended as RFC 4533 says."""

    error: SyncreplError | None = None
    cookie: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The first names of the content, read by a search like the one of the client.

    Args:
        names: as many as came before `most`, or the time, was reached.
        error: how the search failed.
        whole: whether that was all of the content.
        most: how many were wanted at most.
    """

    names: tuple[str, ...] = ()
    error: SyncreplError | None = None
    whole: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True)
class Containers:
    """Entries above those of the sample, below the base: how many, and one that the filter hides, with its class."""

    looked_at: int = 0
    hidden: str | None = None
    object_class: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's clock against ours, in seconds.

    Args:
        ahead: how far it is ahead; None where it cannot be read.
        newest_ahead: how far the newest change lies in our future; None where it does not.
    """

    ahead: float | None = None
    newest_ahead: float | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """The database and its overlay syncprov, as cn=config has them.

    Args:
        database: the DN of the database's configuration.
        session_log: how many changes are remembered; None for no session log.
        no_present: whether deletions are left unsaid.
        indexes: the attributes with an equality index, in lower case.
    """

    database: str
    session_log: int | None = None
    no_present: bool = False
    indexes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OpenLDAPFacts:
    """What only OpenLDAP has.

    Args:
        resumes: whether the client finds its rights to entryUUID and entryCSN sufficient.
        hidden_marks: which of them it may not search and read at entries of the content.
        contexts: how far the provider is; None where that is not shown.
        overlay: its configuration; None where that is not shown.
    """

    resumes: bool = True
    hidden_marks: tuple[str, ...] = ()
    contexts: OpenLDAPCookie | None = None
    overlay: Overlay | None = None


@dataclass(frozen=True, slots=True)
class DS389Facts:
    """What only 389 Directory Server has; None stands for what this identity may not see.

    Args:
        maps_uuids: whether the changelog holds the UUIDs of what changed.
        included: the suffixes whose changes alone are logged; empty for all.
        excluded: the suffixes whose changes are not logged.
        max_age: how long changes are kept; empty for ever.
    """

    maps_uuids: bool | None = None
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    max_age: str | None = None


@dataclass(frozen=True, slots=True)
class ApacheDSFacts:
    """What only ApacheDS has: whether replication is on; None where the configuration is not shown."""

    replicates: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it.

    Args:
        url: server and search.
        said_version: what the server says of its version, wherever it does.
    """

    url: LDAPUrl
    link: Link = Link()
    server: Server = field(default_factory=Server)
    said_version: str = ""
    base: Base | None = None
    trial: Trial | None = None
    sample: Sample | None = None
    containers: Containers | None = None
    clock: Clock = Clock()
    openldap: OpenLDAPFacts | None = None
    ds389: DS389Facts | None = None
    apacheds: ApacheDSFacts | None = None

    @property
    def dialect(self) -> Dialect:
        """What the server speaks, as far as it can be told before a search."""
        return self.server.dialect(self.url.base) or dialects.UNKNOWN

    @property
    def is_389(self) -> bool:
        """Whether 389 Directory Server is inside."""
        return self.dialect in {dialects.DS389, dialects.FREEIPA}

    @property
    def version(self) -> tuple[int, ...]:
        """The version in numbers; empty if it is not known."""
        found = _VERSION.search(self.said_version)
        return tuple(int(part) for part in found[0].split(".")) if found else ()

    @property
    def suffix(self) -> str:
        """The naming context of the base; the base itself if the server shows none."""
        return self.server.suffix_of(self.url.base) or self.url.base

    @property
    def name(self) -> str:
        """The DN that the server knows us by; empty if anonymous."""
        identity = self.link.identity
        if identity is None:
            return "" if self.link.binding or self.link.mechanism else self.url.bind_name or ""
        kind, _, name = identity.partition(":")
        return name.strip() if kind == "dn" else ""

    @property
    def errors(self) -> list[SyncreplError]:
        """What failed, in the order in which it was tried."""
        tried = [self.link.connecting, self.link.encrypting, self.link.binding]
        tried += [part.error for part in (self.base, self.trial, self.sample) if part is not None]
        tried.append(self.link.lost)
        return [error for error in tried if error is not None]
