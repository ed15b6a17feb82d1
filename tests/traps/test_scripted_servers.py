"""Traps B7, B8 and D9: change numbers of 389 and FreeIPA, and servers that turn out to be others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.testing import script
from tests.traps.laboratory import (
    DS389,
    FOLLOW,
    FREEIPA,
    NEWER,
    NUMBERED,
    ONCE,
    OPENLDAP,
    SUFFIX,
    UNKNOWN,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing.directory import Values
    from tests.traps.conftest import MakeLaboratory


# --- B7, B8, 389 and FreeIPA ------------------------------------------------------------------------------------------


@pytest.mark.trap("B7", server="scripted")
@both_modes
@pytest.mark.parametrize(
    ("first", "last", "resumes"),
    [
        ("1", "1000", True),
        ("101", "1000", True),
        ("1", "100", True),
        ("102", "1000", False),
        ("1", "99", False),
        ([], [], False),
        ("1", [], False),
        ([], "1000", False),
        ("zero", "1000", False),
    ],
)
def test_a_change_number_that_the_changelog_does_not_reach_is_not_sent(
    make: MakeLaboratory,
    mode: SyncreplMode,
    first: Values,
    last: Values,
    resumes: bool,  # noqa: FBT001
) -> None:
    """The cookie is of change 100; the server would answer with what is left of its changelog, and success."""
    lab = make({**DS389, "firstChangeNumber": first, "lastChangeNumber": last}, copied=False)
    lab.provider.script(*lab.everything(NUMBERED % 100))
    lab.run(verify_every=0)
    lab.delete(2)
    lab.modify(3)
    gone = [script.id_set([lab.uuid(2)], deletes=True), lab.sent(3), refresh_end(mode, NUMBERED % 100, deletes=None)]
    lab.provider.script(*(gone if resumes else lab.everything(NUMBERED % 100, mode)))

    lab.run(mode, verify_every=0)
    assert lab.cookies[1] == (NUMBERED % 100 if resumes else None)
    assert lab.numbers() == {1, 3, 4}
    assert lab.copy().cookie == NUMBERED % 100


GARBAGE = [4294967295, 2**64 - 1, 2**32, 2**63, 99, 0]


@pytest.mark.trap("B8", server="scripted")
@pytest.mark.parametrize("garbage", [*(NUMBERED % number for number in GARBAGE), NUMBERED % 0 + b"x", b"x"])
@pytest.mark.parametrize("later", [NUMBERED % 98, NUMBERED % 101], ids=["an older number", "a newer number"])
def test_a_number_that_was_never_given_ends_resuming(make: MakeLaboratory, garbage: bytes, later: bytes) -> None:
    """A changelog that lacks one change lacks others, so the numbers that follow are worth nothing either."""
    lab = make(DS389, copied=False)
    lab.provider.script(*lab.everything(NUMBERED % 100))
    lab.run(verify_every=0)
    for number in (1, 2, 3):
        lab.modify(number)
    lab.provider.script(
        script.refresh_delete(NUMBERED % 100),
        lab.sent(1, 2, NUMBERED % 100),
        lab.sent(2, 2, garbage),
        lab.sent(3, 2, later),
    )

    with lab.replica(FOLLOW, verify_every=0) as replica:
        while replica.entries[lab.dn(3)]["sn"] != [b"changed"]:
            replica.step()
    assert lab.copy().cookie is None
    lab.delete(4)
    lab.converges()
    assert lab.cookies[2] is None


@pytest.mark.trap("B8", server="scripted")
@pytest.mark.parametrize("garbage", GARBAGE[:4])
def test_a_refresh_that_ends_with_such_a_number_keeps_the_one_before(make: MakeLaboratory, garbage: int) -> None:
    lab = make(DS389, copied=False)
    lab.provider.script(*lab.everything(NUMBERED % 100))
    lab.run(verify_every=0)
    lab.provider.script(refresh_end(ONCE, NUMBERED % garbage, deletes=None))

    lab.run(verify_every=0)
    assert lab.copy().cookie == NUMBERED % 100


@pytest.mark.trap("B8", server="scripted")
@both_modes
@pytest.mark.parametrize(
    ("base", "contexts", "dialect"),
    [
        (SUFFIX, SUFFIX, "freeipa"),
        (SUFFIX, [], "freeipa"),
        (f"cn=accounts,{SUFFIX}", SUFFIX, "freeipa"),
        (f"cn=dns,cn=accounts,{SUFFIX}", SUFFIX, "freeipa"),
        (f"cn=dns,{SUFFIX}", SUFFIX, "389"),
        (f"idnsName=x,CN=DNS,{SUFFIX}", ["cn=changelog", SUFFIX], "389"),
    ],
)
def test_freeipa_is_known_by_its_attributes_and_logs_changes_of_its_dns_alone(
    make: MakeLaboratory, mode: SyncreplMode, base: str, contexts: Values, dialect: str
) -> None:
    lab = make({**FREEIPA, "namingContexts": contexts}, entries=1, copied=False)
    accounts, dns = f"cn=accounts,{SUFFIX}", f"cn=dns,{SUFFIX}"
    for above in (accounts, f"cn=dns,{accounts}", dns, f"idnsName=x,{dns}"):
        lab.provider.add(above, {"objectClass": "nsContainer"})
    lab.base = base
    for number in (1, 2):
        lab.provider.script(refresh_end(mode, NUMBERED % number, deletes=mode is FOLLOW))
        lab.run(mode, verify_every=0)

    assert lab.dialect() == dialect
    resumed = dialect == "389"
    assert lab.cookies == [None, NUMBERED % 1 if resumed else None]
    assert lab.copy().cookie == (NUMBERED % 2 if resumed else None)


@pytest.mark.trap("B8", server="scripted")
def test_freeipa_is_read_anew_at_each_start(make: MakeLaboratory) -> None:
    lab = make(FREEIPA)
    lab.modify(1)
    lab.delete(2)
    lab.add(5)

    lab.converges(verify_every=0)
    assert lab.cookies[:2] == [None, None]


# --- servers that turn out to be others -------------------------------------------------------------------------------

HIDDEN = b"rid=001,csn=20200101%06d.000000Z#000000#000#000000"


@pytest.mark.trap("A1", "B8", server="scripted")
@both_modes
def test_389_in_its_openldap_mode_is_known_by_its_cookie(make: MakeLaboratory, mode: SyncreplMode) -> None:
    lab = make(DS389, copied=False)
    lab.provider.script(*lab.everything(HIDDEN % 7))
    lab.run(verify_every=0)
    assert (lab.dialect(), lab.copy().cookie) == ("389 in OpenLDAP mode", HIDDEN % 7)
    lab.delete(2)

    # It is for clients that begin with such a cookie, and has other UUIDs: it is not gone on from.
    lab.run(mode, verify_every=0)
    assert lab.cookies[1] is None
    assert lab.numbers() == {1, 3, 4}
    lab.converges()


@pytest.mark.trap("D9", server="scripted")
@both_modes
@pytest.mark.parametrize("former", [HIDDEN % 7, NUMBERED % 7], ids=["OpenLDAP mode off", "OpenLDAP mode on"])
def test_389_whose_mode_was_changed_gives_everything_under_other_uuids(
    make: MakeLaboratory, mode: SyncreplMode, former: bytes
) -> None:
    lab = make(DS389, copied=False)
    lab.provider.script(*lab.everything(former))
    lab.run(verify_every=0)
    names = {row[1] for row in lab.copy().rows}
    newer = NUMBERED % 9 if former == HIDDEN % 7 else HIDDEN % 9
    lab.provider.script(script.search_done(4096, "Invalid session cookie"))
    renumbered = [lab.sent(number, uuid=lab.uuid(number + 100)) for number in range(1, 5)]
    lab.provider.script(*renumbered, refresh_end(mode, newer, deletes=mode is FOLLOW))
    # All of them are others, so that is confirmed.
    lab.provider.script(*renumbered, refresh_end(ONCE, newer, deletes=None))

    with lab.asks(3):
        lab.run(mode, verify_every=0)
    assert lab.numbers() == {101, 102, 103, 104}
    assert {row[1] for row in lab.copy().rows} == names
    assert lab.copy().cookie == newer
    assert lab.dialect() == ("389" if newer == NUMBERED % 9 else "389 in OpenLDAP mode")


@pytest.mark.trap("D9", server="scripted")
@both_modes
@pytest.mark.parametrize("after", [OPENLDAP, UNKNOWN, DS389, FREEIPA], ids=["openldap", "unknown", "389", "freeipa"])
@pytest.mark.parametrize("before", [OPENLDAP, UNKNOWN, DS389, FREEIPA], ids=["openldap", "unknown", "389", "freeipa"])
def test_a_cookie_of_another_product_is_not_sent(
    make: MakeLaboratory, mode: SyncreplMode, before: Mapping[str, Values], after: Mapping[str, Values]
) -> None:
    lab = make(before, copied=False)
    cookie = NUMBERED % 7 if before in (DS389, FREEIPA) else NEWER
    lab.provider.script(*lab.everything(cookie))
    lab.run(verify_every=0)
    other = make(after, copied=False)
    other.delete(2)
    other.modify(3)

    if before is after and after is not FREEIPA:
        other.provider.script(refresh_end(mode, None, deletes=True))
        other.run(mode, verify_every=0)
        assert other.cookies == [cookie]
        return
    other.converges(mode=mode, verify_every=0)
    assert other.cookies[0] is None
    assert other.numbers() == {1, 3, 4}
