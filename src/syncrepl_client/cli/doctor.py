"""`syncrepl-client doctor`: what a server is, and whether synchronization will work there."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final

import click
import msgspec

from syncrepl_client.cli.encryption import make_tls
from syncrepl_client.cli.exits import ExitCode, exit_code
from syncrepl_client.cli.identity import find_credentials
from syncrepl_client.cli.options import identity_options, on_behalf_of_option, tls_options
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.connection.access import Access
from syncrepl_client.diagnosis.finding import Severity
from syncrepl_client.diagnosis.table import diagnose, works
from syncrepl_client.examination.examine import examine
from syncrepl_client.exceptions import SyncreplError
from syncrepl_client.ldap import url as urls
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.cli.encryption import AskedTLS
    from syncrepl_client.cli.identity import Asked
    from syncrepl_client.diagnosis.facts import Facts
    from syncrepl_client.diagnosis.finding import Finding

__all__ = ["doctor"]

_WIDTH: Final = 100
_INDENT: Final = " " * 9


class _Remedy(msgspec.Struct):
    where: str
    lines: tuple[str, ...]


class _Finding(msgspec.Struct):
    name: str
    severity: str
    text: str
    remedies: list[_Remedy]


class _Report(msgspec.Struct):
    url: str
    works: bool
    vendor: str
    version: str
    dialect: str | None
    identity: str | None
    findings: list[_Finding]


@click.command(
    short_help="Say whether a server is fit for it, and what to change.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@tls_options
@identity_options
@on_behalf_of_option
@click.argument("url")
def doctor(*, url: str, as_json: bool, starttls: bool, tls: AskedTLS, identity: Asked, on_behalf_of: str) -> None:
    """Say what the server of URL is, and how well synchronization works there.

    For each problem the lines are printed that repair it in the server's configuration.  Nothing is written to the
    server, and no question is dear to it: of the content at most 5000 names are read.  Exits with 0 if synchronization
    will work, with 11 if the server would lose changes or a password is given away, and otherwise with what the main
    command would exit with.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    try:
        parsed = urls.parse(url)
        credentials = find_credentials(parsed, identity, messages)
        access = Access(
            parsed,
            credentials,
            starttls,
            tls=make_tls(tls),
            # It is one of the findings.
            cleartext_password=True,
            on_behalf_of=on_behalf_of,
        )
        with warnings_shown(messages):
            facts = examine(access)
    except SyncreplError as error:
        messages.error(error)
        sys.exit(exit_code(error))
    findings = diagnose(facts)
    if as_json:
        click.echo(msgspec.json.encode(_report(facts, findings)).decode())
    else:
        click.echo("\n".join(_readable(facts, findings)))
    sys.exit(_status(facts, findings))


def _status(facts: Facts, findings: Sequence[Finding]) -> ExitCode:
    for error in facts.errors:
        return exit_code(error)
    return ExitCode.OK if works(findings) else ExitCode.UNFIT


def _report(facts: Facts, findings: Sequence[Finding]) -> _Report:
    server = facts.server
    return _Report(
        url=str(facts.url),
        works=works(findings),
        vendor=server.vendor,
        version=facts.said_version,
        dialect=facts.dialect.name if server.known else None,
        identity=facts.link.identity,
        findings=[
            _Finding(
                one.name, one.severity.value, one.text, [_Remedy(remedy.where, remedy.lines) for remedy in one.remedies]
            )
            for one in findings
        ],
    )


def _readable(facts: Facts, findings: Sequence[Finding]) -> Iterator[str]:
    yield printable(str(facts.url))
    yield ""
    for finding in findings:
        yield _wrapped(f"{finding.severity.value:8} {finding.text}", _INDENT)
        for remedy in finding.remedies:
            yield _wrapped(f"{_INDENT}{remedy.where}:", f"{_INDENT}  ")
            # Never wrapped: they are to be copied.
            yield from (f"{_INDENT}    {printable(line)}".rstrip() for line in remedy.lines)
    yield ""
    yield _verdict(findings)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        printable(text), _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _verdict(findings: Sequence[Finding]) -> str:
    count = Counter(finding.severity for finding in findings)
    parts = [
        f"{count[severity]} {severity.value}{'' if count[severity] == 1 else 's'}"
        for severity in (Severity.PROBLEM, Severity.WARNING, Severity.NOTE)
        if count[severity]
    ]
    told = f" ({', '.join(parts)})" if parts else ""
    return f"Synchronization {'works here' if works(findings) else 'does not work here as it should'}{told}."
