"""GSSAPI: Kerberos 5 (RFC 4752), through the system's own library by python-gssapi.

The library looks for tickets, reads keytabs and asks the realm's servers by itself, with its own time limits.

Facts about it that shaped this module:

* A client keytab is used only through a credential cache that the tickets go into.  One in memory, named after the
  keytab and the principal, serves all binds of the process, and the library gets new tickets when they grow old.
* An expired ticket is found when it is first used, not when the cache is opened.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.exceptions import (
    ConnectionLost,
    KerberosError,
    MechanismNotOffered,
    ProtocolError,
    TicketExpired,
    TicketMissing,
    UsageError,
)
from syncrepl_client.sasl.layer import SecurityLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gssapi

__all__ = ["GSSAPI"]

# The bits of the layers (RFC 4752 section 3.3), the weakest first.
_LAYERS: Final = {"none": 1, "integrity": 2, "confidentiality": 4}

# What we take in one buffer, in bytes; the length of the field is three octets.
_MOST_SEALED: Final = 1 << 20
_OFFER_SIZE: Final = 4

# The library's numbers (krb5.h), and what can be done.
_EXPIRED: Final = frozenset({-1765328352, -1765328383})
_HINTS: Final = {
    -1765328377: "the realm does not know the server by this name: check the host in the URL",
    -1765328378: "the realm does not know this principal",
    -1765328228: "no server of the realm answers: check krb5.conf and the network",
    -1765328164: "no server of the realm can be found: check krb5.conf and DNS",
    -1765328347: "the clocks differ by more than Kerberos allows",
    -1765328360: "the keytab is of an older key: get a new one",
    -1765328353: "the keytab is of an older key: get a new one",
}
_ANY_HINT: Final = "KRB5_TRACE=/dev/stderr in the environment shows what the library does"


class GSSAPI:
    """One exchange: tokens until the context is there, then the choice of a layer.

    Args:
        host: the server's name; its principal is ``ldap/HOST``.
        principal: who to be; empty for whoever the credential cache or the keytab is of.
        keytab: the file of a key to get tickets with; empty for the credential cache, or the library's own keytab.
        layer: ``none``, ``integrity`` or ``confidentiality``; empty for the strongest that is offered, or for none if
            `encrypted`.
        authzid: who to act as; empty for who we are.
        encrypted: whether TLS protects the stream.
        binding: of the TLS connection, in the form of RFC 5056; None if there is none.

    Raises:
        UsageError: python-gssapi is not installed.
    """

    name: Final = "GSSAPI"

    def __init__(
        self,
        host: str,
        *,
        principal: str = "",
        keytab: str = "",
        layer: str = "",
        authzid: str = "",
        encrypted: bool = False,
        binding: bytes | None = None,
    ) -> None:
        self._gssapi = _library()
        self._host = host
        self._principal = principal
        self._keytab = keytab
        # Two encryptions of one stream cost twice and protect no better; Active Directory refuses it.
        self._wanted = layer or ("none" if encrypted else "")
        self._authzid = authzid
        self._binding = binding
        self._context: gssapi.SecurityContext | None = None
        self._negotiated = False
        self._layer: SecurityLayer | None = None

    def start(self) -> bytes:
        """Return the first token; see `Mechanism.start`."""
        library = self._gssapi
        flags = library.RequirementFlag
        with self._translated():
            service = library.Name(f"ldap@{self._host}", name_type=library.NameType.hostbased_service)
            self._context = library.SecurityContext(
                name=service,
                creds=self._credentials(),
                usage="initiate",
                mech=library.MechType.kerberos,
                flags=flags.mutual_authentication
                | flags.out_of_sequence_detection
                | flags.replay_detection
                | flags.integrity
                | flags.confidentiality,
                channel_bindings=None
                if self._binding is None
                else library.raw.ChannelBindings(application_data=self._binding),
            )
            return self._context.step() or b""

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the library raises into one of our errors."""
        try:
            yield
        except self._gssapi.exceptions.GSSError as error:
            raise _translate(self._gssapi.exceptions, error, self._keytab) from None

    def _credentials(self) -> gssapi.Credentials:
        library = self._gssapi
        name = None
        if self._principal:
            name = library.Name(self._principal, name_type=library.NameType.kerberos_principal)
        store = None
        if self._keytab:
            cache = f"MEMORY:syncrepl:{self._principal}:{self._keytab}"
            store = {"client_keytab": f"FILE:{self._keytab}", "ccache": cache}
        mechs = [library.MechType.kerberos]
        credentials: gssapi.Credentials = library.Credentials(name=name, usage="initiate", mechs=mechs, store=store)
        return credentials

    def respond(self, challenge: bytes) -> bytes:
        """Return the next token, or choose a layer; see `Mechanism.respond`."""
        context = self._context
        if context is None or self._negotiated:
            raise ProtocolError("the server has a question where GSSAPI has none")
        with self._translated():
            if not context.complete:
                return context.step(challenge) or b""
            return self._choose(context, context.unwrap(challenge).message)

    def _choose(self, context: gssapi.SecurityContext, offer: bytes) -> bytes:
        """Answer the offer of layers (RFC 4752 section 3.1)."""
        if len(offer) != _OFFER_SIZE:
            raise ProtocolError(f"an offer of {len(offer)} octets, expected {_OFFER_SIZE}")
        offered = {name: bit for name, bit in _LAYERS.items() if offer[0] & bit}
        wanted = self._wanted or next(reversed(offered), "confidentiality")
        if wanted not in offered:
            raise MechanismNotOffered(f"GSSAPI with the layer {wanted}", tuple(f"the layer {one}" for one in offered))
        self._negotiated = True
        size = 0
        if wanted != "none":
            size = _MOST_SEALED
            self._layer = self._make_layer(context, int.from_bytes(offer[1:]), sealed=wanted == "confidentiality")
        reply = bytes((offered[wanted],)) + size.to_bytes(3) + self._authzid.encode()
        return context.wrap(reply, encrypt=False).message

    def _make_layer(self, context: gssapi.SecurityContext, most: int, *, sealed: bool) -> SecurityLayer:
        flags = self._gssapi.RequirementFlag
        if not context.actual_flags & (flags.confidentiality if sealed else flags.integrity):
            raise KerberosError("the context does not give the protection that was asked for", hint=_ANY_HINT)
        plain = context.get_wrap_size_limit(most, sealed)
        if plain <= 0:
            raise ProtocolError(f"the server takes {most} bytes at a time, less than any protected buffer has")
        protection = _Protection(context, self._gssapi.exceptions.GSSError, sealed=sealed)
        return SecurityLayer(
            protection.seal, protection.unseal, most_plain=plain, most_sealed=_MOST_SEALED, confidential=sealed
        )

    def conclude(self, data: bytes | None) -> None:
        """Check that both ends are proved and agreed; see `Mechanism.conclude`."""
        del data
        if not self._negotiated:
            raise ProtocolError("the server says that the bind succeeded before Kerberos was done")

    @property
    def layer(self) -> SecurityLayer | None:
        """What was chosen."""
        return self._layer


class _Protection:
    """What a context does with single buffers.

    Args:
        context: established.
        failure: what the library raises.
        sealed: whether buffers are encrypted.
    """

    def __init__(self, context: gssapi.SecurityContext, failure: type[Exception], *, sealed: bool) -> None:
        self._context = context
        self._failure = failure
        self._sealed = sealed

    def seal(self, data: bytes) -> bytes:
        try:
            result = self._context.wrap(data, self._sealed)
        except self._failure as error:
            raise ConnectionLost(f"the Kerberos context ended: {_said(error)}", hint="connect again") from None
        if self._sealed and not result.encrypted:
            raise ConnectionLost("Kerberos does not encrypt any more", hint="connect again")
        return result.message

    def unseal(self, data: bytes) -> bytes:
        try:
            result = self._context.unwrap(data)
        except self._failure as error:
            raise ProtocolError(f"a protected buffer is forged, or damaged: {_said(error)}") from None
        if self._sealed and not result.encrypted:
            raise ProtocolError("a buffer that is not encrypted, where all are to be")
        return result.message


def _library() -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("gssapi")
    except ImportError as error:
        raise UsageError(
            f"Kerberos needs python-gssapi, which cannot be loaded: {error}", hint='pip install "syncrepl[gssapi]"'
        ) from None


def _translate(kinds: Any, error: Any, keytab: str) -> KerberosError:  # noqa: ANN401 - of a library loaded late
    reason, code = _said(error), _signed(error.min_code)
    hint = "get a ticket with kinit, or give a keytab"
    if isinstance(error, kinds.ExpiredCredentialsError) or code in _EXPIRED:
        return TicketExpired(reason, code, hint=hint)
    if isinstance(error, kinds.MissingCredentialsError):
        if keytab:
            hint = f"look whether the keytab {keytab!r} is there, may be read, and holds a key of the principal"
        return TicketMissing(reason, code, hint=hint)
    return KerberosError(reason, code, hint=_HINTS.get(code, _ANY_HINT))


def _signed(code: int) -> int:
    # The library's numbers are negative, and come back as if they were not.
    return code - (1 << 32) if code >= 1 << 31 else code


def _said(error: Any) -> str:  # noqa: ANN401
    """Return what the library says about the cause, or else about the kind of error."""
    # The second argument: whether the code is a major one.
    minor = error.get_all_statuses(error.min_code, False) if error.min_code else []  # noqa: FBT003
    return " ".join(minor or error.get_all_statuses(error.maj_code, True)).strip(". ")  # noqa: FBT003
