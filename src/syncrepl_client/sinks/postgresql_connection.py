"""Connections to PostgreSQL that wait no longer than they may, and what its errors mean.

Facts that shaped it:

* psycopg waits for the server for ever; but it asks a generator again from time to time, which can look at a clock.
* The arguments of ``connect`` are in the traceback of what it raises, the password among them; so that is not chained.
* psycopg prepares what it executes often, which a pool of connections between it and the server may not bear.
* libpq of psycopg's wheels does not know where the system keeps its certificates (``sslrootcert=system``).
* The part of an error that says which value it was, is not told: it may be anybody's.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address, is_here
from syncrepl_client.sinks.logins import text_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from syncrepl_client.secret import Secret

__all__ = [
    "Connection",
    "Patience",
    "connect",
    "encryption",
    "is_about_the_table",
    "is_about_what_was_sent",
    "place",
    "said",
    "unavailable",
]

# Where a program configures no logging, psycopg would print words of its own beside the errors that are raised here.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_RV = TypeVar("_RV")

# How often a wait looks whether it is to end, in seconds.
_LOOK_EVERY: Final = 0.05
# Where systems keep the certificates of authorities: Debian, Red Hat, Alpine and the BSDs.
_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
# What is sent, to whom, and how: one that takes no writes is refused.
_USUAL: Final = {
    "client_encoding": "UTF8",
    "application_name": "syncrepl_client",
    "target_session_attrs": "read-write",
    "gssencmode": "disable",
}
# PostgreSQL's appendix A: errors in data and of constraints, limits of a row, and what triggers raise.
_ABOUT_WHAT_WAS_SENT: Final = frozenset({"22", "23", "44", "54", "P0"})
# Features that it has not, and whatever a table is not, or nobody may.
_ABOUT_THE_TABLE: Final = frozenset({"0A", "42"})
_HINTS: Final = {
    "25006": "it takes no writes: give the address of the primary",
    "42501": "grant SELECT, INSERT, UPDATE and DELETE on the tables, which are in the documentation, to that user",
    "42703": "compare the columns of the table with the documentation",
    "42P01": "the tables are made by create=True, or as the documentation says",
    "53": "look at how much room there is, and how many connections",
    "55P03": "somebody holds a lock on the tables: look into pg_locks",
    "57014": "it took too long: look at what else the server does, or give a longer timeout",
}


class Patience:
    """How long to wait for the server, and whether at all.

    Args:
        where: what errors call the server.
        timeout: how many seconds to wait at a time.
    """

    def __init__(self, where: str, timeout: float) -> None:
        self._where = where
        self._timeout = timeout
        self._deadline = 0.0
        self._stopped = threading.Event()

    def allow(self, times: int = 1) -> None:
        """Give the server time for its next answer."""
        self._deadline = time.monotonic() + times * self._timeout

    def milliseconds(self, times: float = 1) -> str:
        """Return how long the server may take, which gives up a little earlier and so can say why."""
        return str(max(1, round(times * self._timeout * 800)))

    def stop(self) -> None:
        """Let every wait end, for good; for any thread."""
        self._stopped.set()

    def look(self) -> None:
        """Raise if a wait has to end.

        Raises:
            SinkUnavailable: it has.
        """
        if self._stopped.is_set():
            raise SinkUnavailable(f"the sink of {self._where} is stopped")
        if time.monotonic() > self._deadline:
            raise SinkUnavailable(f"{self._where} does not answer", hint="look whether it is overloaded, or frozen")


class Connection(psycopg.Connection[TupleRow]):
    """A connection that does not wait for ever, once it has patience."""

    patience: Patience | None = None

    def wait(self, gen: Generator[Any, Any, _RV], *_: object, **__: object) -> _RV:
        """Wait for the server."""
        return super().wait(self._looking(gen), _LOOK_EVERY)

    def _looking(self, gen: Generator[Any, Any, _RV]) -> Generator[Any, Any, _RV]:
        """Do what a generator does, and look first each time that it is asked again."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                self._look(gen)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _look(self, gen: Generator[Any, Any, _RV]) -> None:
        """Go on if there is patience left; else close the connection, with which nobody can do anything any more."""
        if self.patience is None:
            return
        try:
            self.patience.look()
        except SinkUnavailable as error:
            self.pgconn.finish()
            with suppress(psycopg.Error, SinkUnavailable):
                # Left alone, it would find out when it is collected as garbage, and complain.
                gen.throw(error)
            raise


def connect(where: str, parameters: Mapping[str, str], password: Secret | None, timeout: float) -> Connection:
    """Connect.

    Args:
        where: what errors call the server.
        parameters: what libpq is told; see `place` and `encryption`.
        password: of the user.
        timeout: how many seconds to wait; libpq waits for two at least.

    Raises:
        SinkUnavailable: it cannot be had.
    """
    told = {**_USUAL, **parameters, "connect_timeout": str(max(2, round(timeout)))}
    if password is not None:
        told["password"] = text_of(password)
    try:
        return Connection.connect(make_conninfo("", **told), prepare_threshold=None)
    except psycopg.Error as error:
        what = said(error)
    finally:
        told.clear()
    # Outside of the handler: what was raised there knows the password.
    raise SinkUnavailable(
        f"{where} cannot be had: {what}",
        hint="look whether it runs, and compare user, password, database and encryption",
    )


def place(address: Address, user: str | None) -> dict[str, str]:
    """Return what libpq is told about where the database is, and as whom to go there.

    Args:
        address: its path names the database; its host may be a folder with a socket in it, percent-encoded.
        user: who to be, if not who the address says.

    Raises:
        UsageError: it names no database.
    """
    database = unquote(address.path.removeprefix("/"))
    if not database or "/" in database:
        raise UsageError(
            f"the URL of {address} does not name a database", hint="write postgresql://user@host:port/database"
        )
    found = {"host": unquote(address.host), "port": str(address.port), "dbname": database}
    user = user or address.user
    return found if user is None else {**found, "user": user}


def encryption(
    address: Address, ca_file: str | None, cert_file: str | None, key_file: str | None, *, cleartext: bool
) -> dict[str, str]:
    """Return what libpq is told about encryption: whose certificate has to be right, or that there may be none.

    Args:
        address: where the server is.
        ca_file: who may have issued its certificate; None for whomever the system trusts.
        cert_file: the certificate of the user; None if it has none.
        key_file: its key.
        cleartext: whether it may do without.
    """
    found = {name: file for name, file in {"sslcert": cert_file, "sslkey": key_file}.items() if file is not None}
    is_local = is_here(address.host) or unquote(address.host).startswith("/")
    if ca_file is None and (cleartext or is_local):
        return {**found, "sslmode": "prefer"}
    trusted = ca_file or next((path for path in _AUTHORITIES if Path(path).exists()), "system")
    return {**found, "sslmode": "verify-full", "sslrootcert": trusted}


def is_about_what_was_sent(error: psycopg.Error) -> bool:
    """Tell whether the server will not take what was sent, and not whether it takes anything."""
    return (error.sqlstate or "")[:2] in _ABOUT_WHAT_WAS_SENT


def is_about_the_table(error: psycopg.Error) -> bool:
    """Tell whether the server does not do to this table what was said."""
    return (error.sqlstate or "")[:2] in _ABOUT_THE_TABLE


def said(error: psycopg.Error) -> str:
    """Return what the server says, without the values that it says it of."""
    return error.diag.message_primary or " ".join(str(error).split())


def unavailable(where: str, error: psycopg.Error) -> SinkUnavailable:
    """Return what an error means that is not about what was sent."""
    code = error.sqlstate or ""
    return SinkUnavailable(f"{where} did not take it: {said(error)}", hint=_HINTS.get(code) or _HINTS.get(code[:2], ""))
