"""Which servers hold the content, and in which order to try them: the pure part.

`discovery` finds them in the DNS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap.url import DEFAULT_FILTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.ldap.url import LDAPUrl

__all__ = ["Listed", "Providers", "Target", "by_weight"]


class Providers(Protocol):
    """The servers that hold the content."""

    def known(self) -> list[LDAPUrl]:
        """Return what is known of them without asking anybody."""

    def urls(self) -> list[LDAPUrl]:
        """Return the URL of each, in the order in which they are to be tried now; there is one at least.

        Raises:
            ConnectionFailed: they cannot be found out now.
        """


@dataclass(frozen=True, slots=True)
class Listed:
    """Servers that the user lists, tried in this order.

    Args:
        first: the URL with the search.
        others: URLs that name other hosts or ports, with the same search or none.

    Raises:
        UsageError: another URL differs in more than that.
    """

    first: LDAPUrl
    others: tuple[LDAPUrl, ...] = ()

    def __post_init__(self) -> None:
        for other in self.others:
            self._check(other)

    def _check(self, other: LDAPUrl) -> None:
        first = self.first
        if other.scheme != first.scheme:
            raise UsageError(
                f"the provider {other} is of another scheme than {first.scheme}",
                hint="all providers are reached in the same way",
            )
        if _names_search(other) and other.search_url() != first.search_url():
            raise UsageError(
                f"the provider {other} is for another search than {first}",
                hint="providers differ in host and port only; leave out what stands behind them",
            )
        if other.extensions and other.extensions != first.extensions:
            raise UsageError(
                f"the provider {other} names another identity than {first}",
                hint="who to be stands in the first URL alone",
            )

    def known(self) -> list[LDAPUrl]:
        """Return them."""
        return self.urls()

    def urls(self) -> list[LDAPUrl]:
        """Return them."""
        return [self.first, *(replace(self.first, host=other.host, port=other.port) for other in self.others)]


def _names_search(url: LDAPUrl) -> bool:
    return bool(url.base or url.attributes) or url.filter != DEFAULT_FILTER


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service is offered (RFC 2782).

    Args:
        priority: the lowest is tried first.
        weight: how often to come first among those of the same priority.
        host: its name.
        port: its TCP port.
    """

    priority: int
    weight: int
    host: str
    port: int


def by_weight(targets: Iterable[Target], random: Callable[[], float]) -> list[Target]:
    """Put targets into an order to try them in (RFC 2782, "Usage rules").

    Args:
        targets: in any order.
        random: returns a number from 0 up to, but not including, 1.
    """
    # Those of weight 0 come first among equals, which leaves them a small chance.
    left = sorted(targets, key=lambda target: (target.priority, bool(target.weight)))
    ordered = []
    while left:
        equals = [target for target in left if target.priority == left[0].priority]
        chosen = _chosen(equals, random)
        ordered.append(chosen)
        left.remove(chosen)
    return ordered


def _chosen(equals: list[Target], random: Callable[[], float]) -> Target:
    """Choose one of some with the same priority, each with a chance by its weight."""
    number = int(random() * (sum(target.weight for target in equals) + 1))
    for target in equals:
        number -= target.weight
        if number <= 0:
            return target
    return equals[-1]
