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


def refresh(provider: Provider, path: Path, base: str = SUFFIX) -> None:
    with Syncrepl(path, Mirror, SyncreplMode.REFRESH_ONLY, f"{provider.url}/{base}") as client:
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


@pytest.mark.parametrize("gone", [False, True], ids=["renamed", "moved out"])
@pytest.mark.parametrize("by_name", [False, True], ids=["by UUID", "by name"])
@pytest.mark.parametrize("log", [False, True], ids=["present", "session log"])
def test_what_is_below_who_has_lost_its_name_while_it_was_read_is_found(
    syncrepl_provider: Provider,
    tmp_path: Path,
    gone: bool,  # noqa: FBT001
    by_name: bool,  # noqa: FBT001
    log: bool,  # noqa: FBT001
) -> None:
    """A unit and its child are read, then the unit leaves its name, and another one that gets it is read."""
    provider, base, units = syncrepl_provider, f"ou=in,{SUFFIX}", {"objectClass": ["organizationalUnit"]}
    provider.session_log = log
    for number, dn in enumerate((f"ou=out,{SUFFIX}", base, f"ou=n,{base}")):
        provider.add(dn, units, uuid=UUID(int=number))
    provider.add(f"cn=child,ou=n,{base}", PERSON, uuid=UUID(int=3))
    read, before = provider.search(base), provider.cookie
    provider.rename(f"ou=n,{base}", f"ou=n,ou=out,{SUFFIX}" if gone else f"ou=m,{base}")
    provider.add(f"ou=n,{base}", units, uuid=UUID(int=4))
    provider.script(
        *(script.entry(dn, attributes, UUID(int=number)) for number, (dn, attributes) in enumerate(read.items(), 1)),
        script.entry(f"ou=n,{base}", units, UUID(int=4)),
        script.search_done(0, "", script.sync_done(before, deletes=False)),
    )

    for _ in range(2):
        if by_name:
            refresh(provider, tmp_path / "data", base)
        else:
            with Replica(f"{provider.url}/{base}", tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY) as replica:
                replica.refresh()

    sight = look(tmp_path / "data")
    assert sorted(dn for dn, _ in sight.copy.values()) == sorted(provider.search(base))
    if by_name:
        sight.check("the copy")


@pytest.mark.parametrize(
    "answer",
    [script.search_done(0, "", script.sync_done(None, deletes=False)), script.search_done(50, "no")],
    ids=["nobody", "refused"],
)
def test_who_was_told_one_name_of_two_and_can_ask_nobody_takes_it_as_it_is(
    syncrepl_provider: Provider, tmp_path: Path, answer: script.Response
) -> None:
    """An identity that may not search by entryUUID finds not even the others."""
    syncrepl_provider.script(
        script.entry(NAME, PERSON, FIRST),
        script.entry(NAME.upper(), PERSON, SECOND),
        script.entry(OTHER, PERSON, UUID(int=3)),
        script.search_done(0, "", script.sync_done(syncrepl_provider.cookie, deletes=False)),
    )
    syncrepl_provider.script(answer)

    refresh(syncrepl_provider, tmp_path / "data")

    sight = look(tmp_path / "data")
    sight.check("the copy")
    assert sorted(dn for dn, _ in sight.copy.values()) == sorted([NAME, NAME.upper(), OTHER])
    assert len(syncrepl_provider.requests) == 2


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
