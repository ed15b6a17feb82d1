"""LDAP URLs (RFC 4516): the server, the search, and who asks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import IntEnum
from functools import wraps
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote, unquote

from syncrepl_client.exceptions import DNError, FilterError, LDAPUrlParseError
from syncrepl_client.ldap import dn
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULT_FILTER", "LDAPUrl", "Scope", "SupportsUnparse", "of", "parse"]

DEFAULT_FILTER: Final = "(objectClass=*)"
_PORTS: Final = {"ldap": 389, "ldaps": 636, "ldapi": 0}
_DEFAULT_SOCKET: Final = "/var/run/slapd/ldapi"
_FORM: Final = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<host>[^/?]*)(?:/(?P<rest>.*))?", re.DOTALL)
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?")
# A comma or a question mark that was not escaped may be part of the password.
_PASSWORD: Final = re.compile(r"(X(?:-|%2d)BINDPW\s*(?:=|%3d)).*", re.IGNORECASE | re.DOTALL)
_USER: Final = re.compile(r"(//[^/?@:]*:)[^/?]*(@)")
# What is in no name (RFC 3986 section 3.2.2); an LDAP URL has no place for a user before an '@' (RFC 4516 section 2).
_NO_HOST: Final = frozenset('/?#@\\ "<>^`{|}')
_KNOWN: Final = frozenset({"bindname", "x-bindpw"})
# A description (RFC 4512 section 2.5) with the underscores that servers allow, or what stands for more than one.
_ATTRIBUTE: Final = re.compile(r"@?[A-Za-z0-9][\w.-]*(?:;[\w-]+)*|\*|\+", re.ASCII)
# The types that names of entries consist of (RFC 4514 section 3), but for those that nobody binds with.
_TYPES_IN_NAMES: Final = frozenset({"cn", "c", "dc", "l", "o", "ou", "st", "street", "uid"})
_MOST_PARTS: Final = 5

_Given = TypeVar("_Given")


class Scope(IntEnum):
    """How far below its base a search looks (RFC 4511 section 4.5.1.2)."""

    BASE = 0
    ONE = 1
    SUB = 2


_SCOPES: Final = {"": Scope.SUB, "base": Scope.BASE, "one": Scope.ONE, "onelevel": Scope.ONE, "sub": Scope.SUB}
_SCOPE_NAMES: Final = {Scope.BASE: "base", Scope.ONE: "one", Scope.SUB: "sub"}


@dataclass(frozen=True, slots=True, repr=False)
class LDAPUrl:
    """An LDAP URL.  Its text never shows the password.

    Args:
        scheme: ``ldap``, ``ldaps`` or ``ldapi``.
        host: name or address; for ``ldapi`` the path of the socket.
        port: the TCP port.
        base: DN of the search base.
        attributes: what to return; empty means all user attributes.
        scope: how far below the base.
        filter: which entries.
        extensions: criticality, name and value of each.
    """

    scheme: str
    host: str
    port: int
    base: str = ""
    attributes: tuple[str, ...] = ()
    scope: Scope = Scope.SUB
    filter: str = DEFAULT_FILTER
    extensions: tuple[tuple[bool, str, str | None], ...] = ()

    def _extension(self, wanted: str) -> str | None:
        return next((value for _, name, value in self.extensions if name.lower() == wanted), None)

    @property
    def bind_name(self) -> str | None:
        """The DN to bind as, or None."""
        return self._extension("bindname") or None

    @property
    def bind_password(self) -> str | None:
        """The password that stood in the URL, or None."""
        return self._extension("x-bindpw")

    @property
    def socket_path(self) -> str:
        """The path of the socket of an ``ldapi`` URL."""
        return self.host or _DEFAULT_SOCKET

    @property
    def address(self) -> str:
        """The server alone, for messages."""
        return self.socket_path if self.scheme == "ldapi" else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, so that nothing goes over a network."""
        if self.scheme == "ldapi" or self.host.lower().rstrip(".") in {"", "localhost"}:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def search_url(self) -> str:
        """Return the search alone, in one spelling: two URLs with the same name the same search."""
        attributes = ",".join(sorted({name.lower() for name in self.attributes}))
        return f"{dn.normalize(self.base)}?{attributes}?{_SCOPE_NAMES[self.scope]}?{self.filter}"

    def __str__(self) -> str:
        shown = [
            f"{'!' if critical else ''}{name}"
            + ("" if value is None else "=" + quote(value, safe="=+@/ ").replace(" ", "%20"))
            for critical, name, value in self.extensions
            if name.lower() != "x-bindpw"
        ]
        parts = [
            quote(self.base, safe="=,+@;:"),
            ",".join(quote(name, safe=";*+") for name in self.attributes),
            _SCOPE_NAMES[self.scope],
            quote(self.filter, safe="=()&|!*:<>~,+@\\;"),
            ",".join(shown).replace("/", "%2F"),
        ]
        return f"{self.scheme}://{self._where()}/{'?'.join(parts).rstrip('?')}"

    def _where(self) -> str:
        if self.scheme == "ldapi":
            return quote(self.host, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"LDAPUrl({str(self)!r})"


@runtime_checkable
class SupportsUnparse(Protocol):
    """A URL parsed by python-ldap's ``ldapurl``."""

    def unparse(self) -> str:
        """Return its text."""


def _discreet(read: Callable[[_Given], LDAPUrl]) -> Callable[[_Given], LDAPUrl]:
    """Let a reader of URLs fail without its frames: tools that print their variables would print a password."""

    @wraps(read)
    def reader(url: _Given) -> LDAPUrl:
        try:
            return read(url)
        except LDAPUrlParseError as error:
            failure = error.with_traceback(None)
        del url
        raise failure

    return reader


@_discreet
def of(url: str | LDAPUrl | SupportsUnparse) -> LDAPUrl:
    """Return a URL in whatever form a program has it.

    Raises:
        LDAPUrlParseError: see `parse`.
    """
    if isinstance(url, LDAPUrl):
        return url
    return parse(url.unparse() if isinstance(url, SupportsUnparse) else url)


@_discreet
def parse(text: str) -> LDAPUrl:
    """Parse an LDAP URL.

    A missing scope means the whole subtree, and a missing filter every entry.

    Raises:
        LDAPUrlParseError: it is not an LDAP URL, or its base, scope, filter or extensions are not usable.
    """
    shown = _masked(text)
    match = _FORM.fullmatch(text)
    scheme = match["scheme"].lower() if match else ""
    if match is None or scheme not in _PORTS:
        raise LDAPUrlParseError(shown, "it does not begin with ldap://, ldaps:// or ldapi://")
    host, port = _host(shown, scheme, match["host"])
    parts = (match["rest"] or "").split("?")
    if len(parts) > _MOST_PARTS:
        raise LDAPUrlParseError(shown, "it has more than five parts after the host")
    base, attributes, scope, filter_, extensions = parts + [""] * (_MOST_PARTS - len(parts))
    if any(_names_password(part) for part in parts[: _MOST_PARTS - 1]):
        raise LDAPUrlParseError(shown, "X-BINDPW stands before the fourth '?', where extensions begin")
    if scope.lower() not in _SCOPES:
        raise LDAPUrlParseError(shown, f"the scope {scope!r} is none of base, one and sub")
    url = LDAPUrl(
        scheme,
        host,
        port,
        unquote(base),
        _attributes(shown, attributes),
        _SCOPES[scope.lower()],
        unquote(filter_) or DEFAULT_FILTER,
        _extensions(shown, extensions),
    )
    try:
        dn.parse(url.base)
        filters.encode(url.filter)
    except (DNError, FilterError) as error:
        raise LDAPUrlParseError(shown, str(error)) from error.with_traceback(None)
    return url


def _masked(text: str) -> str:
    """Return a URL as it may be shown, however it was mistyped."""
    shown = _USER.sub(r"\1***\2", _PASSWORD.sub(r"\1***", text))
    return shown if shown != text or not _names_password(text) else text.partition("?")[0] + "?***"


def _names_password(text: str) -> bool:
    return "x-bindpw" in unquote(text).lower()


def _is_name(host: str) -> bool:
    """Tell whether a host can be looked up at all, and written into a URL again."""
    name = unquote(host)
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return name.isprintable() and not _NO_HOST.intersection(name)


def _host(shown: str, scheme: str, text: str) -> tuple[str, int]:
    if scheme == "ldapi":
        return unquote(text), 0
    match = _HOST.fullmatch(text)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 1 << 16) or not _is_name(match["host"]):
        raise LDAPUrlParseError(shown, f"{_masked('//' + text)[2:]!r} is not a host and port")
    return unquote(match["host"]).strip("[]"), int(match["port"] or _PORTS[scheme])


def _attributes(shown: str, text: str) -> tuple[str, ...]:
    names = tuple(name for part in text.split(",") if (name := unquote(part).strip()))
    for name in names:
        if not _ATTRIBUTE.fullmatch(name):
            raise LDAPUrlParseError(
                shown,
                f"{name!r} is not the name of an attribute",
                hint="the form is ldap://HOST/BASE?ATTRIBUTE,ATTRIBUTE?SCOPE?FILTER?EXTENSION,EXTENSION",
            )
    return names


def _extensions(shown: str, text: str) -> tuple[tuple[bool, str, str | None], ...]:
    found: list[tuple[bool, str, str | None]] = []
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        critical = name.startswith("!")
        name = unquote(name.removeprefix("!"))
        if critical and name.lower() not in _KNOWN:
            raise LDAPUrlParseError(shown, f"the critical extension {name!r} is not known")
        if equals and found and found[-1][1].lower() == "bindname" and name.lower() in _TYPES_IN_NAMES:
            raise LDAPUrlParseError(
                shown,
                f"{name!r} is no extension but seems to be a part of the DN in bindname",
                hint="write each comma of that DN as %2C",
            )
        found.append((critical, name, unquote(value) if equals else None))
    return tuple(found)
