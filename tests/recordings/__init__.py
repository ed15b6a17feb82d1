"""What real servers sent in answer to one synchronization search each, octet for octet.

``<server>/<name>.bin`` holds the LDAPMessages of that search alone, one behind the other; all have ``MESSAGE_ID``.
``index.json`` says of each which server sent it, what was asked, what came in words, and what the server held then:
the content, by the UUID of Content Synchronization, as libldap saw it.  ``scripts/record`` makes all of them anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "INDEX", "MESSAGE_ID", "Recording", "read_recordings", "split_messages"]

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"
# The bind before it was the first message.
MESSAGE_ID = 2


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One search."""

    server: str
    name: str
    # As the server says itself.
    version: str
    base: str
    filter: str
    mode: str
    cookie: bytes | None
    # The result code, or None where the search was going on when the recording ended.
    result: int | None
    came: str
    # UUID to DN of what the server held when the recording ended, within base and filter.
    content: dict[str, str]

    @property
    def path(self) -> Path:
        return FOLDER / self.server / f"{self.name}.bin"

    @property
    def octets(self) -> bytes:
        return self.path.read_bytes()


def read_recordings() -> list[Recording]:
    """Return all recordings, in the order in which each server was asked."""
    return [
        Recording(server=server, name=name, version=about["version"], **_decode(asked))
        for server, about in json.loads(INDEX.read_text()).items()
        for name, asked in about["recordings"].items()
    ]


def split_messages(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream at its messages' lengths; return them and the rest.

    This does not use the package, which is to be tested with them.
    """
    messages = []
    while (size := _message_size(data)) is not None:
        messages.append(data[:size])
        data = data[size:]
    return messages, data


def _message_size(data: bytes) -> int | None:
    if len(data) < 2:
        return None
    octets = data[1] & 0x7F if data[1] & 0x80 else 0
    if len(data) < 2 + octets:
        return None
    size = 2 + octets + (int.from_bytes(data[2 : 2 + octets]) if octets else data[1])
    return size if len(data) >= size else None


def _decode(asked: dict[str, Any]) -> dict[str, Any]:
    cookie = asked["cookie"]
    return {**asked, "cookie": None if cookie is None else cookie.encode()}
