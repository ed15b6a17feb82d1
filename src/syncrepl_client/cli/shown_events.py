"""Events on standard output, as they would be sent: LDIF, or a line for each with what travels beside its body."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.sinks.written import octets, parted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.envelope.base import Event

__all__ = ["show"]


def show(events: Iterator[Event], limit: int | None = None) -> int:
    """Print events.

    Args:
        events: the events.
        limit: how many at most; None for all.

    Returns:
        How many there were.
    """
    output = StandardOutput(sys.stdout.buffer)
    count = 0
    for event in islice(events, limit):
        ((form, _),) = parted([event], records=False)
        if not count:
            output.write(form.begin.decode())
        output.write(octets(form, [event], records=True).decode())
        count += 1
    output.flush()
    return count
