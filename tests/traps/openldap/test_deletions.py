"""Deletions that nobody tells: part B of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Origin, SyncreplMode
from tests.traps.openldap.copies import BOTH_MODES, MODES, Copy
from tests.traps.openldap.line import Line
from tests.traps.openldap.tree import GROUPS, PEOPLE, add_people, add_person, add_unit, named, on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slapd import Slapd


# --- B1, B2: cookies --------------------------------------------------------------------------------------------------


@on("B1")
@BOTH_MODES
def test_a_copy_without_a_cookie_loses_what_is_gone(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        server.delete(named("b"))
        copy.set_cookie(None)

        assert [("delete", named("b"))] == copy.sync()


@on("B2")
@BOTH_MODES
@pytest.mark.parametrize(
    "foreign", [b"host.example.com:389#cn=reader:dc=example,dc=com:(objectClass=*)#12", b"rid=000", b""]
)
def test_a_cookie_of_another_server_is_not_sent_and_an_empty_one_not_stored(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, foreign: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What slapd cannot read it takes for no cookie at all, and gives one of no length in its turn."""
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        copy.offline()
        server.delete(named("b"))
        copy.set_cookie(foreign)
        line.take()

        assert [("delete", named("b"))] == copy.sync()

        assert {None} == {asked.cookie for asked in line.take()}
        assert "the refresh reads everything: a cookie of this server cannot be resumed from" in caplog.text
        for _ in range(2):
            copy.offline()
            assert copy.sync() == []
            assert copy.cookie
        copy.offline()
        server.delete(named("a"))
        assert [("delete", named("a"))] == copy.sync()


# --- B4: subtrees -----------------------------------------------------------------------------------------------------


def _family(server: Slapd, parent: str) -> tuple[str, ...]:
    top = add_unit(server, "top", parent)
    inner = add_unit(server, "inner", top)
    return top, inner, add_person(server, "x", top), add_person(server, "y", inner)


@on("B4")
@MODES
def test_what_was_moved_out_with_its_parent_is_deleted(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    family = _family(server, PEOPLE)
    with Copy(server, tmp_path / "data", mode, base=PEOPLE) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.rename(family[0], "ou=top", GROUPS)

        told = copy.sync()

        assert {("delete", dn) for dn in family} == set(told)
        # Whoever is below goes first.
        assert ("delete", family[0]) == told[-1]
        assert told.index(("delete", family[3])) < told.index(("delete", family[1]))


@on("B4", "C4")
@MODES
def test_what_was_moved_in_with_its_parent_is_added(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    outside = _family(server, GROUPS)
    with Copy(server, tmp_path / "data", mode, base=PEOPLE) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.rename(outside[0], "ou=top", PEOPLE)

        told = copy.sync()

        assert {("add", dn.replace(GROUPS, PEOPLE)) for dn in outside} == set(told)
        assert ("add", outside[0].replace(GROUPS, PEOPLE)) == told[0]


# --- B10, B12: what only a comparison finds ---------------------------------------------------------------------------


@on("B10", servers=["slapd"])
@BOTH_MODES
def test_a_provider_that_never_reports_deletions_is_found_out_by_verification(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    server.extra_overlay = "syncprov-nopresent TRUE"
    server.restart()
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        server.delete(named("b"))
        assert copy.step() == []

        report = copy.verify()

        assert [("extra", named("b"), None)] == [(one.kind, one.dn, one.server_dn) for one in report.differences]
        assert report.repaired
        assert copy.witness.origins == [Origin.VERIFICATION]
        assert [("delete", named("b"))] == copy.witness.take()
        copy.check()
        assert not copy.verify().drift


def _rights(server: Slapd, hidden: str) -> None:
    """Hide from others than the administrator whoever is described in a way."""
    server.extra_database = f"access to filter=(description={hidden}) by * none\naccess to * by * read"
    server.restart()


@on("B12", "C4", servers=["slapd"])
@BOTH_MODES
def test_rights_that_changed_reveal_and_hide_entries(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    add_people(server, 10)
    server.replace(named("a"), "description", ["red"])
    server.replace(named("b"), "description", ["blue"])
    _rights(server, "red")
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        copy.offline()
        assert named("a") not in copy.names
        _rights(server, "blue")
        server.replace(named("c"), "title", ["Dr"])
        line.take()

        told = copy.sync()

        assert {("add", named("a")), ("delete", named("b")), ("change", named("c"))} == set(told)
        # Whoever was named without being known here was asked for by UUID: nothing else was sent again.
        assert sum(asked.adds for asked in line.take()) < len(copy.names)


@on("B12", servers=["slapd-log"])
@BOTH_MODES
def test_rights_that_changed_under_a_session_log_are_found_by_verification(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    """The log holds no change of what became visible or invisible, so no delete phase speaks of it."""
    reader, group = named("a"), f"cn=team,{GROUPS}"
    server.replace(reader, "userPassword", ["secret"])
    server.replace(named("b"), "description", ["red"])
    server.add(group, {"objectClass": ["groupOfNames"], "member": [reader, named("c")]})
    server.extra_database = (
        f'access to filter=(description=red) by group.exact="{group}" read by * none\naccess to * by * read'
    )
    server.restart()
    with Copy(server, tmp_path / "data", mode, base=PEOPLE, identity=(reader, "secret")) as copy:
        copy.sync()
        assert named("b") in copy.names
        copy.offline()
        server.replace(group, "member", [named("c")])
        copy.step()
        copy.verify()

        copy.check()
        assert named("b") not in copy.names
        copy.offline()
        server.replace(group, "member", [reader])
        copy.step()
        copy.verify()

        copy.check()
        assert named("b") in copy.names
