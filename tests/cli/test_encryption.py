"""How the command encrypts, run as users run it: its options, what it warns of, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from syncrepl_client.cli.exits import ExitCode
from tests.certificates import KEY_PASSWORD, Authority, encrypted
from tests.cli.command import run as run_command
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "Tr0ub4dor-and-3"
UNVERIFIED = "warning: certificates are not verified: whoever is on the way can read and change everything\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Slapd]:
    """A server that wants a certificate of its clients."""
    cert, key = authority.issue("127.0.0.1")
    wanting = "TLSVerifyClient demand"
    with Slapd(rootpw=PASSWORD, tls_cert=cert, tls_key=key, tls_ca=authority.file, extra_global=wanting) as slapd:
        slapd.load(empty_tree())
        slapd.start()
        yield slapd


@pytest.fixture(scope="module")
def client(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("client@example.com", file="client")


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "copy.db")


def secret(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def run(*arguments: str | Path, text: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    done = run_command(*map(str, arguments), text=text, **variables)
    for word in (PASSWORD, KEY_PASSWORD):
        assert word not in done.stdout + done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """Return the exit code, and how each line on standard error begins."""
    return done.returncode, [line.partition(":")[0] for line in done.stderr.splitlines()]


def search(server: Slapd, url: str = "") -> str:
    return f"{url or server.ldaps_url}/{SUFFIX}"


def test_everything_about_encryption_may_be_said_by_options(
    server: Slapd, authority: Authority, client: tuple[Path, Path], data: str, tmp_path: Path
) -> None:
    cert, key = client
    password = secret(tmp_path, f"{KEY_PASSWORD}\n")
    options = ("--ca-file", authority.file, "--cert", cert)

    plain = run("--nodir", *options, "--key", key, search(server), data)
    assert (plain.returncode, plain.stderr) == (ExitCode.OK, "")
    starttls = run("--nodir", "--starttls", *options, "--key", key, search(server, server.url), data)
    assert (starttls.returncode, starttls.stderr) == (ExitCode.OK, "")
    protected = run("--nodir", *options, "--key", encrypted(key), "--key-password-file", password, search(server), data)
    assert (protected.returncode, protected.stderr) == (ExitCode.OK, "")


def test_or_by_the_environment(
    server: Slapd, authority: Authority, client: tuple[Path, Path], data: str, tmp_path: Path
) -> None:
    believed = tmp_path / "believed"
    believed.mkdir()
    (believed / "first").write_bytes(authority.file.read_bytes())
    variables = {
        "SYNCREPL_CA_FOLDER": str(believed),
        "SYNCREPL_CERT_FILE": str(client[0]),
        "SYNCREPL_KEY_FILE": str(encrypted(client[1])),
        "SYNCREPL_KEY_PASSWORD_FILE": secret(tmp_path, KEY_PASSWORD),
    }
    for command in ((), ("verify",)):
        done = run(*command, search(server), data, **variables)
        assert done.returncode == ExitCode.OK
        assert "error" not in done.stderr
    assert run("doctor", search(server), **variables).returncode == ExitCode.OK

    del variables["SYNCREPL_CA_FOLDER"], variables["SYNCREPL_KEY_PASSWORD_FILE"]
    believed.joinpath("first").rename(tmp_path / "ca.pem")
    (tmp_path / "syncrepl-key-password").write_text(KEY_PASSWORD)
    (tmp_path / "syncrepl-key-password").chmod(0o600)
    variables |= {"SYNCREPL_CA_FILE": str(tmp_path / "ca.pem"), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert run(search(server), data, **variables).returncode == ExitCode.OK


def test_what_is_not_verified_is_warned_about(server: Slapd, client: tuple[Path, Path], data: str) -> None:
    options = ("--insecure-skip-verification", "--cert", client[0], "--key", client[1])
    for command in ((), ("verify",)):
        done = run(*command, *options, search(server), data)
        assert done.returncode == ExitCode.OK
        assert done.stderr.startswith(UNVERIFIED)
    assert run("-q", *options, search(server), data).stderr == ""

    done = run("doctor", "--json", *options, search(server))
    assert done.stderr == UNVERIFIED
    (found,) = [one for one in json.loads(done.stdout)["findings"] if one["name"] == "certificate"]
    assert found["severity"] == "warning"


def test_failures_are_two_lines_and_an_exit_code(
    server: Slapd, authority: Authority, client: tuple[Path, Path], data: str, tmp_path: Path
) -> None:
    connection = (ExitCode.CONNECTION, ["error", "hint"])
    usage = (ExitCode.USAGE, ["error", "hint"])
    trusting = ("--ca-file", authority.file)
    cert, key = client
    assert said(run(search(server), data)) == connection
    assert said(run(*trusting, search(server), data)) == connection
    assert said(run(*trusting, search(server, server.url), data)) == usage
    assert said(run(*trusting, "--key", key, search(server), data)) == usage
    assert said(run(*trusting, "--cert", cert, "--key", encrypted(key), search(server), data)) == usage
    assert said(run(*trusting, "--insecure-skip-verification", search(server), data)) == usage
    assert said(run("--ca-file", tmp_path / "none", search(server), data)) == usage
    assert said(run("doctor", *trusting, "--cert", cert, search(server))) == usage

    assert run("--nodir", search(server, server.ldapi_url), data).returncode == ExitCode.OK
    assert said(run("verify", search(server), data)) == connection
    assert said(run("verify", *trusting, "--key", key, search(server), data)) == usage


def test_a_server_that_does_not_encrypt_is_no_connection(data: str) -> None:
    with Slapd() as bare:
        bare.load(empty_tree())
        bare.start()

        done = run("--starttls", search(bare, bare.url), data)

    assert said(done) == (ExitCode.CONNECTION, ["error", "hint"])
    assert "no password was sent" in done.stderr


def test_the_file_of_a_keys_password_has_to_be_one(client: tuple[Path, Path], tmp_path: Path, data: str) -> None:
    options = ("--cert", client[0], "--key", client[1], "--key-password-file")
    assert "password is empty" in run(*options, secret(tmp_path, "\n"), "ldaps://h/dc=x", data).stderr
    assert run(*options, tmp_path / "none", "ldaps://h/dc=x", data).returncode == ExitCode.USAGE


def test_each_file_that_others_can_read_is_warned_about_once(
    server: Slapd, authority: Authority, client: tuple[Path, Path], data: str, tmp_path: Path
) -> None:
    cert, key = client
    readable = tmp_path / "key.pem"
    readable.write_bytes(key.read_bytes())
    readable.chmod(0o644)
    options = ("--nodir", "--ca-file", authority.file, "--cert", cert)

    done = run(*options, "--key", readable, search(server), data)
    assert done.stderr == f"warning: others can read {readable}; chmod 600 keeps it secret\n"

    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    both.chmod(0o644)
    done = run("--nodir", "--ca-file", authority.file, "--cert", both, search(server), data)
    assert done.stderr == f"warning: others can read {both}; chmod 600 keeps it secret\n"

    password = secret(tmp_path, KEY_PASSWORD, 0o644)
    done = run(*options, "--key", encrypted(key), "--key-password-file", password, search(server), data)
    assert said(done) == (ExitCode.OK, ["warning"])
    assert f"others can read {password}" in done.stderr

    password = secret(tmp_path, PASSWORD, 0o644)
    named = f"{search(server)}????bindname={quote(ADMIN)}"
    done = run(*options, "--key", key, "--password-file", password, named, data)
    assert said(done) == (ExitCode.OK, ["warning"])


def test_a_password_in_clear_is_warned_about(server: Slapd, data: str, tmp_path: Path) -> None:
    """To 0.0.0.0 Linux connects by itself, but it is no name of this machine's."""
    elsewhere = server.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - nothing is bound to it
    url = f"{search(server, elsewhere)}????bindname={quote(ADMIN)}"
    password = secret(tmp_path, PASSWORD)
    warning = (
        f"warning: the password for 0.0.0.0:{server.port} goes over the network in clear; "
        "--starttls or ldaps:// keeps it secret\n"
    )
    done = run("--nodir", "--password-file", password, url, data)
    assert (done.returncode, done.stderr) == (ExitCode.OK, warning)
    done = run("verify", "--password-file", password, url, data)
    assert done.returncode == ExitCode.OK
    assert done.stderr.startswith(warning)

    done = run("doctor", "--json", "--password-file", password, url)
    assert (done.returncode, done.stderr) == (ExitCode.UNFIT, "")
    (found,) = [one for one in json.loads(done.stdout)["findings"] if one["name"] == "encryption"]
    assert found["severity"] == "problem"


def test_a_password_in_the_clear_is_not_sent_where_encryption_was_asked_for(server: Slapd, data: str) -> None:
    """Whatever the environment says about certificates, without --starttls nothing is encrypted."""
    url = f"{search(server, server.url)}????bindname={quote(ADMIN)}"
    done = run("--password-file", "-", url, data, text=PASSWORD, SYNCREPL_CA_FILE="/ca.pem")

    assert said(done) == (ExitCode.USAGE, ["error", "hint"])
    assert "nothing is encrypted" in done.stderr
