"""The webhook: signed as Standard Webhooks has it; what each answer means, and what nobody may see."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from contextlib import closing, contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.envelope.base import Batch, array
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.webhook import WebhookSink, signature
from tests.certificates import Authority
from tests.server import free_port
from tests.sinks.events import event
from tests.sinks.receivers import SECRET, HookServer, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from syncrepl_client.envelope.base import Event

OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HookServer]:
    running = HookServer(tmp_path)
    running.start()
    try:
        yield running
    finally:
        running.kill()


def joined(events: Sequence[Event]) -> Batch:
    return Batch("application/json", array(events))


def post(url: str, *numbers: int, secret: str = SECRET, **options: Any) -> None:
    sink = WebhookSink(url, secrets=[Secret(secret)], **options)
    sink.open()
    with closing(sink):
        sink.publish([event(number) for number in numbers])


def ids(server: HookServer) -> list[str]:
    return [one["id"] for one in lines(server.notes)]


class Recorder(http.server.BaseHTTPRequestHandler):
    """Keeps the headers and bodies of requests."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def recording(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[tuple[dict[str, str], bytes]]]]:
    requests: list[tuple[dict[str, str], bytes]] = []
    handler = type("Handler", (Recorder,), {"requests": requests})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# --- requests ---------------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_published_example() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_event_has_a_request_of_its_own_or_shares_one(server: HookServer) -> None:
    post(server.url, 1, 2)
    post(server.url, 3, 4, 5, 6, 7, join=joined, at_most=3)
    assert ids(server) == [f"e{number}" for number in range(1, 8)]


def test_a_request_says_what_it_is() -> None:
    with recording() as (port, requests):
        sink = WebhookSink(f"http://localhost:{port}/", secrets=[Secret(SECRET), Secret(OTHER)], clock=lambda: 1234.5)
        sink.open()
        with closing(sink):
            made = event(1, b'"\xc3\xa4"', "application/json; charset=utf-8", subject="\u00e4 b")
            sink.publish([made, event(2)])
        post(f"http://127.0.0.1:{port}/", 1, 2, join=joined)
        post(f"http://127.0.0.1:{port}/", 1, 2, join=joined)
        post(f"http://127.0.0.1:{port}/", 2, join=joined)
    headers, body = requests[0]
    assert body == made.body
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["ce-subject"] == "%C3%A4%20b"
    assert headers["webhook-id"] == headers["Idempotency-Key"] == "e1"
    assert headers["webhook-timestamp"] == "1234"
    both = [signature(Secret(secret), "e1", 1234, body) for secret in (SECRET, OTHER)]
    assert headers["webhook-signature"].split(" ") == both
    assert "ce-subject" not in requests[1][0]
    names = [headers["webhook-id"] for headers, _ in requests[2:]]
    assert names[0] == names[1] != names[2] == "e2"


def test_without_a_secret_nothing_is_signed() -> None:
    with recording() as (port, requests):
        sink = WebhookSink(f"http://127.0.0.1:{port}/")
        sink.open()
        sink.publish([event(1)])
        sink.close()
    assert "webhook-signature" not in requests[0][0]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_confirms(server: HookServer, status: int) -> None:
    server.order(status=status)
    post(server.url, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 408, 410, 425, 429, 500, 502, 503, 504, 599])
def test_what_is_not_about_the_event_is_tried_again(server: HookServer, status: int) -> None:
    server.order(status=status, answer="so \x1b[31mit is", headers={"Location": "/other"})
    with pytest.raises(SinkUnavailable, match=f"answers {status}: so  .31mit is") as caught:
        post(server.url, 1)
    assert caught.value.retry_after is None
    server.order()
    post(server.url, 1)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_is_about_the_event_rejects_it(server: HookServer, status: int) -> None:
    server.order(status=status, answer="bad thing")
    with pytest.raises(EventRejected, match=f"{status}: bad thing") as caught:
        post(server.url, 1, 2)
    assert caught.value.event.id == "e1"


def test_the_event_that_is_rejected_is_found_in_its_batch(server: HookServer) -> None:
    server.order(reject='"e5"')
    with pytest.raises(EventRejected) as caught:
        post(server.url, *range(1, 10), join=joined)
    assert caught.value.event.id == "e5"
    assert ids(server) == ["e1", "e2", "e3", "e4"]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        (None, 900, 1000),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("9" * 500, 1e11, 1e12),
    ],
)
def test_a_receiver_says_when_to_come_back(server: HookServer, text: str | None, least: float, most: float) -> None:
    if text is None:
        text = formatdate(time.time() + 1000, usegmt=True)
    server.order(status=503, headers={"Retry-After": text})
    with pytest.raises(SinkUnavailable) as caught:
        post(server.url, 1)
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "", "\u00b2"])
def test_what_is_no_time_is_none(server: HookServer, text: str) -> None:
    server.order(status=429, headers={"Retry-After": text})
    with pytest.raises(SinkUnavailable) as caught:
        post(server.url, 1)
    assert caught.value.retry_after is None


def test_a_long_answer_is_not_read_to_its_end(server: HookServer) -> None:
    server.order(answer="x" * 10_000_000)
    sink = WebhookSink(server.url, secrets=[Secret(SECRET)])
    sink.open()
    with closing(sink):
        for number in range(3):
            sink.publish([event(number)])
    assert ids(server) == ["e0", "e1", "e2"]


def test_who_is_slow_is_unavailable(server: HookServer) -> None:
    server.order(slow=2)
    with pytest.raises(SinkUnavailable, match=r"cannot be reached: .*[Tt]ime"):
        post(server.url, 1, timeout=0.2)


def test_nobody_is_unavailable_and_the_address_is_not_told() -> None:
    port = free_port()
    with pytest.raises(SinkUnavailable, match=f"http://127.0.0.1:{port} cannot be reached") as caught:
        post(f"http://127.0.0.1:{port}/hook?token=s3cret", 1)
    assert "s3cret" not in str(caught.value)


def test_a_stopped_sink_sends_nothing(server: HookServer) -> None:
    sink = WebhookSink(server.url, secrets=[Secret(SECRET)])
    with pytest.raises(SinkUnavailable):
        sink.publish([event(1)])
    sink.open()
    sink.stop()
    with pytest.raises(SinkUnavailable):
        sink.publish([event(1)])
    sink.close()
    assert ids(server) == []


def test_a_wrong_secret_is_said_with_a_hint(server: HookServer) -> None:
    with pytest.raises(SinkUnavailable, match="401") as caught:
        post(server.url, 1, secret=OTHER)
    assert "compare the secret" in caught.value.hint
    assert json.dumps(OTHER[6:]) not in repr(vars(caught.value))


# --- encryption -------------------------------------------------------------------------------------------------------


def tls(authority: Authority, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(*names, **options))
    return context


def test_who_has_the_right_certificate_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with recording(tls(authority, "127.0.0.1")) as (port, requests):
        post(f"https://127.0.0.1:{port}/", 1, ca_file=str(authority.file))
    assert [body for _, body in requests] == [event(1).body]


@pytest.mark.parametrize("wrong", ["authority", "name", "time"])
def test_nothing_is_sent_to_who_has_a_wrong_certificate(tmp_path: Path, wrong: str) -> None:
    authority = Authority(tmp_path)
    name = "other.example" if wrong == "name" else "127.0.0.1"
    trusted = None if wrong == "authority" else str(authority.file)
    with recording(tls(authority, name, expired=wrong == "time")) as (port, requests):
        with pytest.raises(SinkUnavailable, match=r"(?i)certificate"):
            post(f"https://127.0.0.1:{port}/", 1, ca_file=trusted)
        assert requests == []


def test_a_file_of_authorities_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the file of authorities .*none\.pem"):
        post("https://127.0.0.1:1/", 1, ca_file=str(tmp_path / "none.pem"))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["ftp://h/", "https:///x", "https://a:b@h/", "https://a@h/", "h", "https://h:x/", "https://[::1/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"not the address|holds a password|no user in it"):
        WebhookSink(url)


def test_nothing_goes_to_others_in_clear_unless_that_is_allowed() -> None:
    with pytest.raises(UsageError, match="in clear"):
        WebhookSink("http://example.com/")
    WebhookSink("http://example.com/", cleartext=True)
    WebhookSink("http://[::1]:80/")
    WebhookSink("http://localhost/")


@pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused_before_anything_is_sent(secret: str) -> None:
    with pytest.raises(UsageError, match="whsec_") as caught:
        WebhookSink("https://h/", secrets=[Secret(secret)])
    assert "openssl rand" in caught.value.hint
