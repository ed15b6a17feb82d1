"""What may be kept of the cookies of each kind of server, and what the end of its refreshes says."""

from __future__ import annotations

from uuid import UUID

import pytest

from syncrepl_client.contentsync.dialects import (
    APACHEDS,
    DIALECTS,
    DS389,
    DS389_OPENLDAP,
    FREEIPA,
    OPENLDAP,
    UNKNOWN,
    Dialect,
    Sweep,
    dialect_of,
)

CSN = b"20260101000000.000000Z#000000#001#000000"
LATER = b"20260102000000.000000Z#000000#001#000000"
ELSEWHERE = b"20260103000000.000000Z#000000#002#000000"
ANY_COOKIE = [None, b"", b"opaque", b"host:389#cn=x:dc=y:(a=*)#7", b"rid=000,csn=" + CSN]


@pytest.mark.parametrize(
    ("cookie", "dialect"),
    [
        (None, OPENLDAP),
        (b"rid=000,csn=" + CSN, OPENLDAP),
        (b"rid=000", OPENLDAP),
        (b"host:389#cn=x:dc=y:(a=*)#7", DS389),
        (b"host:389#cn=x:dc=y:(a=*)#4294967295", UNKNOWN),
        (b"", UNKNOWN),
        (b"7", UNKNOWN),
    ],
    ids=lambda value: getattr(value, "name", repr(value)),
)
def test_the_shape_of_a_cookie_tells_the_dialect(cookie: bytes | None, dialect: Dialect) -> None:
    assert dialect is dialect_of(cookie)


def test_every_dialect_is_found_by_the_name_that_is_stored() -> None:
    assert {name: one.name for name, one in DIALECTS.items()} == {one.name: one.name for one in DIALECTS.values()}
    assert set(DIALECTS.values()) == {OPENLDAP, DS389, DS389_OPENLDAP, FREEIPA, APACHEDS, UNKNOWN}


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def test_a_vector_after_a_refresh_replaces_the_former_one() -> None:
    """Merging would claim changes of other servers that a lagging provider does not have."""
    cookies = OPENLDAP.cookies

    assert cookies.after_refresh(b"rid=000,sid=001,csn=" + CSN) == b"rid=000,csn=" + CSN
    assert cookies.after_refresh(b"") is None
    assert cookies.after_refresh(None) is None


@pytest.mark.parametrize(
    ("former", "cookie", "kept"),
    [
        (None, b"rid=000,csn=" + CSN, b"rid=000,csn=" + CSN),
        (b"7", b"rid=000,csn=" + CSN, b"rid=000,csn=" + CSN),
        (b"rid=000,csn=" + CSN, b"rid=000,csn=" + LATER, b"rid=000,csn=" + LATER),
        (b"rid=000,csn=" + CSN, b"rid=000,csn=" + ELSEWHERE, b"rid=000,csn=" + CSN + b";" + ELSEWHERE),
        (b"rid=000,csn=" + CSN, b"rid=000", None),
        (b"rid=000,csn=" + CSN, b"7", None),
    ],
)
def test_a_vector_of_a_change_moves_its_own_server_on(former: bytes | None, cookie: bytes, kept: bytes | None) -> None:
    assert kept == OPENLDAP.cookies.in_persist(former, cookie)


# --- 389 Directory Server ---------------------------------------------------------------------------------------------


def numbered(number: int) -> bytes:
    return b"host:389#cn=x:dc=y:(a=*)#%d" % number


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        (numbered(7), numbered(7)),
        # What it writes where a change is not in its changelog.
        (numbered(0xFFFFFFFF), None),
        # It cannot read back what has its own separator in it.
        (b"host:389#cn=x:dc=y:(a=#)#7", None),
        (b"rid=000,csn=" + CSN, None),
        (b"", None),
        (None, None),
    ],
)
def test_a_change_number_is_kept_if_the_server_takes_it_back(cookie: bytes | None, kept: bytes | None) -> None:
    assert kept == DS389.cookies.to_send(cookie) == DS389.cookies.after_refresh(cookie)


@pytest.mark.parametrize(
    ("former", "cookie", "kept"),
    [
        (None, numbered(7), numbered(7)),
        (numbered(7), numbered(8), numbered(8)),
        (numbered(7), numbered(7), numbered(7)),
        (numbered(7), numbered(6), b""),
        (numbered(7), numbered(0xFFFFFFFF), b""),
        (None, b"garbage", b""),
    ],
)
def test_a_change_number_that_goes_back_is_the_end_of_resuming(
    former: bytes | None, cookie: bytes, kept: bytes | None
) -> None:
    assert kept == DS389.cookies.in_persist(former, cookie)


# --- others -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", [FREEIPA, APACHEDS], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("cookie", ANY_COOKIE, ids=repr)
def test_nothing_is_kept_or_sent_where_cookies_lead_nowhere(dialect: Dialect, cookie: bytes | None) -> None:
    assert dialect.cookies.to_send(cookie) is None
    assert dialect.cookies.after_refresh(cookie) is None
    assert dialect.cookies.in_persist(cookie, cookie or b"") is None


@pytest.mark.parametrize("cookie", ANY_COOKIE, ids=repr)
def test_cookies_of_an_unknown_server_are_opaque_but_never_empty(cookie: bytes | None) -> None:
    kept = cookie or None

    assert kept == UNKNOWN.cookies.to_send(cookie)
    assert kept == UNKNOWN.cookies.after_refresh(cookie)
    assert kept == UNKNOWN.cookies.in_persist(b"former", cookie or b"")


def vector(csn: bytes) -> bytes:
    return b"rid=000,csn=" + csn


@pytest.mark.parametrize(
    ("dialect", "cookie", "other", "covers"),
    [
        (OPENLDAP, vector(LATER), vector(CSN), True),
        (OPENLDAP, vector(CSN), vector(CSN), True),
        (OPENLDAP, vector(CSN), vector(LATER), False),
        (OPENLDAP, vector(LATER), vector(ELSEWHERE), False),
        (OPENLDAP, None, vector(CSN), False),
        (OPENLDAP, vector(CSN), b"garbage", False),
        (DS389, numbered(8), numbered(7), True),
        (DS389, numbered(7), numbered(7), True),
        (DS389, numbered(7), numbered(8), False),
        (DS389, None, numbered(8), False),
        (UNKNOWN, b"a", b"a", True),
        (UNKNOWN, b"a", b"b", False),
        (APACHEDS, b"a", b"a", False),
    ],
)
def test_a_cookie_covers_what_it_is_not_older_than(
    dialect: Dialect, cookie: bytes | None, other: bytes, *, covers: bool
) -> None:
    assert covers is dialect.cookies.covers(cookie, other)


# --- the end of a refresh ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", list(DIALECTS.values()), ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("presents", [False, True])
def test_without_a_cookie_the_content_is_what_was_sent_and_a_delete_phase_names_all(
    dialect: Dialect, *, presents: bool
) -> None:
    for deletes in (False, True):
        assert Sweep.EVERYTHING is dialect.sweep(cookie_sent=False, deletes=deletes, presents=presents)
    assert Sweep.NOTHING is dialect.sweep(cookie_sent=True, deletes=True, presents=presents)


@pytest.mark.parametrize(
    ("dialect", "presents", "sweep"),
    [
        (OPENLDAP, True, Sweep.EVERYTHING),
        # All was deleted: nothing is left to be named.
        (OPENLDAP, False, Sweep.DOUBTFUL),
        (UNKNOWN, True, Sweep.EVERYTHING),
        (UNKNOWN, False, Sweep.DOUBTFUL),
        (DS389, False, Sweep.NOTHING),
        (DS389_OPENLDAP, False, Sweep.NOTHING),
        (APACHEDS, False, Sweep.NOTHING),
    ],
)
def test_a_present_phase_means_what_the_server_means_by_it(dialect: Dialect, *, presents: bool, sweep: Sweep) -> None:
    assert sweep is dialect.sweep(cookie_sent=True, deletes=False, presents=presents)


def test_an_entry_is_found_by_the_name_that_the_server_has_for_its_uuid() -> None:
    uuid = UUID("597ae2f6-16a6-1027-98f4-d28b5365dc14")

    assert OPENLDAP.uuid_assertion(uuid) == (b"entryUUID", b"597ae2f6-16a6-1027-98f4-d28b5365dc14")
    assert DS389_OPENLDAP.uuid_assertion(uuid) == (b"entryUUID", b"597ae2f6-16a6-1027-98f4-d28b5365dc14")
    assert DS389.uuid_assertion(uuid) == (b"nsUniqueId", b"597ae2f6-16a61027-98f4d28b-5365dc14")
