"""`syncrepl-client verify`: compare a copy with the server, and repair it."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from syncrepl_client.cli.encryption import make_tls, warn_of_clear_text
from syncrepl_client.cli.exits import ExitCode, exit_code
from syncrepl_client.cli.identity import find_credentials
from syncrepl_client.cli.options import (
    identity_options,
    max_deletes_option,
    on_behalf_of_option,
    redaction_options,
    tls_options,
)
from syncrepl_client.cli.output import COMMAND
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.connection.access import Access
from syncrepl_client.exceptions import DatabaseInUse, SyncreplError
from syncrepl_client.ldap import url as urls
from syncrepl_client.replica import Replica
from syncrepl_client.store import held
from syncrepl_client.store.decisions import Decisions, copy_file
from syncrepl_client.store.files import data_file
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from syncrepl_client.cli.encryption import AskedTLS
    from syncrepl_client.cli.identity import Asked
    from syncrepl_client.consumer.guard import MaxDeletes
    from syncrepl_client.model import Report
    from syncrepl_client.redaction import Redaction

__all__ = ["verify"]


class _Difference(msgspec.Struct, rename={"uuid": "entryUUID", "server_dn": "serverDN"}):
    kind: str
    uuid: str
    dn: str | None
    server_dn: str | None


class _Report(msgspec.Struct):
    compared: int
    complete: bool
    undecided: int
    repaired: bool
    differences: list[_Difference]


@click.command(
    short_help="Compare a copy with its server, and repair it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--repair", is_flag=True, help="Make the copy what the server holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@tls_options
@identity_options
@on_behalf_of_option
@max_deletes_option
@redaction_options
@click.argument("url")
@click.argument("data", type=click.Path(readable=False))
def verify(
    *,
    url: str,
    data: str,
    repair: bool,
    as_json: bool,
    starttls: bool,
    tls: AskedTLS,
    identity: Asked,
    on_behalf_of: str,
    max_deletes: MaxDeletes | None,
    redaction: Redaction,
) -> None:
    """Compare the copy in DATA with what the server holds, whatever the cookie says.

    Each entry is printed that is missing in the copy, extra in it, different in its attributes or misnamed, although
    the stream of changes has passed it.  A copy that is merely behind is no error.  Exits with 0 if there is no
    difference, with 9 if there is, with 10 if there was and it was repaired.

    What --repair changes has to be told to the program that keeps the copy.  If that is another one than this command,
    it is asked to compare and repair the copy itself, at once if it runs, or else at its next start.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    try:
        parsed = urls.parse(url)
        access = Access(
            parsed,
            find_credentials(parsed, identity, messages),
            starttls,
            tls=make_tls(tls),
            cleartext_password=True,
            on_behalf_of=on_behalf_of,
        )
        warn_of_clear_text(access, messages)
        with warnings_shown(messages):
            report = _Work(access, data_file(data), max_deletes, redaction).run(repair=repair)
    except SyncreplError as error:
        messages.error(error)
        sys.exit(exit_code(error))
    _print(report, as_json=as_json)
    if repair and report.drift and not report.repaired:
        messages.warn("the program that keeps this copy was asked to compare and repair it")
    sys.exit(_status(report))


class _Work:
    """One comparison."""

    def __init__(self, access: Access, path: Path, max_deletes: MaxDeletes | None, redaction: Redaction) -> None:
        self._access = access
        self._path = path
        self._max_deletes = max_deletes
        self._redaction = redaction

    def run(self, *, repair: bool) -> Report:
        # It must be there already: a mistyped path is no empty copy.
        with closing(Decisions(self._path)):
            pass
        try:
            report = self._verify(self._path, repair=repair)
        except DatabaseInUse:
            with tempfile.TemporaryDirectory(prefix=".syncrepl-verify-", dir=self._path.parent) as folder:
                snapshot = Path(folder, "snapshot.db")
                copy_file(self._path, snapshot)
                report = self._verify(snapshot, repair=False)
        if repair and report.drift and not report.repaired:
            with closing(Decisions(self._path)) as decisions:
                decisions.ask(held.REPAIR)
        return report

    def _verify(self, path: Path, *, repair: bool) -> Report:
        access = self._access
        replica = Replica(
            access.url,
            path,
            starttls=access.starttls,
            tls=access.tls,
            cleartext_password=access.cleartext_password,
            credentials=access.credentials,
            on_behalf_of=access.on_behalf_of,
            max_deletes=self._max_deletes,
            redaction=self._redaction,
        )
        with closing(replica):
            replica.open_store()
            replica.refuse_another_search()
            ours = replica.store.state().listener in {None, COMMAND}
            return replica.verify(repair=repair and ours)


def _status(report: Report) -> ExitCode:
    if not report.drift:
        return ExitCode.OK
    return ExitCode.REPAIRED if report.repaired else ExitCode.DRIFT


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        differences = [_Difference(one.kind, str(one.uuid), one.dn, one.server_dn) for one in report.differences]
        result = _Report(report.compared, report.complete, report.undecided, report.repaired, differences)
        click.echo(msgspec.json.encode(result))
        return
    for one in report.differences:
        other = f" (on the server: {printable(one.server_dn)})" if one.kind == "misnamed" and one.server_dn else ""
        click.echo(f"{one.kind} {one.uuid} {printable(one.dn or one.server_dn or '')}{other}")
    if not report.complete:
        click.echo("so much differs that it was not looked at one by one")
    click.echo(f"{report.compared} entries compared, {len(report.differences)} differ", err=True)
