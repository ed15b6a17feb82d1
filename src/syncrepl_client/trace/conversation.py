"""The lines of one connection, both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.ldap.connection import EntryRun
from syncrepl_client.trace.extras import controls as described_controls
from syncrepl_client.trace.requests import EXTENDED, extended_name, request
from syncrepl_client.trace.responses import entry, response
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.ldap.messages import Control, Message

__all__ = ["Conversation"]


class Conversation:
    """Writes a line for each message: its direction, its message id, and what it says.

    Args:
        write: is given each line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        # The extended operations that are not answered yet, by message id.
        self._asked: dict[int, str] = {}

    def sent(self, message_id: int, operation: bytes, controls: Iterable[Control]) -> None:
        """Write down a request."""
        if operation[0] == EXTENDED:
            self._asked[message_id] = extended_name(operation)
        self._line(f"> {message_id} {request(operation)}{described_controls(controls)}")

    def received(self, item: Message | EntryRun) -> None:
        """Write down a response, or each entry of a run."""
        if isinstance(item, EntryRun):
            for row in item.rows:
                self._line(f"< {item.message_id} {entry(row)}")
        else:
            asked = self._asked.pop(item.message_id, "")
            self._line(f"< {item.message_id} {response(item, asked)}")

    def _line(self, text: str) -> None:
        self._write(printable(text))
