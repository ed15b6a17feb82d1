"""How a program gets into a server: where it is, whether to encrypt, who to be.

`Access` makes bound connections: the first one, and those that take its place.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.connection.authentication import Peer, authenticate, name_of
from syncrepl_client.connection.client import Client
from syncrepl_client.credentials import Anonymous, Credentials, Kerberos, Simple, exposed_files
from syncrepl_client.exceptions import (
    CleartextPassword,
    IdentityChanged,
    LDAPResultError,
    StartTLSRefused,
    UsageError,
)
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import results
from syncrepl_client.ldap.connection import DEFAULT_MAX_MESSAGE
from syncrepl_client.ldap.messages import WHO_AM_I
from syncrepl_client.log_fields import fields
from syncrepl_client.secret import Secret
from syncrepl_client.transport.sockets import connect
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.transport.reservoir import Buffers
    from syncrepl_client.transport.sockets import SocketTransport

__all__ = ["Access", "Timeouts", "credentials_of"]

_log = logging.getLogger("syncrepl_client.access")
_secret_log = logging.getLogger("syncrepl_client.secret")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the steps of getting in may take, in seconds.

    Args:
        connect: the TCP connection, for all addresses of the server together.
        tls: the TLS handshake.
        bind: each answer to StartTLS and to a bind.
        answer: each answer to what is asked before the search begins.
        keepalive: silence until the kernel asks whether the other end is still there; without an answer the connection
            is lost after as long again.  What was sent must have arrived after twice that time.  0 leaves it to the
            system.
    """

    connect: float = 30.0
    tls: float = 30.0
    bind: float = 30.0
    answer: float = 30.0
    keepalive: float = 60.0


_IDENTITIES: Final = ("dn:", "u:")


@dataclass(frozen=True, slots=True)
class Access:
    """The way into one server.

    Args:
        url: where it is.
        credentials: who to be there.
        starttls: whether to encrypt an ``ldap://`` connection before the bind.
        timeouts: how long each step may take.
        tls: how to encrypt.
        cleartext_password: whether a password may go over the network in clear.
        buffers: how much is taken from the server while the program is busy, once it is bound; None for nothing.
        on_behalf_of: in whose name searches are done, ``dn:DN`` or ``u:NAME`` (proxied authorization, RFC 4370); empty
            for our own.

    Raises:
        UsageError: StartTLS is asked for where there is none, or settings of TLS where nothing is encrypted; nobody can
            be meant by `on_behalf_of`.
        CleartextPassword: a password would go over the network in clear.
    """

    url: LDAPUrl
    credentials: Credentials = field(default_factory=Anonymous)
    starttls: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: TLS = field(default_factory=TLS)
    cleartext_password: bool = False
    buffers: Buffers | None = None
    on_behalf_of: str = ""

    def __post_init__(self) -> None:
        if self.starttls and self.url.scheme != "ldap":
            raise UsageError(f"StartTLS is for ldap://, not {self.url.scheme}://", hint="leave it out")
        if self.url.scheme == "ldap" and not self.starttls and self.tls != TLS():
            # Who says how to encrypt takes it for encrypted.
            raise UsageError(
                "it is said how to encrypt, but nothing is encrypted", hint="use StartTLS, or a URL with ldaps://"
            )
        if self.on_behalf_of and not self.on_behalf_of.startswith(_IDENTITIES):
            # RFC 4513 section 5.2.1.8; empty is anybody, and nothing else is defined.
            raise UsageError(f"nobody is meant by {self.on_behalf_of!r}", hint="write dn:DN or u:NAME")
        if self.gives_password_away and not self.cleartext_password:
            raise CleartextPassword(self.url.address)

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted before anything secret is sent."""
        return self.starttls or self.url.scheme == "ldaps"

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read: the connection is encrypted, or does not leave this machine."""
        return self.encrypted or self.url.is_local

    @property
    def gives_password_away(self) -> bool:
        """Whether a password goes over the network in clear."""
        return isinstance(self.credentials, Simple) and not self.private

    def enter(
        self,
        *,
        max_message: int = DEFAULT_MAX_MESSAGE,
        trace: Callable[[str], None] | None = None,
        stopping: Callable[[], bool] = bool,
    ) -> Client:
        """Connect, encrypt and bind.

        Args:
            max_message: the largest message that is accepted, in bytes.
            trace: is given a line for each message, without credentials; None for silence.
            stopping: tells whether everything is to be dropped at once.

        Raises:
            UsageError: a file that TLS needs cannot be used.
            ConnectionFailed: no connection can be made.
            StartTLSRefused: the server does not encrypt.
            InvalidCredentials: the server does not accept who we are.
            LDAPResultError: it refuses something else.
            Interrupted: a stop was asked for.
        """
        client = self.connect(max_message=max_message, trace=trace, stopping=stopping)
        try:
            self.identify(client)
        except BaseException:
            client.close()
            raise
        return client

    def connect(
        self,
        *,
        max_message: int = DEFAULT_MAX_MESSAGE,
        trace: Callable[[str], None] | None = None,
        stopping: Callable[[], bool] = bool,
        redaction: Redaction | None = None,
    ) -> Client:
        """Connect alone; see `enter` and `Client`."""
        return Client(
            self._connected(stopping),
            max_message=max_message,
            patience=self.timeouts.answer,
            trace=trace,
            stopping=stopping,
            redaction=redaction,
        )

    def renew(self, client: Client, stopping: Callable[[], bool] = bool) -> None:
        """Let a client go on with another connection; see `enter`.

        Raises:
            IdentityChanged: the server takes us for somebody else now, who may see other entries.
        """
        before = client.identity
        client.renew(self._connected(stopping))
        self.identify(client)
        if not names.same(before, client.identity):
            raise IdentityChanged(before, client.identity)

    def _connected(self, stopping: Callable[[], bool]) -> SocketTransport:
        timeouts = self.timeouts
        # First, for it needs no server to fail.
        context = None
        if self.encrypted:
            _warn_of_exposed(self.tls.exposed_files())
            context = self.tls.make_context()
        return connect(
            self.url,
            timeout=timeouts.connect,
            tls_timeout=timeouts.tls,
            keepalive=timeouts.keepalive,
            context=context,
            stopping=stopping,
        )

    def identify(self, client: Client) -> None:
        """Encrypt the connection, if asked to, bind, and find out who we are; see `enter`."""
        self.encrypt(client)
        self.recognize(client, self.bind(client))
        if self.buffers is not None:
            client.drain(self.buffers)

    def encrypt(self, client: Client) -> None:
        """Encrypt the connection, if asked to."""
        if not self.starttls:
            return
        try:
            client.start_tls(self.url.host or "localhost", timeout=self.timeouts.bind)
        except LDAPResultError as error:
            # Never as anything else: what somebody on the way answers must not look like a wrong password.
            raise StartTLSRefused(self.url.address, error.code, error.name, error.diagnostic) from error

    def bind(self, client: Client) -> str:
        """Prove who we are; see `authenticate`."""
        _warn_of_exposed(exposed_files(self.credentials))
        host = self.url.host or "localhost"
        mechanism = authenticate(client, self.credentials, Peer(host, self.url.scheme == "ldapi", self.timeouts.bind))
        client.act_as(self.on_behalf_of)
        return mechanism

    def recognize(self, client: Client, mechanism: str = "") -> None:
        """Note in the client whom the server takes us for; where it does not tell, who we said we are.

        A server that knows the question and fails to answer it is an error like any other: by another name the copy
        would be somebody else's, and be read anew.

        Raises:
            LDAPResultError: it failed.
        """
        told = None
        try:
            told = client.who_am_i()
        except LDAPResultError as error:
            if error.code == results.AUTHORIZATION_DENIED or (error.code in results.HICCUPS and _answers(client)):
                raise
        client.identity = self.name if told is None else _without_kind(told)
        _log.info(
            "%s takes this client for %s" if told is not None else "%s does not tell that this client is %s",
            self.url.address,
            client.identity or "an anonymous one",
            extra=fields(what="identified", url=str(self.url), identity=client.identity, mechanism=mechanism),
        )

    @property
    def name(self) -> str:
        """Who we are as far as it is known here."""
        return self.on_behalf_of or name_of(self.credentials)


def _warn_of_exposed(files: Iterable[Path]) -> None:
    for path in files:
        extra = fields(what="secret-exposed", path=str(path))
        _secret_log.warning("others can read %s; chmod 600 keeps it secret", path, extra=extra)


def _answers(client: Client) -> bool:
    """Tell whether the server announces that it answers Who am I?."""
    found = client.search("", 0, "(objectClass=*)", ("supportedExtension",))
    return any(WHO_AM_I.encode() in values for _, attributes in found for values in attributes.values())


def _without_kind(authzid: str) -> str:
    """Return the DN in an authorization identity (RFC 4513 section 5.2.1.8); one that holds none as it is.

    So a simple bind has one name, whether the server tells it or not.
    """
    kind, _, name = authzid.partition(":")
    return name.strip() if kind.lower() == "dn" else authzid


def credentials_of(url: LDAPUrl, password: Secret | None = None) -> Credentials:
    """Return the identity that a URL names.

    Args:
        url: its ``bindname`` is a DN, or the word ``GSSAPI``.
        password: of the DN; overrides the URL's own.
    """
    if not url.bind_name:
        return Anonymous()
    if url.bind_name.upper() == "GSSAPI":
        return Kerberos()
    return Simple(url.bind_name, password if password is not None else Secret(url.bind_password or ""))
