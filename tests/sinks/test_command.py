"""The command: its exit code confirms, and it never outlives its time."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.command import CommandSink
from tests.following import until
from tests.sinks.events import event

if TYPE_CHECKING:
    from pathlib import Path


def shell(script: str, folder: Path, **options: float) -> CommandSink:
    return CommandSink(["/bin/sh", "-c", script, str(folder)], **options)  # type: ignore[arg-type]


def gone(number: int) -> bool:
    try:
        with open(f"/proc/{number}/stat", encoding="ascii") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_events_are_lines_on_standard_input(tmp_path: Path) -> None:
    shell('cat > "$0/got"', tmp_path).publish([event(1), event(2)])
    assert (tmp_path / "got").read_bytes() == b'{"id":"e1"}\n{"id":"e2"}\n'


def test_a_command_does_not_get_the_secrets_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SYNCREPL_SOURCES_CORP_PASSWORD", "SYNCREPL_SINKS_HOOK_SECRETS", "SYNCREPL_SERVICE_DATA", "ITS_OWN"):
        monkeypatch.setenv(name, "s3cret")
    shell('env > "$0/got"', tmp_path).publish([event(1)])
    variables = (tmp_path / "got").read_text().splitlines()
    assert [one for one in variables if "s3cret" in one] == ["ITS_OWN=s3cret"]


def test_a_command_need_not_read_them(tmp_path: Path) -> None:
    shell("true", tmp_path).publish([event(number, b'"%s"' % (b"x" * 100_000)) for number in range(20)])


@pytest.mark.parametrize(
    ("script", "said"), [("echo no luck >&2; exit 3", "ended with 3: no luck"), ("kill $$", "SIGTERM")]
)
def test_any_other_exit_code_is_tried_again(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(SinkUnavailable, match=said):
        shell(script, tmp_path).publish([event(1)])


def test_an_event_that_is_bad_data_is_found_in_its_batch(tmp_path: Path) -> None:
    script = 'cat > "$0/now"; if grep -q e5 "$0/now"; then echo "not e5"; exit 65; fi; cat "$0/now" >> "$0/got"'
    with pytest.raises(EventRejected, match="not e5") as caught:
        shell(script, tmp_path).publish([event(number) for number in range(1, 10)])
    assert caught.value.event.id == "e5"
    assert (tmp_path / "got").read_text().split() == [f'{{"id":"e{number}"}}' for number in range(1, 5)]


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_a_command_that_takes_too_long_is_ended_with_what_it_has_started(tmp_path: Path, stubborn: str) -> None:
    sink = shell(
        f'{stubborn}echo $$ > "$0/a"; sleep 100 & echo $! > "$0/b"; wait; sleep 100', tmp_path, timeout=0.5, grace=0.3
    )
    began = time.monotonic()
    with pytest.raises(SinkUnavailable, match=r"longer than 0\.5 s"):
        sink.publish([event(1)])
    assert time.monotonic() - began < 10
    until(lambda: all(gone(int((tmp_path / name).read_text())) for name in "ab"))


def test_a_command_is_ended_when_the_sink_is_stopped(tmp_path: Path) -> None:
    sink = shell('echo $$ > "$0/a"; exec sleep 100', tmp_path)
    errors: list[Exception] = []

    def publish() -> None:
        try:
            sink.publish([event(1)])
        except SinkUnavailable as error:
            errors.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    until((tmp_path / "a").exists)
    sink.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert "stopped" in str(errors[0])
    with pytest.raises(SinkUnavailable, match="not run"):
        sink.publish([event(1)])


def test_what_it_prints_is_logged_without_what_moves_a_cursor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "syncrepl_client")
    shell(r"printf 'one\n\033[31mtwo\n'; printf three >&2", tmp_path).publish([event(1)])
    messages = [record.getMessage() for record in caplog.records if record.__dict__["what"] == "command-output"]
    assert messages == ["/bin/sh: one", "/bin/sh: [31mtwo", "/bin/sh: three"]


def test_output_without_end_does_not_stall_it(tmp_path: Path) -> None:
    program = "import sys; sys.stdout.write('x' * 3_000_000)"
    CommandSink([sys.executable, "-I", "-c", program]).publish([event(1)])


def test_what_it_leaves_running_does_not_stall_it(tmp_path: Path) -> None:
    began = time.monotonic()
    shell("sleep 5 & exit 0", tmp_path).publish([event(1)])
    assert time.monotonic() - began < 4


def test_there_must_be_such_a_program(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="no program"):
        CommandSink([str(tmp_path / "none")]).open()
    (tmp_path / "some").write_text("no program")
    (tmp_path / "some").chmod(0o700)
    with pytest.raises(SinkUnavailable, match="cannot be run"):
        CommandSink([str(tmp_path / "some")]).publish([event(1)])


@pytest.mark.parametrize("command", ["ls -l", []])
def test_a_command_is_a_list_of_words(command: list[str]) -> None:
    with pytest.raises(UsageError, match="list of words"):
        CommandSink(command)


def test_a_url_is_a_command_line(tmp_path: Path) -> None:
    sink = CommandSink.from_url(f"exec:/bin/sh -c 'cat > \"$0\"' {tmp_path}/got")
    sink.open()
    sink.publish([event(1)])
    assert (tmp_path / "got").read_bytes() == b'{"id":"e1"}\n'
    with pytest.raises(UsageError, match="not a command line"):
        CommandSink.from_url("exec:sh 'oh")
