"""`syncrepl-client export`: the entries of a copy, as they are or as they were."""

from __future__ import annotations

import base64
import csv
import io
import re
from contextlib import closing
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client import ldif
from syncrepl_client.cli.ending import errors_told, left_by_signals
from syncrepl_client.cli.json_lines import entry_line
from syncrepl_client.cli.moment import at_option, source
from syncrepl_client.cli.options import quiet_option
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.cli.writing import destination
from syncrepl_client.ldap.syntaxes import plain_text
from syncrepl_client.reader import Reader
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from syncrepl_client.model import Entry
    from syncrepl_client.store.listing import Listing
    from syncrepl_client.store.past import Past

__all__ = ["export"]

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _names(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


@click.command(
    short_help="Write out a copy, as it is or as it was.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--ldif", "form", flag_value="ldif", default=True, help="As LDIF, such as ldapadd reads; the default.")
@click.option("--json", "form", flag_value="json", help="As one JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="As a table, with the names of the columns in its first line.")
@click.option("--attrs", "names", metavar="NAME,...", default="", callback=_names, help="The columns of --csv.")
@click.option(
    "--separator",
    metavar="TEXT",
    default="|",
    show_default=True,
    help="What stands between the values of one attribute in --csv.",
)
@at_option
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Write to FILE, which is there when all is written; '-' is standard output.",
)
@quiet_option
@click.argument("data", type=click.Path(readable=False))
def export(
    *,
    data: str,
    form: str,
    names: tuple[str, ...],
    separator: str,
    when: datetime | int | None,
    file: str | None,
    quiet: bool,
) -> None:
    """Write the entries of the copy in DATA to standard output or a file, parents before their children.

    What the server alone may write, such as entryUUID, is a comment in LDIF, so that ldapadd and slapadd take the rest.
    The client that keeps the copy may be at work: what is written is the copy at one moment.
    """
    if form != "csv" and names:
        raise click.UsageError("--attrs chooses the columns of --csv, and is of no use without it")
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)
    with (
        errors_told(messages),
        left_by_signals(),
        Reader(data) as reader,
        closing(source(reader, when, messages)) as entries,
    ):
        count = 0
        with destination(file) as output:
            for text in _texts(entries, form, names, separator):
                output.write(text)
                count += 1
        if file is not None:
            # The names of the columns are no entry.
            messages.note(f"{count - (form == 'csv'):,} entries written to {file}")


def _texts(entries: Past | Listing, form: str, names: Sequence[str], separator: str) -> Iterator[str]:
    if form == "json":
        yield from map(entry_line, entries.all())
    elif form == "ldif":
        # Without a line of the version, like what slapcat writes: slapadd takes such a line for an entry.
        yield from (ldif.content(entry, entry.schema) for entry in entries.all())
    else:
        columns = names or _all_names(entries.all())
        yield _row(["dn", "uuid", *map(printable, columns)])
        for entry in entries.all():
            cells = (separator.join(map(_cell, entry.attributes.get(name, []))) for name in columns)
            yield _row([_cell(entry.dn.encode()), str(entry.uuid), *cells])


def _all_names(entries: Iterable[Entry]) -> list[str]:
    """Return the names of all attributes, in the order and spelling in which they are found."""
    found: dict[str, str] = {}
    for entry in entries:
        for name in entry.attributes:
            found.setdefault(name.lower(), name)
    return list(found.values())


def _row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cell(value: bytes) -> str:
    text = plain_text(value)
    return f"base64:{base64.b64encode(value).decode('ascii')}" if text is None else text
