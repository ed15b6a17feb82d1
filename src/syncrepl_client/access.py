"""How a program gets into a server: where it is, whether to encrypt, who to be.

`Access` makes bound connections: the first one, and those that take its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncrepl_client.client import Client
from syncrepl_client.credentials import Anonymous, Credentials, Simple
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap.connection import DEFAULT_MAX_MESSAGE
from syncrepl_client.secret import Secret
from syncrepl_client.transport.drained import Drained
from syncrepl_client.transport.sockets import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.transport.base import Transport
    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["Access", "Timeouts", "credentials_of"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the steps of getting in may take, in seconds.

    Args:
        connect: the TCP connection, for all addresses of the server together.
        tls: the TLS handshake.
        bind: each answer to StartTLS and to a bind.
        keepalive: silence until the kernel asks whether the other end is still there; without an answer the connection
            is lost after as long again. What was sent must have arrived after twice that time. 0 leaves it to the
            system.
    """

    connect: float = 30.0
    tls: float = 30.0
    bind: float = 30.0
    keepalive: float = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """The way into one server.

    Args:
        url: where it is.
        credentials: who to be there.
        starttls: whether to encrypt an ``ldap://`` connection before the bind.
        timeouts: how long each step may take.
        buffers: how much is taken from the server while the program is busy, once it is bound; None for nothing.

    Raises:
        UsageError: StartTLS is asked for where there is none.
    """

    url: LDAPUrl
    credentials: Credentials = field(default_factory=Anonymous)
    starttls: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    buffers: Buffers | None = None

    def __post_init__(self) -> None:
        if self.starttls and self.url.scheme != "ldap":
            raise UsageError(f"StartTLS is for ldap://, not {self.url.scheme}://", hint="leave it out")

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
            ConnectionFailed: no connection can be made.
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
    ) -> Client:
        """Connect alone; see `enter`."""
        return Client(self._transport(stopping), max_message=max_message, trace=trace, stopping=stopping)

    def _transport(self, stopping: Callable[[], bool]) -> Transport:
        timeouts = self.timeouts
        inner = connect(self.url, timeout=timeouts.connect, keepalive=timeouts.keepalive, stopping=stopping)
        return inner if self.buffers is None else Drained(inner, self.buffers)

    def renew(self, client: Client, stopping: Callable[[], bool] = bool) -> None:
        """Let a client go on with another connection; see `enter`."""
        client.renew(self._transport(stopping))
        self.identify(client)

    def identify(self, client: Client) -> None:
        """Encrypt the connection, if asked to, and bind; see `enter`."""
        self.encrypt(client)
        self.bind(client)
        client.drain()

    def encrypt(self, client: Client) -> None:
        """Encrypt the connection, if asked to."""
        if self.starttls:
            client.start_tls(self.url.host or "localhost", timeout=self.timeouts.bind)

    def bind(self, client: Client) -> None:
        """Prove who we are."""
        credentials = self.credentials
        if isinstance(credentials, Simple):
            password = credentials.password.reveal()
            if not password:
                # RFC 4513 section 5.1.2: a name without a password would be an anonymous bind that looks like more.
                raise UsageError(
                    f"no password for {credentials.name!r}", hint="give one, or leave the bindname out of the URL"
                )
            client.bind(credentials.name, password, timeout=self.timeouts.bind)


def credentials_of(url: LDAPUrl, password: Secret | None = None) -> Credentials:
    """Return the identity that a URL names.

    Args:
        url: its ``bindname`` is a DN, or the word ``GSSAPI``.
        password: of the DN; overrides the URL's own.

    Raises:
        UsageError: the name needs what is not there.
    """
    if not url.bind_name:
        return Anonymous()
    if url.bind_name.upper() == "GSSAPI":
        raise UsageError("GSSAPI is not supported yet", hint="give the DN and the password of a simple bind")
    return Simple(url.bind_name, password if password is not None else Secret(url.bind_password or ""))
