"""What the events that a receiver got lead to."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["folded", "same_values"]


def folded(received: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the entries that events make; repeats are told by their id, and those of an entry are in order."""
    seen: set[str] = set()
    last: dict[str, int] = {}
    state: dict[str, Any] = {}
    for event in received:
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        uuid = event["entryUUID"]
        assert last.get(uuid, -1) < event["sequence"], event
        last[uuid] = event["sequence"]
        assert same_values(event["before"]) == same_values(state.get(uuid)), event
        state.pop(uuid, None)
        if event["after"] is not None:
            state[uuid] = event["after"]
    return state


def same_values(entry: dict[str, Any] | None) -> object:
    """Return an entry without the order of its values."""
    if entry is None:
        return None
    return entry["dn"], {name: sorted(map(json.dumps, values)) for name, values in entry["attributes"].items()}
