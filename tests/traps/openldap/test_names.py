"""Names that are no keys: part D of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import ldap
import pytest
from ldap.controls import RelaxRulesControl
from ldap.controls.simple import ManageDSAITControl

from syncrepl_client import Origin, SyncreplMode
from syncrepl_client.contentsync.controls import EntryState
from tests.slapd import SUFFIX, Slapd, ldif_entry
from tests.traps.openldap.copies import BOTH_MODES, MODES, PERSIST, Copy
from tests.traps.openldap.line import Line, state_of
from tests.traps.openldap.tree import GROUPS, PEOPLE, add_person, add_unit, named, on, small_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.traps.openldap.copies import Told


def _uuid(server: Slapd, dn: str) -> UUID:
    (entry,) = server.search(dn, ldap.SCOPE_BASE, attrs=["entryUUID"]).values()
    return UUID(entry["entryUUID"][0].decode())


def _rotate(server: Slapd, *names: str) -> None:
    """Give each of these people the name of the next."""
    server.rename(named(names[-1]), "cn=tmp")
    for old, new in zip(names[-2::-1], names[:0:-1], strict=True):
        server.rename(named(old), f"cn={new}")
    server.rename(named("tmp"), f"cn={names[0]}")


@on("D1")
@MODES
@pytest.mark.parametrize("circle", ["ab", "abc"], ids=["swap", "three"])
@pytest.mark.parametrize("changed", [False, True], ids=["", "changed"])
def test_entries_that_take_each_others_names_stay_themselves(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, circle: str, *, offline: bool, changed: bool
) -> None:
    """Attributes follow the UUID: the oracle compares by it."""
    for name in circle:
        server.replace(named(name), "description", [f"was {name}"])
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        before = {uuid: dn for uuid, (dn, _) in copy.content.items()}
        if offline:
            copy.offline()
        _rotate(server, *circle)
        if changed:
            server.replace(named("a"), "title", ["Dr"])

        told = copy.sync()

        moved = {uuid for uuid, (dn, _) in copy.content.items() if dn != before[uuid]}
        assert len(moved) == len(circle)
        assert before.keys() == copy.content.keys()
        # Nobody else was told of; one member of the circle may leave and come back.
        assert {dn.split(",")[0] for call in told for dn in call[1:]} <= {f"cn={name}" for name in (*circle, "tmp")}
        if offline:
            assert sum(call[0] == "rename" for call in told) == len(circle) - 1
            assert sum(call[0] == "delete" for call in told) == sum(call[0] == "add" for call in told) == 1


@on("D2")
@MODES
def test_an_entry_made_anew_under_its_old_name_is_another_one(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.delete(named("a"))
        add_person(server, "a")

        assert [("delete", named("a")), ("add", named("a"))] == copy.sync()


@on("D3")
@MODES
@pytest.mark.parametrize("parent", [None, GROUPS], ids=["renamed", "moved"])
def test_the_names_below_a_renamed_entry_follow(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, parent: str | None, *, offline: bool
) -> None:
    top = add_unit(server, "g1")
    inner = add_unit(server, "sub", top)
    family = [top, inner, add_person(server, "x", top), add_person(server, "y", inner)]
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.rename(top, "ou=g2", parent)

        told = copy.sync()

        new = [dn.replace(top, f"ou=g2,{parent or PEOPLE}") for dn in family]
        assert {("rename", *pair) for pair in zip(family, new, strict=True)} == set(told)
        # What is below is known by its new name from here on.
        server.replace(new[3], "title", ["Dr"])
        assert [("change", new[3])] == copy.sync()


@on("D4")
@BOTH_MODES
def test_a_container_that_the_filter_hides_is_found_renamed_by_verification(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    top = add_unit(server, "g1")
    child = add_person(server, "x", top)
    with Copy(server, tmp_path / "data", mode, filter="(objectClass=person)") as copy:
        copy.sync()
        server.rename(top, "ou=g2")
        new = child.replace("ou=g1", "ou=g2")
        # Nobody tells of it.
        assert copy.step() == []

        report = copy.verify()

        assert [("misnamed", child, new)] == [(one.kind, one.dn, one.server_dn) for one in report.differences]
        assert copy.witness.origins == [Origin.VERIFICATION]
        assert [("rename", child, new)] == copy.witness.take()
        copy.check()


_SPELLINGS = {
    "cn=x2": "CN=X2",
    "cn=x\\2Cy": "cn=x\\,y",
    "cn=\\C3\\A9t\\C3\\A9": "cn=été",
    'cn=say \\"hi\\"': "cn=say \\22hi\\22",
    "cn=\\20lead": "cn=\\ lead",
    "cn=a\\2Bb": "cn=a\\+b",
    "cn=one+sn=two": "sn=two+cn=one",
    "cn=two  blanks": "cn=two blanks",
}


@on("D5")
@BOTH_MODES
def test_one_name_in_two_spellings_is_one_entry(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    for old in _SPELLINGS:
        server.add(f"{old},{PEOPLE}", {"objectClass": ["inetOrgPerson"], "cn": ["always"], "sn": ["always"]})
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if mode is PERSIST:
            copy.offline()
        for old, new in _SPELLINGS.items():
            server.rename(f"{old},{PEOPLE}", new)

        told = copy.sync()

        assert {call[0] for call in told} <= {"rename", "change"}
        entries = copy.open().entries
        for old, new in _SPELLINGS.items():
            spelled = (f"{name},OU=People,{SUFFIX}" for name in (old, new, old.swapcase(), new.swapcase()))
            found = {entry.uuid for entry in map(entries.entry, spelled) if entry is not None}
            assert {_uuid(server, f"{new},{PEOPLE}")} == found


@on("D7")
@pytest.mark.parametrize("base", [PEOPLE, SUFFIX], ids=["out of the base", "out of the filter"])
def test_a_deletion_is_told_by_the_name_that_the_entry_had_here(server: Slapd, tmp_path: Path, base: str) -> None:
    """The message has the name that the entry has now, outside."""
    server.replace(named("a"), "description", ["keep"])
    filter_ = "(|(description=keep)(objectClass=organizationalUnit))"
    with (
        Line(server) as line,
        Copy(server, tmp_path / "data", PERSIST, through=line.url, base=base, filter=filter_) as copy,
    ):
        copy.sync()
        if base == PEOPLE:
            server.rename(named("a"), "cn=elsewhere", GROUPS)
        else:
            connection = server.connection
            connection.rename_s(named("a"), "cn=elsewhere")
            server.replace(named("elsewhere"), "description", [])

        told = copy.sync()

        assert any(state_of(answer) is EntryState.DELETE for asked in line.take() for answer in asked.answers)
        gone = named("a") if base == PEOPLE else named("elsewhere")
        assert ("delete", gone) == told[-1]


def _restore(server: Slapd, uuid: UUID, name: str) -> None:
    attrs = [("objectClass", [b"inetOrgPerson"]), ("cn", [name.encode()]), ("sn", [b"restored"])]
    identity = [("entryUUID", [str(uuid).encode()])]
    server.connection.add_ext_s(named(name), [*attrs, *identity], serverctrls=[RelaxRulesControl()])


@on("D8")
@MODES
@pytest.mark.parametrize("name", ["b", "z"], ids=["same name", "other name"])
def test_an_entry_that_comes_back_with_its_uuid_is_there_once(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, name: str, *, offline: bool
) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if offline:
            copy.offline()
        uuid = _uuid(server, named("b"))
        server.delete(named("b"))
        _restore(server, uuid, name)

        told = copy.sync()

        kind: list[Told] = [("change", named("b"))] if name == "b" else [("rename", named("b"), named("z"))]
        assert told == kind if offline else [("delete", named("b")), ("add", named(name))] == told
        copy.offline()
        assert copy.sync() == []


@on("D9")
@BOTH_MODES
def test_a_directory_that_was_loaded_anew_has_no_entry_twice(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        before = copy.content
        server.stop()
        for path in (server.directory / "data").iterdir():
            path.unlink()
        server.load(small_tree() + ldif_entry(named("d"), {"objectClass": ["device"], "cn": ["d"]}))
        server.start()

        told = copy.sync()

        assert before.keys().isdisjoint(copy.content)
        old = {dn for dn, _ in before.values()}
        assert {("delete", dn) for dn in old} | {("add", dn) for dn in (*old, named("d"))} == set(told)
        assert len(told) == len(old) * 2 + 1


@on("D10")
@MODES
def test_a_referral_object_is_an_entry_like_others(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    dn = f"ou=away,{PEOPLE}"
    # Where a referral leads to is an operational attribute.
    with Copy(server, tmp_path / "data", mode, attributes=("*", "ref")) as copy:
        copy.sync()

        def sync() -> list[Told]:
            if offline:
                copy.offline()
            return copy.sync()

        server.add(
            dn, {"objectClass": ["referral", "extensibleObject"], "ou": ["away"], "ref": ["ldap://other.example"]}
        )
        assert [("add", dn)] == sync()
        server.replace(dn, "ref", ["ldap://another.example"])
        assert [("change", dn)] == sync()
        server.replace(named("a"), "title", ["so that there is a present phase"])
        assert [("change", named("a"))] == sync()
        become: list[tuple[int, str, list[bytes] | None]] = [
            (ldap.MOD_REPLACE, "objectClass", [b"organizationalUnit"]),
            (ldap.MOD_DELETE, "ref", None),
        ]
        server.connection.modify_ext_s(dn, become, serverctrls=[ManageDSAITControl(), RelaxRulesControl()])
        assert [("change", dn)] == sync()
        server.delete(dn)
        assert [("delete", dn)] == sync()


@on("D11")
@BOTH_MODES
def test_a_name_is_free_before_it_is_taken(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    """Messages of changes that were made at once may come in another order: here the first is delayed."""
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        if mode is PERSIST:
            line.delay = lambda message: state_of(message) is EntryState.MODIFY
        server.rename(named("b"), "cn=moved")
        added = add_person(server, "b")

        assert [("rename", named("b"), named("moved")), ("add", added)] == copy.sync()

        assert line.delay is None
