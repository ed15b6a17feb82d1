"""What operators are told of the life of a copy, in the words of the log.

A record above DEBUG says how many, never who: names of entries are at DEBUG alone, attribute values nowhere.  What an
operator wrote himself is no secret from him: the URL and the name to bind as are shown, the password never.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesSent
from syncrepl_client.exceptions import CallbackError, LDAPResultError, ProtocolError, SyncreplError
from syncrepl_client.log_fields import fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.connection.access import Access
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.contentsync.server import Server
    from syncrepl_client.contentsync.session import Session
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.model import Report
    from syncrepl_client.store.base import Counts

__all__ = ["Journal", "connected", "disconnected", "failed", "in_step_again", "named", "repaired", "tried", "verified"]

_replica = logging.getLogger("syncrepl_client.replica")
_consumer = logging.getLogger("syncrepl_client.consumer")
_follow = logging.getLogger("syncrepl_client.follow")
_upkeep = logging.getLogger("syncrepl_client.upkeep")

_MOST_NAMES: Final = 20
# Their texts can quote what a server or a callback said of an entry.
_QUOTING: Final = (ProtocolError, CallbackError)


class Journal:
    """The log of one search.

    Args:
        url: which one; without a password.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.monotonic()

    def recognised(self, server: Server, dialect: Dialect | None) -> None:
        """Say what the server is."""
        if dialect is None:
            text = "the server hides what it is; its cookies will tell"
        else:
            text = f"the server speaks {dialect.name}"
        named = fields(
            what="recognised",
            url=self._url,
            vendor=server.vendor,
            version=server.version,
            dialect=dialect.name if dialect else "",
        )
        _consumer.info(text, extra=named)

    def reads_everything(self, reason: str) -> None:
        """Say why a stored cookie is of no use."""
        extra = fields(what="everything-is-read", url=self._url, reason=reason)
        _consumer.warning("the refresh reads everything: %s", reason, extra=extra)

    def refresh_begins(self, session: Session) -> None:
        """Say that a search was sent."""
        self._began = time.monotonic()
        everything = session.sent_cookie is None
        text = "a refresh of everything begins" if everything else "a refresh from the stored cookie begins"
        mode = session.mode.name.lower()
        extra = fields(
            what="refresh-begins", url=self._url, mode=mode, everything=everything, dialect=session.dialect.name
        )
        _consumer.info(text, extra=extra)

    def begins_again(self, reason: str) -> None:
        """Say why a search is given up for another one."""
        extra = fields(what="search-begins-again", url=self._url, reason=reason)
        _consumer.info("the search begins again: %s", reason or "the server gives no reason", extra=extra)

    def refresh_ended(self, dialect: Dialect, received: int, counts: Counts) -> None:
        """Say what a refresh did."""
        seconds = round(time.monotonic() - self._began, 3)
        extra = fields(
            what="refresh-ended",
            url=self._url,
            dialect=dialect.name,
            seconds=seconds,
            received=received,
            **counts,
        )
        _consumer.info(
            "the refresh is complete after %.3f s: %d entries received, %d added, %d modified, %d renamed, %d deleted",
            seconds,
            received,
            *(counts[kind] for kind in ("added", "modified", "renamed", "deleted")),
            extra=extra,
        )

    def applied(self, events: Iterable[Event]) -> None:
        """Say what the stream brought; only at DEBUG, for it is said for each batch."""
        if not _consumer.isEnabledFor(logging.DEBUG):
            return
        sent = deleted = 0
        dns: list[str] = []
        for event in events:
            if isinstance(event, EntriesSent):
                sent += len(event.rows)
                dns += (dn.decode(errors="replace") for _, dn, _ in event.rows[:_MOST_NAMES])
            elif isinstance(event, EntriesDeleted):
                deleted += len(event.uuids)
                dns += [event.dn.decode(errors="replace")] if event.dn else []
        extra = fields(what="applied", url=self._url, received=sent, deleted=deleted, dns=dns[:_MOST_NAMES])
        _consumer.debug("%d entries sent and %d deleted were applied", sent, deleted, extra=extra)

    def search_ended(self) -> None:
        """Say that the search is over, as it should be."""
        _consumer.info("the search is over", extra=fields(what="search-ended", url=self._url))


def connected(access: Access) -> None:
    """Say where a connection goes, how it is encrypted, and how it was bound."""
    url = access.url
    encryption = {"ldaps": "tls", "ldapi": "local"}.get(url.scheme, "starttls" if access.starttls else "none")
    authentication = type(access.credentials).__name__.lower()
    extra = fields(what="connected", url=str(url), encryption=encryption, authentication=authentication)
    _replica.info("connected to %s, encryption: %s, authentication: %s", url, encryption, authentication, extra=extra)


def disconnected(url: LDAPUrl) -> None:
    """Say that the client closed the connection."""
    _replica.info("disconnected from %s", url, extra=fields(what="disconnected", url=str(url)))


def failed(url: LDAPUrl | None, error: BaseException) -> None:
    """Say that an error ended the session; who gets the error decides what follows.

    What a callback raised, and what quotes the server, is said in full at DEBUG alone.
    """
    extra = _told("session-failed", url, error)
    if isinstance(error, LDAPResultError):
        extra |= fields(code=error.code)
    _replica.warning("the session ended: %s", named(error), extra=extra)
    _replica.debug("it ended with this error", exc_info=error, extra=_told("error", url, error))


def tried(url: LDAPUrl | None, error: Exception, *, delay: float, attempt: int) -> None:
    """Say why there is no connection, and when it is tried again; see `failed`."""
    extra = _told("try-failed", url, error) | fields(delay_seconds=round(delay, 3), attempt=attempt)
    where = "no provider" if url is None else url.address
    then = f"the next try is in {delay:.1f} s" if delay else "another provider is tried"
    _follow.warning("%s: %s; %s", where, named(error), then, extra=extra)
    _follow.debug("the try ended with this error", exc_info=error, extra=_told("error", url, error))


def in_step_again(url: LDAPUrl | None, attempt: int) -> None:
    """Say that a refresh came to its end after failures."""
    extra = fields(what="in-step-again", url=str(url or ""), attempt=attempt)
    _follow.info("in step again after %d failures", attempt, extra=extra)


def named(error: BaseException) -> str:
    """Return what may be said of an error above DEBUG."""
    tells = isinstance(error, SyncreplError) and not isinstance(error, _QUOTING)
    return f"{type(error).__name__}: {error}" if tells else type(error).__name__


def _told(what: str, url: LDAPUrl | None, error: BaseException) -> dict[str, object]:
    return fields(what=what, url=str(url or ""), error=type(error).__name__)


def repaired(url: str, counts: Counts) -> None:
    """Say what a repair did."""
    changed = counts["added"] + counts["modified"] + counts["renamed"] + counts["deleted"]
    extra = fields(what="repaired", url=url, **counts)
    _upkeep.warning("the copy was made what the server holds: %d entries changed", changed, extra=extra)


def verified(url: str, report: Report, *, seconds: float, repair: bool) -> str:
    """Say what a comparison with the server found; returns the sentence."""
    kinds = Counter(one.kind for one in report.differences)
    extra = fields(
        what="verified",
        url=url,
        seconds=round(seconds, 3),
        repair=repair,
        compared=report.compared,
        missing=kinds["missing"],
        extra=kinds["extra"],
        different=kinds["different"],
        misnamed=kinds["misnamed"],
        undecided=report.undecided,
    )
    if report.drift:
        many = str(len(report.differences)) if report.complete else "many"
        said = f"{many} entries were not as the server holds them"
    else:
        said = f"the copy is as the server holds it: {report.compared} entries compared"
    _upkeep.log(logging.WARNING if report.drift else logging.INFO, said, extra=extra)
    if _upkeep.isEnabledFor(logging.DEBUG) and report.differences:
        dns = [one.dn or one.server_dn or "" for one in report.differences[:_MOST_NAMES]]
        _upkeep.debug("they are: %s", ", ".join(dns), extra=fields(what="differences", url=url, dns=dns))
    return said
