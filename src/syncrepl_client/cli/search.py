"""`syncrepl-client search`: look for entries in a copy, without asking a server."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client import ldif
from syncrepl_client.cli.ending import errors_told, left_by_signals
from syncrepl_client.cli.json_lines import entry_line
from syncrepl_client.cli.moment import at_option, copied, source
from syncrepl_client.cli.options import quiet_option
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.ldap import descriptions, evaluation
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.model import Entry
from syncrepl_client.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from syncrepl_client.ldap.schema import Schema

__all__ = ["Selection", "search"]

# RFC 4511 section 4.5.1.8 and RFC 3673.
_ALL_OF_USERS: Final = "*"
_ALL_OF_SERVERS: Final = "+"
_NONE: Final = "1.1"
_OF_USERS: Final = "userApplications"


@click.command(
    short_help="Look for entries in a copy, offline.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="Print each entry as one line of JSON.")
@at_option
@quiet_option
@click.argument("data", type=click.Path(readable=False))
@click.argument("filter_", metavar="FILTER")
@click.argument("attributes", metavar="[ATTRIBUTE]...", nargs=-1)
def search(
    *,
    data: str,
    filter_: str,
    attributes: tuple[str, ...],
    as_json: bool,
    when: datetime | int | None,
    quiet: bool,
) -> None:
    """Print the entries of the copy in DATA that FILTER finds, such as '(&(objectClass=person)(mail=*))', as LDIF.

    No server is asked.  Values are compared by the rules of the server's schema, as far as it was read; what is not in
    the copy is not found.  ATTRIBUTE is what to print of each: '*' is all that users may write, '+' all that the server
    keeps, '1.1' nothing but the name; all there is by default.  It is no error if nothing is found.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)
    with errors_told(messages), left_by_signals(), Reader(data) as reader:
        matches = evaluation.compile(filter_, reader.schema)
        selection = Selection(attributes, reader.schema)
        output = StandardOutput(sys.stdout.buffer)
        found = looked_at = 0
        for entry in _entries(reader, when, messages):
            looked_at += 1
            if matches(entry.attributes, entry.dn):
                found += 1
                selected = selection.of(entry)
                output.write(entry_line(selected) if as_json else _record(selected))
        output.flush()
        messages.note(f"{found:,} of {looked_at:,} entries found")


def _entries(reader: Reader, when: datetime | int | None, messages: Messages) -> Iterator[Entry]:
    if when is None:
        # Fast, since nothing is put together from the changelog; as on a server, what changes meanwhile may be found.
        copied(reader)
        yield from reader.entries.all()
    else:
        with closing(source(reader, when, messages)) as moment:
            yield from moment.all()


class Selection:
    """What is shown of entries; see RFC 4511 section 4.5.1.8.

    Args:
        wanted: descriptions of attributes, and the signs that stand for several; nothing for all.
        schema: what is known about attributes.
    """

    def __init__(self, wanted: Sequence[str], schema: Schema) -> None:
        self._all = not wanted
        self._signs = set(wanted)
        self._schema = schema
        # The keys of the types, derived ones too, and the options that each must have.
        self._wanted = [
            ({self._type(kind.oid) for kind in schema.types_below(one)} | {self._type(one)}, _options(one))
            for one in wanted
            if one not in {_ALL_OF_USERS, _ALL_OF_SERVERS, _NONE}
        ]
        # A directory has few descriptions, and each is in many entries.
        self._known: dict[str, bool] = {}

    def of(self, entry: Entry) -> Entry:
        """Return an entry with what is shown of it."""
        if self._all:
            return entry
        shown = {name: values for name, values in entry.attributes.items() if self._shows(name)}
        return Entry(entry.uuid_octets, entry.dn, Attributes.of(shown), self._schema)

    def _shows(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            sign = _ALL_OF_SERVERS if self._is_of_servers(name) else _ALL_OF_USERS
            kind, options = self._type(name), _options(name)
            known = sign in self._signs or any(kind in kinds and must <= options for kinds, must in self._wanted)
            self._known[name] = known
        return known

    def _is_of_servers(self, name: str) -> bool:
        kind = self._schema.attribute(name)
        return kind is not None and kind.usage != _OF_USERS

    def _type(self, description: str) -> str:
        return self._schema.key(descriptions.type_of(description))


def _options(description: str) -> set[str]:
    return set(descriptions.split(description)[1])


def _record(entry: Entry) -> str:
    lines = [("dn", entry.dn.encode())]
    lines += [(name, value) for name, values in entry.attributes.items() for value in values]
    return "".join(ldif.fold(ldif.attribute_line(name, value)) for name, value in lines) + "\n"
