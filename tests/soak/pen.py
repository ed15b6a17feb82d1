"""`Pen`: writes operations to a server that may go away and come back at any moment; `Writer` does so in a thread.

An operation whose answer never came is written again: then the server says that it was done, and that is all right.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import ldap
from ldap.controls.simple import ManageDSAITControl

from tests.slapd import SUFFIX

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from tests.server import Server
    from tests.soak.chapters import Operation
    from tests.soak.plan import Due

__all__ = ["Gate", "Pen", "Writer"]

_AWAY: Final = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE, ldap.BUSY)
# How long who does something with a server waits for the other one, and how long an operation does for both.
_CAREFUL: Final = 5.0
_PATIENCE: Final = 15.0


class Pen:
    """Writes to one server, through a connection of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connection: Any = None

    def write(self, operation: Operation) -> None:
        """Do an operation.

        Raises:
            ldap.LDAPError: the server is not there, or does not do it.
        """
        connection, dn, marks = self._connected(), operation.dn, [ManageDSAITControl()]
        match operation.what:
            case "add":
                connection.add_s(dn, list(operation.values.items()))
            case "replace":
                changes = [(ldap.MOD_REPLACE, name, values or None) for name, values in operation.values.items()]
                connection.modify_ext_s(dn, changes, serverctrls=marks)
            case "rename":
                connection.rename_s(dn, operation.rdn, operation.parent, int(not operation.keep_old), serverctrls=marks)
            case "delete":
                connection.delete_ext_s(dn, serverctrls=marks)
            case "purge":
                found = [one for one, _ in connection.search_s(dn, ldap.SCOPE_SUBTREE, attrlist=["1.1"])]
                for one in sorted(found, key=len, reverse=True):
                    connection.delete_ext_s(one, serverctrls=marks)

    def csns(self) -> set[str]:
        """Return how far a slapd has come."""
        [(_, entry)] = self._connected().search_s(SUFFIX, ldap.SCOPE_BASE, attrlist=["contextCSN"])
        return {value.decode() for value in entry.get("contextCSN", [])}

    def _connected(self) -> Any:  # python-ldap has no types
        if self._connection is None:
            connection = ldap.initialize(self.server.administrator_url)
            # Longer than anything that is still, shorter than for ever.
            connection.set_option(ldap.OPT_TIMEOUT, _PATIENCE)
            connection.simple_bind_s(self.server.rootdn, self.server.rootpw)
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            with contextlib.suppress(ldap.LDAPError):
                self._connection.unbind_ext()
            self._connection = None


class Gate:
    """Lets one at a time do something with the servers that replicate each other.

    A slapd that begins to read another one anew may lose what is written meanwhile (2.5.13; a modification is missing
    for ever).  So nothing is written while one of them comes back, until it has all there is.

    Args:
        pens: for the servers, of its own.
    """

    def __init__(self, pens: Sequence[Pen]) -> None:
        self._pens = pens
        self.lock = threading.RLock()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Keep writers out, before and after until the servers have come equally far, if they do soon."""
        with self.lock:
            self.wait()
            yield
            self.wait()

    def wait(self) -> None:
        """Wait until the servers have come equally far, if they run, and for some seconds at most."""
        deadline = time.monotonic() + _CAREFUL
        while time.monotonic() < deadline and all(pen.server.running for pen in self._pens) and not self.alike():
            time.sleep(0.005)

    def alike(self) -> bool:
        """Tell whether the servers have come equally far."""
        if not all(pen.server.running for pen in self._pens):
            return False
        try:
            known = [pen.csns() for pen in self._pens]
        except (*_AWAY, ldap.NO_SUCH_OBJECT):
            self.close()
            return False
        return all(one == known[0] for one in known)

    def close(self) -> None:
        """Disconnect."""
        for pen in self._pens:
            pen.close()


class Writer(threading.Thread):
    """Writes what is due in one round to a server."""

    def __init__(self, pen: Pen, gate: Gate, due: Sequence[Due], written: Counter[str]) -> None:
        super().__init__(name=f"writer of {pen.server.product}", daemon=True)
        self._pen = pen
        self._gate = gate
        self._due = due
        self._written = written
        self.over = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        began = time.monotonic()
        try:
            for due in self._due:
                # What a server was too slow for is left out at the end.
                if self.over.wait(max(0.0, began + due.at - time.monotonic())):
                    break
                self._do(due.operation)
        except BaseException as error:  # noqa: BLE001 - raised where the round is waited for
            self.error = error

    def _do(self, operation: Operation) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._tried(operation):
            if time.monotonic() > deadline or self.over.is_set():
                self._written["left out: the providers are not there, or not alike"] += 1
                return
            # Who lets a server come back has to get through.
            time.sleep(0.005)

    def _tried(self, operation: Operation) -> bool:
        """Try to do an operation; tells whether that is done with."""
        with self._gate.lock:
            if operation.careful and not self._gate.alike():
                return False
            try:
                self._pen.write(operation)
            except _AWAY:
                self._pen.close()
                return False
            except ldap.LDAPError as error:
                self._written[f"refused: {type(error).__name__}"] += 1
            else:
                self._written[operation.what] += 1
                if operation.careful:
                    self._gate.wait()
            return True
