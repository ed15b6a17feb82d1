"""The provider against OpenLDAP: the same writes and the same requests bring the same octets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import pytest

from syncrepl_client.testing import Provider
from syncrepl_client.testing.requests import REFRESH_AND_PERSIST, REFRESH_ONLY
from tests.slapd import SUFFIX, Slapd, empty_tree
from tests.testing.conversation import Conversation, anonymous, ends_refresh, in_any_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
UNIT = {"objectClass": ["organizationalUnit"]}


class Server(Protocol):
    """What both can do, and what is known of it afterwards."""

    url: str
    csns: list[bytes]
    uuids: dict[bytes, str]

    def add(self, dn: str, attrs: dict[str, list[str]]) -> None: ...
    def replace(self, dn: str, attr: str, *values: str) -> None: ...
    def rename(self, dn: str, new_dn: str) -> None: ...
    def delete(self, dn: str) -> None: ...


class Real:
    def __init__(self, slapd: Slapd) -> None:
        self._slapd = slapd
        self.url = slapd.url
        self.csns: list[bytes] = []
        self.uuids: dict[bytes, str] = {}
        for dn in (SUFFIX, PEOPLE, GROUPS):
            self._learn(dn)
        del self.csns[:-1]

    def _learn(self, dn: str) -> None:
        (attributes,) = self._slapd.search(dn, 0, attrs=["entryUUID"]).values()
        self.uuids[UUID(attributes["entryUUID"][0].decode()).bytes] = dn.partition(",")[0]
        self._written()

    def _written(self) -> None:
        (attributes,) = self._slapd.search(SUFFIX, 0, attrs=["contextCSN"]).values()
        self.csns.append(attributes["contextCSN"][0])

    def add(self, dn: str, attrs: dict[str, list[str]]) -> None:
        self._slapd.add(dn, attrs)
        self._learn(dn)

    def replace(self, dn: str, attr: str, *values: str) -> None:
        self._slapd.replace(dn, attr, values)
        self._written()

    def rename(self, dn: str, new_dn: str) -> None:
        self._slapd.rename(dn, *new_dn.split(",", 1))
        self._written()

    def delete(self, dn: str) -> None:
        self._slapd.delete(dn)
        self._written()


class Ours:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.url = provider.url
        self.csns: list[bytes] = []
        self.uuids: dict[bytes, str] = {}
        (attributes,) = provider.search(SUFFIX, 0, attributes=["entryUUID"]).values()
        self.uuids[UUID(attributes["entryUUID"][0].decode()).bytes] = SUFFIX.partition(",")[0]
        self._written()
        for dn in (PEOPLE, GROUPS):
            self.add(dn, {"objectClass": ["top", "organizationalUnit"]})
        del self.csns[:-1]

    def _written(self) -> None:
        (attributes,) = self._provider.search(SUFFIX, 0, attributes=["contextCSN"]).values()
        self.csns.append(attributes["contextCSN"][0])

    def add(self, dn: str, attrs: dict[str, list[str]]) -> None:
        self.uuids[self._provider.add(dn, attrs).bytes] = dn.partition(",")[0]
        self._written()

    def replace(self, dn: str, attr: str, *values: str) -> None:
        self._provider.replace(dn, attr, values)
        self._written()

    def rename(self, dn: str, new_dn: str) -> None:
        self._provider.rename(dn, new_dn)
        self._written()

    def delete(self, dn: str) -> None:
        self._provider.delete(dn)
        self._written()


@pytest.fixture(params=[False, True], ids=["no log", "log"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    log = request.param
    with Slapd(sessionlog=100 if log else None) as slapd, Provider(SUFFIX, session_log=log) as provider:
        slapd.load(empty_tree())
        slapd.start()
        servers = Real(slapd), Ours(provider)
        for server in servers:
            first_writes(server)
        yield servers


def person(name: str, *description: str) -> dict[str, list[str]]:
    attributes = {"objectClass": ["person"], "cn": [name], "sn": [name.upper()]}
    return {**attributes, "description": list(description)} if description else attributes


def first_writes(server: Server) -> None:
    for name in "abc":
        server.add(f"cn={name},{PEOPLE}", person(name, "keep"))
    server.add(f"ou=sub,{PEOPLE}", {**UNIT, "ou": ["sub"]})
    server.add(f"cn=below,ou=sub,{PEOPLE}", person("below", "keep"))
    server.add(f"cn=g,{GROUPS}", person("g"))


def later_writes(server: Server) -> None:
    server.replace(f"cn=a,{PEOPLE}", "sn", "new")
    server.delete(f"cn=b,{PEOPLE}")
    server.add(f"cn=d,{PEOPLE}", person("d", "keep"))
    server.add(f"cn=brief,{PEOPLE}", person("brief"))
    server.delete(f"cn=brief,{PEOPLE}")
    server.rename(f"cn=c,{PEOPLE}", f"cn=cc,{PEOPLE}")
    server.rename(f"ou=sub,{PEOPLE}", f"ou=sub,{GROUPS}")
    server.replace(f"cn=g,{GROUPS}", "sn", "outside")
    server.rename(f"cn=g,{GROUPS}", f"cn=g,{PEOPLE}")
    server.replace(f"cn=g,{PEOPLE}", "description", "keep")
    server.replace(f"cn=d,{PEOPLE}", "description", "drop")
    server.rename(f"cn=a,{PEOPLE}", f"cn=A,{PEOPLE}")
    server.replace(f"cn=cc,{PEOPLE}", "sn", "C")
    server.delete(f"cn=below,ou=sub,{GROUPS}")


def compare(both: tuple[Server, Server], talk: Callable[[Server], list[bytes]], about: str = "") -> None:
    real, ours = (in_any_order(anonymous(talk(server), server.csns, server.uuids)) for server in both)
    assert real == ours, about


COOKIES: dict[str, Callable[[Server], bytes | None]] = {
    "none": lambda server: None,
    "empty": lambda server: b"",
    "rid alone": lambda server: b"rid=007",
    "of another product": lambda server: b"host:389#cn=x:dc=y:(a=*)#8",
    "no rid": lambda server: b"csn=" + server.csns[-1],
    "of now": lambda server: b"rid=007,csn=" + server.csns[-1],
    "before the later writes": lambda server: b"rid=007,csn=" + server.csns[6],
    "stale": lambda server: b"rid=007,csn=20000101000000.000000Z#000000#000#000000",
    "of another server": lambda server: b"rid=007,csn=20000101000000.000000Z#000000#001#000000",
    "of a new provider": lambda server: b"rid=007,csn=" + server.csns[0],
    "newer": lambda server: b"rid=007,csn=29990101000000.000000Z#000000#000#000000",
}


@pytest.mark.parametrize("search", [{}, {"scope": 1, "filter_": "(description=keep)"}, {"scope": 0}], ids=str)
@pytest.mark.parametrize("mode", [REFRESH_ONLY, REFRESH_AND_PERSIST])
def test_refreshes_are_the_same(both: tuple[Server, Server], mode: int, search: dict[str, Any]) -> None:
    for server in both:
        later_writes(server)
    for name, cookie in COOKIES.items():

        def talk(server: Server, cookie: Callable[[Server], bytes | None] = cookie) -> list[bytes]:
            with Conversation(server.url) as conversation:
                conversation.search(PEOPLE, mode, cookie(server), **search)
                return conversation.until(ends_refresh)

        compare(both, talk, name)


@pytest.mark.parametrize("search", [{}, {"scope": 1, "filter_": "(description=keep)"}, {"scope": 0}], ids=str)
def test_writes_are_told_the_same(both: tuple[Server, Server], search: dict[str, Any]) -> None:
    def talk(server: Server) -> list[bytes]:
        with Conversation(server.url) as conversation:
            conversation.search(PEOPLE, REFRESH_AND_PERSIST, b"rid=007,csn=" + server.csns[-1], **search)
            said = conversation.until(ends_refresh)
            later_writes(server)
            server.replace(SUFFIX, "description", "the last")
            return said + conversation.until(lambda one: server.csns[-1] in one)

    compare(both, talk)


def test_a_base_that_is_renamed_ends_the_search_at_the_next_write(both: tuple[Server, Server]) -> None:
    def talk(server: Server) -> list[bytes]:
        with Conversation(server.url) as conversation:
            conversation.search(PEOPLE, REFRESH_AND_PERSIST)
            said = conversation.until(ends_refresh)
            server.replace(f"cn=a,{PEOPLE}", "sn", "1")
            server.rename(PEOPLE, f"ou=folk,{SUFFIX}")
            server.replace(f"cn=a,ou=folk,{SUFFIX}", "sn", "2")
            return said + conversation.until(lambda one: False)

    compare(both, talk)


@pytest.mark.parametrize("mode", [REFRESH_ONLY, REFRESH_AND_PERSIST])
def test_a_base_that_is_gone_is_said_the_same(both: tuple[Server, Server], mode: int) -> None:
    def talk(server: Server) -> list[bytes]:
        known = server.csns[-1]
        server.delete(f"cn=a,{PEOPLE}")
        server.rename(PEOPLE, f"ou=folk,{SUFFIX}")
        with Conversation(server.url) as conversation:
            conversation.search(PEOPLE, mode, b"rid=007,csn=" + known)
            return conversation.until(ends_refresh)

    compare(both, talk)
