"""The table of changes that no test notices, made of the one that the command compares with."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

__all__ = ["write"]

HERE = Path(__file__).parent
TABLE = HERE / "_build" / "mutation.inc"


def write() -> None:
    """Write the table as reStructuredText, for a page to include."""
    sys.path.insert(0, str(HERE.parent))
    from tests.mutation.explained import EXPLAINED  # noqa: PLC0415 - the path is set only now

    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 50 50",
        "",
        *_row("place and change", "why no test can tell"),
    ]
    for reason, mutations in groupby(EXPLAINED, key=EXPLAINED.__getitem__):
        cell = []
        for mutation in mutations:
            becomes = f"``{mutation.becomes}``" if mutation.becomes else "nothing"
            cell += [f"{mutation.place}:", "", f"| ``{mutation.was}``", f"| {becomes}", ""]
        lines += [f"   {'* -' if not number else '   '} {line}".rstrip() for number, line in enumerate(cell)]
        lines.append(f"     - {reason}")
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(*cells: str) -> list[str]:
    return [f"   {'* -' if not number else '  -'} {cell}" for number, cell in enumerate(cells)]
