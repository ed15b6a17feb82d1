"""The table of traps, servers and results, made of what the last run of the tests wrote down."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["write"]

HERE = Path(__file__).parent
RESULTS = HERE / "_build" / "traps.json"
TABLE = HERE / "_build" / "traps.inc"


def write() -> None:
    """Write the table as reStructuredText, for a page to include."""
    sys.path.insert(0, str(HERE.parent))
    from tests.traps import SERVERS, TRAPS  # noqa: PLC0415 - the path is set only now

    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    cells = {(row["trap"], row["server"]): _cell(row["passed"], row["failed"]) for row in results}
    servers = [server for server in SERVERS if any(server == ran for _, ran in cells)]
    lines = [f"{len(results)} pairs of trap and server ran.", "", ".. list-table::", "   :header-rows: 1", ""]
    lines += _row(["", "what goes wrong elsewhere", *(SERVERS[server] for server in servers)])
    for trap, text in TRAPS.items():
        lines += _row([trap, text, *(cells.get((trap, server), "") for server in servers)])
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(passed: int, failed: int) -> str:
    return f"{failed} of {passed + failed} failed" if failed else f"right ({passed})"


def _row(cells: list[str]) -> list[str]:
    return [f"   {'* -' if not number else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
