"""A refresh of everything is of many moments: of two entries it may tell the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from syncrepl_client import Replica, Syncrepl, SyncreplMode
from syncrepl_client.testing import script
from tests.convergence.mirror import Mirror, look

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.testing import Provider

SUFFIX = "dc=example,dc=com"
NAME, OTHER = f"cn=a,{SUFFIX}", f"cn=b,{SUFFIX}"
PERSON = {"objectClass": ["person"], "sn": ["x"]}
FIRST, SECOND = UUID(int=1), UUID(int=2)


def refresh(provider: Provider, path: Path) -> None:
    with Syncrepl(path, Mirror, SyncreplMode.REFRESH_ONLY, f"{provider.url}/{SUFFIX}") as client:
        client.run()


@pytest.mark.parametrize("new", [False, True], ids=["known", "both new"])
@pytest.mark.parametrize("gone", [False, True], ids=["renamed", "deleted"])
def test_who_has_a_name_that_two_were_sent_with_is_asked(
    syncrepl_provider: Provider,
    tmp_path: Path,
    new: bool,  # noqa: FBT001
    gone: bool,  # noqa: FBT001
) -> None:
    """While it is read, the first entry loses its name, after it was sent, and the second gets it."""
    if not new:
        syncrepl_provider.add(NAME, PERSON, uuid=FIRST)
    refresh(syncrepl_provider, tmp_path / "data")
    if new:
        syncrepl_provider.add(NAME, PERSON, uuid=FIRST)
    if gone:
        syncrepl_provider.delete(NAME)
    else:
        syncrepl_provider.rename(NAME, OTHER)
    syncrepl_provider.add(NAME, PERSON, uuid=SECOND)
    # What makes a client read everything.
    syncrepl_provider.script(script.search_done(53, "consumer state is newer than provider!"))
    [suffix] = [entry for dn, entry in syncrepl_provider.search().items() if dn == SUFFIX]
    syncrepl_provider.script(
        script.entry(SUFFIX, suffix, suffix_uuid(tmp_path / "data")),
        script.entry(NAME, PERSON, FIRST),
        script.entry(NAME, PERSON, SECOND),
        script.search_done(0, "", script.sync_done(syncrepl_provider.cookie, deletes=False)),
    )

    refresh(syncrepl_provider, tmp_path / "data")

    sight = look(tmp_path / "data")
    sight.check("the copy")
    assert {uuid: dn for uuid, (dn, _) in sight.copy.items() if dn != SUFFIX} == (
        {SECOND: NAME} if gone else {FIRST: OTHER, SECOND: NAME}
    )


@pytest.mark.parametrize("gone", [False, True], ids=["renamed", "deleted"])
def test_a_first_load_asks_too(syncrepl_provider: Provider, tmp_path: Path, gone: bool) -> None:  # noqa: FBT001
    """Below it is one that is well: of what a first load holds, somebody has to be found."""
    syncrepl_provider.add(NAME, PERSON, uuid=FIRST)
    below = f"cn=below,{NAME}"
    if gone:
        syncrepl_provider.delete(NAME)
    else:
        syncrepl_provider.rename(NAME, OTHER)
    syncrepl_provider.add(NAME, PERSON, uuid=SECOND)
    syncrepl_provider.add(below, PERSON, uuid=UUID(int=3))
    syncrepl_provider.script(
        script.entry(NAME, PERSON, FIRST),
        script.entry(NAME.upper(), PERSON, SECOND),
        script.entry(below, PERSON, UUID(int=3)),
        script.search_done(0, "", script.sync_done(syncrepl_provider.cookie, deletes=False)),
    )

    refresh(syncrepl_provider, tmp_path / "data")

    sight = look(tmp_path / "data")
    sight.check("the copy")
    assert {uuid.int: dn for uuid, (dn, _) in sight.copy.items()} == (
        {2: NAME, 3: below} if gone else {1: OTHER, 2: NAME, 3: below}
    )


def test_of_a_first_load_that_nobody_can_be_asked_about_both_are_kept(
    syncrepl_provider: Provider, tmp_path: Path
) -> None:
    """An identity that may not search by entryUUID finds not even the others."""
    syncrepl_provider.script(
        script.entry(NAME, PERSON, FIRST),
        script.entry(NAME, PERSON, SECOND),
        script.entry(OTHER, PERSON, UUID(int=3)),
        script.search_done(0, "", script.sync_done(syncrepl_provider.cookie, deletes=False)),
    )

    with Replica(f"{syncrepl_provider.url}/{SUFFIX}", tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY) as replica:
        assert replica.refresh().entries == 3


def test_who_has_the_name_that_another_one_was_found_with_is_asked(syncrepl_provider: Provider, tmp_path: Path) -> None:
    """One entry is sent, and renamed; another one gets its name, and so it was not there when its turn came."""
    syncrepl_provider.add(f"cn=old,{SUFFIX}", PERSON, uuid=FIRST)
    refresh(syncrepl_provider, tmp_path / "data")
    syncrepl_provider.add(OTHER, PERSON, uuid=SECOND)
    syncrepl_provider.rename(f"cn=old,{SUFFIX}", NAME)
    syncrepl_provider.script(script.search_done(53, "consumer state is newer than provider!"))
    [suffix] = [entry for dn, entry in syncrepl_provider.search().items() if dn == SUFFIX]
    syncrepl_provider.script(
        script.entry(SUFFIX, suffix, suffix_uuid(tmp_path / "data")),
        script.entry(NAME, PERSON, SECOND),
        script.search_done(0, "", script.sync_done(syncrepl_provider.cookie, deletes=False)),
    )

    refresh(syncrepl_provider, tmp_path / "data")

    sight = look(tmp_path / "data")
    sight.check("the copy")
    names = {uuid: dn for uuid, (dn, _) in sight.copy.items() if dn != SUFFIX}
    assert names == {FIRST: NAME, SECOND: OTHER}


def suffix_uuid(path: Path) -> UUID:
    [found] = [uuid for uuid, (dn, _) in look(path).copy.items() if dn == SUFFIX]
    return found
