"""Servers found in the DNS by their SRV records (RFC 2782), which needs the extra ``srv``.

Nothing is remembered from one look-up to the next, not even which name servers to ask: a program that runs for months
follows both as they change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ConnectionFailed, UsageError
from syncrepl_client.provider.providers import Listed, Target, by_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dns.resolver import Resolver

    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.provider.providers import Providers

__all__ = ["Discovered", "providers_of"]

_SCHEMES: Final = frozenset({"ldap", "ldaps"})
# Seconds for one look-up, however many name servers are asked.
_PATIENCE: Final = 5.0


def providers_of(url: LDAPUrl, others: Iterable[LDAPUrl], domain: str | None, random: Callable[[], float]) -> Providers:
    """Return the servers that the user means.

    Args:
        url: the search, and a server unless there is a domain.
        others: further servers.
        domain: where to look for servers in the DNS; None for nowhere.
        random: returns a number from 0 up to, but not including, 1.

    Raises:
        UsageError: what was given contradicts itself.
    """
    listed = Listed(url, tuple(others))
    if domain is None:
        return listed
    if listed.others:
        raise UsageError("servers are either listed or looked up", hint="leave out the providers, or the domain")
    return Discovered(url, domain, random)


@dataclass(frozen=True, slots=True)
class Discovered:
    """Servers that the DNS lists, in the order that it wants.

    Args:
        url: the search; it names no host.  Its scheme tells which service is looked for.
        domain: where, such as ``example.com``.
        random: returns a number from 0 up to, but not including, 1.

    Raises:
        UsageError: dnspython is missing, or the URL names a host, or what no SRV record can tell of.
    """

    url: LDAPUrl
    domain: str
    random: Callable[[], float]

    def __post_init__(self) -> None:
        if find_spec("dns") is None:
            raise UsageError("to look for servers in the DNS needs dnspython", hint='pip install "syncrepl[srv]"')
        if self.url.scheme not in _SCHEMES:
            raise UsageError(f"{self.url.scheme}:// is for no host", hint="look for servers by ldap:// or ldaps://")
        if self.url.host:
            raise UsageError(
                f"the URL names the host {self.url.host!r}, and servers of {self.domain!r} shall be looked for",
                hint=f"write {self.url.scheme}:///BASE, without a host",
            )

    def known(self) -> list[LDAPUrl]:
        """Return a URL that stands for them: they are somewhere else than on this machine."""
        return [replace(self.url, host=self.domain)]

    def urls(self) -> list[LDAPUrl]:
        """Look them up.

        Raises:
            ConnectionFailed: the DNS does not answer, or knows of none.
            UsageError: the domain is no name.
        """
        name = f"_{self.url.scheme}._tcp.{self.domain}"
        found = by_weight(_look_up(name), self.random)
        if not found:
            raise ConnectionFailed(f"{name} says that there is no such service", hint="name the server in the URL")
        return [replace(self.url, host=target.host, port=target.port) for target in found]


def _look_up(name: str) -> list[Target]:
    # Who lists his servers does not need it.
    import dns.exception  # noqa: PLC0415
    import dns.name  # noqa: PLC0415

    try:
        # A name that ends in a dot is whole: the search list of this machine is not for services.
        service = dns.name.from_text(name)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise UsageError(f"{name!r} is no name that the DNS can have: {error}", hint="check the domain") from error
    try:
        records = _resolver().resolve(service, "SRV", lifetime=_PATIENCE)
    except (dns.exception.DNSException, OSError) as error:
        raise ConnectionFailed(
            f"cannot find servers by {name}: {error}", hint="check the domain, and that it has SRV records for LDAP"
        ) from error
    # RFC 2782: the name "." says that the service is not offered.
    return [
        Target(record.priority, record.weight, record.target.to_text(omit_final_dot=True), record.port)
        for record in records
        if record.target != dns.name.root
    ]


def _resolver() -> Resolver:
    from dns.resolver import Resolver  # noqa: PLC0415

    return Resolver()
