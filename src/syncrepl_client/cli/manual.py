"""The manual page, made of what the commands say of themselves.

It is written for ``man`` in the macros that groff and mandoc both know.
"""

from __future__ import annotations

import inspect
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client import __version__
from syncrepl_client.cli import colours
from syncrepl_client.cli.exits import MEANINGS
from syncrepl_client.cli.options import connection_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["manual_page"]

_NAME: Final = "syncrepl-client"
_PURPOSE: Final = "keep a copy of an LDAP search in step, and be told what changes"
_STOPPED: Final = "128 and the number of a signal, such as 130: the signal came before the command was complete"

_FILES: Final = {
    "DATA": "The copy, with its cookie, changelog and subscriptions: an SQLite database.",
    "DATA-wal, DATA-shm": "What SQLite keeps beside it while it is in use; they belong to it.",
    "DATA-lock": "Locked by the one client that keeps the copy.",
}
_VARIABLES: Final = {
    "CREDENTIALS_DIRECTORY": "The folder of systemd's credentials, in which syncrepl-password, syncrepl-keytab and "
    "syncrepl-key-password are looked for, and the credentials that a configuration names.",
    "SYNCREPL_SERVICE_KEY, SYNCREPL_SOURCES_NAME_KEY, SYNCREPL_SINKS_NAME_KEY": "The key KEY of the configuration of "
    "run, over what the file says; with _FILE behind it, a file that holds the value.",
}
_EXAMPLES: Final = {
    "See what changes among people, as it happens:": "syncrepl-client watch "
    "'ldap://ldap.example.com/dc=example,dc=com??sub?(objectClass=person)'",
    "Feed a program with each change once, whatever is killed in between:": "syncrepl-client watch --json "
    "--subscription feeder ldap://ldap.example.com/dc=example,dc=com copy.db | program",
    "Deliver every change to queues, hooks or files, as a configuration says:": "syncrepl-client run config.toml",
    "Make a table of those who were here on New Year's Eve:": "syncrepl-client export --csv --attrs cn,mail "
    "--at 2026-12-31T23:59Z -o people.csv copy.db",
    "Take back what happened to an entry:": "syncrepl-client history --undo copy.db "
    "uid=grace,ou=people,dc=example,dc=com >undo.ldif",
}
_SEE_ALSO: Final = ("ldapmodify (1)", "ldapsearch (1)", "slapd (8)")

# What would be a request at the beginning of a line.
_REQUEST: Final = re.compile(r"^(?=[.'])", re.MULTILINE)


def manual_page(main: click.Group) -> str:
    """Return the page in the language of roff.

    Args:
        main: the command with all its subcommands.
    """
    return "\n".join(_lines(main)) + "\n"


def _lines(main: click.Group) -> Iterator[str]:
    yield f'.TH SYNCREPL\\-CLIENT 1 "{_date()}" "{_NAME} {__version__}" "User Commands"'
    yield from ('.\\" Made by: syncrepl-client man', ".SH NAME", f"{_text(_NAME)} \\- {_text(_PURPOSE)}")
    yield ".SH SYNOPSIS"
    yield from _synopsis(main)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(main)
    yield ".SH COMMANDS"
    for name, command in _commands(main):
        yield from _command(name, command)
    yield ".SH OPTIONS ABOUT THE SERVER"
    yield from _options(_about_servers())
    yield ".SH EXIT STATUS"
    yield from _list({str(int(code)): meaning for code, meaning in MEANINGS.items()})
    yield from (".PP", _text(_STOPPED) + ".")
    yield ".SH ENVIRONMENT"
    yield from _list({**_variables(main), **colours.VARIABLES, **_VARIABLES})
    yield ".SH FILES"
    yield from _list(_FILES)
    yield ".SH EXAMPLES"
    for purpose, line in _EXAMPLES.items():
        yield from (".PP", _text(purpose), ".PP", ".nf", ".RS 4", _text(line), ".RE", ".fi")
    yield ".SH SEE ALSO"
    names = [f".BR {_text(name)}" for name in _SEE_ALSO]
    yield from [*(f"{name} ," for name in names[:-1]), names[-1]]
    yield from (".PP", "RFC 4533, The LDAP Content Synchronization Operation")


def _date() -> str:
    """Return today's date, or that which reproducible builds name."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return f"{datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC):%Y-%m-%d}"


# --- commands and options ---------------------------------------------------------------------------------------------


def _commands(group: click.Group, before: str = _NAME) -> Iterator[tuple[str, click.Command]]:
    """Iterate over commands by what is typed for them, each followed by those that are below it."""
    for command in group.commands.values():
        name = f"{before} {command.name}"
        yield name, command
        if isinstance(command, click.Group):
            yield from _commands(command, name)


def _synopsis(main: click.Group) -> Iterator[str]:
    yield f"\\fB{_text(_NAME)}\\fR [\\fIOPTIONS\\fR] \\fIURL DATA\\fR"
    for name, command in _commands(main):
        # What has commands below it does nothing by itself.
        if not isinstance(command, click.Group):
            yield ".br"
            yield f"\\fB{_text(name)}\\fR {_arguments(command)}"


def _arguments(command: click.Command) -> str:
    return " ".join(_text(piece) for piece in command.collect_usage_pieces(_context(command)))


def _context(command: click.Command) -> click.Context:
    return click.Context(command, info_name=command.name)


def _command(name: str, command: click.Command) -> Iterator[str]:
    yield f".SS {_text(name)} {_arguments(command)}"
    yield from _paragraphs(command)
    about_servers = {name for one in _about_servers() for name in one.opts}
    own: list[click.Option] = []
    theirs: list[click.Option] = []
    for option in command.params:
        if isinstance(option, click.Option):
            (theirs if about_servers.intersection(option.opts) else own).append(option)
    yield from _options(own)
    if len(theirs) == len(_about_servers()):
        yield from (".PP", "It also takes the options about the server, below.")
    elif theirs:
        names = ", ".join(_text(max(option.opts, key=len)) for option in theirs)
        yield from (".PP", f"Of the options about the server, below, it takes {names}.")


def _about_servers() -> list[click.Option]:
    """Return the options that all have who talk to a server."""
    command = click.command()(connection_options(lambda: None))
    return [option for option in command.params if isinstance(option, click.Option)]


def _options(options: Sequence[click.Option]) -> Iterator[str]:
    for option in options:
        record = option.get_help_record(click.Context(click.Command(_NAME)))
        if record is not None:
            names, text = record
            yield from (".TP", f"\\fB{_text(names)}\\fR", _text(text))


def _variables(main: click.Group) -> dict[str, str]:
    """Return the variables that stand for options, each with the option."""
    return {
        str(option.envvar): f"Stands for {max(option.opts, key=len)}."
        for _, command in _commands(main)
        for option in command.params
        if option.envvar
    }


# --- text -------------------------------------------------------------------------------------------------------------


def _paragraphs(command: click.Command) -> Iterator[str]:
    r"""Give the help of a command; paragraphs that click's \b stands before stay as they are."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            kept = [line for line in paragraph.splitlines() if line.strip("\b ")]
            yield from (".nf", *(_text(line) for line in kept), ".fi")
        else:
            yield from (_text(line.strip()) for line in paragraph.splitlines())


def _list(entries: Mapping[str, str]) -> Iterator[str]:
    for term, text in entries.items():
        yield from (".TP", f"\\fB{_text(term)}\\fR", _text(text))


def _text(text: str) -> str:
    """Write text so that it is shown as it is."""
    text = text.replace("\\", "\\(rs").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    text = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text)
    return _REQUEST.sub(r"\\&", _quotes(text))


def _quotes(text: str) -> str:
    # They would become typographic ones, which no shell knows.
    return text.replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
