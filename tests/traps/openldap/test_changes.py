"""Adds and changes that get lost: part C of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.model import Modified
from tests.draining import wait_until_taken
from tests.traps.openldap.copies import BOTH_MODES, MODES, PERSIST, Copy
from tests.traps.openldap.line import Line
from tests.traps.openldap.tree import PEOPLE, add_people, add_person, named, on

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client import SyncreplMode
    from syncrepl_client.model import Change
    from tests.slapd import Slapd

_WRITES = 60
_LARGE = 600_000


@on("C8")
def test_a_client_whose_callback_takes_long_loses_nothing(server: Slapd, tmp_path: Path) -> None:
    """All is written, and taken from the server, while the callback of the first change holds the client up."""
    dn = named("a")
    with Copy(server, tmp_path / "data", PERSIST) as copy:
        copy.sync()

        def write(_: Change) -> None:
            copy.witness.before = lambda _: None
            for number in range(_WRITES):
                server.replace(dn, "jpegPhoto", [bytes([number]) * _LARGE])
            add_person(server, "last")
            wait_until_taken(copy.open(), _WRITES * _LARGE)

        copy.witness.before = write
        server.replace(named("b"), "title", ["first"])

        told = copy.sync()

        assert ("change", named("b")) == told[0]
        assert ("add", named("last")) == told[-1]
        assert {("change", dn)} == set(told[1:-1])


@on("C9")
@BOTH_MODES
@pytest.mark.parametrize("offline", [True, False])
def test_a_change_that_could_not_be_applied_comes_again(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if offline:
            copy.offline()
        before, cookie = copy.content, copy.cookie
        changed = [named(name) for name in "abc"]

        def fail_at_the_third(_: Change) -> None:
            if len(copy.witness.changes) == 2:
                raise RuntimeError("no more")

        copy.witness.before = fail_at_the_third
        for dn in changed:
            server.replace(dn, "title", ["Dr"])

        with pytest.raises(RuntimeError, match="no more"):
            copy.step()

        # What one read brought is one transaction, so the changes before the third may be durable.
        durable = [copy.content[uuid][0] for uuid in before if copy.content[uuid] != before[uuid]]
        assert changed[: len(durable)] == sorted(durable)
        assert len(durable) < 3
        assert durable or cookie == copy.cookie
        copy.check_witness()
        copy.witness.take()
        copy.witness.before = lambda _: None
        assert [("change", dn) for dn in changed[len(durable) :]] == sorted(copy.sync())


@on("C9")
def test_a_change_of_a_refresh_that_could_not_be_applied_undoes_the_refresh(server: Slapd, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data") as copy:
        copy.sync()
        before, cookie = copy.content, copy.cookie
        server.delete(named("a"))
        server.replace(named("b"), "title", ["Dr"])

        def fail_at_a_change(change: Change) -> None:
            assert not isinstance(change, Modified)

        copy.witness.before = fail_at_a_change

        with pytest.raises(AssertionError):
            copy.step()

        assert (before, cookie) == (copy.content, copy.cookie)
        copy.check_witness()
        copy.witness.take()
        copy.witness.before = lambda _: None
        assert [("delete", named("a")), ("change", named("b"))] == copy.sync()


@on("C12")
@BOTH_MODES
@pytest.mark.parametrize("hidden", ["entryCSN", "entryUUID", "entryCSN,entryUUID"])
def test_an_identity_that_may_not_read_what_the_provider_searches_by_reads_everything(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, hidden: str
) -> None:
    """The provider would say that nothing changed, or that what changed is gone."""
    server.extra_database = f"access to attrs={hidden} by * none\naccess to * by * read"
    server.restart()
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url, all_seeing=True) as copy:
        copy.sync()
        for number in range(2):
            copy.offline()
            server.replace(named("c"), "title", [str(number)])
            added = add_person(server, f"n{number}")
            server.delete(named("ab"[number]))
            line.take()

            told = copy.sync()

            assert {("change", named("c")), ("add", added), ("delete", named("ab"[number]))} == set(told)
            assert {None} == {asked.cookie for asked in line.take()}


@on("C12")
@BOTH_MODES
def test_an_identity_that_may_read_it_in_an_entry_of_the_content_alone_resumes(
    server: Slapd, tmp_path: Path, mode: SyncreplMode
) -> None:
    """Where the base hides it an entry of the content shows it."""
    server.extra_database = (
        "access to dn.base=ou=people,dc=example,dc=com attrs=entryCSN,entryUUID by * none\naccess to * by * read"
    )
    server.restart()
    add_people(server, 5)
    with (
        Line(server) as line,
        Copy(
            server,
            tmp_path / "data",
            mode,
            through=line.url,
            base="ou=people,dc=example,dc=com",
            filter="(objectClass=person)",
        ) as copy,
    ):
        copy.sync()
        copy.offline()
        server.replace(named("c"), "title", ["Dr"])
        line.take()

        assert [("change", named("c"))] == copy.sync()

        assert line.take()[0].cookie is not None


@on("C12", "B4")
@MODES
def test_who_may_not_be_searched_for_by_uuid_is_not_gone_with_the_entry_above(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    """The container leaves the filter and those below it stay; the identity may search for others by UUID."""
    unit = f"ou=secret,{PEOPLE}"
    server.extra_database = f"access to dn.children={unit} attrs=entryUUID by * none\naccess to * by * read"
    server.restart()
    server.add(unit, {"objectClass": ["organizationalUnit"], "description": ["x"]})
    add_person(server, "hidden", unit, description=["x"])
    add_person(server, "witness", description=["x"])
    with Copy(server, tmp_path / "data", mode, filter="(description=x)", all_seeing=True) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.replace(unit, "description", [])

        assert [("delete", unit)] == copy.sync()
