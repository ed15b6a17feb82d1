"""What is moved while everything is read: what lies below it was read before that, or not at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from syncrepl_client import Backoff, Replica
from syncrepl_client.consumer.meanwhile import Meanwhile
from syncrepl_client.testing import script
from tests.following import until

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.testing import Provider

SUFFIX = "dc=example,dc=com"
UNIT, CHILD = f"ou=moved,{SUFFIX}", f"cn=child,ou=moved,{SUFFIX}"
CONTAINER = {"objectClass": ["organizationalUnit"]}
PERSON = {"objectClass": ["person"], "sn": ["x"]}


@pytest.mark.parametrize("before", [None, f"cn=child,ou=before,{SUFFIX}"], ids=["not sent", "sent by its old name"])
def test_what_came_along_while_everything_was_read_is_found(
    syncrepl_provider: Provider, tmp_path: Path, before: str | None
) -> None:
    unit = syncrepl_provider.add(UNIT, CONTAINER)
    syncrepl_provider.add(CHILD, PERSON, uuid=UUID(int=2))
    top, early = syncrepl_provider.cookie, syncrepl_provider.search()[SUFFIX]
    old = [] if before is None else [script.entry(before, PERSON, UUID(int=2))]
    # The server was behind the entry when it was moved; what it tells then is of the container alone.
    syncrepl_provider.script(
        script.entry(SUFFIX, early, UUID(int=1)),
        *old,
        script.entry(UNIT, CONTAINER, unit),
        script.refresh_present(top),
        script.entry(UNIT, CONTAINER, unit, cookie=top),
    )

    with Replica(f"{syncrepl_provider.url}/{SUFFIX}", tmp_path / "data") as replica:
        replica.refresh()
        until(lambda: replica.step(0.1) and CHILD in replica.entries)

        assert len([dn for dn in replica.entries if dn.startswith("cn=child,")]) == 1


def test_what_came_along_is_found_also_where_the_connection_breaks_before_it_is_told_of(
    syncrepl_provider: Provider, tmp_path: Path
) -> None:
    unit = syncrepl_provider.add(UNIT, CONTAINER)
    read, early = syncrepl_provider.cookie, syncrepl_provider.search()[SUFFIX]
    syncrepl_provider.add(CHILD, PERSON, uuid=UUID(int=2))
    top = script.entry(SUFFIX, early, UUID(int=1)), script.entry(UNIT, CONTAINER, unit)
    syncrepl_provider.script(*top, script.refresh_present(read), script.cut())
    syncrepl_provider.script(script.entry(UNIT, CONTAINER, unit), script.refresh_delete(syncrepl_provider.cookie))

    with Replica(f"{syncrepl_provider.url}/{SUFFIX}", tmp_path / "data", backoff=Backoff(0.01, 0.01)) as replica:
        until(lambda: replica.follow_step(0.1) and len(syncrepl_provider.requests) > 1)
        until(lambda: replica.follow_step(0.1) and CHILD in replica.entries)


def test_once_a_refresh_had_nothing_to_tell_the_next_one_is_no_reason_to_compare() -> None:
    meanwhile = Meanwhile()
    meanwhile.refreshed(everything=True, received=9)
    meanwhile.refreshed(everything=False, received=0)
    meanwhile.refreshed(everything=False, received=9)

    assert not meanwhile.is_doubtful(quiet=True)


def test_a_doubt_lasts_until_the_copy_was_compared() -> None:
    meanwhile, began = Meanwhile(), time.monotonic()
    meanwhile.doubt()
    meanwhile.refreshed(everything=False, received=9)

    assert [meanwhile.is_doubtful(quiet=quiet) for quiet in (False, True, True)] == [False, True, True]
    assert not meanwhile.compared(began)
    assert meanwhile.is_doubtful(quiet=True)
    assert meanwhile.compared(time.monotonic())
    assert not meanwhile.is_doubtful(quiet=True)
