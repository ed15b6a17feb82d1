"""The security layer: cut anywhere, limited both ways, and nothing that was not protected comes through."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.sasl.layer import SecurityLayer

MARK: Final = b"sealed:"
MOST: Final = 100


def seal(data: bytes) -> bytes:
    return MARK + data


def unseal(data: bytes) -> bytes:
    if not data.startswith(MARK):
        raise ProtocolError("forged")
    return data.removeprefix(MARK)


def layer(most_plain: int = 10) -> SecurityLayer:
    return SecurityLayer(seal, unseal, most_plain=most_plain, most_sealed=MOST, confidential=True)


def behind_length(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(1, 40), min_size=1))
def test_what_is_wrapped_comes_out_wherever_it_is_cut(messages: list[bytes], sizes: list[int]) -> None:
    here, there = layer(), layer()
    stream = b"".join(here.wrap(message) for message in messages)
    got, pos, turn = b"", 0, 0
    while pos < len(stream):
        size = sizes[turn % len(sizes)]
        got += there.unwrap(stream[pos : pos + size])
        pos, turn = pos + size, turn + 1

    assert b"".join(messages) == got
    assert there.pending == 0


def test_nothing_is_sent_that_is_larger_than_was_agreed_on() -> None:
    assert layer(3).wrap(b"abcdefgh") == b"".join(behind_length(seal(part)) for part in (b"abc", b"def", b"gh"))
    assert layer().wrap(b"") == b""


def test_a_buffer_is_kept_until_it_is_whole() -> None:
    one = layer()
    stream = behind_length(seal(b"abc"))

    assert [one.unwrap(stream[:2]), one.pending] == [b"", 2]
    assert [one.unwrap(stream[2:7]), one.pending] == [b"", 7]
    assert [one.unwrap(stream[7:] + stream), one.pending] == [b"abcabc", 0]


def test_a_buffer_that_is_too_large_is_refused_before_it_comes() -> None:
    one = layer()
    assert one.unwrap(behind_length(seal(b"x" * (MOST - len(MARK))))) == b"x" * (MOST - len(MARK))
    with pytest.raises(ProtocolError, match="101 bytes, where 100"):
        one.unwrap((MOST + 1).to_bytes(4))


@pytest.mark.parametrize(
    "garbage", [behind_length(b"forged"), behind_length(b""), b"0\x0c\x02\x01\x01a\x07", b"\xff" * 9]
)
def test_what_is_not_protected_does_not_come_through(garbage: bytes) -> None:
    with pytest.raises(ProtocolError):
        layer().unwrap(garbage)


@given(st.lists(st.binary(max_size=30)))
def test_whatever_arrives_it_takes_no_more_than_a_buffer_of_memory(pieces: list[bytes]) -> None:
    one = layer()
    try:
        for piece in pieces:
            one.unwrap(piece)
            assert one.pending < MOST + 4
    except ProtocolError:
        pass
