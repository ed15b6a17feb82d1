"""Traps of two providers that replicate each other, and a client that goes from one to the other."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Replica
from syncrepl_client.consumer import resumption
from syncrepl_client.contentsync.cookies import OpenLDAPCookie
from syncrepl_client.exceptions import ProviderBehind
from tests.providers import Providers, context_csns
from tests.slapd import SUFFIX
from tests.traps.openldap.copies import BOTH_MODES, ONCE, PERSIST, Copy
from tests.traps.openldap.line import Line
from tests.traps.openldap.tree import GROUPS, add_person, named, small_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import SyncreplMode

BOTH_LOGS = pytest.mark.parametrize("providers", [None, 1000], ids=["present", "sessionlog"], indirect=True)


@pytest.fixture
def providers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    monkeypatch.setattr(resumption, "_PATIENCE", 0.2)
    monkeypatch.setattr(resumption, "_PAUSE", 0.05)
    with Providers(sessionlog=request.param) as both:
        both.load(small_tree())
        both.start()
        # Both have written, so cookies hold a number of each.
        for server, name in zip(both, ("one", "two"), strict=True):
            add_person(server, name)
        both.wait_replicated()
        yield both


def csns(cookie: bytes | None) -> dict[int, str]:
    parsed = OpenLDAPCookie.parse(cookie)
    return {int(sid, 16): csn.decode() for sid, csn in parsed.csns} if parsed else {}


@pytest.mark.trap("A5", server="slapd-two")
@BOTH_LOGS
@BOTH_MODES
@pytest.mark.parametrize("own", [False, True], ids=["idle", "own change"])
def test_a_provider_that_lags_takes_nothing_away(
    providers: Providers, tmp_path: Path, mode: SyncreplMode, *, own: bool
) -> None:
    first, second = providers
    with Copy(first, tmp_path / "data", mode) as copy:
        copy.sync()
        providers.cut(second)
        n1 = add_person(first, "n1")
        assert [("add", n1)] == copy.sync()
        if own:
            b2 = add_person(second, "b2")
        copy.offline()
        before, cookie = copy.content, copy.cookie

        copy.server = second
        with pytest.raises(ProviderBehind) as behind:
            copy.step()

        assert behind.value.ours == cookie
        assert (before, cookie) == (copy.content, copy.cookie)
        assert copy.witness.take() == []
        providers.restore(second)
        providers.wait_received(second)
        assert copy.sync() == ([("add", b2)] if own else [])
        assert n1 in copy.names
        assert context_csns(second) == csns(copy.cookie) or not own


@pytest.mark.trap("A5", server="slapd-two")
@pytest.mark.parametrize("providers", [None], ids=["present"], indirect=True)
def test_a_repair_takes_nothing_away_that_a_provider_has_not_got_yet(providers: Providers, tmp_path: Path) -> None:
    first, second = providers
    with Copy(first, tmp_path / "data", ONCE) as copy:
        copy.sync()
        providers.cut(second)
        add_person(first, "n1")
        copy.sync()
        before = copy.content
        copy.offline()

    url = f"{second.url}/{SUFFIX}??sub"
    with closing(Replica(url, tmp_path / "data", mode=ONCE)) as replica, pytest.raises(ProviderBehind):
        replica.verify(repair=True)
    assert before == copy.content


@pytest.mark.trap("A5", server="slapd-two")
@BOTH_MODES
@pytest.mark.parametrize("providers", [None], ids=["present"], indirect=True)
def test_a_provider_that_catches_up_in_time_is_waited_for(
    providers: Providers, tmp_path: Path, mode: SyncreplMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = providers
    with Copy(first, tmp_path / "data", mode) as copy:
        copy.sync()
        before = OpenLDAPCookie.parse(copy.cookie)
        n1 = add_person(first, "n1")
        assert [("add", n1)] == copy.sync()
        copy.offline()
        providers.wait_received(second)
        # At first the other one seems to be as far as it was before.
        looks = [before, before]
        real = resumption.context_csns
        monkeypatch.setattr(resumption, "context_csns", lambda *args: looks.pop() if looks else real(*args))

        copy.server = second
        assert copy.sync() == []

        assert not looks


@pytest.mark.trap("A5", "C3", server="slapd-two")
@BOTH_LOGS
@BOTH_MODES
def test_what_a_lagging_provider_takes_away_unseen_it_gives_back(
    providers: Providers, tmp_path: Path, mode: SyncreplMode
) -> None:
    """Where it hides how far it is, the copy becomes what it holds, and so does the cookie.

    With the newer number of the other provider in the cookie it would never send again what it lacked.
    """
    first, second = providers
    for server in providers:
        server.extra_database += "access to attrs=contextCSN by * none\naccess to * by * read\n"
    providers.cut(second)
    first.restart()
    with Copy(first, tmp_path / "data", mode) as copy:
        copy.sync()
        n1 = add_person(first, "n1")
        copy.sync()
        b2 = add_person(second, "b2")
        copy.offline()

        copy.server = second
        copy.step()

        assert context_csns(second) == csns(copy.cookie)
        assert b2 in copy.names
        copy.offline()
        providers.restore(second)
        providers.wait_received(second)
        copy.sync()
        assert {n1, b2} <= copy.names
        assert context_csns(second) == csns(copy.cookie)


@pytest.mark.trap("C2", server="slapd-two")
@BOTH_LOGS
@BOTH_MODES
def test_the_id_of_a_provider_is_not_said_to_another(providers: Providers, tmp_path: Path, mode: SyncreplMode) -> None:
    """It would take us for that server, and withhold what came from there."""
    first, second = providers
    with Line(second) as line, Copy(first, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        copy.server, copy.through = second, line.url
        copy.sync()
        a2 = add_person(first, "a2")
        first.replace(named("a"), "title", ["Dr"])
        providers.wait_replicated()
        add_person(second, "elsewhere", GROUPS)
        second.replace(named("b"), "title", ["Dr"])

        told = copy.sync()

        assert {("add", a2), ("change", named("a")), ("change", named("b"))} <= set(told)
        copy.offline()
        assert copy.sync() == []
        sent = [asked.cookie for asked in line.take() if asked.cookie]
        assert sent
        assert all(cookie.startswith(b"rid=") for cookie in sent)
        assert not any(b"sid=" in cookie for cookie in sent)


@pytest.mark.trap("C10", server="slapd-two")
@BOTH_LOGS
def test_a_restart_after_changes_of_both_reads_the_changes_alone(providers: Providers, tmp_path: Path) -> None:
    """Each change comes with the number of one provider; a cookie of that alone would lead to everything."""
    first, second = providers
    with Line(second) as line, Copy(second, tmp_path / "data", PERSIST, through=line.url) as copy:
        copy.sync()
        for number in range(3):
            first.replace(named("a"), "title", [str(number)])
            providers.wait_replicated()
            second.replace(named("b"), "title", [str(number)])
            providers.wait_replicated()
            copy.sync()
        assert context_csns(second) == csns(copy.cookie)
        copy.offline()
        first.replace(named("c"), "title", ["Dr"])
        providers.wait_replicated()
        line.take()

        assert [("change", named("c"))] == copy.sync()

        (asked,) = line.take()
        assert asked.adds == 1


@pytest.mark.trap("E9", server="slapd-two")
@BOTH_LOGS
@BOTH_MODES
def test_a_client_goes_on_with_the_other_provider(providers: Providers, tmp_path: Path, mode: SyncreplMode) -> None:
    first, second = providers
    with Copy(first, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        first.delete(named("b"))
        second.replace(named("c"), "title", ["Dr"])
        providers.wait_replicated()
        first.kill()
        with Line(second) as line:
            copy.server, copy.through = second, line.url

            assert {("delete", named("b")), ("change", named("c"))} == set(copy.sync())

            (asked,) = line.take()
            assert asked.cookie is not None
            assert asked.adds == 1
            copy.offline()
