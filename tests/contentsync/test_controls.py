"""The values of RFC 4533 section 2: every member by its tag, whatever is left out."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.contentsync import controls
from syncrepl_client.contentsync.controls import EntryState, IdSet, NewCookie, PhaseEnd, SyncDone, SyncState
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.messages import Control

if TYPE_CHECKING:
    from collections.abc import Callable

UUID = bytes(range(16))
COOKIE = b"rid=000,csn=x"
NEW = ber.octet_string(b"new", tag=0x9E)


def present(*members: bytes | None) -> list[bytes]:
    return [member for member in members if member is not None]


def cookie(value: bytes | None) -> bytes | None:
    return None if value is None else ber.octet_string(value)


def flag(value: bool | None) -> bytes | None:  # noqa: FBT001 - what is encoded
    return None if value is None else ber.boolean(value)


@pytest.mark.parametrize(
    ("mode", "value", "octets"),
    [
        (1, None, "30 03 0a 01 01"),
        (3, None, "30 03 0a 01 03"),
        (3, b"c", "30 06 0a 01 03 04 01 63"),
        # A cookie without octets is none: slapd, 389 and ApacheDS agree on that, but a client never sends one.
        (1, b"", "30 03 0a 01 01"),
    ],
)
def test_a_request_is_critical_and_leaves_out_what_has_a_default(mode: int, value: bytes | None, octets: str) -> None:
    wanted = Control("1.3.6.1.4.1.4203.1.9.1.1", critical=True, value=bytes.fromhex(octets))

    assert wanted == controls.request_control(mode, value)


@pytest.mark.parametrize("state", list(EntryState))
@pytest.mark.parametrize("value", [None, b"", COOKIE])
def test_a_sync_state_is_read(state: EntryState, value: bytes | None) -> None:
    members = present(ber.enumerated(state), ber.octet_string(UUID), cookie(value))

    assert SyncState(state, UUID, value) == controls.decode_state(ber.sequence(*members))


@pytest.mark.parametrize(("value", "deletes"), list(product([None, b"", COOKIE], [None, False, True])))
def test_a_sync_done_is_read(value: bytes | None, deletes: bool | None) -> None:  # noqa: FBT001
    encoded = ber.sequence(*present(cookie(value), flag(deletes)))

    assert SyncDone(value, bool(deletes)) == controls.decode_done(encoded)


@pytest.mark.parametrize(
    ("value", "done", "deletes"), list(product([None, b"", COOKIE], [None, False, True], [False, True]))
)
def test_the_end_of_a_phase_is_read(value: bytes | None, done: bool | None, deletes: bool) -> None:  # noqa: FBT001
    encoded = ber.tlv(0xA1 if deletes else 0xA2, *present(cookie(value), flag(done)))

    assert PhaseEnd(deletes, done is not False, value) == controls.decode_info(encoded)


@pytest.mark.parametrize(
    ("value", "deletes", "count"), list(product([None, b"", COOKIE], [None, False, True], [0, 1, 2, 300]))
)
def test_a_set_of_uuids_is_read(value: bytes | None, deletes: bool | None, count: int) -> None:  # noqa: FBT001
    uuids = [number.to_bytes(16) for number in range(count)]
    encoded = ber.tlv(0xA3, *present(cookie(value), flag(deletes)), ber.set_of(*map(ber.octet_string, uuids)))

    assert IdSet(bool(deletes), tuple(uuids), value) == controls.decode_info(encoded)


def test_a_new_cookie_is_read() -> None:
    assert NewCookie(COOKIE) == controls.decode_info(ber.octet_string(COOKIE, tag=0x80))


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("3003 0101ff", SyncDone(None, refresh_deletes=True)),
        ("3002 0400", SyncDone(b"")),
        ("3005 0400 0101ff", SyncDone(b"", refresh_deletes=True)),
        ("3000", SyncDone()),
    ],
)
def test_what_slapd_sends_when_nothing_changed_is_read(octets: str, value: SyncDone) -> None:
    """A decoder that goes by position would take the BOOLEAN for the cookie."""
    assert value == controls.decode_done(bytes.fromhex(octets))


def test_members_that_are_not_known_are_skipped() -> None:
    state = ber.sequence(NEW, ber.enumerated(1), NEW, ber.octet_string(UUID), NEW)

    assert SyncState(EntryState.ADD, UUID) == controls.decode_state(state)
    assert SyncDone(COOKIE) == controls.decode_done(ber.sequence(NEW, ber.octet_string(COOKIE), NEW))
    assert PhaseEnd(deletes=True) == controls.decode_info(ber.tlv(0xA1, NEW))
    assert IdSet(False, (UUID,)) == controls.decode_info(ber.tlv(0xA3, NEW, ber.set_of(ber.octet_string(UUID)), NEW))  # noqa: FBT003


@pytest.mark.parametrize(
    ("decode", "value", "reason"),
    [
        (controls.decode_state, b"", "syncStateValue is empty"),
        (controls.decode_state, ber.set_of(), "syncStateValue has tag 0x31, expected a SEQUENCE"),
        (controls.decode_state, ber.sequence(), "syncStateValue without state or UUID"),
        (controls.decode_state, ber.sequence(ber.enumerated(1)), "syncStateValue without state or UUID"),
        (controls.decode_state, ber.sequence(ber.octet_string(UUID)), "syncStateValue without state or UUID"),
        (controls.decode_state, ber.sequence(ber.enumerated(5), ber.octet_string(UUID)), "unknown sync state 5"),
        (
            controls.decode_state,
            ber.sequence(ber.enumerated(1), ber.octet_string(UUID[1:])),
            f"a syncUUID of 15 octets: {UUID[1:].hex()}",
        ),
        (
            controls.decode_state,
            ber.sequence(ber.enumerated(1), b"\x04\x11" + UUID),
            "an element of 17 octets where 16 are left",
        ),
        (controls.decode_done, b"", "syncDoneValue is empty"),
        (controls.decode_done, ber.tlv(0xA1), "syncDoneValue has tag 0xa1, expected a SEQUENCE"),
        (controls.decode_done, ber.sequence(ber.tlv(0x01, b"\0\0")), "a boolean of 2 octets"),
        (controls.decode_info, b"", "syncInfoValue is empty"),
        (controls.decode_info, ber.tlv(0xA4), "unknown syncInfoValue 0xa4"),
        (controls.decode_info, ber.tlv(0xA3), "syncIdSet with 0 sets of UUIDs"),
        (controls.decode_info, ber.tlv(0xA3, ber.set_of(), ber.set_of()), "syncIdSet with 2 sets of UUIDs"),
        (
            controls.decode_info,
            ber.tlv(0xA3, ber.set_of(ber.octet_string(UUID[:8]))),
            f"a syncUUID of 8 octets: {UUID[:8].hex()}",
        ),
    ],
)
def test_a_malformed_value_says_what_is_wrong(decode: Callable[[bytes], object], value: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(value)

    assert str(caught.value) == reason


@given(st.binary(max_size=60), st.sampled_from([controls.decode_state, controls.decode_done, controls.decode_info]))
def test_garbage_is_a_value_or_a_protocol_error(octets: bytes, decode: Callable[[bytes], object]) -> None:
    try:
        decoded = decode(octets)
    except ProtocolError:
        return
    assert isinstance(decoded, SyncState | SyncDone | NewCookie | PhaseEnd | IdSet)


def test_a_control_is_found_among_others() -> None:
    """It may stand anywhere: a client that looks at the first alone loses the cookie."""
    given_ = [Control("1.2.3", value=b"x"), Control(controls.SYNC_DONE, value=b"y"), Control("1.2.4")]

    assert controls.find(given_, controls.SYNC_DONE) == b"y"
    assert controls.find(given_, controls.SYNC_STATE) is None
    with pytest.raises(ProtocolError, match=r"1\.2\.4 without a value"):
        controls.find(given_, "1.2.4")
