"""Every error the package raises.

The tree, with whose fault each branch is::

    SyncreplError                     the one base class; has ``hint``
    ├── UsageError                    the caller's
    │   ├── LDAPUrlError
    │   │   ├── LDAPUrlParseError     (also: FilterError, DNError)
    │   │   └── LDAPUrlConflict
    │   ├── FilterError
    │   ├── DNError
    │   ├── CleartextPassword         a password would go over the network in clear
    │   ├── ConfigurationError        a configuration file has mistakes
    │   └── ClosedError
    ├── LDAPError                     the server's, or its administrator's
    │   ├── ProtocolError             what arrived is not LDAP, or not RFC 4533
    │   ├── ProviderBehind            a provider lags behind the copy
    │   └── LDAPResultError           an operation ended with another result than success
    │       ├── InvalidCredentials
    │       ├── InsufficientAccess
    │       ├── StartTLSRefused
    │       ├── SyncNotSupported
    │       └── NoSuchBase
    ├── AuthenticationError           it was not proved who we are, or who the server is
    │   ├── MechanismNotOffered       the server does not offer the kind of bind that was asked for
    │   ├── ServerNotProven           the server says yes without having proved that it knows the password
    │   ├── IdentityChanged           a new connection would go on as somebody else
    │   └── KerberosError             Kerberos said no
    │       ├── TicketMissing
    │       └── TicketExpired
    ├── ConnectionLost                the network's
    │   └── ConnectionFailed
    │       └── EncryptionFailed      no TLS: the handshake failed
    │           ├── CertificateError              the server's certificate is not right
    │           └── ClientCertificateRefused      the server does not accept ours, or wants one
    ├── MassDeletionHeld              a refresh that would delete too much
    ├── SinkError                     the receiver's of what was to be delivered
    │   ├── SinkUnavailable           it cannot be had now; worth another try
    │   └── EventRejected             it will never take this event
    ├── CallbackError                 the program's callback broke the rules of the transaction
    └── DBError                       our store's
        ├── DBSchemaError
        ├── SchemaVersionError
        ├── DBSettingError
        ├── DatabaseInUse
        ├── ChangesLost               what was asked for is not in the changelog any more
        └── VersionError
            └── VersionJumpError

``DBConsistencyWarning`` is a warning, not an error.  Every error carries a ``hint``: what the reader can do about it,
or an empty string.

This module is longer than others because the tree is one thing: who catches an error looks for it here, whatever part
of the package raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from syncrepl_client.envelope.base import Event

__all__ = [
    "AuthenticationError",
    "CallbackError",
    "CertificateError",
    "ChangesLost",
    "CleartextPassword",
    "ClientCertificateRefused",
    "ClosedError",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLost",
    "DBConsistencyWarning",
    "DBError",
    "DBSchemaError",
    "DBSettingError",
    "DNError",
    "DatabaseInUse",
    "EncryptionFailed",
    "EventRejected",
    "FilterError",
    "IdentityChanged",
    "InsufficientAccess",
    "InvalidCredentials",
    "KerberosError",
    "LDAPError",
    "LDAPResultError",
    "LDAPUrlConflict",
    "LDAPUrlError",
    "LDAPUrlParseError",
    "MassDeletionHeld",
    "MechanismNotOffered",
    "Mistake",
    "NoSuchBase",
    "ProtocolError",
    "ProviderBehind",
    "SchemaVersionError",
    "ServerNotProven",
    "SinkError",
    "SinkUnavailable",
    "StartTLSRefused",
    "SyncNotSupported",
    "SyncreplError",
    "TicketExpired",
    "TicketMissing",
    "UsageError",
    "VersionError",
    "VersionJumpError",
]


class Interrupted(Exception):
    """The work was dropped because a stop was asked for; nothing of it was kept.

    Not an error: it passes between the layers and never reaches the program.
    """


class SyncreplError(Exception):
    """The base of every error of this package.

    Args:
        message: what happened, one sentence without a full stop.
        hint: what the reader can do about it; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            # Who sees the error as a traceback sees it too.
            self.add_note(f"hint: {hint}")

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are pickled by the arguments they were made with, which are not those of the base class here.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[SyncreplError], args: tuple[object, ...], state: dict[str, object]) -> SyncreplError:
    """Make an error that another process has raised."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(SyncreplError):
    """The caller asked for something that cannot be."""


class LDAPUrlError(UsageError):
    """Something is wrong with an LDAP URL."""


class LDAPUrlParseError(LDAPUrlError):
    """The text is not an LDAP URL (RFC 4516), or not one that names a search.

    Args:
        url: the URL as given, its password masked.
        reason: what is wrong with it.
    """

    def __init__(self, url: str, reason: str = "it cannot be parsed", *, hint: str = "") -> None:
        super().__init__(f"not a usable LDAP URL: {reason}: {url!r}", hint=hint)
        self.url = url


class LDAPUrlConflict(LDAPUrlError):
    """The data file belongs to another search.

    Args:
        current_url: the search that the data file was made for.
        new_url: the search that was asked for.
    """

    def __init__(self, current_url: str, new_url: str) -> None:
        super().__init__(
            f"the data file holds the search {current_url!r}, not {new_url!r}",
            hint="use another data file for the new search, or delete this one to start afresh",
        )
        self.current_url = current_url
        self.new_url = new_url


class FilterError(UsageError):
    """The text is not a search filter (RFC 4515).

    Args:
        text: the filter as given.
        position: the index in it, in characters, at which reading stopped.
        reason: what was expected there.
    """

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(f"not a search filter: {reason} at character {position} of {text!r}")
        self.text = text
        self.position = position


class DNError(UsageError):
    """The text is not a distinguished name (RFC 4514).

    Args:
        text: the name as given.
        position: the index in it, in characters, at which reading stopped.
        reason: what is wrong there.
    """

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(f"not a distinguished name: {reason} at character {position} of {text!r}")
        self.text = text
        self.position = position


class Mistake(NamedTuple):
    """What is wrong in a configuration.

    Args:
        key: where, such as ``sources.corp.url``.
        problem: what is wrong with it.
        hint: what to write instead.
    """

    key: str
    problem: str
    hint: str


class ConfigurationError(UsageError):
    """A configuration has mistakes.

    Args:
        file: the file.
        mistakes: all that were found, at least one.
    """

    def __init__(self, file: str, mistakes: tuple[Mistake, ...]) -> None:
        lines = "; ".join(f"{one.key}: {one.problem}" for one in mistakes)
        super().__init__(f"{file}: {lines}", hint=mistakes[0].hint)
        self.file = file
        self.mistakes = mistakes


class ClosedError(UsageError):
    """The client was closed by ``unbind`` or ``close``."""

    def __init__(self, message: str = "the client is closed") -> None:
        super().__init__(message, hint="make a new client; a closed one cannot be opened again")


class CleartextPassword(UsageError):
    """A password would go over the network in clear; it was not sent.

    Args:
        address: the server it was for.
    """

    def __init__(self, address: str) -> None:
        super().__init__(
            f"the password for {address} would go over the network in clear; nothing was sent",
            hint="use StartTLS or ldaps://, or allow it with cleartext_password=True",
        )
        self.address = address


class LDAPError(SyncreplError):
    """The server's answer is not what the protocol, or this program, needs."""


class ProtocolError(LDAPError):
    """What the server sent is not LDAP (RFC 4511) or not content synchronization (RFC 4533)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(
            message, hint=hint or "nothing of it was kept; ask those who run the server, --trace shows what it sent"
        )


class ProviderBehind(LDAPError):
    """The server has not seen changes yet that the copy got from another one; going on would report them undone.

    Args:
        ours: the cookie of the copy.
        theirs: how far the server is, in the same form.
    """

    def __init__(self, ours: bytes, theirs: bytes) -> None:
        super().__init__(
            f"the server is behind the copy: it is at {theirs.decode(errors='replace')}, "
            f"the copy at {ours.decode(errors='replace')}",
            hint="try again when replication has caught up, or use the provider that the copy came from",
        )
        self.ours = ours
        self.theirs = theirs


class LDAPResultError(LDAPError):
    """An operation ended with a result other than success (RFC 4511 section 4.1.9).

    Args:
        operation: what was asked for, for the reader: ``"bind"``, ``"search"``.
        code: the numeric result code.
        name: the code's name in the RFC.
        diagnostic: the server's own message; may be empty.
        matched_dn: the deepest entry found on the way to the base; may be empty.
    """

    def __init__(
        self, operation: str, code: int, name: str, diagnostic: str = "", matched_dn: str = "", *, hint: str = ""
    ) -> None:
        said = f": {diagnostic}" if diagnostic else ""
        super().__init__(f"{operation} failed: {name} ({code}){said}", hint=hint)
        self.operation = operation
        self.code = code
        self.name = name
        self.diagnostic = diagnostic
        self.matched_dn = matched_dn


class InvalidCredentials(LDAPResultError):
    """The server did not accept the name or the password (49, 48, 53 on a bind)."""


class InsufficientAccess(LDAPResultError):
    """The identity may not do this (50), or must authenticate or encrypt first (8, 13)."""


class StartTLSRefused(LDAPResultError):
    """The server does not begin to encrypt, whatever its reason; nothing secret was sent.

    Args:
        address: the server.
        code: the numeric result code.
        name: the code's name in the RFC.
        diagnostic: the server's own message; may be empty.
    """

    def __init__(self, address: str, code: int, name: str, diagnostic: str = "") -> None:
        super().__init__(
            f"StartTLS with {address}",
            code,
            name,
            diagnostic,
            hint="no password was sent; the server needs a certificate, or somebody on the way removes encryption",
        )
        self.operation = "StartTLS"
        self.address = address


class SyncNotSupported(LDAPResultError):
    """The server does not offer RFC 4533 for this base (12)."""


class NoSuchBase(LDAPResultError):
    """The search base does not exist, or is hidden from this identity (32)."""


class AuthenticationError(SyncreplError):
    """It was not proved who we are, or who the server is; the connection is of no use."""


class MechanismNotOffered(AuthenticationError):
    """The server does not offer the kind of bind, or of protection after it, that was asked for.

    Args:
        wanted: what was asked for, such as ``SCRAM-SHA-256``.
        offered: what the server offers, as far as it tells.
    """

    def __init__(self, wanted: str, offered: tuple[str, ...] = ()) -> None:
        super().__init__(
            f"the server does not offer {wanted}",
            hint=f"it offers {', '.join(offered)}" if offered else "it does not tell what it offers",
        )
        self.wanted = wanted
        self.offered = offered


class ServerNotProven(AuthenticationError):
    """The server did not prove that it knows the password (RFC 5802 section 5): it may be somebody else."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the server did not prove who it is: {reason}",
            hint="something between here and the server may answer in its place; the password itself was not sent",
        )
        self.reason = reason


class IdentityChanged(AuthenticationError):
    """A connection in place of a lost one is taken for somebody else's, who may see other entries.

    Args:
        before: who we were.
        now: who we would be.
    """

    def __init__(self, before: str, now: str) -> None:
        nobody = "an anonymous client"
        super().__init__(
            f"the server takes this client for {now or nobody} now, and took it for {before or nobody} before",
            hint="start again: the copy is read anew as what the new identity may see",
        )
        self.before = before
        self.now = now


class KerberosError(AuthenticationError):
    """Kerberos did not let us in.

    Args:
        reason: what its library says.
        code: the library's own number for it.
    """

    def __init__(self, reason: str, code: int = 0, *, hint: str = "") -> None:
        super().__init__(f"Kerberos: {reason}", hint=hint)
        self.reason = reason
        self.code = code


class TicketMissing(KerberosError):
    """There is no Kerberos ticket, and no keytab to get one with."""


class TicketExpired(KerberosError):
    """The Kerberos ticket is not valid any more."""


class ConnectionLost(SyncreplError):
    """The connection to the server ended, or was never made."""


class ConnectionFailed(ConnectionLost):
    """No connection could be made: unknown host, refused, timed out, or TLS failed."""


class EncryptionFailed(ConnectionFailed):
    """The connection could not be encrypted, so it was closed; no credential went over it in clear.

    Args:
        address: the server.
        reason: what went wrong.
    """

    def __init__(self, address: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"no encrypted connection to {address}: {reason}", hint=hint)
        self.address = address
        self.reason = reason


class CertificateError(EncryptionFailed):
    """The server's certificate is not right: expired, for another name, or from an unknown authority.

    Args:
        address: the server.
        reason: what is wrong with it.
        code: the number that OpenSSL has for that, such as 10 for an expired one.
    """

    def __init__(self, address: str, reason: str, code: int, *, hint: str = "") -> None:
        super().__init__(address, reason, hint=hint)
        self.code = code


class ClientCertificateRefused(EncryptionFailed):
    """The server says that it does not accept the certificate it was shown, or that it was shown none and wants one.

    Some servers, among them OpenLDAP with GnuTLS, only close the connection: that is an `EncryptionFailed`.
    """


class MassDeletionHeld(SyncreplError):
    """A refresh would delete more than allowed, so nothing of it was applied.

    Args:
        deletions: how many entries would go.
        entries: how many entries the copy holds.
    """

    def __init__(self, deletions: int, entries: int) -> None:
        super().__init__(
            f"the refresh would delete {deletions} of {entries} entries; it is held, the copy is unchanged",
            hint="look at them with: syncrepl-client deletes list DATA, then approve or reject them",
        )
        self.deletions = deletions
        self.entries = entries


class SinkError(SyncreplError):
    """An event was not delivered."""


class SinkUnavailable(SinkError):
    """A receiver did not confirm what was sent; it is sent again.

    Args:
        message: what happened.
        retry_after: how many seconds the receiver wants to be left alone; None if it does not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class EventRejected(SinkError):
    """A receiver will never take an event.

    Args:
        event: the event.
        reason: what the receiver says, or what is wrong with the event.
    """

    def __init__(self, event: Event, reason: str) -> None:
        super().__init__(
            f"event {event.id} is not taken: {reason}",
            hint="it is sent again, set aside, skipped or waited with, as the policy of the relay says",
        )
        self.event = event
        self.reason = reason


class CallbackError(SyncreplError):
    """A callback did what a callback inside the transaction cannot do."""


class DBError(SyncreplError):
    """Something is wrong with the data file."""


class DBSchemaError(DBError):
    """The file is a database, but not one of ours."""


class SchemaVersionError(DBError):
    """The data file was written by a newer version of this package.

    Args:
        found: the schema version in the file.
        supported: the newest schema version that this program knows.
    """

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(
            f"the data file has schema version {found}, this program knows versions up to {supported}",
            hint="upgrade this program, or use another data file",
        )
        self.found = found
        self.supported = supported


class DBSettingError(DBError):
    """A setting was asked for that the data file does not hold."""


class DatabaseInUse(DBError):
    """Another consumer, in this process or another, owns the data file."""


class ChangesLost(DBError):
    """Changes that were asked for are not in the changelog, or not any more.

    Args:
        wanted: the number after which changes were wanted; None for those after a time.
        floor: the number after which there are some.
        last: the number of the last change.
        reader: the name of the subscription; empty if it is none.
    """

    def __init__(self, wanted: int | None, floor: int, last: int, reader: str = "") -> None:
        self.wanted, self.floor, self.last, self.reader = wanted, floor, last, reader
        what = "the changes after that time" if wanted is None else f"the changes after number {wanted}"
        who = f"the subscription {reader!r} wants {what}" if reader else f"{what} are wanted"
        hint = "begin again with a snapshot; keep changes for longer, or read them more often"
        if wanted is not None and wanted > last:
            found = f"the last change is number {last}"
            hint = "begin again with a snapshot; an older data file may have been put in place of this one"
        else:
            found = f"the changelog begins after number {floor}"
        super().__init__(f"{who}, and {found}", hint=hint)


class VersionError(DBError):
    """A component has a version that does not fit.

    Args:
        component: what the version is of.
        our_version: the version here.
        their_version: the version found.
    """

    def __init__(self, component: str, our_version: object, their_version: object) -> None:
        super().__init__(f"{component} has version {their_version}, expected {our_version}")
        self.component = component
        self.our_version = our_version
        self.their_version = their_version


class VersionJumpError(VersionError):
    """A component's version is too far from ours to be migrated."""


class DBConsistencyWarning(UserWarning):
    """The data file was found in a state that should not be; the next refresh repairs it."""
