"""Where a receiver is: the parts of a URL that every broker's has, checked in one way.

A URL holds no password, for URLs are shown, logged and kept; it may hold the name of a user.  What would go over the
network in clear is refused unless somebody has said that it may.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from syncrepl_client.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "is_here"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a receiver listens.

    Args:
        scheme: the scheme of its URL, in small letters.
        host: the host name or address, without brackets.
        port: the port.
        path: what follows, as it was written.
        user: who to be, if the URL says so.
        encrypted: whether the scheme means TLS.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str | None
    encrypted: bool

    @classmethod
    def parse(cls, url: str, schemes: Mapping[str, bool], port: Mapping[str, int], *, cleartext: bool = False) -> Self:
        """Take a URL apart.

        Args:
            url: the URL.
            schemes: which schemes there are, and whether each means TLS.
            port: the port of each scheme, where the URL says none.
            cleartext: whether what is not encrypted may go to another machine.

        Raises:
            UsageError: it is none, holds a password, or means another machine without TLS.
        """
        try:
            parts = urlsplit(url)
            host, number, password = parts.hostname, parts.port, parts.password
        except ValueError:
            parts, host, number, password = urlsplit(""), None, None, None
        if parts.scheme not in schemes or not host or parts.query or parts.fragment:
            raise UsageError(
                "that is not the address of such a receiver",
                hint=f"write {' or '.join(f'{scheme}://host:{port[scheme]}' for scheme in schemes)}",
            )
        if password is not None:
            raise UsageError(
                f"the URL of {host} holds a password, and URLs are shown", hint="give the password by its own option"
            )
        encrypted = schemes[parts.scheme]
        if not encrypted and not cleartext and not is_here(host):
            secure = " or ".join(scheme for scheme, tls in schemes.items() if tls)
            raise UsageError(
                f"what is sent to {host} would go over the network in clear",
                hint=f"use {secure}, or allow it with cleartext=True",
            )
        user = None if parts.username is None else unquote(parts.username)
        return cls(parts.scheme, host, number or port[parts.scheme], parts.path, user, encrypted)

    def __str__(self) -> str:
        """Return what errors call it: no user, no path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def is_here(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
