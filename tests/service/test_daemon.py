"""The service, run as its users run it, with real servers: what it delivers, and what it survives."""

from __future__ import annotations

import io
import re
import shlex
import signal
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import ldif
import pytest

from syncrepl_client.service.claim import is_claimed
from tests.cli.command import run
from tests.server import free_port
from tests.service.manager import Manager
from tests.service.running import ENTRIES, Service, bodies, person
from tests.slapd import SUFFIX, Slapd

if TYPE_CHECKING:
    from pathlib import Path


def where(server: Slapd) -> str:
    return f"{server.url}/{SUFFIX}"


def to_file(path: Path, **more: Any) -> dict[str, Any]:
    return {"url": path.absolute().as_uri(), **more}


def folded(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return the names of entries that CloudEvents make, by UUID; repeats are told by their ids."""
    seen: set[str] = set()
    state: dict[str, str] = {}
    for event in events:
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        after = event["data"]["after"]
        if after is None:
            state.pop(event["subject"])
        else:
            state[event["subject"]] = after["dn"]
    return state


def names(server: Slapd) -> dict[str, str]:
    return {str(uuid): dn for uuid, (dn, _) in server.uuids().items()}


# --- delivering -------------------------------------------------------------------------------------------------------


def test_what_is_there_and_what_changes_is_delivered(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        server.replace(person(1), "title", ["Dr"])
        server.rename(person(2), "uid=other")
        server.delete(person(3))
        service.wait(lambda: len(bodies(kept)) == ENTRIES + 3)
        types = [event["type"].rpartition(".")[2] for event in bodies(kept)]
        assert types == ["read"] * ENTRIES + ["updated", "renamed", "deleted"]
        assert folded(bodies(kept)) == names(server)
        assert service.end() == 0
    assert [one for one in service.log() if one["level"] in {"warning", "error"}] == []


def test_heartbeats_say_that_delivery_works(server: Slapd, kept: Path, tmp_path: Path) -> None:
    records = tmp_path / "changes.ldif"
    sinks = {
        "kept": to_file(kept, envelope="plain", heartbeat="1s", kinds=["deleted"]),
        "records": to_file(records, envelope="ldif", heartbeat="1s"),
    }

    def beats() -> list[int]:
        return [event["sequence"] for event in bodies(kept) if event["op"] == "m"]

    with Service(tmp_path, where(server), sinks) as service:
        service.wait(lambda: len(beats()) > 1)
        server.replace(person(1), "title", ["Dr"])
        # It is not told of what changed, and how far it is says the heartbeat.
        service.wait(lambda: len(set(beats())) > 1)
        service.wait(lambda: b"kind: heartbeat" in records.read_bytes().partition(b"kind: updated")[2])
        counted = re.compile(r'^syncrepl_events_total\{sink="kept",source="corp",op="heartbeat"\} [1-9]', re.MULTILINE)
        service.wait(lambda: counted.search(service.ask("/metrics")[1]))
        before = len(beats())
        service.kill()
        service.start()
        service.wait(lambda: len(beats()) > before)
        service.end()
    ids = [event["id"] for event in bodies(kept)]
    assert len(ids) == len(beats()) == len(set(ids))
    assert beats() == sorted(beats())
    parser = ldif.LDIFRecordList(io.BytesIO(records.read_bytes()))
    parser.parse_change_records()
    assert (parser.changetype_counter["add"], parser.changetype_counter["modify"]) == (ENTRIES, 1)


def test_passwords_are_masked_unless_somebody_says_otherwise(server: Slapd, kept: Path, tmp_path: Path) -> None:
    server.replace(person(1), "userPassword", ["s3cret"])
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        server.replace(person(1), "userPassword", ["0ther"])
        server.replace(person(1), "title", ["Dr"])
        service.wait(lambda: any(event["type"].endswith("updated") for event in bodies(kept)))
        service.end()
    assert b"REDACTED" in kept.read_bytes()
    for file in (kept, *service.data.iterdir()):
        assert b"s3cret" not in file.read_bytes()
        assert b"0ther" not in file.read_bytes()


def test_a_sink_that_is_dead_does_not_keep_another_one(server: Slapd, kept: Path, tmp_path: Path) -> None:
    sinks = {"kept": to_file(kept), "dead": {"url": f"http://127.0.0.1:{free_port()}/", "retry_longest": "2s"}}
    with Service(tmp_path, where(server), sinks) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.until("sink-waiting")
        for number in range(5):
            server.replace(person(1), "title", [str(number)])
            began = time.monotonic()
            service.wait(lambda number=number: len(bodies(kept)) == ENTRIES + number + 1)  # type: ignore[misc]
            assert time.monotonic() - began < 1
        service.wait(lambda: "[-] sink dead from corp: the receiver is away" in service.ask("/readyz?verbose")[1])
        status, said = service.ask("/readyz?verbose")
        assert status == 503
        assert "[+] sink kept from corp" in said
        service.wait(
            lambda: 'syncrepl_outbox_pending_events{sink="kept",source="corp"} 0' in service.ask("/metrics")[1]
        )


def test_a_sink_that_lacks_the_entries_that_were_there_is_not_ready(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with socket.socket() as taken, Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        # Nobody else gets it meanwhile.
        taken.bind(("127.0.0.1", 0))
        service.wait(lambda: service.ask("/readyz")[0] == 200)
        service.tables["sinks.dead"] = {"url": f"http://127.0.0.1:{taken.getsockname()[1]}/"}
        service.reload()
        service.wait(lambda: "[-] sink dead from corp: the receiver is away" in service.ask("/readyz")[1])
        assert 'syncrepl_sink_lag_seconds{sink="dead"' not in service.ask("/metrics")[1]
        lines = run("sinks", str(service.file)).stdout.splitlines()
        assert lines[2].split()[:4] == ["dead", "corp", "waiting", "snapshot"]


def test_a_receiver_that_stays_away_is_told_once(server: Slapd, kept: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sink = {"url": f"exec:sh -c 'test -e {gate} && cat >> {kept}'", "retry_first": "10ms", "retry_longest": "20ms"}
    with Service(tmp_path, where(server), {"gated": sink}) as service:
        service.until("sink-waiting")
        errors = re.compile(r'^syncrepl_sink_errors_total\{sink="gated",source="corp"\} (\d+)$', re.MULTILINE)
        service.wait(lambda: int(errors.findall(service.ask("/metrics")[1])[0]) > 3)
        gate.touch()
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.until("sink-running")
        assert service.end() == 0
    told = [(one["what"], one["level"]) for one in service.log() if str(one.get("what")).startswith("sink-")]
    assert told == [("sink-waiting", "warning"), ("sink-running", "info")]


def test_it_goes_on_where_it_was_killed(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.kill()
        server.delete(person(3))
        service.start()
        service.wait(lambda: any(event["type"].endswith("deleted") for event in bodies(kept)))
        assert folded(bodies(kept)) == names(server)


def test_several_sources_go_to_one_sink(server: Slapd, kept: Path, tmp_path: Path) -> None:
    service = Service(tmp_path, f"{where(server)}??sub?(uid=u000001)", {"kept": {"url": "exec:sh -c 'cat >> all'"}})
    service.tables["sources.rest"] = {"url": f"{where(server)}??sub?(!(uid=u000001))"}
    service.tables["sinks.kept"]["url"] = f"exec:flock {tmp_path}/lock sh -c 'cat >> {kept}'"
    with service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        assert len({event["id"].partition(":")[0] for event in bodies(kept)}) == 2


# --- starting, and what is away ---------------------------------------------------------------------------------------


def test_a_server_that_is_away_at_the_start_is_waited_for(server: Slapd, kept: Path, tmp_path: Path) -> None:
    server.stop()
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.until("try-failed")
        service.wait(lambda: "there is no copy yet: no connection" in service.ask("/readyz")[1])
        assert service.ask("/livez")[0] == 200
        server.start()
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.wait(lambda: service.ask("/readyz")[0] == 200)


def test_a_wrong_password_is_tried_once_and_again_after_a_reload(server: Slapd, kept: Path, tmp_path: Path) -> None:
    server.replace(person(1), "userPassword", ["right"])
    password = tmp_path / "password"
    password.write_text("wrong")
    password.chmod(0o600)
    service = Service(tmp_path, f"{where(server)}????bindname={person(1).replace(',', '%2C')}", {"kept": to_file(kept)})
    service.tables["sources.corp"] |= {"password": {"file": str(password)}}
    with service:
        failed = service.until("source-failed")
        assert failed["error"] == "InvalidCredentials"
        assert "the next try is at a reload" in failed["message"]
        service.wait(lambda: "source corp: it has ended: InvalidCredentials" in service.ask("/readyz")[1])
        password.write_text("right")
        service.reload()
        service.wait(lambda: len(bodies(kept)) > 0)
        assert len(service.logged("source-failed")) == 1


def test_deletions_that_are_held_are_told_with_the_command_that_shows_them(
    server: Slapd, kept: Path, tmp_path: Path
) -> None:
    service = Service(tmp_path, where(server), {"kept": to_file(kept)})
    service.tables["sources.corp"] |= {"max_deletes": "0%,1"}
    with service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.kill()
        for number in (1, 2):
            server.delete(person(number))
        service.start()
        held = service.until("deletions-held")
        assert (held["source"], held["deleted"], held["entries"]) == ("corp", 2, ENTRIES)
        _, command = held["message"].split(": syncrepl-client ")
        shown = run(*shlex.split(command))
        assert sorted(line.partition(" ")[2] for line in shown.stdout.splitlines()) == [person(1), person(2)]
        # By itself it would ask again after some minutes.
        service.reload()
        service.wait(lambda: len(service.logged("deletions-held")) == 2)


def test_a_configuration_that_cannot_be_is_told_with_all_its_mistakes(tmp_path: Path) -> None:
    service = Service(tmp_path, "http://x", {"kept": {"url": "stdout:", "batch": "many"}})
    service.tables["service"]["lisen"] = "x"
    service.write()
    done = run("run", str(service.file))
    assert done.returncode == 2
    assert "service.lisen: there is no such key" in done.stderr
    assert "hint: did you mean listen?" in done.stderr
    assert "sinks.kept.batch: it must be a whole number, and is text in quotes" in done.stderr
    assert run("config", "check", str(service.file)).stderr == done.stderr


def test_a_port_that_is_taken_is_told(server: Slapd, tmp_path: Path) -> None:
    service = Service(tmp_path, where(server), {"kept": {"url": "stdout:"}})
    service.tables["service"]["listen"] = server.url.removeprefix("ldap://")
    service.write()
    done = run("run", str(service.file))
    assert done.returncode == 2
    assert "cannot listen at" in done.stderr


# --- reading the configuration again ----------------------------------------------------------------------------------


def test_a_reload_starts_and_stops_sinks_and_leaves_the_others_alone(server: Slapd, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with Service(tmp_path, where(server), {"first": to_file(first)}) as service:
        service.wait(lambda: len(bodies(first)) == ENTRIES)
        service.tables["sinks.second"] = to_file(second)
        service.reload()
        service.wait(lambda: len(bodies(second)) == ENTRIES)
        assert "sink second from corp" in service.until("reloaded")["message"]
        assert "source corp" not in service.until("reloaded")["message"]
        del service.tables["sinks.first"]
        service.reload()
        service.until("reloaded", 2)
        server.replace(person(1), "title", ["Dr"])
        service.wait(lambda: len(bodies(second)) == ENTRIES + 1)
        assert len(bodies(first)) == ENTRIES
        assert len(service.logged("source-connected")) == 1


def test_a_reload_of_what_cannot_be_changes_nothing(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.tables["sinks.kept"]["batch"] = 0
        service.reload()
        refused = service.until("configuration-refused")
        assert "sinks.kept.batch" in refused["message"]
        assert service.until("configuration-refused", 2)["message"].endswith(" was not changed: 1 mistake")
        # There is no hint to this one.
        del service.tables["sinks.kept"]["batch"]
        service.tables["sources.corp"]["url"] = "http://x"
        service.reload()
        assert service.until("configuration-refused", 3)["message"].endswith(" ldapi://: 'http://x'")
        service.wait(lambda: "syncrepl_config_last_reload_successful 0" in service.ask("/metrics")[1])
        server.replace(person(1), "title", ["Dr"])
        service.wait(lambda: len(bodies(kept)) == ENTRIES + 1)


def test_reloads_under_load_lose_nothing_and_invent_nothing(server: Slapd, kept: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            server.replace(person(1), "title", [str(number)])
            if not number % 7:
                server.add(f"uid=n{number},ou=people,{SUFFIX}", {"objectClass": ["account"], "uid": [f"n{number}"]})

    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) >= ENTRIES)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(1, 11):
                # Each time another part is made anew.
                table = "sinks.kept" if number % 2 else "sources.corp"
                key, value = ("batch", number) if number % 2 else ("keep", f"{number}d")
                service.tables[table][key] = value
                service.reload()
                service.until("reloaded", number)
        finally:
            stop.set()
            writer.join()
        server.replace(person(2), "title", ["the last one"])
        # What changed while there was no source comes in the order of a refresh, not in that of the writer.
        expected = names(server)
        service.wait(lambda: b"the last one" in kept.read_bytes() and folded(bodies(kept)) == expected)
        sequences = sorted({int(event["sequence"]) for event in bodies(kept)} - {0})
        assert sequences == list(range(sequences[0], sequences[-1] + 1))


def test_why_a_folder_cannot_be_is_told(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        service.tables["service"]["data"] = str(kept)
        service.reload()
        assert "cannot be made: File exists" in service.until("configuration-refused")["message"]
        server.replace(person(1), "title", ["Dr"])
        service.wait(lambda: len(bodies(kept)) == ENTRIES + 1)


def test_a_reload_may_change_where_it_listens_and_keeps_that_if_it_cannot(
    server: Slapd, kept: Path, tmp_path: Path
) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: service.ask("/readyz")[0] == 200)
        former = service.tables["service"]["listen"]
        service.tables["service"]["listen"] = server.url.removeprefix("ldap://")
        service.tables["service"]["data"] = "other"
        service.reload()
        assert "cannot listen at" in service.until("configuration-refused")["message"]
        assert service.ask("/livez")[0] == 200
        # It still works with the former folder, and with no other.
        assert [is_claimed(tmp_path / name) for name in ("data", "other")] == [True, False]
        service.tables["service"]["data"] = "data"
        service.tables["service"]["listen"] = former.replace("127.0.0.1", "127.0.0.2")
        service.reload()
        service.until("reloaded")
        assert service.ask("/livez")[0] == 0


def test_a_data_file_that_is_taken_away_does_not_end_the_service(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        for file in service.data.glob("corp.db*"):
            file.unlink()
        server.replace(person(1), "title", ["Dr"])
        assert "was deleted or replaced" in service.until("source-failed")["message"]
        # It begins anew, with a file of its own; /readyz tells of the failure only until then.
        service.until("source-connected", 2)
        assert service.ask("/livez")[0] == 200


def test_a_data_file_that_is_replaced_is_delivered_from(server: Slapd, kept: Path, tmp_path: Path) -> None:
    with Service(tmp_path, where(server), {"kept": to_file(kept)}) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        for file in service.data.glob("corp.db*"):
            file.unlink()
        server.replace(person(1), "title", ["Dr"])
        service.until("source-failed")
        # It tries again at once; the new file is another one, and the sink begins anew with it.
        service.reload()
        service.wait(lambda: kept.read_bytes().count(b"entry.read") == 2 * ENTRIES)
        server.replace(person(2), "title", ["the last one"])
        service.wait(lambda: b"the last one" in kept.read_bytes())


# --- signals, and the service manager ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_soon_when_it_is_told_to(number: signal.Signals, server: Slapd, kept: Path, tmp_path: Path) -> None:
    sinks = {"kept": to_file(kept), "slow": {"url": "exec:sleep 100"}}
    with Service(tmp_path, where(server), sinks) as service:
        service.wait(lambda: len(bodies(kept)) == ENTRIES)
        assert service.process is not None
        began = time.monotonic()
        service.process.send_signal(number)
        assert service.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 10
        assert service.log()[-1]["what"] == "ended"


def test_a_service_manager_hears_when_it_is_ready_reloads_and_stops(server: Slapd, kept: Path, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    service = Service(tmp_path, where(server), {"kept": to_file(kept)}, NOTIFY_SOCKET=address, WATCHDOG_USEC="400000")
    with closing(Manager(address)) as manager, service:
        said = manager.until("READY=1")
        assert not any(one.startswith(("STOPPING", "RELOADING")) for one in said)
        manager.until("WATCHDOG=1")
        manager.until("STATUS=1 of 1 sources in step, 6 entries; 1 of 1 sinks deliver")
        service.reload()
        said = manager.until("RELOADING=1")
        assert any(one.startswith("MONOTONIC_USEC=") for one in [*said, *manager.until("READY=1")])
        assert service.process is not None
        service.process.terminate()
        manager.until("STOPPING=1")


def test_a_service_whose_server_is_away_is_ready_all_the_same(kept: Path, tmp_path: Path) -> None:
    """Else the manager would start it anew again and again."""
    address = str(tmp_path / "notify")
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    service = Service(tmp_path, url, {"kept": to_file(kept)}, NOTIFY_SOCKET=address)
    with closing(Manager(address)) as manager, service:
        manager.until("READY=1")
        assert service.process is not None
        assert service.process.poll() is None
