"""The tree that the traps are set in, and the kinds of slapd that they are set on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.slapd import SUFFIX, Slapd, empty_tree, ldif_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GROUPS", "PEOPLE", "SESSION_LOGS", "add_people", "add_person", "add_unit", "named", "on", "small_tree"]

PEOPLE: Final = f"ou=people,{SUFFIX}"
GROUPS: Final = f"ou=groups,{SUFFIX}"
SESSION_LOGS: Final = {"slapd": None, "slapd-log": 1000}


def on(*traps: str, servers: Iterable[str] = SESSION_LOGS) -> pytest.MarkDecorator:
    """Run a test of traps on each of these servers; it gets one as ``server``."""
    return pytest.mark.parametrize(
        "server",
        [pytest.param(name, marks=pytest.mark.trap(*traps, server=name)) for name in servers],
        indirect=True,
    )


def small_tree() -> str:
    """Write the LDIF of ou=people with cn=a, cn=b and cn=c, and of ou=groups."""
    return empty_tree() + "".join(ldif_entry(named(name), _person(name)) for name in "abc")


def named(name: str, parent: str = PEOPLE) -> str:
    return f"cn={name},{parent}"


def add_person(server: Slapd, name: str, parent: str = PEOPLE, **more: Any) -> str:
    dn = named(name, parent)
    server.add(dn, {**_person(name), **more})
    return dn


def add_people(server: Slapd, count: int, parent: str = PEOPLE) -> list[str]:
    return [add_person(server, f"p{number}", parent) for number in range(count)]


def add_unit(server: Slapd, name: str, parent: str = PEOPLE) -> str:
    dn = f"ou={name},{parent}"
    server.add(dn, {"objectClass": ["organizationalUnit"]})
    return dn


def _person(name: str) -> dict[str, list[str]]:
    return {"objectClass": ["inetOrgPerson"], "cn": [name], "sn": [name.upper()]}
