"""Trap A3: mass deletions of the persist stage, which a few messages are enough for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client import MaxDeletes
from syncrepl_client.exceptions import MassDeletionHeld
from syncrepl_client.testing import script
from tests.traps.laboratory import FOLLOW, NEWER, OPENLDAP, SUFFIX, refresh_end

if TYPE_CHECKING:
    from syncrepl_client.testing import Step
    from tests.traps.conftest import MakeLaboratory
    from tests.traps.laboratory import Laboratory

MANY = 120
INSIDE, FOLK = f"ou=inside,{SUFFIX}", f"ou=folk,ou=inside,{SUFFIX}"
LIMITS = pytest.mark.parametrize("limit", [MaxDeletes(), None], ids=["limit", "no limit"])


@pytest.fixture
def subtree(make: MakeLaboratory) -> Laboratory:
    """Make a copy of ``ou=inside``, with many entries below one of it."""
    lab = make(OPENLDAP, entries=0, copied=False, scope="sub")
    lab.base = INSIDE
    for number, dn in ((1001, INSIDE), (1002, FOLK), (1003, f"ou=outside,{SUFFIX}")):
        lab.provider.add(dn, {"objectClass": "organizationalUnit"}, uuid=lab.uuid(number))
    for number in range(1, MANY + 1):
        lab.provider.add(f"cn=e{number},{FOLK}", {"objectClass": "person", "sn": "x"}, uuid=lab.uuid(number))
    lab.run()
    return lab


def follow(lab: Laboratory, said: Step, limit: MaxDeletes | None) -> None:
    """Let the provider say something in the persist stage, and go on until a refresh has looked into it."""
    stall = script.stall()
    lab.provider.script(refresh_end(FOLLOW, None, deletes=True), stall, said)
    with lab.replica(FOLLOW, max_deletes=limit) as replica:
        replica.refresh()
        before = len(lab.requests)
        stall.release()
        while len(lab.requests) == before or replica.refreshing:
            replica.step(0.1)


@LIMITS
@pytest.mark.trap("A3", server="scripted")
def test_a_set_that_names_many_who_are_there_deletes_nobody(make: MakeLaboratory, limit: MaxDeletes | None) -> None:
    lab = make(OPENLDAP, entries=MANY)

    follow(lab, script.id_set(lab.uuids(1, 110), deletes=True, cookie=NEWER), limit)
    assert lab.numbers() == set(range(1, MANY + 1))


@LIMITS
@pytest.mark.trap("A3", "B4", server="scripted")
def test_a_container_that_is_said_to_be_elsewhere_takes_nobody_along(
    subtree: Laboratory, limit: MaxDeletes | None
) -> None:
    before = subtree.numbers()

    follow(subtree, script.entry("ou=folk,dc=elsewhere", {}, subtree.uuid(1002), 3, NEWER), limit)
    assert before == subtree.numbers()


@LIMITS
@pytest.mark.trap("A3", "B4", server="scripted")
def test_a_container_that_takes_too_many_along_is_held(subtree: Laboratory, limit: MaxDeletes | None) -> None:
    before = subtree.copy().rows
    with subtree.replica(FOLLOW, max_deletes=limit) as replica:
        replica.refresh()
        subtree.provider.rename(FOLK, f"ou=folk,ou=outside,{SUFFIX}")
        if limit is None:
            while len(replica.entries) > 1:
                replica.step(0.1)
            return
        with pytest.raises(MassDeletionHeld) as held:
            replica.run()

    assert (held.value.deletions, held.value.entries) == (MANY + 1, MANY + 2)
    assert before == subtree.copy().rows


@pytest.mark.trap("B4", server="scripted")
def test_a_container_that_takes_few_along_is_followed_at_once(subtree: Laboratory) -> None:
    with subtree.replica(FOLLOW, max_deletes=MaxDeletes(1, 0)) as replica:
        replica.refresh()
        before = len(subtree.requests)
        subtree.provider.rename(FOLK, f"ou=folk,ou=outside,{SUFFIX}")
        while len(replica.entries) > 1:
            replica.step(0.1)

    assert before == len(subtree.requests)


@LIMITS
@pytest.mark.trap("A3", "E11", server="scripted")
@pytest.mark.parametrize("said", ["elsewhere", "a set"])
def test_a_base_that_is_said_to_be_gone_empties_no_copy_however_small(
    make: MakeLaboratory, said: str, limit: MaxDeletes | None
) -> None:
    lab = make(OPENLDAP, entries=3, scope="sub")
    rows = lab.copy().rows
    (base,) = (row[0] for row in rows if row[1] == SUFFIX)
    moved = script.entry("dc=elsewhere", {}, base, 3, NEWER)

    follow(lab, moved if said == "elsewhere" else script.id_set([row[0] for row in rows], deletes=True), limit)
    assert rows == lab.copy().rows
