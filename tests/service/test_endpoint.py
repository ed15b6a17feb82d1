"""The endpoint, asked by real clients of all kinds."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.service.endpoint import Endpoint
from syncrepl_client.service.exchange import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = b"x" * 3_000_000
PAGES = {"/small": lambda _: Answer(b"here\n"), "/large": lambda _: Answer(LARGE)}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint("127.0.0.1", 0, PAGES) as opened:
        yield opened


def connect(endpoint: Endpoint, timeout: float = 20.0) -> socket.socket:
    host, _, port = endpoint.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout)


def get(endpoint: Endpoint, path: str = "/small") -> bytes:
    with urlopen(endpoint.url + path, timeout=20) as answer:  # noqa: S310 - it is http
        content: bytes = answer.read()
        return content


def rest(sock: socket.socket) -> bytes:
    """Read to the end, or to the reset of a connection that was given up."""
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"reset")
    return b"".join(parts)


def ends_within(seconds: float, sock: socket.socket) -> bool:
    """Send an octet now and then, and tell whether the other side gives up."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            sock.send(b"G")
        except OSError:
            return True
        threading.Event().wait(0.05)
    return False


def test_a_page_is_answered(endpoint: Endpoint) -> None:
    assert get(endpoint) == b"here\n"


def test_a_large_page_comes_whole(endpoint: Endpoint) -> None:
    assert get(endpoint, "/large") == LARGE


def test_a_client_that_wants_to_go_on_is_told_that_it_cannot(endpoint: Endpoint) -> None:
    client = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=20)
    for _ in range(3):
        client.request("GET", "/small")
        assert client.getresponse().read() == b"here\n"
    client.close()


def test_a_request_may_come_in_pieces(endpoint: Endpoint) -> None:
    with connect(endpoint) as sock:
        for octet in b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n":
            sock.send(bytes([octet]))
        assert rest(sock).endswith(b"\r\n\r\nhere\n")


def test_who_sends_a_body_gets_the_answer_all_the_same(endpoint: Endpoint) -> None:
    with connect(endpoint) as sock:
        sock.sendall(b"POST /small HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"y" * 1_000_000)
        assert rest(sock).startswith(b"HTTP/1.1 405 ")


def test_a_request_without_end_is_refused(endpoint: Endpoint) -> None:
    with connect(endpoint) as sock:
        sock.sendall(b"GET /small HTTP/1.1\r\nX: " + b"y" * 9000)
        assert rest(sock).startswith(b"HTTP/1.1 431 ")


def test_a_client_that_says_nothing_is_sent_away() -> None:
    with Endpoint("127.0.0.1", 0, PAGES, patience=0.2) as endpoint, connect(endpoint) as sock:
        began = time.monotonic()
        assert rest(sock) == b""
        assert 0.1 < time.monotonic() - began < 10


def test_a_client_that_sends_an_octet_now_and_then_is_sent_away_too() -> None:
    with Endpoint("127.0.0.1", 0, PAGES, patience=0.3) as endpoint, connect(endpoint) as sock:
        assert ends_within(20, sock)


def test_a_client_that_does_not_read_is_sent_away() -> None:
    with Endpoint("127.0.0.1", 0, PAGES, patience=0.2) as endpoint, connect(endpoint) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        # Others are answered meanwhile, and after it has gone.
        assert get(endpoint) == b"here\n"
        assert ends_within(20, sock)


def test_a_client_that_goes_away_disturbs_nobody(endpoint: Endpoint) -> None:
    for request in (b"", b"GET /sm", b"GET /large HTTP/1.1\r\n\r\n"):
        with connect(endpoint) as sock:
            sock.sendall(request)
        assert get(endpoint) == b"here\n"


def test_many_who_are_slow_keep_nobody_out(endpoint: Endpoint) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(endpoint)) for _ in range(100)]
        for sock in slow:
            sock.sendall(b"GET /sm")
        assert get(endpoint) == b"here\n"
        # The oldest had to go, the youngest are still waited for.
        assert rest(slow[0]) in {b"", b"reset"}
        slow[-1].sendall(b"all HTTP/1.1\r\n\r\n")
        assert rest(slow[-1]).endswith(b"here\n")


def test_many_at_once_are_all_answered(endpoint: Endpoint) -> None:
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(get(endpoint))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [b"here\n"] * 20


def test_a_page_that_fails_disturbs_nobody() -> None:
    def broken(question: Question) -> Answer:
        raise RuntimeError

    with Endpoint("127.0.0.1", 0, {**PAGES, "/broken": broken}) as endpoint:
        with connect(endpoint) as sock:
            sock.sendall(b"GET /broken HTTP/1.1\r\n\r\n")
            assert rest(sock).startswith(b"HTTP/1.1 500 ")
        assert get(endpoint) == b"here\n"


@pytest.mark.parametrize("host", ["::1", "localhost", "0.0.0.0", "::"])  # noqa: S104 - who wants it, may
def test_it_listens_at_addresses_of_all_kinds(host: str) -> None:
    with Endpoint(host, 0, PAGES) as endpoint:
        assert get(endpoint) == b"here\n"
        if host == "::":
            port = endpoint.url.rpartition(":")[2]
            with urlopen(f"http://127.0.0.1:{port}/small", timeout=20) as answer:
                assert answer.read() == b"here\n"


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(endpoint: Endpoint) -> None:
    port = int(endpoint.url.rpartition(":")[2])

    with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}: Address already in use") as refused:
        Endpoint("127.0.0.1", port, PAGES).open()

    assert "choose another" in refused.value.hint
    assert get(endpoint) == b"here\n"


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70000), ("x" * 300, 0), ("2001:db8::1", 0)]
)
def test_an_address_that_cannot_be_is_one_error(host: str, port: int) -> None:
    with pytest.raises(UsageError, match="cannot listen at"):
        Endpoint(host, port, PAGES).open()


def test_it_ends_at_once_also_while_somebody_is_slow() -> None:
    endpoint = Endpoint("127.0.0.1", 0, PAGES).open()
    with connect(endpoint) as sock:
        sock.sendall(b"GET /sm")
        assert get(endpoint) == b"here\n"
        port = int(endpoint.url.rpartition(":")[2])
        began = time.monotonic()

        endpoint.close()

        assert time.monotonic() - began < 1
        assert rest(sock) in {b"", b"reset"}
    endpoint.close()
    with pytest.raises(UsageError, match="not open"):
        _ = endpoint.url
    # The port can be used again at once.
    with Endpoint("127.0.0.1", port, PAGES) as again:
        assert get(again) == b"here\n"


def test_an_endpoint_that_was_closed_leaves_no_thread() -> None:
    def serving() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "endpoint"]

    with Endpoint("127.0.0.1", 0, PAGES):
        assert serving() == ["endpoint"]

    assert serving() == []
