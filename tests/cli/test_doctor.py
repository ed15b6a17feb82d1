"""The command doctor, run as users run it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from syncrepl_client.cli.doctor import doctor
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.testing import Provider, script
from tests.cli.command import run as run_command
from tests.slapd import SUFFIX, Slapd, empty_tree, ldif_entry

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PASSWORD = "Tr0ub4dor-and-3"
READER = f"cn=reader,{SUFFIX}"


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=100) as slapd:
        attrs = {"objectClass": ["person"], "cn": ["reader"], "sn": ["r"], "userPassword": [PASSWORD]}
        slapd.load([empty_tree(), ldif_entry(READER, attrs)])
        slapd.start()
        yield slapd


def url_of(server: Slapd | Provider, *, who: str | None = None, base: str = SUFFIX) -> str:
    return f"{server.url}/{base}" + (f"????bindname={quote(who)}" if who else "")


def run(*arguments: str, text: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    done = run_command("doctor", *arguments, text=text, **variables)
    assert PASSWORD not in done.stdout + done.stderr
    return done


def report(*arguments: str, text: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *arguments, text=text).stdout)
    return found


def test_a_healthy_server_is_told_in_words(server: Slapd) -> None:
    done = run("--password-file", "-", url_of(server, who=READER), text=PASSWORD)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(server.url)
    assert f"ok       The server takes this client for dn:{READER}." in lines
    assert lines[-1] == "Synchronization works here (4 notes)."


def test_json_is_one_object(server: Slapd) -> None:
    found = report(url_of(server))
    assert found["works"] is True
    assert (found["dialect"], found["identity"], found["url"]) == (
        "openldap",
        "",
        f"{url_of(server)}??sub?(objectClass=*)",
    )
    by_name = {one["name"]: one for one in found["findings"]}
    assert by_name["sync"] == {
        "name": "sync",
        "severity": "ok",
        "text": "The server answered a sync request (RFC 4533) for the base; listening (--persist) was not tried.",
        "remedies": [],
    }
    assert by_name["limits"]["remedies"][0]["lines"] == ["limits anonymous size=unlimited time=unlimited"]


def test_lines_to_type_are_never_broken(server: Slapd) -> None:
    done = run(url_of(server))
    [look] = [line for line in done.stdout.splitlines() if "ldapsearch" in line and "olcSpNoPresent" in line]
    assert look.startswith("             ldapsearch -LLL -Y EXTERNAL")
    assert max(len(line) for line in done.stdout.splitlines() if not line.startswith(" " * 13)) <= 100


def test_a_wrong_password_exits_as_elsewhere_and_tells_the_rest(server: Slapd) -> None:
    done = run("--password-file", "-", url_of(server, who=READER), text="wrong horse")
    assert done.returncode == ExitCode.ACCESS
    assert "problem  Bind failed: invalidCredentials" in done.stdout
    assert "The server answered a sync request" in done.stdout
    assert "wrong horse" not in done.stdout + done.stderr


def test_a_password_in_the_url_is_warned_about(server: Slapd) -> None:
    done = run(f"{url_of(server, who=READER)},X-BINDPW={PASSWORD}")
    assert done.returncode == ExitCode.OK
    assert done.stderr.startswith("warning: a password in the URL shows")


def test_each_error_has_the_exit_code_of_the_main_command(server: Slapd) -> None:
    assert run(url_of(server, base=f"ou=none,{SUFFIX}")).returncode == ExitCode.NOT_OFFERED
    assert run("http://x/").returncode == ExitCode.USAGE
    assert run("--starttls", f"{server.ldapi_url}/{SUFFIX}").returncode == ExitCode.USAGE
    assert run().returncode == ExitCode.USAGE
    server.stop()
    done = run(url_of(server))
    assert done.returncode == ExitCode.CONNECTION
    assert done.stdout.splitlines()[-1] == "Synchronization does not work here as it should (1 problem)."


def test_a_server_without_synchronization() -> None:
    with Slapd(sync_provider=False) as server:
        server.load(empty_tree())
        server.start()
        done = run(url_of(server))
    assert done.returncode == ExitCode.NOT_OFFERED
    assert "             overlay syncprov" in done.stdout.splitlines()


def test_what_loses_changes_without_an_error_has_a_code_of_its_own() -> None:
    rules = 'access to dn.one="ou=people,dc=example,dc=com" attrs=entryCSN by * none\naccess to * by * read'
    with Slapd(extra_database=rules) as server:
        server.load([empty_tree(), ldif_entry(f"ou=x,ou=people,{SUFFIX}", {"objectClass": ["organizationalUnit"]})])
        server.start()
        done = run(url_of(server))
    assert done.returncode == ExitCode.UNFIT
    assert "changes would be missing" in " ".join(done.stdout.split())


def test_what_a_server_says_does_not_reach_the_terminal() -> None:
    with Provider(root_dse={"objectClass": "top", "vendorName": "\x1b[31mred"}) as provider:
        provider.script(script.search_done(80, "\x1b]0;title\x07"))
        done = run(url_of(provider))
    assert "\\x1b[31mred" in done.stdout
    assert "\x1b" not in done.stdout


def test_help_tells_options_and_exit_codes() -> None:
    shown = CliRunner().invoke(doctor, ["--help"]).output
    for word in ("--json", "--starttls", "--password-file", "11"):
        assert word in shown
