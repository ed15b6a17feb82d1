"""Copies of a real server without what is redacted: what is in the files, what is told, and what shows."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Modified, Origin, Replica, Syncrepl, SyncreplMode
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import UsageError
from syncrepl_client.redaction import MASK, PASSWORDS, Redaction
from tests.cli.command import run
from tests.following import Follower, Heard, until
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.verification import PEOPLE, person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import Change
    from syncrepl_client.connection.listener import BoundConnection

ONCE = SyncreplMode.REFRESH_ONLY
KEY = b"0123456789abcdef"
FIRST, SECOND = "open sesame", "Vogon poetry"
RULES = {
    "drop": Redaction(drop=["userPassword"]),
    "mask": Redaction(mask=["userPassword"]),
    "hash": Redaction(hash=["userPassword"], key=KEY),
}
EACH = pytest.mark.parametrize("rules", RULES.values(), ids=RULES)


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=100) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        for number in (1, 2):
            slapd.replace(person(number), "userPassword", [FIRST])
        yield slapd


@pytest.fixture
def url(server: Slapd) -> str:
    # The administrator may read passwords.
    return f"{server.url}/{SUFFIX}????bindname={server.rootdn.replace(',', '%2C')},x-bindpw={server.rootpw}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "copy.db"


class Listener:
    """Keeps what it is told, as text."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changes: list[tuple[Origin, str, str]] = []

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.changes.append((change.origin, type(change).__name__, change.entry.dn))
        entries = (change.before, change.after) if isinstance(change, Modified) else (change.entry,)
        self.told += [str(entry.attributes.copy()) for entry in entries]


def leaks(data: Path, *, values: tuple[str, ...] = (FIRST, SECOND)) -> set[str]:
    """Name the files in the folder of the data file that hold a password."""
    return {file.name for file in data.parent.iterdir() for value in values if value.encode() in file.read_bytes()}


def sizes(trace: str) -> set[int]:
    return {int(size) for size in re.findall(r"userPassword \(\d+, (\d+) bytes\)", trace)}


def refresh(url: str, data: Path, redaction: Redaction | None, **options: Any) -> list[tuple[Origin, str, str]]:
    listener = Listener()
    with Replica(url, data, mode=ONCE, listener=listener, redaction=redaction, **options) as replica:
        replica.run()
    assert not redaction or not any(value in text for text in listener.told for value in (FIRST, SECOND))
    return listener.changes


def password(data: Path, number: int, **options: Any) -> list[bytes] | None:
    with closing(Replica(None, data, **options)) as replica:
        replica.open_store()
        return replica.entries[person(number)].get("userPassword")


@EACH
def test_nothing_of_a_password_is_anywhere(
    server: Slapd, url: str, data: Path, rules: Redaction, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "syncrepl_client")
    lines: list[str] = []
    listener = Listener()
    with Replica(url, data, listener=listener, redaction=rules, trace=lines.append) as replica:
        replica.refresh()
        server.replace(person(1), "userPassword", [SECOND])
        server.replace(person(2), "title", ["changed"])
        while (Origin.PERSIST, "Modified", person(2)) not in listener.changes:
            assert replica.step()
        assert leaks(data) == set()
        assert not replica.verify(repair=True).drift

    shown = "\n".join([*lines, *listener.told, *(f"{record.__dict__}" for record in caplog.records)])
    assert person(1) in shown
    assert not any(value in shown for value in (FIRST, SECOND))
    # Not even the size of what was in clear.
    assert sizes("".join(lines)) == (set() if rules.drop else {len(MASK) if rules.mask else 57})
    assert leaks(data) == set()


def test_a_new_password_shows_by_its_hash(server: Slapd, url: str, data: Path) -> None:
    refresh(url, data, RULES["hash"])
    first = password(data, 1, redaction=RULES["hash"])
    assert first is not None
    assert first == password(data, 2, redaction=RULES["hash"])

    server.replace(person(1), "userPassword", [SECOND])
    server.replace(person(2), "userPassword", [SECOND])
    server.replace(person(2), "userPassword", [FIRST])

    assert refresh(url, data, RULES["hash"]) == [(Origin.REFRESH, "Modified", person(1))]
    second = password(data, 1, redaction=RULES["hash"])
    assert second is not None
    assert second != first
    assert second[0].startswith(b"{HMAC-SHA256}")


@pytest.mark.parametrize("kind", ["drop", "mask"])
def test_a_new_password_does_not_show_where_it_is_masked(server: Slapd, url: str, data: Path, kind: str) -> None:
    refresh(url, data, RULES[kind])

    server.replace(person(1), "userPassword", [SECOND, FIRST])

    assert refresh(url, data, RULES[kind]) == []
    assert password(data, 1, redaction=RULES[kind]) == (None if kind == "drop" else [MASK])


@EACH
def test_a_comparison_finds_no_difference_and_repairs_nothing(
    server: Slapd, url: str, data: Path, rules: Redaction
) -> None:
    refresh(url, data, rules)
    server.replace(person(1), "userPassword", [SECOND])

    with closing(Replica(url, data, mode=ONCE, redaction=rules)) as replica:
        for _ in range(2):
            assert not replica.verify(repair=True).drift

    assert refresh(url, data, rules, verify_every=1) == (
        [(Origin.REFRESH, "Modified", person(1))] if rules.hash else []
    )
    assert leaks(data) == set()


def test_a_repair_brings_nothing_in_clear(url: str, data: Path) -> None:
    refresh(url, data, RULES["mask"])
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("DELETE FROM syncrepl_entry WHERE dn = ?", (person(1),))

    with closing(Replica(url, data, mode=ONCE, redaction=RULES["mask"])) as replica:
        assert replica.verify(repair=True).repaired
        assert not replica.verify().drift

    assert password(data, 1, redaction=RULES["mask"]) == [MASK]
    assert leaks(data) == set()


@EACH
def test_a_copy_that_was_made_without_it_is_redacted_and_read_anew(
    server: Slapd, url: str, data: Path, rules: Redaction
) -> None:
    refresh(url, data, None)
    assert leaks(data) == {"copy.db"}

    lines: list[str] = []
    assert refresh(url, data, rules, trace=lines.append) == []

    assert leaks(data) == set()
    assert not any("Sync Request" in line and "cookie" in line for line in lines)
    lines.clear()
    refresh(url, data, rules, trace=lines.append)
    assert any("Sync Request" in line and "cookie" in line for line in lines)


def test_other_rules_or_another_key_are_another_copy(server: Slapd, url: str, data: Path) -> None:
    refresh(url, data, RULES["mask"])
    assert refresh(url, data, RULES["hash"]) == [(Origin.REFRESH, "Modified", person(n)) for n in (1, 2)]
    another = Redaction(hash=["userPassword"], key=KEY + b"x")
    assert refresh(url, data, another) == [(Origin.REFRESH, "Modified", person(n)) for n in (1, 2)]

    with closing(Replica(url, data, redaction=RULES["hash"])) as replica, pytest.raises(UsageError, match="redaction"):
        replica.verify()
    with pytest.raises(UsageError, match="none are given now"):
        refresh(url, data, None)
    assert len(refresh(url, data, Redaction())) == 2
    assert password(data, 1) == [FIRST.encode()]


def test_a_filter_may_ask_for_what_is_redacted(server: Slapd, url: str, data: Path) -> None:
    with_password = url.replace("????", "??sub?(userPassword=*)?")

    refresh(with_password, data, RULES["drop"])

    with closing(Replica(None, data, redaction=RULES["drop"])) as replica:
        replica.open_store()
        assert set(replica.entries) == {person(1), person(2)}


def test_what_a_program_asks_itself_is_answered_in_clear(server: Slapd, url: str, data: Path) -> None:
    found: list[Any] = []

    class Asking:
        def bind_complete(self, ldap: BoundConnection) -> None:
            found.extend(ldap.search_s(person(1), 0, attrlist=["userPassword"]))

    lines: list[str] = []
    with Syncrepl(data, Asking(), ONCE, url, redaction=RULES["mask"], trace=lines.append) as client:
        while client.poll():
            pass

    assert found == [(person(1), {"userPassword": [FIRST.encode()]})]
    assert sizes("".join(lines)) == {len(MASK)}
    assert leaks(data) == set()


def test_entries_that_come_along_with_a_subtree_are_redacted(server: Slapd, url: str, data: Path) -> None:
    """They are asked for beside the stream."""
    server.add(f"ou=away,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": ["away"]})
    server.add(f"ou=team,ou=away,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": ["team"]})
    member = {"objectClass": ["account", "simpleSecurityObject"], "uid": ["x"], "userPassword": [SECOND]}
    server.add(f"uid=x,ou=team,ou=away,{SUFFIX}", member)
    people = url.replace(f"/{SUFFIX}", f"/ou=people,{SUFFIX}")
    heard = Heard()
    with Follower(people, data, listener=heard, redaction=RULES["mask"]):
        heard.wait_for("refresh done")
        server.rename(f"ou=team,ou=away,{SUFFIX}", "ou=team", f"ou=people,{SUFFIX}")
        heard.wait_for(f"add uid=x,ou=team,ou=people,{SUFFIX}")
        until(lambda: not leaks(data))

    assert leaks(data) == set()
    with closing(Replica(None, data, redaction=RULES["mask"])) as replica:
        replica.open_store()
        assert replica.entries[f"uid=x,ou=team,ou=people,{SUFFIX}"]["userPassword"] == [MASK]


def test_what_comes_in_clear_while_the_program_is_busy_goes_to_no_file(url: str, data: Path) -> None:
    def spools(url: str, redaction: Redaction | None) -> list[bool]:
        with closing(Replica(url, data, redaction=redaction, cleartext_password=True)) as replica:
            replica.open_store()
            return [access.buffers is not None and access.buffers.spool > 0 for access in replica.opened.accesses]

    assert spools(url, RULES["mask"]) == [False]
    assert spools(url.replace("ldap://", "ldaps://"), RULES["mask"]) == [True]
    assert spools(url, Redaction()) == [True]


@pytest.mark.parametrize("options", [["--redact-passwords"], ["--redact", "USERPASSWORD,mail"]])
def test_the_command_masks(server: Slapd, url: str, data: Path, options: list[str]) -> None:
    first = run(*options, "--json", url, str(data))
    assert first.returncode == ExitCode.OK
    assert MASK.decode() in first.stdout
    assert FIRST not in first.stdout + first.stderr

    server.replace(person(3), "userPassword", [SECOND])
    second = run(*options, "--json", "--trace", url, str(data))
    assert person(3) in second.stdout
    assert SECOND not in second.stdout + second.stderr
    assert run("verify", *options, url, str(data)).returncode == ExitCode.OK
    assert run("verify", url, str(data)).returncode == ExitCode.USAGE
    assert leaks(data) == set()


def test_the_command_refuses_what_is_no_attribute(url: str, data: Path) -> None:
    done = run("--redact", "mail,", url, str(data))

    assert done.returncode == ExitCode.USAGE
    assert "no name of an attribute" in done.stderr
    assert not data.exists()


def test_the_default_list_is_about_what_servers_hold() -> None:
    assert {"userPassword", "sambaNTPassword", "krbPrincipalKey", "unicodePwd"} <= PASSWORDS
