"""NATS JetStream: what a message looks like, what is refused by whom, and what nobody may see."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from contextlib import closing, contextmanager
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import nats
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from nats.js.api import DiscardPolicy

from syncrepl_client.envelope.base import CHANGES as CHANGED
from syncrepl_client.envelope.base import tombstone
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.nats import NatsSink, Subject
from tests.between import Between
from tests.certificates import Authority
from tests.sinks.events import event, sample
from tests.sinks.nats_server import STREAM, NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from syncrepl_client.envelope.cloudevents import Mode

PASSWORD = "Wh-is-pered-1n-NATS"
LOGIN = {"authorization": {"user": "relay", "password": PASSWORD}}


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with NatsServer() as running:
        running.start()
        running.make_stream()
        yield running


@contextmanager
def opened(server: NatsServer | str, **options: Any) -> Iterator[NatsSink]:
    sink = NatsSink(server if isinstance(server, str) else server.url, **options)
    with closing(sink):
        sink.open()
        yield sink


def refused(server: NatsServer | str, **options: Any) -> SinkUnavailable:
    """Return what is said of a sink that cannot be opened."""
    with pytest.raises(SinkUnavailable) as caught, opened(server, **options):
        pass
    return caught.value


def ids(server: NatsServer) -> list[str]:
    return [(message.headers or {})["Nats-Msg-Id"] for message in server.messages()]


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_event_is_what_the_binding_of_cloudevents_says(server: NatsServer, mode: Mode) -> None:
    made = sample(mode)
    with opened(server, source="corp") as sink:
        sink.publish([made])
    (message,) = server.messages()
    headers = dict(message.headers or {})
    assert headers.pop("Nats-Msg-Id") == made.id
    assert message.subject == f"ldap.corp.{made.kind}"
    assert headers == BINDINGS["nats"].headers(made)
    # The binding of HTTP differs by where the type of the data is.
    if mode == "binary":
        headers["Content-Type"] = headers.pop("ce-datacontenttype")
    read = http.from_http(http.HTTPMessage(headers, message.data), JSONFormat())
    assert read.get_id() == made.id
    assert read.get_subject() == made.key


def test_a_tombstone_has_no_body(server: NatsServer) -> None:
    gone = event(1)
    with opened(server) as sink:
        sink.publish([gone, tombstone(gone)])
    assert [message.data for message in server.messages()] == [gone.body, b""]
    assert ids(server) == ["e1", "e1:tombstone"]


def test_what_comes_again_is_dropped_by_the_server(server: NatsServer) -> None:
    for _ in range(2):
        with opened(server) as sink:
            sink.publish([event(1), event(2)])
            sink.publish([event(2), event(3)])
    assert ids(server) == ["e1", "e2", "e3"]


def test_the_subject_may_depend_on_the_event(server: NatsServer) -> None:
    with opened(server, source="corp", subject="ldap.x-{source}.{kind}.{key}") as sink:
        sink.publish([event(1), event(2)])
    assert [message.subject for message in server.messages()] == [f"ldap.x-corp.updated.k{n}" for n in (1, 2)]


def test_an_event_waits_for_the_one_before_it_of_the_same_entry(server: NatsServer) -> None:
    server.change_stream(max_bytes=20_000, discard=DiscardPolicy.NEW)
    first, second = event(1), event(2, b"x" * 30_000)
    # It would fit, and must not come before the second.
    third = event(3)
    object.__setattr__(third, "key", second.key)
    with opened(server) as sink:
        with pytest.raises(SinkUnavailable, match="maximum bytes exceeded") as caught:
            sink.publish([first, second, third])
        assert "limits" in caught.value.hint
        assert ids(server) == ["e1"]
        server.change_stream(max_bytes=200_000)
        sink.publish([first, second, third])
    assert ids(server) == ["e1", "e2", "e3"]


# --- events that are not taken ----------------------------------------------------------------------------------------


def test_what_is_too_large_for_the_server_is_rejected_and_what_is_just_not_is_taken() -> None:
    with NatsServer(max_payload=10_000) as server:
        server.start()
        server.make_stream()
        made = event(2, b"x", subject="s" * 500)
        headers = {**BINDINGS["nats"].headers(made), "Nats-Msg-Id": "e2"}
        # As NATS has it: a line for the version, one for each header, an empty one.
        beside = len("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n")
        most = event(2, b"x" * (10_000 - beside), subject="s" * 500)
        over = event(3, b"x" * (10_000 - beside + 1), subject="s" * 500)
        with opened(server) as sink, pytest.raises(EventRejected, match="10001 octets, and 10000") as caught:
            sink.publish([event(1), most, over, event(4)])
        assert caught.value.event.id == "e3"
        assert ids(server) == ["e1", "e2"]
        with opened(server) as sink, pytest.raises(EventRejected):
            sink.publish([over])


def test_what_is_too_large_for_the_stream_is_rejected_also_if_that_was_said_later(server: NatsServer) -> None:
    large = event(2, b"x" * 5000)
    with opened(server) as sink:
        server.change_stream(max_msg_size=1000)
        with pytest.raises(EventRejected, match="message size exceeds maximum allowed") as caught:
            sink.publish([event(1), large, event(3)])
        assert caught.value.event.id == "e2"
    with opened(server) as sink, pytest.raises(EventRejected, match="and 1000 are taken"):
        sink.publish([event(1), large, event(3)])
    assert ids(server) == ["e1", "e3"]


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_missing_stream_is_told_with_the_command_that_makes_it(server: NatsServer) -> None:
    error = refused(server, stream="OTHER")
    assert "no stream OTHER" in str(error)
    assert error.hint.startswith("nats stream add OTHER --subjects 'ldap.directory.created,")
    error = refused(server, subject="people.changes")
    assert "no stream for people.changes" in str(error)
    assert "--subjects 'people.changes'" in error.hint


@pytest.mark.parametrize(
    ("subject", "options", "pattern", "name"),
    [
        ("people.{kind}.{key}", {"stream": "PEOPLE"}, "people.*.*", "PEOPLE"),
        ("people.x-{key}", {}, "people.*", "ldap-corp"),
        ("people.{source}", {}, "people.corp", "ldap-corp"),
    ],
)
def test_a_stream_is_made_on_request(
    server: NatsServer, subject: str, options: dict[str, Any], pattern: str, name: str
) -> None:
    for _ in range(2):
        with opened(server, source="corp", subject=subject, create=True, **options) as sink:
            sink.publish([event(1)])
    config = server.ask(lambda js: js.stream_info(name)).config
    assert (config.subjects, config.storage) == ([pattern], "file")
    assert len(server.messages(name)) == 1


@pytest.mark.parametrize(
    ("settings", "subject", "trouble"),
    [
        ({"subjects": "people.*"}, "people.{kind}.{key}", "does not take the subject people.created.0"),
        ({"subjects": "people.created"}, "people.{kind}", "does not take the subject people.deleted"),
        ({"subjects": "people.>"}, "people", "does not take the subject people"),
        ({"subjects": "people.*", "no_ack": True}, "people.{kind}", "does not acknowledge"),
    ],
)
def test_a_stream_that_cannot_keep_all_events_is_refused(
    server: NatsServer, settings: dict[str, Any], subject: str, trouble: str
) -> None:
    server.make_stream("PEOPLE", **settings)
    error = refused(server, stream="PEOPLE", subject=subject)
    assert trouble in str(error)
    assert "nats stream edit PEOPLE" in error.hint


def test_a_stream_that_goes_away_does_not_confirm_whoever_else_answers(server: NatsServer) -> None:
    async def answer(client: Client, done: asyncio.Event) -> None:
        async def reply(message: Msg) -> None:
            for answer in (b"", b"+ACK", b"{}", b'{"stream":"OTHER","seq":1}'):
                await message.respond(answer)

        await client.subscribe("ldap.>", cb=reply)
        await client.flush()
        ready.set()
        await done.wait()
        await client.close()

    async def serve() -> None:
        done = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), done))
        await answer(await nats.connect(server.url), done)

    ready = threading.Event()
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        with opened(server, timeout=0.5) as sink:
            sink.publish([event(1), event(2)])
            assert ids(server) == ["e1", "e2"]
            server.ask(lambda js: js.delete_stream(STREAM))
            with pytest.raises(SinkUnavailable, match=r"said nothing for 0\.5 s"):
                sink.publish([event(3)])
    finally:
        loop, done = stopping[0]
        loop.call_soon_threadsafe(done.set)
        thread.join()


def test_a_stream_that_goes_away_is_told_at_once(server: NatsServer) -> None:
    with opened(server) as sink:
        server.ask(lambda js: js.delete_stream(STREAM))
        with pytest.raises(SinkUnavailable, match="no stream takes the subject"):
            sink.publish([event(1)])


def test_a_server_without_jetstream_is_told() -> None:
    with NatsServer() as server:
        server.settings["jetstream"] = False
        server.start()
        error = refused(server)
    assert "has no JetStream" in str(error)
    assert "--jetstream" in error.hint


# --- who may, and who sees what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (LOGIN["authorization"], {"user": "relay", "password": Secret(PASSWORD)}),
        ({"token": PASSWORD}, {"token": Secret(PASSWORD)}),
    ],
)
def test_a_server_may_want_to_know_who_it_is(wanted: dict[str, str], given: dict[str, Any]) -> None:
    with NatsServer(authorization=wanted) as server:
        server.login = wanted
        server.start()
        server.make_stream()
        with opened(server, **given) as sink:
            sink.publish([event(1)])
        assert ids(server) == ["e1"]
        for other in ({name: Secret("wr0ng-one") if name != "user" else "relay" for name in given}, {}):
            error = refused(server, **other)
            assert "Authorization Violation" in str(error)
            assert "compare the user and the password" in error.hint
            shown = "".join(TracebackException.from_exception(error, capture_locals=True).format())
            assert "wr0ng-one" not in shown
            assert PASSWORD not in shown


def test_the_name_of_a_user_may_be_in_the_url() -> None:
    with NatsServer(**LOGIN) as server:
        server.login = LOGIN["authorization"]
        server.start()
        server.make_stream()
        with opened(server.url.replace("//", "//relay@"), password=Secret(PASSWORD)):
            pass


def test_who_may_not_publish_is_told_what_is_needed() -> None:
    rights: dict[str, Any] = {"publish": ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*"], "subscribe": "_INBOX.>"}
    users = [{"user": "relay", "password": PASSWORD, "permissions": rights}, {"user": "root", "password": PASSWORD}]
    with NatsServer(authorization={"users": users}) as server:
        server.login = {"user": "root", "password": PASSWORD}
        server.start()
        server.make_stream()
        options: dict[str, Any] = {"user": "relay", "password": Secret(PASSWORD)}
        with opened(server, **options) as sink:
            with pytest.raises(SinkUnavailable, match="permissions violation") as caught:
                sink.publish([event(1)])
            assert "allowed to publish" in caught.value.hint
        rights["publish"].append("ldap.>")
        server.reload(**server.settings)
        with opened(server, **options) as sink:
            sink.publish([event(1)])
        rights["publish"] = ["ldap.>"]
        server.reload(**server.settings)
        assert "permissions violation" in str(refused(server, **options))


def test_a_connection_is_encrypted_and_the_certificate_verified(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    cert, key = authority.issue("127.0.0.1")
    mine, my_key = authority.issue("relay@example.com", file="relay")
    with NatsServer(**LOGIN) as server:
        server.login = LOGIN["authorization"]
        server.start()
        server.make_stream()
        server.kill()
        server.use_tls(cert, key, ca_file=str(authority.file), verify=True)
        server.start()
        url = server.url.replace("nats", "tls")
        options: dict[str, Any] = {"user": "relay", "password": Secret(PASSWORD), "cert_file": str(mine)}
        options |= {"key_file": str(my_key), "timeout": 5.0}
        with opened(url, ca_file=str(authority.file), **options) as sink:
            sink.publish([event(1), event(2)])
            sink.publish([event(number, b"x" * 100_000) for number in range(3, 30)])
        error = refused(url, ca_file=str(stranger.file), **options)
        assert "certificate" in str(error)
        assert "ca_file" in error.hint
        del options["cert_file"], options["key_file"]
        refused(url, ca_file=str(authority.file), **options)
        server.kill()
        del server.settings["tls"]
        server.start()
        assert len(ids(server)) == 29


class Stripping(Between):
    """Keeps silent about what the server says of encryption, and notes what it hears."""

    heard = b""

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        client.sendall(server.recv(65536).replace(b'"tls_required":true', b'"tls_required":false'))
        super().pass_answers(server, client)

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(65536):
            self.heard += data


@pytest.mark.parametrize("given", [{}, {"user": "relay", "password": Secret(PASSWORD)}, {"token": Secret(PASSWORD)}])
def test_whoever_removes_encryption_gets_no_secret_and_no_event(tmp_path: Path, given: dict[str, Any]) -> None:
    authority = Authority(tmp_path)
    with NatsServer() as server:
        server.use_tls(*authority.issue("127.0.0.1"))
        server.start()
        with Stripping(server.port) as between:
            error = refused(f"tls://127.0.0.1:{between.port}", timeout=0.5, **given)
            if given:
                assert "does not encrypt; nothing was sent" in str(error)
                assert b"CONNECT" not in between.heard
        assert PASSWORD.encode() not in between.heard
        assert b"PUB" not in between.heard


def test_a_server_that_does_not_encrypt_gets_no_event(server: NatsServer) -> None:
    error = refused(server.url.replace("nats", "tls"))
    assert "does not encrypt; nothing was sent" in str(error)
    assert "certificate" in error.hint


# --- being away -------------------------------------------------------------------------------------------------------


def test_nobody_there_is_told() -> None:
    with NatsServer() as server:
        error = refused(server)
    assert "connection refused" in str(error)
    assert "runs" in error.hint


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {]\r\n", b"INFO\r\n", b""])
def test_what_is_no_nats_is_unavailable(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        refused(f"nats://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
        thread.join()


def test_a_connection_that_has_rested_is_made_anew(server: NatsServer) -> None:
    now = 0.0
    sink = NatsSink(server.url, clock=lambda: now)
    with closing(sink):
        sink.open()
        sink.publish([event(1)])
        server.kill()
        server.start()
        with pytest.raises(SinkUnavailable):
            sink.publish([event(2)])
        sink.close()
        sink.open()
        server.kill()
        server.start()
        now += 31
        sink.publish([event(2)])
    assert ids(server) == ["e1", "e2"]


@pytest.mark.parametrize("size", [10, 800_000])
def test_who_waits_for_a_frozen_server_can_be_stopped(server: NatsServer, size: int) -> None:
    with opened(server, timeout=60.0) as sink:
        server.freeze()
        began = time.monotonic()
        timer = threading.Timer(0.1, sink.stop)
        timer.start()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(number, b"x" * size) for number in range(20)])
        timer.join()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1)])
        sink.close()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.open()
        assert time.monotonic() - began < 10


def test_who_waits_to_be_let_in_can_be_stopped_by_a_signal(server: NatsServer) -> None:
    sink = NatsSink(server.url, timeout=60.0)
    before = signal.signal(signal.SIGALRM, lambda *_: sink.stop())
    try:
        server.freeze()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with closing(sink), pytest.raises(SinkUnavailable, match="stopped"):
            sink.open()
    finally:
        signal.signal(signal.SIGALRM, before)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "match"),
    [
        ("nats://127.0.0.1/subject", {}, "no path"),
        ("nats://example.com", {}, "in clear"),
        ("nats://relay:secret@127.0.0.1", {}, "holds a password"),
        ("nats://127.0.0.1", {"user": "relay"}, "without a password"),
        ("nats://127.0.0.1", {"password": Secret("x")}, "without a user"),
        ("nats://u@127.0.0.1", {"password": Secret("x"), "token": Secret("x")}, "not both"),
        ("nats://u@127.0.0.1", {"token": Secret("x")}, "without a password"),
        ("nats://127.0.0.1", {"subject": "ldap.*"}, "cannot be a subject"),
        ("nats://127.0.0.1", {"subject": "ldap..{kind}"}, "cannot be a subject"),
        ("nats://127.0.0.1", {"subject": "{dn}"}, "no event has"),
        ("nats://127.0.0.1", {"stream": "a.b"}, "cannot name a stream"),
        ("nats://127.0.0.1", {"timeout": 0.0}, "in no time"),
    ],
)
def test_wrong_settings_are_refused(url: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        NatsSink(url, **options)


def test_all_kinds_of_changes_are_looked_for_in_the_stream() -> None:
    assert {f"ldap.corp.{kind}" for kind in CHANGED} == set(Subject("ldap.{source}.{kind}", "corp").examples)


def test_a_missing_file_is_told_when_it_is_opened(server: NatsServer) -> None:
    sink = NatsSink(f"tls://127.0.0.1:{server.port}", ca_file="/nowhere/ca.pem")
    with closing(sink), pytest.raises(UsageError, match=r"/nowhere/ca\.pem"):
        sink.open()


def test_a_sink_that_is_not_open_sends_nothing() -> None:
    sink = NatsSink("nats://127.0.0.1")
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1)])
    sink.close()
