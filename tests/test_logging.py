"""What the log tells of a life of a copy with a real server, and what it never tells."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import threading
from pathlib import Path
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Replica, Syncrepl, SyncreplMode
from syncrepl_client.consumer.journal import Journal, verified
from syncrepl_client.contentsync.events import CookieReceived, EntriesDeleted
from syncrepl_client.exceptions import ConnectionLost, InvalidCredentials, MassDeletionHeld, SyncreplError
from syncrepl_client.log_fields import Fields
from syncrepl_client.model import Difference, Report
from tests.slapd import SUFFIX, Slapd, empty_tree, ldif_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).parent.parent / "docs"
ONCE = SyncreplMode.REFRESH_ONLY
# A password, a value and a name that stand nowhere else.
PASSWORD = "Pa55-4711-word"
VALUE = "Valuable-0815"
NAME = "personal"
WRONG = "Wr0ng-4712-word"


class Records(logging.Handler):
    """Keeps everything."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def told(self, what: str) -> dict[str, Any]:
        """Return the fields of the last record of an event."""
        return next(record.__dict__ for record in reversed(self.records) if record.__dict__.get("what") == what)

    @property
    def whats(self) -> list[str]:
        return [record.__dict__["what"] for record in self.records]


def everything_in(record: logging.LogRecord) -> str:
    """Return whatever a formatter, and a tool that shows variables, could make of a record."""
    error = record.exc_info[1] if record.exc_info else None
    shown = [logging.Formatter().format(record), repr(record.args), repr(record.__dict__)]
    return "\n".join([*shown, with_variables(error) if error else ""])


def with_variables(error: BaseException) -> str:
    """Show an error with the variables of all frames that are not of the tests themselves."""
    shown: TracebackException | None = TracebackException.from_exception(error, capture_locals=True)
    text = ""
    while shown is not None:
        frames = [frame for frame in shown.stack if Path(frame.filename).parent != Path(__file__).parent]
        shown.stack[:] = frames
        text += "".join(shown.format(chain=False))
        shown = shown.__cause__ or shown.__context__
    return text


@pytest.fixture
def log() -> Iterator[Records]:
    handler = Records()
    logger = logging.getLogger("syncrepl_client")
    logger.addHandler(handler)
    former = logger.level
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(former)


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(rootpw=PASSWORD) as slapd:
        people = "".join(
            ldif_entry(
                f"uid={NAME}{number},ou=people,{SUFFIX}",
                {"objectClass": ["account"], "uid": [f"{NAME}{number}"], "description": [VALUE]},
            )
            for number in range(80)
        )
        slapd.load(empty_tree() + people)
        slapd.start()
        yield slapd


def url_of(server: Slapd) -> str:
    return f"{server.url}/{SUFFIX}????bindname={server.rootdn.replace(',', '%2C')}"


def expect(kind: type[SyncreplError], work: Callable[[], object]) -> SyncreplError:
    with pytest.raises(kind) as caught:
        work()
    return caught.value


def refresh(url: str, path: Path, password: str = PASSWORD) -> None:
    with Replica(url, path, mode=ONCE, password=password) as replica:
        replica.refresh()


def test_a_life_is_told_with_fields_and_without_what_is_nobodys_business(
    server: Slapd, tmp_path: Path, log: Records
) -> None:
    url, path = url_of(server), tmp_path / "data"
    refresh(url, path)
    shown = log.told("connected")["url"]
    assert shown.startswith(server.url)
    assert {"encryption": "none", "authentication": "simple"}.items() <= log.told("connected").items()
    assert log.told("recognised")["dialect"] == "openldap"
    assert log.told("refresh-begins")["everything"] is True
    first = log.told("refresh-ended")
    assert (first["received"], first["added"], first["deleted"]) == (83, 83, 0)
    assert first["seconds"] > 0

    server.delete(f"uid={NAME}0,ou=people,{SUFFIX}")
    server.replace(f"uid={NAME}1,ou=people,{SUFFIX}", "description", [f"{VALUE} changed"])
    server.rename(f"uid={NAME}2,ou=people,{SUFFIX}", f"uid={NAME}two")
    server.add(f"uid={NAME}new,ou=people,{SUFFIX}", {"objectClass": ["account"], "description": [VALUE]})
    refresh(url, path)
    assert log.told("refresh-begins")["everything"] is False
    resumed = log.told("refresh-ended")
    assert [resumed[kind] for kind in ("added", "modified", "renamed", "deleted")] == [1, 1, 1, 1]

    for number in range(3, 63):
        server.delete(f"uid={NAME}{number},ou=people,{SUFFIX}")
    errors = [expect(MassDeletionHeld, lambda: refresh(url, path))]
    assert {"deleted": 60, "entries": 83, "levelno": logging.ERROR}.items() <= log.told("refresh-held").items()
    assert log.told("session-failed")["error"] == "MassDeletionHeld"

    errors.append(expect(InvalidCredentials, lambda: refresh(url, path, WRONG)))
    assert {"error": "InvalidCredentials", "code": 49}.items() <= log.told("session-failed").items()

    with Replica(url, path, password=PASSWORD, max_deletes=None) as replica:
        replica.refresh()
        server.replace(f"uid={NAME}1,ou=people,{SUFFIX}", "description", [f"{VALUE} again"])
        while "applied" not in log.whats:
            replica.step()
        assert log.told("applied")["dns"] == [f"uid={NAME}1,ou=people,{SUFFIX}"]
        report = replica.verify()
        assert {"compared": report.compared, "missing": 0}.items() <= log.told("verified").items()
        server.kill()
        errors.append(expect(ConnectionLost, replica.run))
    assert log.told("session-failed")["error"] == "ConnectionLost"
    assert log.whats[-1] == "disconnected"

    for record in log.records:
        text = everything_in(record)
        assert PASSWORD not in text
        assert WRONG not in text
        assert record.__dict__["url"] == shown
        if record.levelno > logging.DEBUG:
            assert VALUE not in text
            assert f"uid={NAME}" not in text
        assert {*vars(record)} - {*vars(logging.makeLogRecord({}))} <= Fields.__annotations__.keys() | {"message"}
    assert not [error for error in errors if PASSWORD in with_variables(error) or WRONG in with_variables(error)]


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """Listen, read one request, and end the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.recv(4096)
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("front", ["Replica", "Syncrepl"])
@pytest.mark.parametrize(
    ("rest", "mode"),
    [
        (f"{SUFFIX}????bindname=cn=a", "refreshOnly"),
        (f"{SUFFIX}????bindname=cn=a,X-BINDPW={PASSWORD}", "refreshOnly"),
        (f"nonsense????bindname=cn=a,X-BINDPW={PASSWORD}", "refreshOnly"),
        (f"{SUFFIX}????bindname=cn=a,X-BINDPW={PASSWORD}", "none"),
    ],
    ids=["option", "URL", "bad URL", "bad mode"],
)
def test_no_traceback_shows_the_password_not_even_with_variables(  # noqa: PLR0917 - fixtures and parameters
    hangs_up: str, tmp_path: Path, log: Records, front: str, rest: str, mode: str
) -> None:
    url = f"{hangs_up}/{rest}"
    password = None if "X-BINDPW" in rest else PASSWORD

    def begin() -> None:
        if front == "Replica":
            Replica(url, tmp_path / "data", mode=SyncreplMode(mode), password=password).connect()
        else:
            Syncrepl(tmp_path / "data", object(), mode, url, password=password)

    with pytest.raises((SyncreplError, ValueError)) as caught:
        begin()

    assert "Traceback" in with_variables(caught.value)
    assert PASSWORD not in with_variables(caught.value)
    assert not [record for record in log.records if PASSWORD in everything_in(record)]


def test_what_a_callback_raises_is_not_quoted_above_debug(server: Slapd, tmp_path: Path, log: Records) -> None:
    class Breaks:
        def change(self, change: Any, cursor: object) -> None:
            raise ValueError(f"{change.entry.dn} {VALUE}")

    with (
        pytest.raises(ValueError, match=VALUE),
        Replica(url_of(server), tmp_path / "data", mode=ONCE, password=PASSWORD, listener=Breaks()) as replica,
    ):
        replica.refresh()

    failed = log.told("session-failed")
    assert (failed["error"], failed["msg"] % failed["args"]) == ("ValueError", "the session ended: ValueError")
    assert VALUE in everything_in(next(record for record in log.records if record.__dict__["what"] == "error"))


def test_a_program_without_logging_hears_nothing(server: Slapd, tmp_path: Path) -> None:
    """Python prints warnings of loggers that have no handler at all."""
    refresh(url_of(server), tmp_path / "data")
    for number in range(60):
        server.delete(f"uid={NAME}{number},ou=people,{SUFFIX}")
    code = (
        "import sys; from syncrepl_client import Replica, SyncreplMode, exceptions\n"
        "try:\n"
        "    with Replica(sys.argv[1], sys.argv[2], mode='refreshOnly', password=sys.stdin.read()) as replica:\n"
        "        replica.refresh()\n"
        "except exceptions.MassDeletionHeld:\n"
        "    print('held')\n"
    )
    command = [sys.executable, "-c", code, url_of(server), str(tmp_path / "data")]
    done = subprocess.run(command, input=PASSWORD, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("held\n", "")


def test_the_library_installs_no_handler_that_does_anything() -> None:
    loggers = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "syncrepl_client"]

    assert "syncrepl_client.replica" in loggers
    found = [type(handler) for name in loggers for handler in logging.getLogger(name).handlers]
    assert {logging.NullHandler} >= {kind for kind in found if kind.__module__ == "logging"}


def test_every_field_is_explained() -> None:
    page = (DOCS / "logging.rst").read_text(encoding="utf-8")

    assert [name for name in Fields.__annotations__ if f"``{name}``" not in page] == []


def test_every_logger_and_event_is_explained() -> None:
    page = (DOCS / "logging.rst").read_text(encoding="utf-8")
    source = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.parent.joinpath("src").rglob("*.py"))
    loggers = {part.split('"')[1] for part in source.split("getLogger(")[1:] if part.startswith('"syncrepl_client')}
    whats = {part.split('"')[0] for part in source.split('fields(what="')[1:]}

    assert len(loggers) > 3
    assert len(whats) > 10
    assert [name for name in [*loggers, *whats] if f"``{name}``" not in page] == []


def test_deletions_and_differences_are_named_at_debug_alone(log: Records) -> None:
    journal = Journal("ldap://h/dc=x")
    report = Report(
        5, (Difference("extra", bytes(16), "cn=e,dc=x", None), Difference("missing", bytes(16), None, "cn=m"))
    )

    def tell() -> None:
        gone = EntriesDeleted((bytes(16), bytes(16)))
        journal.applied([EntriesDeleted((bytes(16),), b"cn=g"), gone, CookieReceived(b"c")])
        verified("ldap://h/dc=x", report, seconds=1.0, repair=False)

    tell()
    assert {"received": 0, "deleted": 3, "dns": ["cn=g"]}.items() <= log.told("applied").items()
    assert log.told("differences")["dns"] == ["cn=e,dc=x", "cn=m"]
    assert {"extra": 1, "missing": 1, "levelno": logging.WARNING}.items() <= log.told("verified").items()

    log.records.clear()
    logging.getLogger("syncrepl_client").setLevel(logging.INFO)
    tell()
    assert log.whats == ["verified"]
