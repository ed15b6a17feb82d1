"""Colours, where somebody sees them who wants them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

__all__ = ["VARIABLES", "Colours", "wanted"]

VARIABLES: Final = {
    "NO_COLOR": "Never use colours, whatever it is set to.",
    "SYNCREPL_NO_COLOR": "The same, for this command alone.",
    "FORCE_COLOR": "Use colours where there is no terminal, too.",
    "TERM": "Where it is dumb there are neither colours nor progress.",
}
"""The variables of the environment that decide, and how."""


def wanted(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to use colours on a stream; see https://no-color.org and https://force-color.org."""
    if environment.get("NO_COLOR") or environment.get("SYNCREPL_NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours text by what it means; text that a server sent has to be printable already."""

    enabled: bool

    def new(self, text: str) -> str:
        """Colour what came."""
        return self._styled(text, "green")

    def gone(self, text: str) -> str:
        """Colour what went."""
        return self._styled(text, "red")

    def changed(self, text: str) -> str:
        """Colour what became something else."""
        return self._styled(text, "yellow")

    def moved(self, text: str) -> str:
        """Colour what has another name."""
        return self._styled(text, "cyan")

    def strong(self, text: str) -> str:
        """Make it stand out."""
        return click.style(text, bold=True) if self.enabled else text

    def faint(self, text: str) -> str:
        """Make it stand back."""
        return click.style(text, dim=True) if self.enabled else text

    def _styled(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour) if self.enabled else text
