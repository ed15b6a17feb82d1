"""LDIF in files, streams and commands: what the real ``ldapmodify`` makes of it is the directory."""

from __future__ import annotations

import io
import shlex
import subprocess
from contextlib import closing
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import ldap
import ldif
import pytest

from syncrepl_client import Replica, Retention, SyncreplMode, subscribe
from syncrepl_client.envelope.ldif import Ldif
from syncrepl_client.exceptions import EventRejected
from syncrepl_client.relay import Relay
from syncrepl_client.sinks.command import CommandSink
from syncrepl_client.sinks.file import FileSink
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.sinks.stdout import StreamSink
from syncrepl_client.store.store import Store
from tests.server import find_program
from tests.sinks.dying import killed
from tests.sinks.events import event, record
from tests.slapd import SUFFIX, Slapd, empty_tree
from tests.store.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncrepl_client.sinks.base import Sink

PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
EVERYTHING = Retention(age=None, octets=None)
HEAD = b"version: 1\n\n"
ONE, TWO, THREE = (record(number).body.removeprefix(HEAD) for number in (1, 2, 3))  # type: ignore[union-attr]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.ldif"


def write(sink: Sink, *numbers: int) -> None:
    sink.open()
    with closing(sink):
        for number in numbers:
            sink.publish([record(number)])


@pytest.mark.parametrize(
    ("torn", "left"),
    [
        (b"", HEAD),
        (HEAD[:4], HEAD),
        (HEAD[:-1], HEAD),
        (HEAD, HEAD),
        (HEAD + ONE[:9], HEAD),
        (HEAD + ONE[:-1], HEAD),
        (HEAD + ONE, HEAD + ONE),
        (HEAD + ONE + THREE[:20], HEAD + ONE),
        (HEAD + ONE + b"x" * 200_000, HEAD + ONE),
        # The empty line is in two of the blocks that are read from the end.
        (HEAD + ONE + b"x" * ((1 << 16) - 1), HEAD + ONE),
        (HEAD + ONE + b"x" * (1 << 16), HEAD + ONE),
    ],
)
def test_a_record_that_is_not_whole_is_cut_off(path: Path, torn: bytes, left: bytes) -> None:
    path.write_bytes(torn)
    write(FileSink(path), 2)
    assert path.read_bytes() == left + TWO


def test_each_file_begins_with_the_version(path: Path) -> None:
    write(FileSink(path, max_octets=1), 1, 2)
    assert path.with_name("changes.ldif.000001").read_bytes() == HEAD + ONE
    assert path.read_bytes() == HEAD + TWO


def test_a_file_holds_lines_or_records(path: Path) -> None:
    sink = FileSink(path)
    sink.open()
    with closing(sink):
        sink.publish([event(1), record(1), record(2), event(2)])
        sink.publish([event(3)])
    write(FileSink(path), 3)
    kept = [one.read_bytes() for one in sorted(path.parent.iterdir())]
    assert kept == [HEAD + THREE, b'{"id":"e1"}\n', HEAD + ONE + TWO, b'{"id":"e2"}\n{"id":"e3"}\n']


def test_records_around_the_body_are_lines(path: Path) -> None:
    write(FileSink(path, records=True), 1)
    assert b'"data_base64":' in path.read_bytes()


# --- streams and commands ---------------------------------------------------------------------------------------------


def test_a_stream_begins_with_the_version_once() -> None:
    stream = io.BytesIO()
    sink = StreamSink(stream)
    write(sink, 1, 2)
    write(sink, 3)
    assert stream.getvalue() == HEAD + ONE + TWO + THREE


def test_standard_output_has_one_beginning_whoever_writes_to_it(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(StreamSink.from_url("stdout:"), 1)
    write(StreamSink.from_url("stdout:"), 2)
    assert capfdbinary.readouterr().out == HEAD + ONE + TWO


def test_a_command_gets_a_file_each_time(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    sink = CommandSink(["sh", "-c", f"cat >> {shlex.quote(str(kept))}; echo -- >> {shlex.quote(str(kept))}"])
    sink.open()
    sink.publish([record(1), record(2), event(3)])
    sink.publish([record(3)])
    assert kept.read_bytes() == HEAD + ONE + TWO + b'--\n{"id":"e3"}\n--\n' + HEAD + THREE + b"--\n"


def test_a_command_that_refuses_one_record_gets_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    script = f'text=$(cat); case "$text" in *cn=2,*) exit 65;; esac; echo "$text" >> {shlex.quote(str(kept))}'
    sink = CommandSink(["sh", "-c", script])
    sink.open()
    with pytest.raises(EventRejected) as caught:
        sink.publish([record(number) for number in (1, 2, 3)])
    assert caught.value.event.sequence == 2
    assert kept.read_bytes() == HEAD + ONE[:-1]


# --- what becomes of it -----------------------------------------------------------------------------------------------


class Pair:
    """A directory, and one that is made of the LDIF of its changes."""

    def __init__(self, folder: Path, source: Slapd, target: Slapd) -> None:
        self.source = source
        self.target = target
        self._folder = folder
        self._files = 0
        self.password = folder / "password"
        self.password.write_text(target.rootpw)
        self._refresh()

    def _refresh(self) -> None:
        url = f"{self.source.url}/{SUFFIX}"
        with Replica(url, self._folder / "data", mode=SyncreplMode.REFRESH_ONLY, changelog=EVERYTHING) as replica:
            replica.refresh()

    def deliver(self, sink: Sink) -> None:
        """Deliver what has changed."""
        self._refresh()
        with subscribe(self._folder / "data", "ldif") as subscription:
            relay = Relay(subscription, Ldif("file").events, sink, random=Random(1).random)
            with closing(relay):
                for _ in range(4):
                    relay.step(0)

    def applied(self) -> str:
        """Deliver to a file and apply it; returns what it says."""
        self._files += 1
        path = self._folder / f"changes.{self._files}"
        self.deliver(FileSink(path))
        command = [*self.command(), "-f", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{path.read_text()}"
        return path.read_text()

    def command(self) -> list[str]:
        """Return the command that applies LDIF to the target."""
        program = find_program("ldapmodify", "ldap-utils")
        return [program, "-x", "-H", self.target.url, "-D", self.target.rootdn, "-y", str(self.password)]

    def differences(self) -> dict[str, object]:
        """Return what is not the same in both."""
        one, other = (
            {dn: {name: set(values) for name, values in found.items()} for dn, found in server.search(SUFFIX).items()}
            for server in (self.source, self.target)
        )
        return {dn: (one.get(dn), other.get(dn)) for dn in one.keys() | other.keys() if one.get(dn) != other.get(dn)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Slapd(sessionlog=1000) as source, Slapd() as target:
        source.load(empty_tree())
        source.start()
        target.start()
        for name in ("a", "b", "c", "d"):
            source.add(person(name), {"objectClass": ["inetOrgPerson"], "cn": [name], "sn": ["s"]})
        made = Pair(tmp_path_factory.mktemp("pair"), source, target)
        # The entries of the snapshot are added, those above others first.
        assert made.applied().count("\nchangetype: add\n") == 7
        assert made.differences() == {}
        yield made


def person(name: str) -> str:
    return f"cn={name},{PEOPLE}"


def move_a_tree(server: Slapd) -> None:
    server.add(f"ou=old,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": ["old"]})
    server.add(f"cn=t,ou=old,{SUFFIX}", {"objectClass": ["person"], "cn": ["t"], "sn": ["s"]})


def rename_and_update(server: Slapd) -> None:
    server.rename(person("d"), "cn=dd")
    server.replace(person("dd"), "sn", ["other"])


CHANGES: dict[str, tuple[Callable[[Slapd], object], str]] = {
    "created": (
        lambda server: server.add(
            person("new\\, \u00e9\\0A"), {"objectClass": ["inetOrgPerson"], "cn": ["new, \u00e9\n"], "sn": [" s "]}
        ),
        "changetype: add",
    ),
    "updated": (
        lambda server: server.modify(
            person("a"), [(ldap.MOD_ADD, "jpegPhoto", [b"\xff\x00"]), (ldap.MOD_REPLACE, "sn", ["x", "y"])]
        ),
        "changetype: modify",
    ),
    "renamed": (lambda server: server.rename(person("b"), "cn=z", GROUPS), "newsuperior: "),
    "deleted": (lambda server: server.delete(person("c")), "changetype: delete"),
    "renamed and updated": (
        rename_and_update,
        ":modify\n# kind: renamed",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_ldapmodify_makes_each_change(pair: Pair, what: str) -> None:
    change, expected = CHANGES[what]
    change(pair.source)

    assert expected in pair.applied()
    assert pair.differences() == {}


def test_ldapmodify_moves_what_is_below_along(pair: Pair) -> None:
    move_a_tree(pair.source)
    pair.applied()
    pair.source.rename(f"ou=old,{SUFFIX}", "ou=moved", PEOPLE)

    text = pair.applied()
    assert (text.count("changetype: modrdn"), text.count("# nothing to apply")) == (1, 1)
    assert pair.differences() == {}
    pair.source.delete(f"cn=t,ou=moved,{PEOPLE}")
    pair.source.delete(f"ou=moved,{PEOPLE}")
    pair.applied()
    assert pair.differences() == {}


def test_ldapmodify_can_be_the_command_of_a_sink(pair: Pair) -> None:
    pair.source.add(person("piped"), {"objectClass": ["person"], "cn": ["piped"], "sn": ["s"]})
    pair.deliver(CommandSink.from_url(f"exec:{shlex.join(pair.command())}"))
    assert pair.differences() == {}


# --- whatever happens -------------------------------------------------------------------------------------------------


def deliver(path: Path, name: str, sink: Sink, batch: int = 7) -> None:
    """Deliver all there is, as one life of a relay."""
    with subscribe(path, name) as subscription:
        relay = Relay(subscription, Ldif("file").events, sink, random=Random(1).random, batch=batch)
        with closing(relay):
            before = -1
            while before != relay.status().delivered or relay.status().offset is None:
                before = relay.status().delivered
                relay.step(0)
                relay.step(0)


def names(folder: Path) -> tuple[list[str], set[str]]:
    """Read files as ldapmodify would, without what comes again; returns the ids, and the names that are there then."""
    seen: list[str] = []
    there: set[str] = set()
    files = [*sorted(folder.glob("changes.*")), folder / "changes"]
    for file in files:
        octets = file.read_bytes()
        assert octets.startswith(HEAD)
        ldif.LDIFRecordList(io.BytesIO(octets)).parse_change_records()
        for text in octets.removeprefix(HEAD).decode().split("\n\n")[:-1]:
            lines = text.replace("\n ", "").split("\n")
            comments = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
            if comments["id"] not in seen:
                seen.append(comments["id"])
                follow(there, [line for line in lines if not line.startswith("#")])
    return seen, there


def follow(there: set[str], record: list[str]) -> None:
    """Follow what a record does to names."""
    if not record:
        return
    dn = record[0].removeprefix("dn: ").lower()
    match record[1]:
        case "changetype: add":
            assert dn not in there
            there.add(dn)
        case "changetype: delete":
            there.remove(dn)
        case "changetype: modrdn":
            there.remove(dn)
            there.add(f"{record[2].removeprefix('newrdn: ').lower()},{dn.partition(',')[2]}")
        case _:
            assert dn in there


def test_a_file_that_was_written_by_many_lives_has_every_record_in_order(tmp_path: Path) -> None:
    folder, path, random = tmp_path / "kept", tmp_path / "data", Random(9)
    folder.mkdir()
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        changing = Changing(store, Random(5))
        for name in ("relay", "witness"):
            subscribe(path, name).close()
        deaths = 0
        while deaths < 8:
            for _ in range(random.randrange(12)):
                changing.live()
            sink = FileSink(folder / "changes", max_octets=8000)
            deaths += killed(partial(deliver, path, "relay", sink), 0.3 * random.random() ** 3)
        deliver(path, "relay", FileSink(folder / "changes", max_octets=8000))
        witness = MemorySink()
        deliver(path, "witness", witness)
        ids, there = names(folder)
        assert [one for one in ids if not one.endswith(":modify")] == [one.id for one in witness.events]
        assert there == {dn.lower() for dn, _ in changing.state.values()}
