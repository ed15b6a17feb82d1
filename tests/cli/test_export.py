"""`export`, on copies of real servers, read by other programs."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Reader, Replica
from syncrepl_client.cli.ending import left_by_signals
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.writing import destination
from tests.cli.copied import person, refresh, run, where
from tests.cli.running import piped
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PEOPLE = 8
ENTRIES = PEOPLE + 3


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(server: Slapd, tmp_path: Path) -> str:
    path = str(tmp_path / "copy.db")
    refresh(server, path)
    return path


def dns(lines: str) -> list[str]:
    return [json.loads(line)["dn"] for line in lines.splitlines()]


# --- the forms --------------------------------------------------------------------------------------------------------


def test_ldif_is_what_slapadd_and_ldapadd_read(server: Slapd, data: str, tmp_path: Path) -> None:
    odd: dict[str, Sequence[str | bytes]] = {
        "objectClass": ["inetOrgPerson"],
        "cn": [" odd "],
        "sn": ["x" * 300],
        "jpegPhoto": [b"\xff\xd8\x00"],
    }
    server.add(f"cn=\\20odd\\20,{SUFFIX}", {**odd, "description": [":a", "zwei\nZeilen", "ü"], "userPassword": ["a"]})
    # So that the children of an entry are in the file before it.
    server.rename(f"ou=people,{SUFFIX}", "ou=staff", f"ou=groups,{SUFFIX}")
    refresh(server, data)

    shown = run("export", data)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    file = tmp_path / "all.ldif"
    file.write_text(shown.stdout)
    with Slapd() as loaded, Slapd() as other:
        loaded.load(file)
        loaded.start()
        assert loaded.search() == server.search()
        other.start()
        command = ["ldapadd", "-x", "-H", other.url, "-D", f"cn=admin,{SUFFIX}", "-w", "secret", "-f", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert other.search() == server.search()


def test_json_is_a_line_for_each_entry_parents_first(server: Slapd, data: str) -> None:
    server.rename(f"ou=people,{SUFFIX}", "ou=staff", f"ou=groups,{SUFFIX}")
    refresh(server, data)

    lines = run("export", "--json", data).stdout

    assert len(dns(lines)) == ENTRIES
    assert dns(lines)[:3] == [SUFFIX, f"ou=groups,{SUFFIX}", f"ou=staff,ou=groups,{SUFFIX}"]
    first = json.loads(lines.splitlines()[0])
    assert set(first) == {"dn", "entryUUID", "attributes"}
    assert first["attributes"]["objectClass"] == ["top", "dcObject", "organization"]


def test_csv_has_the_columns_that_were_asked_for(server: Slapd, data: str) -> None:
    server.replace(person(1), "title", ['says "no, thanks"'])
    server.replace(person(1), "jpegPhoto", [b"\xff"])
    refresh(server, data)

    shown = run("export", "--csv", "--attrs", "UID,mail,title,jpegPhoto", data).stdout

    rows = {row["dn"]: row for row in csv.DictReader(io.StringIO(shown))}
    assert len(rows) == ENTRIES
    one = rows[person(1)]
    with Reader(data) as reader:
        entry = reader.entries.entry(person(1))
        assert entry is not None
        assert one.pop("uuid") == str(entry.uuid)
    assert one == {
        "dn": person(1),
        "UID": "u000001",
        "mail": "u000001@example.com|person.1@mail.example.com",
        "title": 'says "no, thanks"',
        "jpegPhoto": "base64:/w==",
    }
    other = run("export", "--csv", "--attrs", "mail", "--separator", " ; ", data).stdout
    assert "u000001@example.com ; person.1@mail.example.com" in other


def test_csv_has_all_attributes_unless_some_are_asked_for(data: str) -> None:
    (header, *rows) = list(csv.reader(io.StringIO(run("export", "--csv", data).stdout)))

    assert header[:4] == ["dn", "uuid", "objectClass", "dc"]
    assert {"uid", "mail", "ou"} <= set(header)
    assert {len(row) for row in rows} == {len(header)}


# --- other times ------------------------------------------------------------------------------------------------------


def test_the_copy_is_written_as_it_was(server: Slapd, data: str) -> None:
    before = run("export", data).stdout
    then = datetime.now(UTC)
    server.delete(person(1))
    server.replace(person(2), "title", ["Dr"])
    refresh(server, data)
    assert run("export", data).stdout != before

    by_time = run("export", "--at", then.isoformat(), data)
    assert by_time.stdout == before
    assert "the copy as it was at " in by_time.stderr
    assert run("export", "--at", "0", data).stdout == before
    assert person(1) in dns(run("export", "--json", "--at", "0", data).stdout)
    assert person(1) not in dns(run("export", "--json", "--at", "2", data).stdout)


def test_a_time_without_zone_is_local_time(server: Slapd, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time  # noqa: PLC0415 - the zone belongs to this test

    then = datetime.now(UTC)
    server.delete(person(1))
    refresh(server, data)
    monkeypatch.setenv("TZ", "UTC-5")
    time.tzset()
    try:
        local = (then + timedelta(hours=5)).replace(tzinfo=None).isoformat()
        shown = run("export", "--json", "--at", local, data)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert person(1) in dns(shown.stdout)
    assert "+05:00" in shown.stderr


@pytest.mark.parametrize(
    ("when", "code", "said"),
    [
        ("yesterday", ExitCode.USAGE, "is no time such as 2026-11-25T18:00"),
        ("1999-12-31", ExitCode.DATA_FILE, "error: "),
        ("17", ExitCode.DATA_FILE, "changes after number 17"),
    ],
)
def test_what_is_no_time_or_out_of_reach_is_told(data: str, when: str, code: ExitCode, said: str) -> None:
    shown = run("export", "--at", when, data)

    assert (shown.exit_code, shown.stdout) == (code, "")
    assert said in shown.stderr


def test_without_a_changelog_there_is_the_copy_as_it_is(server: Slapd, data: str) -> None:
    server.rename(f"ou=people,{SUFFIX}", "ou=staff", f"ou=groups,{SUFFIX}")
    with Replica(where(server), data, changelog=None) as replica:
        replica.refresh()

    assert dns(run("export", "--json", data).stdout)[:3] == [
        SUFFIX,
        f"ou=groups,{SUFFIX}",
        f"ou=staff,ou=groups,{SUFFIX}",
    ]
    assert run("export", "--csv", data).stdout.count("\n") == ENTRIES + 1
    shown = run("export", "--at", "0", data)
    assert shown.exit_code == ExitCode.USAGE
    assert "keeps no changelog" in shown.stderr


def test_before_the_first_copy_there_is_nothing_to_write(server: Slapd, tmp_path: Path) -> None:
    path = str(tmp_path / "new.db")
    with Replica(where(server), path):
        shown = run("export", path)

    assert shown.exit_code == ExitCode.USAGE
    assert "there is no copy" in shown.stderr


# --- where to ---------------------------------------------------------------------------------------------------------


def test_a_file_is_there_whole_and_for_its_owner_alone(data: str, tmp_path: Path) -> None:
    file = tmp_path / "all.ldif"
    file.write_text("old")

    shown = run("export", "-o", str(file), data)

    assert (shown.exit_code, shown.stdout) == (ExitCode.OK, "")
    assert shown.stderr == f"{ENTRIES} entries written to {file}\n"
    assert file.read_text() == run("export", data).stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("export", "-q", "-o", "-", data).stdout == file.read_text()


def test_a_file_that_cannot_be_finished_is_not_there(data: str, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "all.ldif"
    shown = run("export", "-o", str(file), data)
    assert (shown.exit_code, shown.stdout) == (ExitCode.OTHER, "")
    assert shown.stderr == f"error: cannot write to {file}: No such file or directory\n"

    file = tmp_path / "all.ldif"
    file.write_text("old")
    assert run("export", "--at", "17", "-o", str(file), data).exit_code == ExitCode.DATA_FILE
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if "all.ldif" in path.name) == ["all.ldif"]


def test_a_pipe_or_a_device_is_written_to_and_not_replaced(data: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert run("export", "--json", "-o", str(pipe), data).exit_code == ExitCode.OK
    reader.join(20)
    assert read == [run("export", "--json", data).stdout]
    assert pipe.is_fifo()

    full = run("export", "-o", "/dev/full", data)
    assert full.exit_code == ExitCode.OTHER
    assert "No space left on device" in full.stderr
    assert Path("/dev/full").is_char_device()


def test_a_reader_that_has_read_enough_is_no_error(data: str) -> None:
    with piped("export", data) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(20) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    path = str(tmp_path / "copy.db")
    with Slapd() as large:
        large.load(sample_ldif(400))
        large.start()
        refresh(large, path)
    with piped("export", path) as process:
        assert process.stdout is not None
        # More than a pipe holds is left: it waits for somebody who reads on.
        assert process.stdout.readline()
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_file_that_was_begun_goes_away_when_a_signal_comes(tmp_path: Path) -> None:
    file = tmp_path / "all.ldif"

    def begin() -> None:
        with left_by_signals(), destination(str(file)) as output:
            output.write("begun")
            output.flush()
            assert [path.read_text() for path in tmp_path.iterdir()] == ["begun"]
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        begin()
    assert left.value.code == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_wrong_use_is_told(data: str) -> None:
    shown = run("export", "--attrs", "cn", data)

    assert shown.exit_code == ExitCode.USAGE
    assert "of no use without it" in shown.stderr


# --- while it changes -------------------------------------------------------------------------------------------------


def test_it_is_one_moment_while_the_copy_changes(server: Slapd, data: str) -> None:
    """Each refresh renames all people; whatever is written has them all by the same name."""
    done = threading.Event()

    def keep() -> None:
        with Replica(where(server), data) as replica:
            number = 0
            while not done.is_set():
                replica.refresh()
                replica.step(0.05)
                number += 1

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        for number in range(10):
            server.rename(f"ou=people{number or ''},{SUFFIX}", f"ou=people{number + 1}")
            below = {dn.split(",")[1] for dn in dns(run("export", "--json", data).stdout) if dn.startswith("uid=")}
            assert len(below) == 1
    finally:
        done.set()
        keeper.join(20)
