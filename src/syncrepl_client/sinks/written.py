"""How events are written one after the other, into a stream or a file: as LDIF, if they are, or else as JSON lines.

One file holds one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope import ldif
from syncrepl_client.sinks.lines import as_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["LDIF", "LINES", "Form", "form_of", "octets", "parted", "written"]


@dataclass(frozen=True, slots=True)
class Form:
    """What a file looks like.

    Args:
        begin: what it begins with.
        end: what each event ends with.
    """

    begin: bytes
    end: bytes


LINES: Final = Form(b"", b"\n")
LDIF: Final = Form(ldif.VERSION, b"\n\n")


def form_of(beginning: bytes) -> Form:
    """Return the form of a file by what it begins with; whoever wrote it may have died in the middle of that."""
    return LDIF if beginning and LDIF.begin.startswith(beginning[: len(LDIF.begin)]) else LINES


def written(events: Sequence[Event], *, records: bool) -> Iterator[tuple[Form, bytes]]:
    """Iterate over what is to be written: the events that have the same form together, without what a file begins with.

    Args:
        events: what to write.
        records: whether each is a line with a record around it; see `syncrepl_client.sinks.lines`.
    """
    for form, some in parted(events, records=records):
        yield form, octets(form, some, records=records)


def parted(events: Sequence[Event], *, records: bool) -> Iterator[tuple[Form, list[Event]]]:
    """Iterate over events in their order, those that have the same form together; the arguments are those of `written`.

    There are several forms where events that were set aside are sent again, and the envelope is another one by now.
    """
    if records or not any(map(_is_ldif, {event.content_type for event in events})):
        yield LINES, list(events)
        return
    for form, some in groupby(events, _form_of):
        yield form, list(some)


def octets(form: Form, events: Sequence[Event], *, records: bool) -> bytes:
    """Return events in their form, without what a file begins with."""
    if form is LDIF:
        return b"".join(ldif.records_of(event.body or b"") for event in events)
    return as_lines(events, records=records)


def _form_of(event: Event) -> Form:
    return LDIF if _is_ldif(event.content_type) and event.body is not None else LINES


# There are few, and each comes with every event.
@lru_cache(16)
def _is_ldif(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == ldif.CONTENT_TYPE
