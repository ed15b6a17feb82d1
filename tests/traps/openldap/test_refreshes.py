"""Refreshes that are not what they seem, and deletions that never were: part A of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from syncrepl_client.exceptions import ConnectionLost, LDAPResultError, MassDeletionHeld, NoSuchBase, SyncNotSupported
from tests.slapd import SUFFIX, Slapd
from tests.traps.openldap.copies import BOTH_MODES, Copy
from tests.traps.openldap.line import Line, deletes_of, presents_of, state_of
from tests.traps.openldap.tree import PEOPLE, add_people, add_person, named, on

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client import SyncreplMode
    from syncrepl_client.ldap.messages import Message

_OLD_COOKIE: Final = b"rid=000,csn=20000101000000.000000Z#000000#000#000000"


def _names_anything(message: Message) -> bool:
    return bool(presents_of(message) or deletes_of(message))


def _is_entry(message: Message) -> bool:
    return state_of(message) is not None


# --- A2: a refresh that ended early -----------------------------------------------------------------------------------


@on("A2")
@BOTH_MODES
@pytest.mark.parametrize("last", [_names_anything, _is_entry], ids=["after id set", "after entry"])
def test_a_refresh_that_was_cut_leaves_copy_and_cookie(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, last: Any
) -> None:
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        copy.offline()
        before, cookie = copy.content, copy.cookie
        server.delete(named("b"))
        server.replace(named("c"), "title", ["Dr"])
        line.hear(last)

        with pytest.raises(ConnectionLost):
            copy.step()

        assert (before, cookie) == (copy.content, copy.cookie)
        assert copy.witness.take() == []
        assert {("delete", named("b")), ("change", named("c"))} == set(copy.sync())


@on("A2")
@BOTH_MODES
def test_a_refresh_that_met_a_size_limit_leaves_copy_and_cookie(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        before, cookie = copy.content, copy.cookie
        server.delete(named("b"))
        for dn in add_people(server, 4):
            server.replace(dn, "title", ["Dr"])
        server.sizelimit = "3"
        server.restart()

        with pytest.raises(LDAPResultError, match="sizeLimitExceeded"):
            copy.step()

        assert (before, cookie) == (copy.content, copy.cookie)
        server.sizelimit = "unlimited"
        server.restart()
        assert ("delete", named("b")) in copy.sync()


# --- A3: mass deletions -----------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(server: Slapd) -> list[str]:
    return add_people(server, 60)


@on("A3")
@BOTH_MODES
def test_what_is_really_gone_is_deleted_once_a_search_has_confirmed_it(
    server: Slapd, crowd: list[str], tmp_path: Path, mode: SyncreplMode
) -> None:
    everybody = [*crowd, *map(named, "abc")]
    with (
        Line(server) as line,
        Copy(
            server, tmp_path / "data", mode, through=line.url, filter="(objectClass=person)", max_deletes=None
        ) as copy,
    ):
        copy.sync()
        copy.offline()
        for dn in everybody:
            server.delete(dn)
        line.take()

        told = copy.sync()

        assert {("delete", dn) for dn in everybody} == set(told)
        refresh, confirmation = line.take()
        assert (refresh.cookie is None, confirmation.cookie) == (False, None)


@on("A3")
@BOTH_MODES
def test_what_is_really_gone_but_too_much_is_held(
    server: Slapd, crowd: list[str], tmp_path: Path, mode: SyncreplMode
) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        before, cookie = copy.content, copy.cookie
        for dn in crowd:
            server.delete(dn)

        with pytest.raises(MassDeletionHeld) as held:
            copy.step()

        assert held.value.deletions == len(crowd)
        assert (before, cookie) == (copy.content, copy.cookie)
        assert copy.witness.take() == []


# --- A4: optional members ---------------------------------------------------------------------------------------------


@on("A4")
@BOTH_MODES
def test_a_refresh_without_news_changes_nothing_and_asks_nothing(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    """The answer is a Sync Done with nothing but a BOOLEAN: read by position it is a cookie that sweeps the copy."""
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        before, cookie = copy.content, copy.cookie
        for _ in range(2):
            copy.offline()
            line.take()

            assert copy.sync() == []

            assert (before, cookie) == (copy.content, copy.cookie)
            assert [cookie] == [asked.cookie for asked in line.take()]


# --- A6: other parameters ---------------------------------------------------------------------------------------------


@on("A6", servers=["slapd"])
@BOTH_MODES
@pytest.mark.parametrize(
    "other",
    [
        {"filter": "(|(objectClass=organizationalUnit)(cn=a)(cn=b))"},
        {"base": PEOPLE},
        {"scope": "one"},
        {"attributes": ("cn", "sn")},
        {"identity": ("cn=admin,dc=example,dc=com", "secret")},
    ],
    ids=["filter", "base", "scope", "attributes", "identity"],
)
def test_a_cookie_is_never_sent_with_other_parameters(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, other: dict[str, Any]
) -> None:
    server.extra_database = "access to attrs=title by * none\naccess to * by * read"
    server.restart()
    server.replace(named("a"), "title", ["seen by the administrator alone"])
    with Line(server) as line:
        with Copy(server, tmp_path / "data", mode, through=line.url) as copy:
            copy.sync()
        line.take()
        with Copy(server, tmp_path / "data", mode, through=line.url, **other) as copy:
            told = copy.sync()
            assert told
            assert len(told) < 7
            assert line.take()[0].cookie is None
            copy.offline()
            add_person(server, "d")
            assert [("add", named("d"))] == copy.sync() or "filter" in other or "scope" in other
            assert line.take()[0].cookie is not None


# --- A7, A8, A9: errors are no content --------------------------------------------------------------------------------


@on("A7", servers=["slapd"])
@BOTH_MODES
def test_a_server_that_lost_its_provider_is_an_error(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        server.sync_provider = False
        server.restart()

        with pytest.raises(SyncNotSupported):
            copy.step()

        copy.check()
        assert copy.cookie


@on("A8", "E2")
@BOTH_MODES
def test_a_refresh_that_is_required_is_of_everything_and_replaces_the_copy_at_its_end(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    server.extra_overlay = "syncprov-reloadhint TRUE"
    server.restart()
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        copy.offline()
        before = copy.content
        server.delete(named("b"))
        server.replace(named("c"), "title", ["Dr"])
        copy.set_cookie(_OLD_COOKIE)
        line.take()
        sights: list[Any] = []

        def see(_: Message) -> bool:
            sights.append(copy.content)
            return len(sights) == 4

        line.hear(see)
        with pytest.raises(ConnectionLost):
            copy.step()

        assert [asked.cookie for asked in line.take()] == [_OLD_COOKIE, None]
        assert [before] * 4 == sights
        assert before == copy.content
        assert {("delete", named("b")), ("change", named("c"))} == set(copy.sync())
        assert [asked.cookie for asked in line.take()][:2] == [_OLD_COOKIE, None]


@on("A9")
@BOTH_MODES
def test_an_error_deletes_nothing(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    """With a session log slapd names the deleted entries first, and says that the base is gone after them."""
    with Copy(server, tmp_path / "data", mode, base=PEOPLE) as copy:
        copy.sync()
        copy.offline()
        before, cookie = copy.content, copy.cookie
        server.delete(named("b"))
        server.replace(named("c"), "title", ["Dr"])
        server.rename(PEOPLE, "ou=folk")

        for _ in range(2):
            with pytest.raises(NoSuchBase):
                copy.step()

            assert (before, cookie) == (copy.content, copy.cookie)
        server.rename(f"ou=folk,{SUFFIX}", "ou=people")
        assert ("delete", named("b")) in copy.sync()
