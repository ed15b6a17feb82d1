"""The table of metrics, made of the one that the service makes them of."""

from __future__ import annotations

from pathlib import Path

from syncrepl_client.service.metrics import FAMILIES

__all__ = ["write"]

TABLE = Path(__file__).parent / "_build" / "metrics.inc"


def write() -> None:
    """Write the table as reStructuredText, for a page to include."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - name",
        "     - type",
        "     - labels",
        "     - what it says",
    ]
    for family in FAMILIES:
        labels = ", ".join(f"``{label}``" for label in family.labels)
        cells = (f"``{family.name}``", family.type.value, labels, family.help)
        lines += [f"   {'* -' if not number else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
