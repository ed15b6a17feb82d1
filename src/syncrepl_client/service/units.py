"""Times and sizes as people write them: ``90s``, ``10m``, ``7d``, ``64 KB``, ``2 GB``."""

from __future__ import annotations

import math
import re
from typing import Final, Self

__all__ = ["Duration", "Size"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# In seconds: a hundred years are more than who waits, or what counts days, can do with.
_LONGEST: Final = 100 * 366 * 86_400
_LARGEST: Final = 1 << 62
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B", re.IGNORECASE)
_OCTETS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_WITHOUT_END: Final = "forever"
_WITHOUT_LIMIT: Final = "unlimited"


class Duration(float):
    """Seconds; ``forever`` is without end."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a time.

        Raises:
            ValueError: it is none, has no unit, or is longer than a life.
        """
        if text == _WITHOUT_END:
            return cls(math.inf)
        match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise ValueError('a time is a number and a unit, in quotes, such as "30s", "10m", "12h" or "7d"')
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST:
            raise ValueError('that is more than a hundred years; write "forever"')
        return cls(seconds)

    @property
    def text(self) -> str:
        """How it is written, in the largest unit that it is a whole number of."""
        if math.isinf(self):
            return _WITHOUT_END
        unit = next((unit for unit in reversed(_SECONDS) if self >= _SECONDS[unit] and not self % _SECONDS[unit]), "ms")
        return f"{self / _SECONDS[unit]:g}{unit}"

    @property
    def limited(self) -> float | None:
        """Seconds; None for without end."""
        return None if math.isinf(self) else float(self)


class Size(int):
    """Octets; units are powers of 1024.  Less than nothing is ``unlimited``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a size.

        Raises:
            ValueError: it is none, has no unit, or is more than any disk has.
        """
        if text == _WITHOUT_LIMIT:
            return cls(-1)
        match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise ValueError('a size is a number and a unit, in quotes, such as "64 KB", "256 MB" or "2 GB"')
        octets = float(match[1]) * _OCTETS[match[2].upper()]
        if octets > _LARGEST:
            raise ValueError('that is more than there is; write "unlimited"')
        return cls(octets)

    @property
    def text(self) -> str:
        """How it is written, in the largest unit that it is a whole number of."""
        if self < 0:
            return _WITHOUT_LIMIT
        unit = next(
            unit for unit in reversed(_OCTETS) if (self >= _OCTETS[unit] and not self % _OCTETS[unit]) or not unit
        )
        return f"{self // _OCTETS[unit]} {unit}B"

    @property
    def limited(self) -> int | None:
        """Octets; None for unlimited."""
        return None if self < 0 else int(self)
