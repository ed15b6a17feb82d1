"""Inputs made of others: a few octets changed, taken out, put in, or two inputs joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

__all__ = ["mutated"]

# Lengths at the edges of their forms, tags that are there, and what is special in texts.
TELLING = (
    bytes.fromhex("0001027e7f8081828384888aff0a04302031626364656061737879a0a1a2a387a43031323b")
    + b'\\,+"#;=()*?%&|!<> :/\n'
)
LONGEST = 1 << 16


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Make another input."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        _change(chance, data, seeds)
    return bytes(data[:LONGEST])


def _change(chance: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice([1, 1, 2, 4, 16, 100, 1000]))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < len(data):
        data[at] = chance.choice(TELLING)
    elif kind == 2 and at < len(data):
        data[at] = (data[at] + chance.choice([-2, -1, 1, 2])) % 256
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * chance.choice([1, 1, 2, 50])
    elif kind == 5:
        data[at:at] = bytes(chance.choices(TELLING, k=chance.randint(1, 4)))
    elif kind == 6:
        other = chance.choice(seeds)
        start = chance.randrange(len(other) + 1)
        data[at:end] = other[start : start + chance.choice([1, 4, 16, 100, 1000])]
    else:
        del data[at:]
