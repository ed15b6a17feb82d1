"""Requests and their answers, as octets."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPResponse
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.service.exchange import Answer, Question, complete, respond

if TYPE_CHECKING:
    import socket

SECRET = "the password of ann"


def broken(question: Question) -> Answer:
    raise RuntimeError(SECRET)


def echo(question: Question) -> Answer:
    return Answer(f"{sorted(question.query)} {question.accept}".encode(), content_type="text/x-echo")


PAGES = {"/echo": echo, "/broken": broken, "/away": lambda _: Answer(b"away\n", HTTPStatus.SERVICE_UNAVAILABLE)}


class Wire:
    """What the standard library's client reads an answer from."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._octets)


def ask(request: bytes, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    wire: socket.socket = Wire(respond(request, PAGES))  # type: ignore[assignment]
    response = HTTPResponse(wire, method=method)
    response.begin()
    return response, response.read()


def test_a_page_is_found_by_its_path() -> None:
    response, body = ask(b"GET /echo?verbose&x=1 HTTP/1.1\r\nHost: here\r\nAccept: text/plain\r\n\r\n")

    assert (response.status, body) == (200, b"['verbose', 'x=1'] text/plain")
    assert response.getheader("Content-Type") == "text/x-echo"
    assert response.getheader("Content-Length") == str(len(body))
    assert response.getheader("Connection") == "close"
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("X-Content-Type-Options") == "nosniff"


def test_line_ends_may_be_those_of_people() -> None:
    assert ask(b"GET /echo HTTP/1.0\n\n")[0].status == 200


def test_several_headers_count_as_one() -> None:
    assert ask(b"GET /echo HTTP/1.1\r\nAccept: a/b\r\nACCEPT: c/d;q=0.5\r\n\r\n")[1] == b"[] a/b, c/d;q=0.5"


def test_head_has_no_body() -> None:
    response, body = ask(b"HEAD /echo HTTP/1.1\r\n\r\n", method="HEAD")

    assert (response.status, body) == (200, b"")
    assert response.getheader("Content-Length") == "3"
    assert respond(b"HEAD /echo HTTP/1.1\r\n\r\n", PAGES).endswith(b"\r\n\r\n")


def test_a_page_says_its_status() -> None:
    response, body = ask(b"GET /away HTTP/1.1\r\n\r\n")

    assert (response.status, response.reason, body) == (503, "Service Unavailable", b"away\n")


def test_what_is_not_there_is_told_with_what_is() -> None:
    response, body = ask(b"GET /<script> HTTP/1.1\r\n\r\n")

    assert response.status == 404
    assert body == b"there is no such page; there are:\n/away\n/broken\n/echo\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_nothing_can_be_done_but_reading(method: str) -> None:
    response, _ = ask(f"{method} /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".encode())

    assert response.status == 405
    assert response.getheader("Allow") == "GET, HEAD"


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET /echo\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
        "GET /\u00e4 HTTP/1.1\r\n\r\n".encode(),
        b"GET /echo HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
    ids=["nothing", "no version", "four words", "a wrong address", "TLS", "not ASCII", "many headers"],
)
def test_what_is_no_request_is_told_so(request_: bytes) -> None:
    assert ask(request_)[0].status == 400


def test_other_versions_are_refused() -> None:
    assert ask(b"PRI * HTTP/2.0\r\n\r\n")[0].status == 505


def test_a_large_request_is_refused_as_soon_as_it_is_too_large() -> None:
    large = b"GET /echo HTTP/1.1\r\nX: " + b"x" * 9000

    assert complete(large)
    assert not complete(large[:8000])
    assert ask(large)[0].status == 431


def test_a_page_that_fails_is_told_without_what_it_says() -> None:
    response, body = ask(b"GET /broken HTTP/1.1\r\n\r\n")

    assert (response.status, body) == (500, b"the page cannot be made: RuntimeError\n")


@given(st.binary(max_size=300), st.sampled_from([b"", b"GET /echo HTTP/1.1\r\n", b"GET /echo?"]))
def test_whatever_comes_is_answered(octets: bytes, start: bytes) -> None:
    response, body = ask(start + octets + b"\r\n\r\n")

    assert response.status in {200, 400, 404, 405, 505}
    assert len(body) == int(response.getheader("Content-Length", ""))
