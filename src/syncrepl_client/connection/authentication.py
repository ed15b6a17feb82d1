"""Proving who a program is: from credentials to the one bind that is tried.

There is one attempt for each connection.  What the server refuses is not tried in another way: neither may a weaker
mechanism follow a stronger one, nor may a wrong password be counted more than once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.contentsync import dialects
from syncrepl_client.contentsync.server import Server
from syncrepl_client.credentials import Anonymous, Choice, External, Kerberos, Plain, Scram, Simple
from syncrepl_client.exceptions import LDAPResultError, MechanismNotOffered, UsageError
from syncrepl_client.ldap import results
from syncrepl_client.sasl import kerberos, plain
from syncrepl_client.sasl import scram as scrams
from syncrepl_client.sasl.binding import PREFIX, ChannelBinding, end_point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.connection.client import Client
    from syncrepl_client.credentials import Credentials, SASLCredentials
    from syncrepl_client.sasl.base import Mechanism
    from syncrepl_client.secret import Secret

__all__ = ["Peer", "authenticate", "name_of"]

_ASKED: Final = ("objectClass", "supportedSASLMechanisms")
_END_POINT: Final = "tls-server-end-point"
# OpenLDAP gives Cyrus SASL one binding of its own name, with the kind in front of the digest; what RFC 5802 says it
# refuses ("Expected: ldap, received: tls-server-end-point").
_OPENLDAP_KIND: Final = "ldap"


@dataclass(frozen=True, slots=True)
class Peer:
    """The server that is bound to.

    Args:
        host: its name.
        local: whether the stream does not leave this machine's kernel.
        timeout: seconds for each answer.
    """

    host: str
    local: bool
    timeout: float


def authenticate(client: Client, credentials: Credentials, peer: Peer) -> str:
    """Bind.

    Args:
        client: connected, and encrypted if it is to be.
        credentials: who to be.
        peer: the server.

    Returns:
        The SASL mechanism; empty for a simple bind, and for none.

    Raises:
        UsageError: there is nothing to prove it with, or it would be given away.
        InvalidCredentials: the server does not accept it.
        LDAPResultError: it refuses something else.
        AuthenticationError: it does not offer the mechanism, or did not prove who it is, or Kerberos failed.
    """
    match credentials:
        case Anonymous():
            return ""
        case Simple():
            client.bind(credentials.name, _password(credentials.name, credentials.password), timeout=peer.timeout)
            return ""
        case External() | Plain() | Scram() | Kerberos() | Choice():
            return _Negotiation(client, peer).bind(credentials)
        case _:
            assert_never(credentials)


def name_of(credentials: Credentials) -> str:
    """Return what is known here of who somebody is: a DN, or the mechanism and the names that it uses."""
    match credentials:
        case Anonymous():
            return ""
        case Simple():
            return credentials.name
        case External():
            return _joined("EXTERNAL", credentials.authzid)
        case Plain() | Scram():
            # One user, by whatever mechanism.
            return _joined("user", credentials.user, credentials.authzid)
        case Kerberos():
            return _joined("GSSAPI", credentials.principal, credentials.keytab, credentials.authzid)
        case Choice():
            return name_of(credentials.alternatives[0])
        case _:
            assert_never(credentials)


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _password(name: str, password: Secret) -> bytes:
    revealed = password.reveal()
    if not revealed:
        # RFC 4513 section 5.1.2: a name without a password would be an anonymous bind that looks like more.
        raise UsageError(f"no password for {name!r}", hint="give one, or leave the bindname out of the URL")
    return revealed


class _Negotiation:
    """Finds the mechanism for one connection, and binds with it."""

    def __init__(self, client: Client, peer: Peer) -> None:
        self._client = client
        self._peer = peer
        self._found: Server | None = None

    def bind(self, credentials: SASLCredentials | Choice) -> str:
        """Try the one mechanism that is right; returns its name."""
        if isinstance(credentials, Plain) and not self._private:
            raise UsageError(
                f"PLAIN would send the password of {credentials.user!r} in clear; nothing was sent",
                hint="use ldaps:// or StartTLS, or SCRAM, which sends no password",
            )
        mechanism = self._mechanism(credentials)
        try:
            self._client.sasl_bind(mechanism, timeout=self._peer.timeout)
        except LDAPResultError as error:
            if error.code == results.AUTH_METHOD_NOT_SUPPORTED:
                raise MechanismNotOffered(mechanism.name, self._offered) from error
            raise
        return mechanism.name

    def _mechanism(self, credentials: SASLCredentials | Choice) -> Mechanism:
        match credentials:
            case External():
                return plain.External(credentials.authzid)
            case Plain():
                password = _password(credentials.user, credentials.password)
                return plain.Plain(credentials.user, password, credentials.authzid)
            case Scram():
                return self._scram(credentials)
            case Kerberos():
                return self._kerberos(credentials)
            case Choice():
                return self._mechanism(self._chosen(credentials))
            case _:
                assert_never(credentials)

    def _scram(self, credentials: Scram) -> Mechanism:
        name = credentials.mechanism or next(self._suitable(credentials), None)
        if name is None or (scrams.is_bound(name) and self._server.known and name not in self._server.mechanisms):
            raise MechanismNotOffered(name or "SCRAM", self._offered)
        # Whoever named a mechanism did not ask what is offered, so no offer can be missed.
        binding = self._binding if credentials.mechanism is None or scrams.is_bound(name) else None
        password = _password(credentials.user, credentials.password)
        return scrams.Scram(name, credentials.user, password, credentials.authzid, binding)

    def _kerberos(self, credentials: Kerberos) -> Mechanism:
        digest = self._digest
        return kerberos.GSSAPI(
            credentials.host or self._peer.host,
            principal=credentials.principal,
            keytab=credentials.keytab,
            layer=credentials.layer,
            authzid=credentials.authzid,
            encrypted=self._client.encrypted,
            binding=None if digest is None else PREFIX + digest,
        )

    # --- what is offered ----------------------------------------------------------------------------------------------

    def _chosen(self, choice: Choice) -> SASLCredentials:
        """Choose the first alternative that the server offers."""
        for one in choice.alternatives:
            if next(self._suitable(one), None) is not None:
                return one
        names = dict.fromkeys(name for one in choice.alternatives for name in _names(one))
        raise MechanismNotOffered(f"any of {', '.join(names)}", self._offered)

    def _suitable(self, credentials: SASLCredentials) -> Iterator[str]:
        """Iterate over the mechanisms that are offered and can be used for these credentials, the strongest first."""
        for name in _names(credentials):
            if name not in self._server.mechanisms or (name == "PLAIN" and not self._private):
                continue
            if not scrams.is_bound(name) or self._digest is not None:
                yield name

    @property
    def _server(self) -> Server:
        """What the server says of itself before the bind."""
        if self._found is None:
            try:
                found = self._client.search("", 0, "(objectClass=*)", _ASKED)
            except LDAPResultError:
                # It hides its root DSE from strangers, and with it what it offers.
                found = []
            self._found = Server.of(found[0][1] if found else {})
        return self._found

    @property
    def _offered(self) -> tuple[str, ...]:
        return tuple(sorted(self._server.mechanisms))

    # --- the connection -----------------------------------------------------------------------------------------------

    @property
    def _private(self) -> bool:
        return self._client.encrypted or self._peer.local

    @property
    def _digest(self) -> bytes | None:
        """What names the TLS connection by the server's certificate; None if nothing does."""
        certificate = self._client.peer_certificate
        return None if certificate is None else end_point(certificate)

    @property
    def _binding(self) -> ChannelBinding | None:
        digest = self._digest
        if digest is None:
            return None
        if self._server.dialect("") is dialects.OPENLDAP:
            return ChannelBinding(_OPENLDAP_KIND, PREFIX + digest)
        return ChannelBinding(_END_POINT, digest)


def _names(credentials: SASLCredentials) -> tuple[str, ...]:
    """Return the mechanisms for credentials, the strongest first."""
    match credentials:
        case External():
            return (plain.External.name,)
        case Plain():
            return (plain.Plain.name,)
        case Kerberos():
            return (kerberos.GSSAPI.name,)
        case Scram():
            return (credentials.mechanism,) if credentials.mechanism else scrams.SCRAM_MECHANISMS
        case _:
            assert_never(credentials)
