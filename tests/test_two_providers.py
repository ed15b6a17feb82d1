"""The two providers that other tests rely on replicate each other, and stop to when told so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.providers import Providers, context_csns
from tests.slapd import empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.slapd import Slapd

PEOPLE = "ou=people,dc=example,dc=com"


@pytest.fixture
def providers() -> Iterator[Providers]:
    with Providers() as both:
        both.load(empty_tree())
        both.start()
        yield both


def add(server: Slapd, name: str) -> str:
    dn = f"cn={name},{PEOPLE}"
    server.add(dn, {"objectClass": ["device"], "cn": [name]})
    return dn


def test_the_second_gets_what_the_first_began_with(providers: Providers) -> None:
    first, second = providers
    assert len(first.uuids()) == 3
    assert first.uuids() == second.uuids()


def test_changes_go_both_ways(providers: Providers) -> None:
    first, second = providers
    one, two = add(first, "one"), add(second, "two")
    providers.wait_replicated()
    first.delete(two)
    second.rename(one, "cn=three")
    providers.wait_replicated()
    assert first.uuids() == second.uuids()
    assert f"cn=three,{PEOPLE}" in first.search()
    assert two not in second.search()
    assert context_csns(first) == context_csns(second)
    assert set(context_csns(first)) == {1, 2}


@pytest.mark.parametrize("lagging", [0, 1])
def test_one_direction_can_be_cut_and_restored(providers: Providers, lagging: int) -> None:
    behind = list(providers)[lagging]
    ahead = providers.other(behind)
    providers.cut(behind)
    missed, own = add(ahead, "missed"), add(behind, "own")
    providers.wait_received(ahead)
    assert own in ahead.search()
    assert missed not in behind.search()
    providers.restore(behind)
    providers.wait_replicated()
    assert missed in behind.search()
    assert ahead.uuids() == behind.uuids()


def test_both_can_be_cut(providers: Providers) -> None:
    for server in providers:
        providers.cut(server)
    one, two = (add(server, name) for server, name in zip(providers, ("one", "two"), strict=True))
    first, second = providers
    assert two not in first.search()
    assert one not in second.search()
    for server in providers:
        providers.restore(server)
    providers.wait_replicated()
    assert {one, two} <= set(first.search())
    assert first.uuids() == second.uuids()


def test_lines_of_a_test_stay_when_replication_is_cut() -> None:
    with Providers(extra_database="index uid eq", sessionlog=10) as providers:
        providers.load(empty_tree())
        providers.start()
        for server in providers:
            providers.cut(server)
            assert server.extra_database == "index uid eq\n"
            assert "syncrepl " not in (server.directory / "slapd.conf").read_text()


def test_close_leaves_nothing() -> None:
    with Providers() as providers:
        providers.load(empty_tree())
        providers.start()
        pids = [server.pid for server in providers]
    for server, pid in zip(providers, pids, strict=True):
        assert not server.directory.exists()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
