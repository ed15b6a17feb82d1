"""An exchange of HTTP/1: the octets of a request become those of its answer.  No socket, and one request a connection.

Only ``GET`` and ``HEAD`` are known, and of the headers only Accept is looked at.  No answer repeats what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "Page", "Question", "complete", "respond"]

_MOST_OCTETS: Final = 8192
_END: Final = re.compile(rb"\r?\n\r?\n")
_TEXT: Final = "text/plain; charset=utf-8"
_METHODS: Final = ("GET", "HEAD")
_VERSIONS: Final = ("HTTP/1.0", "HTTP/1.1")


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks for.

    Args:
        query: the words behind the question mark, as they were sent.
        accept: the media types that it wants, as in the header Accept; empty for any.
    """

    query: frozenset[str]
    accept: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page is.

    Args:
        body: its text.
        status: the status of HTTP.
        content_type: the media type of the text.
    """

    body: bytes
    status: int = HTTPStatus.OK
    content_type: str = _TEXT


Page = Callable[[Question], Answer]
"""Makes the answer to who asks for one path."""


def complete(request: bytes) -> bool:
    """Tell whether there is nothing more to wait for: a request is there to its end, or is too large."""
    return _END.search(request) is not None or len(request) > _MOST_OCTETS


def respond(request: bytes, pages: Mapping[str, Page]) -> bytes:
    """Return the octets to answer a request with, whatever it is.

    Args:
        request: its octets, as far as they came; what follows the headers is not looked at.
        pages: what there is, by path.  What one raises becomes an answer that names the class of the error alone.
    """
    method, answer = _answer(request, pages)
    status = HTTPStatus(answer.status)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(f"Allow: {', '.join(_METHODS)}")
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    return head + b"\r\n" + (b"" if method == "HEAD" else answer.body)


def _answer(request: bytes, pages: Mapping[str, Page]) -> tuple[str, Answer]:
    """Return the method, and the answer."""
    if len(_END.split(request, maxsplit=1)[0]) > _MOST_OCTETS:
        return "", _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large")
    line, _, rest = request.partition(b"\n")
    try:
        method, target, version = line.decode("ascii").split()
        parts = urlsplit(target)
        headers = parse_headers(BytesIO(rest))
    except (ValueError, HTTPException):
        return "", _refusal(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1")
    if version not in _VERSIONS:
        return "", _refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1 is spoken here")
    if method not in _METHODS:
        return "", _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "there is nothing here but to read")
    page = pages.get(parts.path)
    if page is None:
        known = "".join(f"{path}\n" for path in sorted(pages))
        return method, _refusal(HTTPStatus.NOT_FOUND, f"there is no such page; there are:\n{known}".rstrip("\n"))
    accept = ", ".join(str(value) for value in headers.get_all("Accept", []))
    return method, _page(page, Question(frozenset(parts.query.split("&")) - {""}, accept))


def _page(page: Page, question: Question) -> Answer:
    try:
        return page(question)
    except Exception as error:  # noqa: BLE001 - who asks is told, and the others are answered all the same
        reason = f"the page cannot be made: {type(error).__name__}"
        return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason)


def _refusal(status: HTTPStatus, text: str) -> Answer:
    return Answer(f"{text}\n".encode(), status)
