"""Who the command is: what URL and options make of it, where the password comes from, and what is said about it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import click
import pytest

from syncrepl_client.cli.identity import Asked, find_credentials, find_password
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.credentials import Anonymous, Choice, External, Kerberos, Plain, Scram, Simple
from syncrepl_client.ldap import url as urls

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = Messages(ProgressLine(enabled=False), quiet=False)
NAMED = "ldap://h/dc=x????bindname=cn=a"


def find(url: str, file: str | None = None) -> bytes | None:
    found = find_password(urls.parse(url), file, MESSAGES)
    return None if found is None else found.reveal()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"pass word\r\n")
    path.chmod(0o600)
    return path


class Terminal(io.StringIO):
    """Standard input with somebody in front of it."""

    def isatty(self) -> bool:
        return True


def test_a_file_holds_it_on_its_line(secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find(NAMED, str(secret)) == b"pass word"
    assert capsys.readouterr().err == ""


def test_standard_input_may_be_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))

    assert find(NAMED, "-") == b"secret"


@pytest.mark.parametrize(("content", "reason"), [(b"\n", "the password is empty"), (None, "cannot read")])
def test_a_file_of_no_use_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """RFC 4513 section 5.1.2: the server would take an empty one for an anonymous bind."""
    if content is not None:
        (tmp_path / "file").write_bytes(content)

    with pytest.raises(click.UsageError, match=reason):
        find(NAMED, str(tmp_path / "file"))


def test_a_name_is_needed(secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find("ldap://h/dc=x") is None
    assert find("ldap://h/dc=x", str(secret)) is None
    assert "the URL has no bindname" in capsys.readouterr().err


def test_one_in_the_url_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert find(f"{NAMED},X-BINDPW=geheim") is None

    said = capsys.readouterr().err
    assert "list of processes" in said
    assert "geheim" not in said


def test_who_sits_at_the_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "pässword"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)

    assert find(NAMED) == "pässword".encode()
    assert "Password of cn=a" in asked[0]


def test_nobody_is_asked_where_nobody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert find(NAMED) is None


def test_a_file_is_read_anew_for_each_bind(secret: Path) -> None:
    found = find_password(urls.parse(NAMED), str(secret), MESSAGES)
    assert found is not None
    secret.write_bytes(b"changed\n")

    assert found.reveal() == b"changed"


def test_a_service_has_its_password_from_systemd(secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert find(NAMED) is None
    assert asked("ldap://h/dc=x", sasl="GSSAPI") == Kerberos()

    secret.rename(tmp_path / "syncrepl-password")
    (tmp_path / "syncrepl-keytab").touch(0o600)

    assert find(NAMED) == b"pass word"
    assert find("ldap://h/dc=x") is None
    assert asked("ldap://h/dc=x", sasl="GSSAPI") == Kerberos(str(tmp_path / "syncrepl-keytab"))


# --- who to be --------------------------------------------------------------------------------------------------------


def asked(url: str, **options: str) -> object:
    return find_credentials(urls.parse(url), Asked(**options), MESSAGES)


def test_the_url_alone_says_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert asked("ldap://h/dc=x") == Anonymous()
    assert isinstance(asked(NAMED), Simple)
    assert asked("ldap://h/dc=x????bindname=gssapi") == Kerberos()


def test_the_options_say_who(secret: Path) -> None:
    url = "ldap://h/dc=x"
    file = str(secret)

    assert asked(url, sasl="EXTERNAL", authzid="u:x") == External("u:x")
    assert asked(f"{url}????bindname=GSSAPI", keytab=file, principal="p", sasl_layer="none") == Kerberos(
        file, "p", "none"
    )
    plain = asked(url, sasl="PLAIN", user="a", authzid="u:x", password_file=file)
    assert isinstance(plain, Plain)
    assert (plain.user, plain.authzid, plain.password.reveal()) == ("a", "u:x", b"pass word")
    strongest, named = (asked(url, sasl=one, user="a", password_file=file) for one in ("SCRAM", "SCRAM-SHA-1"))
    assert isinstance(strongest, Scram)
    assert isinstance(named, Scram)
    assert (strongest.mechanism, named.mechanism) == (None, "SCRAM-SHA-1")
    chosen = asked(url, sasl="auto", user="a", password_file=file)
    assert isinstance(chosen, Choice)
    assert [type(one) for one in chosen.alternatives] == [Scram, Plain]


@pytest.mark.parametrize(
    ("url", "options", "reason"),
    [
        (NAMED, {"sasl": "SCRAM", "user": "a"}, "exclude each other"),
        ("ldap://h/dc=x????bindname=GSSAPI", {"sasl": "PLAIN", "user": "a"}, "exclude each other"),
        ("ldap://h/dc=x", {"sasl": "SCRAM"}, "needs --user"),
        ("ldap://h/dc=x", {"sasl": "PLAIN", "user": "a"}, "no password"),
        ("ldap://h/dc=x", {"user": "a"}, "--user is of no use without --sasl"),
        ("ldap://h/dc=x", {"sasl_layer": "none"}, "--sasl-layer is of no use without --sasl"),
        ("ldap://h/dc=x", {"sasl": "EXTERNAL", "keytab": "k"}, "--keytab is of no use without --sasl GSSAPI"),
        ("ldap://h/dc=x", {"sasl": "GSSAPI", "user": "a"}, "--user is of no use with --sasl GSSAPI"),
    ],
)
def test_what_contradicts_itself_is_refused(
    url: str, options: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    with pytest.raises(click.UsageError, match=reason):
        asked(url, **options)
