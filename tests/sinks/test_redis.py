"""Redis Streams: what an entry looks like, what is refused by whom, and what nobody may see."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import closing, contextmanager
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat

from syncrepl_client.envelope.base import tombstone
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.redis import RedisSink
from tests.certificates import Authority
from tests.sinks.events import event, sample
from tests.sinks.redis_server import STREAM, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.envelope.cloudevents import Mode

PASSWORD = "Wh-is-pered-1n-Redis"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        running.start()
        yield running


@contextmanager
def opened(server: RedisServer | str, **options: Any) -> Iterator[RedisSink]:
    options.setdefault("create", True)
    sink = RedisSink(server if isinstance(server, str) else server.url, **options)
    with closing(sink):
        sink.open()
        yield sink


def refused(server: RedisServer | str, **options: Any) -> SinkUnavailable:
    """Return what is said of a sink that cannot be opened."""
    with pytest.raises(SinkUnavailable) as caught, opened(server, **options):
        pass
    return caught.value


def ids(server: RedisServer, name: str = STREAM) -> list[str]:
    return [fields[b"id"].decode() for fields in server.entries(name)]


# --- entries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_event_is_what_the_binding_of_kafka_says(server: RedisServer, mode: Mode) -> None:
    made = sample(mode)
    with opened(server, source="corp") as sink:
        sink.publish([made])
    (fields,) = server.entries("ldap:corp")
    assert fields.pop(b"id").decode() == made.id
    key = fields.pop(b"key").decode()
    data = fields.pop(b"data")
    headers = {name.decode(): value for name, value in fields.items()}
    read = kafka.from_kafka(kafka.KafkaMessage(headers, key, data), JSONFormat())
    assert (read.get_id(), read.get_subject()) == (made.id, made.key)


def test_a_tombstone_has_no_data(server: RedisServer) -> None:
    gone = event(1)
    with opened(server) as sink:
        sink.publish([gone, tombstone(gone)])
    first, second = server.entries()
    assert first[b"data"] == gone.body
    assert second == {b"id": b"e1:tombstone", b"key": b"k1"}


def test_what_comes_again_has_the_id_that_it_had(server: RedisServer) -> None:
    for _ in range(2):
        with opened(server) as sink:
            sink.publish([event(1), event(2)])
    assert ids(server) == ["e1", "e2", "e1", "e2"]


def test_the_stream_may_depend_on_the_event(server: RedisServer) -> None:
    with opened(server, source="corp", stream="{source}:{kind}:{key}") as sink:
        sink.publish([event(1), event(2)])
    assert [ids(server, f"corp:updated:k{number}") for number in (1, 2)] == [["e1"], ["e2"]]


def test_the_stream_is_bounded_on_request(server: RedisServer) -> None:
    with opened(server, max_length=200) as sink:
        for begin in range(0, 1000, 100):
            sink.publish([event(begin + number) for number in range(100)])
    assert 200 <= len(server.entries()) <= 300
    assert ids(server)[-1] == "e999"


def test_all_of_a_batch_is_in_the_stream_or_nothing(server: RedisServer) -> None:
    server.set("maxmemory", str(server.ask("INFO", "memory")["used_memory"] + 200_000))
    batch = [event(1), event(2, b"x" * 300_000), event(3)]
    with opened(server) as sink:
        with pytest.raises(SinkUnavailable, match="maxmemory") as caught:
            sink.publish(batch)
        assert "max_length" in caught.value.hint
        assert ids(server) == []
        server.set("maxmemory", "0")
        sink.publish(batch)
    assert ids(server) == ["e1", "e2", "e3"]


def test_a_large_batch_is_more_than_one_transaction(server: RedisServer) -> None:
    # With this a larger one would end the connection.
    server.set("client-query-buffer-limit", "1mb")
    with opened(server) as sink:
        sink.publish([event(number, b"x" * 100_000) for number in range(100)])
    assert ids(server) == [f"e{number}" for number in range(100)]


# --- events that are not taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["proto-max-bulk-len", "client-query-buffer-limit"])
def test_what_is_too_large_is_rejected_and_what_is_just_not_is_taken(server: RedisServer, limit: str) -> None:
    server.set(limit, "1mb")
    most = (1 << 20) - (64 << 10)
    large = event(3, b"x" * (most + 1))
    with opened(server) as sink:
        for batch in ([event(1), event(2, b"x" * most), large, event(4)], [large]):
            with pytest.raises(EventRejected, match=f"{most + 1} octets, and {most}") as caught:
                sink.publish(batch)
            assert caught.value.event.id == "e3"
        assert ids(server) == ["e1", "e2"]
        sink.publish([event(4)])
    assert ids(server) == ["e1", "e2", "e4"]


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_missing_stream_is_told_with_the_command_that_makes_it(server: RedisServer) -> None:
    error = refused(server, create=False)
    assert f"no stream {STREAM}" in str(error)
    words = error.hint.split()
    assert words[:3] == ["redis-cli", "-n", "0"]
    server.ask(*words[3:])
    with opened(server, create=False) as sink:
        sink.publish([event(1)])
        server.ask("DEL", STREAM)
        with pytest.raises(SinkUnavailable, match=f"no stream {STREAM}"):
            sink.publish([event(2), event(3)])
    assert server.ask("EXISTS", STREAM) == 0


def test_another_database_may_be_meant(server: RedisServer) -> None:
    with opened(server.url + "/3") as sink:
        sink.publish([event(1)])
    assert server.ask("EXISTS", STREAM) == 0
    server.login["db"] = 3
    assert ids(server) == ["e1"]
    assert "-n 3" in refused(server.url + "/3", stream="other", create=False).hint


def test_what_is_no_stream_is_refused(server: RedisServer) -> None:
    server.ask("SET", STREAM, "x")
    error = refused(server)
    assert "no stream" in str(error)
    assert "another one" in error.hint
    with opened(server, stream="ldap:{source}{kind}") as sink:
        server.ask("SET", "ldap:directoryupdated", "x")
        with pytest.raises(SinkUnavailable, match="WRONGTYPE") as caught:
            sink.publish([event(1)])
    assert "another one" in caught.value.hint


# --- who may, and who sees what ---------------------------------------------------------------------------------------


def test_a_server_may_want_to_know_who_it_is() -> None:
    with RedisServer(requirepass=PASSWORD) as server:
        server.login["password"] = PASSWORD
        server.start()
        server.ask("ACL", "SETUSER", "relay", "on", f">{PASSWORD}", "~ldap:*", "+multi", "+exec", "+xadd", "+type")
        for login in ({}, {"user": "relay"}, {"user": "default"}):
            with opened(server, password=Secret(PASSWORD), **login) as sink:
                sink.publish([event(1)])
        with opened(server.url.replace("//", "//relay@"), password=Secret(PASSWORD)) as sink:
            sink.publish([event(1)])
        assert len(ids(server)) == 4
        error = refused(server)
        assert "Authentication required" in str(error)
        assert "compare the user and the password" in error.hint
        for user in ("relay", None):
            error = refused(server, user=user, password=Secret("wr0ng-one"))
            assert "invalid username-password pair" in str(error)
            shown = "".join(TracebackException.from_exception(error, capture_locals=True).format())
            assert "wr0ng-one" not in shown
        error = refused(server, user="relay", password=Secret(PASSWORD), stream="other")
        assert "NOPERM" in error.hint or "allowed to use" in error.hint


def test_who_may_not_append_is_told_what_is_needed(server: RedisServer) -> None:
    server.ask("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~ldap:*", "+@read", "+multi", "+exec")
    with opened(server, user="reader", password=Secret(PASSWORD)) as sink:
        with pytest.raises(SinkUnavailable, match="xadd") as caught:
            sink.publish([event(1)])
        assert "XADD" in caught.value.hint


def test_a_connection_is_encrypted_and_the_certificate_verified(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    mine, my_key = authority.issue("relay@example.com", file="relay")
    with RedisServer() as server:
        server.use_tls(*authority.issue("127.0.0.1"), authority.file, clients="yes")
        server.login |= {"ssl_certfile": str(mine), "ssl_keyfile": str(my_key)}
        server.start()
        url = server.url.replace("redis", "rediss")
        files = {"cert_file": str(mine), "key_file": str(my_key)}
        with opened(url, ca_file=str(authority.file), **files) as sink:
            sink.publish([event(1), event(2)])
            sink.publish([event(number, b"x" * 100_000) for number in range(3, 30)])
        assert len(ids(server)) == 29
        error = refused(url, ca_file=str(stranger.file), **files)
        assert "certificate" in str(error)
        assert "ca_file" in error.hint
        refused(url, ca_file=str(authority.file))
        with pytest.raises(UsageError, match=r"/nowhere/ca\.pem"), opened(url, ca_file="/nowhere/ca.pem"):
            pass


# --- being away -------------------------------------------------------------------------------------------------------


def test_nobody_there_is_told() -> None:
    with RedisServer() as server:
        error = refused(server)
    assert "refused" in str(error)
    assert "runs" in error.hint


def test_a_replica_is_refused(server: RedisServer) -> None:
    with opened(server) as sink:
        server.ask("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(SinkUnavailable, match="read only replica") as caught:
            sink.publish([event(1)])
    assert "primary" in caught.value.hint


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$5\r\nab", b"*-5\r\n", b"+OK\r\n", b""])
def test_what_is_no_redis_is_unavailable(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        refused(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
        thread.join()


def test_a_connection_that_has_rested_is_made_anew(server: RedisServer) -> None:
    now = 0.0
    sink = RedisSink(server.url, create=True, clock=lambda: now)
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


@pytest.mark.parametrize("size", [10, 400_000])
def test_who_waits_for_a_frozen_server_can_be_stopped(server: RedisServer, size: int) -> None:
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
        server.thaw()
        sink.close()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.open()
        assert time.monotonic() - began < 10


def test_who_waits_for_a_frozen_server_gives_up(server: RedisServer) -> None:
    with opened(server, timeout=0.2) as sink:
        server.freeze()
        with pytest.raises(SinkUnavailable, match=r"said nothing for 0\.2 s"):
            sink.publish([event(number, b"x" * 400_000) for number in range(20)])
    assert "said nothing for 0.2 s" in str(refused(server, timeout=0.2))


def test_who_waits_to_be_let_in_can_be_stopped_by_a_signal(server: RedisServer) -> None:
    sink = RedisSink(server.url, password=Secret("x"), timeout=60.0)
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
        ("redis://127.0.0.1/x", {}, "number of a database"),
        ("redis://example.com", {}, "in clear"),
        ("redis://:secret@127.0.0.1", {}, "holds a password"),
        ("redis://127.0.0.1", {"user": "relay"}, "without a password"),
        ("redis://127.0.0.1", {"ca_file": "/ca.pem"}, "not encrypted"),
        ("redis://127.0.0.1", {"stream": "ldap {kind}"}, "cannot be a stream"),
        ("redis://127.0.0.1", {"stream": "{dn}"}, "no event has"),
        ("redis://127.0.0.1", {"max_length": 0}, "keeps nothing"),
        ("redis://127.0.0.1", {"timeout": 0.0}, "in no time"),
    ],
)
def test_wrong_settings_are_refused(url: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        RedisSink(url, **options)


def test_a_sink_that_is_not_open_sends_nothing() -> None:
    sink = RedisSink("redis://127.0.0.1")
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1)])
    sink.stop()
    sink.close()
