"""Waves: no two events of an entry are on their way at once."""

from __future__ import annotations

from dataclasses import replace

from syncrepl_client.sinks.waves import one_per_key, until_repeated
from tests.sinks.events import event


def keys(text: str) -> list[str]:
    """Part events with these keys, which are numbered."""
    batch = [replace(event(number), key=key) for number, key in enumerate(text)]
    return ["".join(f"{one.key}{one.sequence}" for one in wave) for wave in one_per_key(batch)]


def test_different_entries_go_together() -> None:
    assert keys("abc") == ["a0b1c2"]
    assert keys("") == []


def test_the_next_of_an_entry_waits_for_the_one_before() -> None:
    assert keys("aabcac") == ["a0b2c3", "a1c5", "a4"]


def test_a_batch_may_be_parted_where_an_entry_comes_again() -> None:
    batch = [replace(event(number), key=key) for number, key in enumerate("abacca")]
    parts = ["".join(one.key for one in part) for part in until_repeated(batch)]
    assert parts == ["ab", "ac", "ca"]
