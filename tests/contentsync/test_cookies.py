"""Cookies whose parts a client has to know."""

from __future__ import annotations

import math

import pytest

from syncrepl_client.contentsync.cookies import ChangeNumberCookie, OpenLDAPCookie

OLD = b"20260101000000.000000Z#000000#001#000000"
NEW = b"20260103000000.000000Z#000000#001#000000"
OTHER = b"20260102000000.000000Z#000000#0AB#000000"


def parse(cookie: bytes) -> OpenLDAPCookie:
    parsed = OpenLDAPCookie.parse(cookie)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        (b"rid=000,csn=" + OLD, b"rid=000,csn=" + OLD),
        (b"rid=123,sid=001,csn=" + OLD, b"rid=123,csn=" + OLD),
        (b"rid=1=2,csn=" + OLD, b"rid=1=2,csn=" + OLD),
        (b"rid=000,csn=" + OLD + b",delcsn=" + NEW, b"rid=000,csn=" + OLD),
        (b"rid=000,sid=0ab,csn=" + OTHER + b";" + OLD, b"rid=000,csn=" + OLD + b";" + OTHER),
        # Another member, a CSN that is none, and one server id twice: the last is taken.
        (b"rid=000,new=1,csn=garbage;" + OLD + b";" + NEW, b"rid=000,csn=" + NEW),
    ],
)
def test_what_is_kept_is_the_vector_in_the_order_of_server_ids(cookie: bytes, kept: bytes) -> None:
    """`sid=` would make another provider withhold changes, `delcsn=` is of one refresh alone."""
    assert kept == parse(cookie).encode()


@pytest.mark.parametrize(
    "cookie",
    [None, b"", b"rid=000", b"rid=000,csn=", b"rid=000,csn=garbage", b"csn=" + OLD, b"host:389#cn=x#7", b"\xff\x00"],
)
def test_what_cannot_be_resumed_from_is_no_cookie(cookie: bytes | None) -> None:
    assert OpenLDAPCookie.parse(cookie) is None


def test_a_newer_csn_replaces_the_one_of_its_server_alone() -> None:
    known = parse(b"rid=000,csn=" + OLD + b";" + OTHER)

    assert known.updated(parse(b"rid=001,csn=" + NEW)).encode() == b"rid=000,csn=" + NEW + b";" + OTHER


def test_an_older_csn_is_a_replay() -> None:
    known = parse(b"rid=000,csn=" + NEW)

    assert known == known.updated(parse(b"rid=000,csn=" + OLD))


def test_a_server_that_was_not_known_joins_the_vector() -> None:
    known = parse(b"rid=000,csn=" + OLD)

    assert known.updated(parse(b"rid=000,csn=" + OTHER)).encode() == b"rid=000,csn=" + OLD + b";" + OTHER


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (b"rid=000,csn=" + NEW, b"rid=000,csn=" + OLD, True),
        (b"rid=000,csn=" + OLD, b"rid=000,csn=" + NEW, False),
        (b"rid=000,csn=" + OLD, b"rid=000,csn=" + OLD, False),
        (b"rid=000,csn=" + OTHER, b"rid=000,csn=" + OLD, True),
        (b"rid=000,csn=" + OLD, b"rid=000,csn=" + OLD + b";" + OTHER, False),
    ],
)
def test_a_vector_is_newer_if_it_counts_a_change_that_the_other_does_not(
    one: bytes, other: bytes, *, newer: bool
) -> None:
    assert newer is parse(one).newer_than(parse(other))


def test_a_vector_names_the_servers_whose_changes_it_counts() -> None:
    assert parse(b"rid=000,csn=" + OTHER + b";" + OLD).sids == {b"001", b"0ab"}


@pytest.mark.parametrize(
    ("cookie", "number"),
    [
        (b"host:389#cn=x:dc=y:(a=*)#7", 7),
        (b"##0", 0),
        (b"host:389#cn=x:dc=y:(a=*)#4294967294", 0xFFFFFFFE),
        (b"host:389#cn=x:dc=y:(a=*)#4294967295", None),
        (b"host:389#cn=x:dc=y:(a=*)#18446744073709551615", None),
        (b"host:389#cn=x:dc=y:(a=*)#-1", None),
        (b"host:389#cn=x:dc=y:(a=*)#", None),
        (b"host:389#cn=x:dc=y:(a=#)#7", None),
        (b"7", None),
        (b"", None),
        (None, None),
    ],
)
def test_a_change_number_is_the_last_of_three_parts(cookie: bytes | None, number: int | None) -> None:
    parsed = ChangeNumberCookie.parse(cookie)

    assert number == (None if parsed is None else parsed.number)


def test_a_cookie_tells_which_numbers_the_other_has_not() -> None:
    ours, theirs = parse(b"rid=000,csn=" + OLD), parse(b"rid=000,csn=" + NEW + b";" + OTHER)

    assert theirs.ahead_of(ours) == [NEW, OTHER]
    assert ours.ahead_of(theirs) == []
    assert ours.seconds_to(theirs) == 2 * 86400
    assert theirs.seconds_to(ours) == 0


@pytest.mark.parametrize(
    "theirs",
    [
        # A month that is none.
        NEW.replace(b"202601", b"202699"),
        # A server that was not known is compared with the newest number of all, which may be newer.
        OLD.replace(b"#001#", b"#0ab#"),
    ],
)
def test_how_far_a_number_is_ahead_may_be_unknown(theirs: bytes) -> None:
    assert parse(b"rid=000,csn=" + NEW).seconds_to(parse(b"rid=000,csn=" + theirs)) == math.inf


def test_numbers_of_the_same_moment_are_not_apart() -> None:
    counted = OLD.replace(b"#000000#001#", b"#000001#001#")
    undated = NEW.replace(b"202601", b"202699")

    assert parse(b"rid=000,csn=" + OLD).seconds_to(parse(b"rid=000,csn=" + counted)) == 0
    assert parse(b"rid=000,csn=" + undated).seconds_to(parse(b"rid=000,csn=" + undated)) == 0


def test_the_farthest_number_counts() -> None:
    ours = parse(b"rid=000,csn=" + OLD + b";" + OTHER)
    theirs = parse(b"rid=000,csn=" + NEW + b";" + NEW.replace(b"#001#", b"#0ab#"))

    assert ours.seconds_to(theirs) == 2 * 86400


def test_a_cookie_is_made_of_numbers() -> None:
    assert OpenLDAPCookie.of([NEW, OTHER]) == parse(b"rid=000,csn=" + NEW + b";" + OTHER)
    assert OpenLDAPCookie.of([]) is None
