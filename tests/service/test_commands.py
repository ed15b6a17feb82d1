"""Commands about a service, beside it and without it: sinks, replay, and what would be sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.cli.exits import ExitCode
from tests.cli.command import run
from tests.server import free_port
from tests.service.running import ENTRIES, Service, bodies, person
from tests.slapd import SUFFIX, Slapd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(server: Slapd, kept: Path, tmp_path: Path) -> Iterator[Service]:
    """One that has delivered what was there, and runs."""
    with Service(tmp_path, f"{server.url}/{SUFFIX}", {"kept": {"url": kept.as_uri()}}) as running:
        running.wait(lambda: len(bodies(kept)) == ENTRIES)
        yield running


def told(service: Service, *options: str) -> list[dict[str, Any]]:
    done = run("sinks", "--json", *options, str(service.file))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- sinks ------------------------------------------------------------------------------------------------------------


def test_sinks_say_how_far_they_are_and_what_is_wrong(service: Service, server: Slapd, kept: Path) -> None:
    service.tables["sinks.dead"] = {"url": f"http://127.0.0.1:{free_port()}/", "start": "now"}
    service.reload()
    service.until("reloaded")
    server.replace(person(1), "title", ["Dr"])
    service.wait(lambda: len(bodies(kept)) == ENTRIES + 1)
    service.until("sink-waiting")
    service.wait(lambda: told(service)[1]["error"])
    good, bad = told(service)
    assert (good["sink"], good["state"], good["behind"], good["waiting"], good["error"]) == (
        "kept",
        "running",
        0,
        0,
        "",
    )
    assert (bad["sink"], bad["state"], bad["behind"]) == ("dead", "waiting", 1)
    assert bad["waiting"] > 0
    assert "cannot be reached" in bad["error"]
    lines = run("sinks", str(service.file)).stdout.splitlines()
    assert lines[0].split() == ["sink", "source", "state", "behind", "waiting", "set", "aside", "error"]
    assert lines[1].split() == ["kept", "corp", "running", "0"]
    service.end()
    assert [one["state"] for one in told(service)] == ["not running"] * 2


def test_a_sink_that_was_taken_out_is_told_of_until_it_is_forgotten(service: Service) -> None:
    service.tables["sinks.other"] = {"url": "exec:cat"}
    del service.tables["sinks.kept"]
    service.reload()
    assert "--forget NAME" in service.until("subscriptions-left")["message"]
    assert ("kept", "not configured") in [(one["sink"], one["state"]) for one in told(service)]
    done = run("sinks", "--forget", "kept", str(service.file))
    assert done.returncode == ExitCode.USAGE
    assert "stop it first" in done.stderr
    service.end()
    told(service, "--forget", "kept")
    assert [one["sink"] for one in told(service)] == ["other"]


def test_a_sink_can_begin_anew(service: Service, kept: Path) -> None:
    service.end()
    told(service, "--snapshot", "kept")
    assert told(service)[0]["snapshot"]
    service.start()
    service.wait(lambda: len(bodies(kept)) == 2 * ENTRIES)
    assert len({event["id"] for event in bodies(kept)}) == ENTRIES
    service.end()
    assert "there is no sink 'x'" in run("sinks", "--snapshot", "x", str(service.file)).stderr


def test_only_one_service_works_with_a_folder(service: Service) -> None:
    done = run("run", str(service.file))
    assert done.returncode == ExitCode.USAGE
    assert "another service works with" in done.stderr
    assert service.process is not None
    assert service.process.poll() is None


# --- dead letters -----------------------------------------------------------------------------------------------------


@pytest.fixture
def picky(server: Slapd, tmp_path: Path) -> Iterator[Service]:
    """One whose receiver takes nothing that has the word bad in it, as long as it is told not to."""
    script = tmp_path / "take"
    script.write_text(
        f"cat > {tmp_path}/batch\n! grep -q bad {tmp_path}/batch || ! test -e {tmp_path}/picky || exit 65\n"
        f"cat {tmp_path}/batch >> {tmp_path}/taken\n"
    )
    (tmp_path / "picky").touch()
    sink = {"url": f"exec:sh {script}", "start": "now"}
    with Service(tmp_path, f"{server.url}/{SUFFIX}", {"picky": sink}) as running:
        running.wait(lambda: told(running)[0]["offset"] is not None)
        yield running


def dead(service: Service, command: str, *arguments: str) -> str:
    numbers = [one for one in arguments if one.isdecimal()]
    done = run("dead", command, *(one for one in arguments if one not in numbers), str(service.file), *numbers)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_a_receiver_does_not_take_is_set_aside_and_sent_again(
    picky: Service, server: Slapd, tmp_path: Path
) -> None:
    for title in ("good", "bad", "better"):
        server.replace(person(1), "title", [title])
    server.replace(person(2), "title", ["good"])
    taken = tmp_path / "taken"
    picky.wait(lambda: len(bodies(taken)) == 2)
    # The later one of the same entry waits for it.
    picky.wait(lambda: told(picky)[0]["dead_letters"] == 2)
    lines = dead(picky, "list", "--json").splitlines()
    first, second = map(json.loads, lines)
    assert (first["sink"], first["source"], first["kind"], first["dn"]) == ("picky", "corp", "updated", person(1))
    assert "it waits for dead letter" in second["reason"]
    said = picky.until("events-refused")
    assert re.match(r"picky from corp: [12] events? not taken and set aside \(look at them: ", said["message"])
    assert person(1) not in said["message"]
    assert person(1) in dead(picky, "list", "--sink", "picky")
    shown = json.loads(dead(picky, "show", str(first["number"])))
    assert shown["id"] == first["event_id"]
    picky.wait(lambda: 'syncrepl_sink_dead_letters{sink="picky",source="corp"} 2' in picky.ask("/metrics")[1])

    # It is refused once more.
    assert "1 to be sent again" in dead(picky, "retry", str(first["number"]))
    picky.wait(lambda: json.loads(dead(picky, "list", "--json").splitlines()[0])["refused_at"] != first["refused_at"])
    assert len(bodies(taken)) == 2

    (tmp_path / "picky").unlink()
    assert "2 to be sent again" in run("dead", "retry", "--all", str(picky.file)).stderr
    picky.wait(lambda: len(bodies(taken)) == 4)
    titles = [
        event["data"]["after"]["attributes"]["title"]
        for event in bodies(taken)
        if event["data"]["after"]["dn"] == person(1)
    ]
    assert titles == [["good"], ["bad"], ["better"]]
    assert told(picky)[0]["dead_letters"] == 0


def test_what_is_set_aside_is_in_the_folder_of_now(picky: Service, server: Slapd) -> None:
    # The data file stays where it is, and so the sink might stay what it was.
    picky.tables["sources.corp"]["data"] = str(picky.data / "corp.db")
    picky.reload()
    picky.until("reloaded")
    picky.tables["service"]["data"] = "other"
    picky.reload()
    picky.until("reloaded", 2)
    server.replace(person(1), "title", ["bad"])
    picky.wait(lambda: person(1) in dead(picky, "list"))


def test_what_is_set_aside_can_be_given_up(picky: Service, server: Slapd) -> None:
    server.replace(person(1), "title", ["bad"])
    picky.wait(lambda: told(picky)[0]["dead_letters"] == 1)
    assert "it is not said which" in run("dead", "drop", str(picky.file)).stderr
    assert "1 dropped" in run("dead", "drop", "--all", str(picky.file)).stderr
    assert run("dead", "list", str(picky.file)).stdout == ""
    assert "no event 1 is set aside" in run("dead", "show", str(picky.file), "1").stderr


# --- replay -----------------------------------------------------------------------------------------------------------


def test_changes_are_sent_once_more_with_the_ids_that_they_had(service: Service, server: Slapd, kept: Path) -> None:
    for number in range(3):
        server.replace(person(1), "title", [str(number)])
    service.wait(lambda: len(bodies(kept)) == ENTRIES + 3)
    assert "another process writes to it" in run("replay", str(service.file), "kept").stderr
    service.end()
    first = bodies(kept)[ENTRIES:]
    done = run("replay", str(service.file), "kept", "--from", "2", "--to", "3")
    assert done.returncode == 0, done.stderr
    assert "2 events of the changes 2 to 3 sent to kept" in done.stderr
    assert bodies(kept)[ENTRIES + 3 :] == first[1:]


def test_a_replay_may_be_shown_instead(service: Service, server: Slapd, kept: Path) -> None:
    server.replace(person(1), "title", ["Dr"])
    service.wait(lambda: len(bodies(kept)) == ENTRIES + 1)
    done = run("replay", "--dry-run", str(service.file), "kept")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [bodies(kept)[-1]["id"]]
    service.tables["sinks.kept"]["envelope"] = "ldif"
    service.write()
    done = run("replay", "--dry-run", str(service.file), "kept")
    assert done.stdout.startswith(f"version: 1\n\n# id: {bodies(kept)[-1]['id']}\n")
    assert len(bodies(kept)) == ENTRIES + 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "there is no sink 'none'"),
        (["kept", "--source", "none"], "kept does not take from 'none'"),
        (["kept", "--from", "x"], "is no time"),
        (["kept", "--from", "7"], "7"),
    ],
)
def test_a_replay_that_cannot_be_says_why(arguments: list[str], said: str, service: Service) -> None:
    done = run("replay", str(service.file), *arguments)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr


# --- what would be sent -----------------------------------------------------------------------------------------------


def test_what_would_be_sent_is_shown_and_nothing_is_changed(service: Service, server: Slapd, kept: Path) -> None:
    service.end()
    server.replace(person(1), "title", ["Dr"])
    before = told(service)
    service.tables["sinks.new"] = {"url": "https://example.com/", "filter": "(uid=u000002)", "attributes": ["uid"]}
    service.write()
    done = run("run", "--dry-run", "--limit", "2", str(service.file))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["kept from corp:", "    nothing", "new from corp:", "    nothing more"]
    [line] = done.stdout.splitlines()
    assert json.loads(line)["data"]["data"]["after"]["attributes"] == {"uid": ["u000002"]}
    del service.tables["sinks.new"]
    service.write()
    assert told(service) == before


def test_what_would_be_sent_is_not_known_without_a_copy(tmp_path: Path) -> None:
    service = Service(tmp_path, "ldap://127.0.0.1:1/dc=x", {"kept": {"url": "stdout:"}})
    service.write()
    done = run("run", "--dry-run", str(service.file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "kept from corp: there is no copy yet\n")
