"""Times: the forms of RFC 4517."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import times

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (b"20260131120000Z", NOON),
        (b"202601311200Z", NOON),
        (b"2026013112Z", NOON),
        (b"20260131120000.0Z", NOON),
        (b"20260131120000.25Z", NOON + timedelta(milliseconds=250)),
        (b"20260131120000,25Z", NOON + timedelta(milliseconds=250)),
        (b"202601311200.5Z", NOON + timedelta(seconds=30)),
        (b"2026013112.5Z", NOON + timedelta(minutes=30)),
        (b"2026013112,333333333333Z", NOON + timedelta(minutes=19, seconds=59, microseconds=999999)),
        (b"20260131130000+0100", NOON),
        (b"20260131140000+02", NOON),
        (b"20260131083000-0330", NOON),
        (b"20260131115960Z", NOON),
        (b"199412161032-0500", datetime(1994, 12, 16, 15, 32, tzinfo=UTC)),
    ],
)
def test_generalized_times_are_read(value: bytes, when: datetime) -> None:
    assert when == times.generalized_time(value)
    assert times.generalized_time(value).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"20260131",
        b"20260131120000",
        b"20260131120000.Z",
        b"20260231120000Z",
        b"20260131240000Z",
        b"20260131126000Z",
        b"20260131120061Z",
        b"20260131120000+2400",
        b"20260131120000+0060",
        b"20260131120000z",
        b"20260131120000Z ",
        b"2026-01-31T12:00:00Z",
        b"00000131120000Z",
        b"99991231235959-0100",
        b"00010101000000+0100",
        b"20260131120000." + b"1" * 5000 + b"Z",
        "\uff120260131120000Z".encode(),
    ],
)
def test_what_is_no_generalized_time_is_an_error(value: bytes) -> None:
    for read in (times.generalized_time, times.instant):
        with pytest.raises((ValueError, OverflowError)):
            read(value)


@given(MOMENTS, OFFSETS)
def test_a_time_is_read_back_in_every_zone(when: datetime, zone: timezone) -> None:
    local = when.astimezone(zone)
    text = f"{local:%m%d%H%M%S}.{local.microsecond:06}{local:%z}".encode()

    assert when == times.generalized_time(b"%04d%s" % (local.year, text))


def test_an_instant_is_exact() -> None:
    third = times.instant(b"1970010100.3333333333333333333333Z")

    assert third == Fraction(3333333333333333333333 * 3600, 10**22)
    assert times.instant(b"19691231235959Z") == -1
    assert times.instant(b"20260131130000.50+0100") == times.instant(b"20260131120000,5Z")
    assert times.instant(b"20260131120000.0Z") == int(NOON.timestamp())


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (b"260131120000Z", NOON),
        (b"2601311200Z", NOON),
        (b"2601311200", NOON),
        (b"2601311300+0100", NOON),
        (b"260131083000-0330", NOON),
        (b"500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (b"491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_utc_times_are_read(value: bytes, when: datetime) -> None:
    assert when == times.utc_time(value)


@pytest.mark.parametrize("value", [b"", b"20260131120000Z", b"260231120000Z", b"2601311200+01", b"2601311200.5Z"])
def test_what_is_no_utc_time_is_an_error(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever says so
        times.utc_time(value)
