"""A webhook: events are posted to an address, signed as Standard Webhooks has it.

Each request has the headers ``webhook-id``, ``webhook-timestamp`` and, with a secret, ``webhook-signature``
(https://www.standardwebhooks.com), and ``Idempotency-Key``, which is the id as well.  The id is that of the event; of
several events in one request it is made of theirs.

What an answer means:

* 2xx confirms.
* 408, 425, 429, 5xx, no answer, an answer that is no HTTP: unavailable.  ``Retry-After`` is obeyed.
* 401, 403, 404, 405, 407, 410, 421, 426 and 3xx: unavailable as well, for it is said of the address or of the sender
  and would be said of every other event.  Redirections are not followed: an event goes where it was configured to go.
* Any other 4xx is said of what was sent: it is rejected.

Facts that shaped it: urllib3 tries again by itself, and follows, unless told not to; it reads a whole answer into
memory, however long, unless told not to; its timeout is for each wait and not for the whole.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from binascii import Error as Base64Error
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import urllib3

from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.halves import BatchRejected, send_in_halves
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Batch, Event
    from syncrepl_client.secret import Secret

__all__ = ["Joins", "WebhookSink", "signature"]

_SCHEMES: Final = {"https": True, "http": False}
_PORTS: Final = {"https": 443, "http": 80}
_PREFIX: Final = b"whsec_"
_SHORTEST_SECRET: Final = 24
_NOT_ABOUT_THE_EVENT: Final = frozenset({401, 403, 404, 405, 407, 408, 410, 421, 425, 426, 429})
# How much of an answer is read, in octets, and how much of it an error shows.
_READ: Final = 4096
_SHOWN: Final = 200


class Joins(Protocol):
    """Makes one body of several events; see `Envelope.batch`."""

    def __call__(self, events: Sequence[Event], /) -> Batch:
        """Return the body, and its media type."""


class WebhookSink:
    """Posts events.

    Args:
        url: where to.
        secrets: what requests are signed with, each ``whsec_`` and base64; several while one takes the place of
            another; one that is in a file is read for each request.
        join: makes one body of several events, such as the method `batch` of their envelope; without it each has a
            request of its own.
        at_most: how many events one request has.
        timeout: how many seconds to wait for a connection, and for each part of an answer.
        ca_file: who may have issued the receiver's certificate; None for whomever the system trusts.
        cleartext: whether an ``http`` address may be another machine's.
        clock: returns the time in seconds since 1970.

    Raises:
        UsageError: the address or a secret is none.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[Secret] = (),
        join: Joins | None = None,
        at_most: int = 100,
        timeout: float = 10.0,
        ca_file: str | None = None,
        cleartext: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._where = _checked(url, cleartext=cleartext)
        self._url = url
        self._secrets = tuple(secrets)
        for secret in self._secrets:
            _key(secret)
        self._join = join
        self._at_most = at_most
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)
        self._ca_file = ca_file
        self._clock = clock
        self._pool: urllib3.PoolManager | None = None
        self._stopped = False

    def open(self) -> None:
        """Get ready; the connection is made by the first request."""
        # It says which file is not there; urllib3 would not.
        context = TLS(ca_file=self._ca_file).make_context()
        self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=self._timeout, ssl_context=context)

    def publish(self, batch: Sequence[Event]) -> None:
        """Post events; see `Sink.publish`."""
        if self._join is None:
            for event in batch:
                send_in_halves([event], self._post_one)
            return
        post = partial(self._post_joined, self._join)
        for begin in range(0, len(batch), self._at_most):
            send_in_halves(batch[begin : begin + self._at_most], post)

    def _post_one(self, events: Sequence[Event]) -> None:
        (event,) = events
        self._post(event.id, event.body or b"", BINDINGS["http"].headers(event))

    def _post_joined(self, join: Joins, events: Sequence[Event]) -> None:
        joined = join(events)
        self._post(_joined_id(events), joined.body, {"Content-Type": joined.content_type})

    def _post(self, message_id: str, body: bytes, headers: dict[str, str]) -> None:
        if self._pool is None or self._stopped:
            raise SinkUnavailable(f"nothing was sent to {self._where}: the sink is stopped, or not open")
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=headers | self._signed(message_id, body),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise SinkUnavailable(f"{self._where} cannot be reached: {_reason(error)}") from error
        self._judge(response)

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        now = int(self._clock())
        headers = {"webhook-id": message_id, "webhook-timestamp": str(now), "Idempotency-Key": message_id}
        if self._secrets:
            headers["webhook-signature"] = " ".join(signature(one, message_id, now, body) for one in self._secrets)
        return headers

    # --- answers ------------------------------------------------------------------------------------------------------

    def _judge(self, response: urllib3.BaseHTTPResponse) -> None:
        """Return if an answer confirms, and raise what it means if not."""
        status = response.status
        said = _said(response)
        if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3: successful
            return
        if 400 <= status < 500 and status not in _NOT_ABOUT_THE_EVENT:  # noqa: PLR2004 - section 15.5: client error
            raise BatchRejected(f"{self._where} answers {status}{said}")
        raise SinkUnavailable(
            f"{self._where} answers {status}{said}", retry_after=self._rest(response), hint=_hint(status)
        )

    def _rest(self, response: urllib3.BaseHTTPResponse) -> float | None:
        """Return how many seconds the receiver wants to be left alone (RFC 9110 section 10.2.3)."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal():
            # No number with more digits is waited for.
            return float(text[:12])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._clock())
        except (ValueError, OverflowError):
            return None

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def stop(self) -> None:
        """Send nothing more; what is on its way ends within its timeout."""
        self._stopped = True


def signature(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a request, as Standard Webhooks has it: HMAC-SHA256, version ``v1``.

    Args:
        secret: ``whsec_`` and base64.
        message_id: what ``webhook-id`` says.
        timestamp: what ``webhook-timestamp`` says, in seconds since 1970.
        body: the octets of the request.

    Raises:
        UsageError: the secret is none.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: Secret) -> bytes:
    """Return the key in a secret."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or len(key) < _SHORTEST_SECRET:
        raise UsageError(
            f"the secret of a webhook is whsec_ and at least {_SHORTEST_SECRET} octets in base64, and this is not",
            hint='make one, and tell it the receiver: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def _joined_id(events: Sequence[Event]) -> str:
    """Return the same name each time that the same events are in one request."""
    if len(events) == 1:
        return events[0].id
    return "batch:" + hashlib.sha256("\n".join(event.id for event in events).encode()).hexdigest()


def _checked(url: str, *, cleartext: bool) -> str:
    """Return what errors call an address: without its path and query, which may be secret."""
    address = Address.parse(url.partition("?")[0], _SCHEMES, _PORTS, cleartext=cleartext)
    if address.user is not None:
        raise UsageError("the address of a webhook has no user in it", hint="write https://host/path")
    return str(address)


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Return what went wrong: what the system or TLS says, where urllib3 only wraps it."""
    inner = error.__cause__ or next((one for one in error.args if isinstance(one, Exception)), None)
    return type(error).__name__ if inner is None else str(inner)


def _said(response: urllib3.BaseHTTPResponse) -> str:
    """Return the beginning of what an answer says, and let go of the connection, or close it if it says too much."""
    try:
        octets = response.read(_READ)
        whole = len(octets) < _READ
    except (urllib3.exceptions.HTTPError, OSError):
        octets, whole = b"", False
    if whole:
        response.release_conn()
    else:
        response.close()
    text = "".join(c if c.isprintable() else " " for c in octets.decode(errors="replace")).strip()
    return f": {text[:_SHOWN]}" if text else ""


def _hint(status: int) -> str:
    if status in {401, 403}:
        return "the receiver does not know the sender: compare the secret, and whose address it lets in"
    if status in {404, 405, 410}:
        return "there is no such webhook: compare the address with what the receiver says"
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4: redirection
        return "redirections are not followed: give the address that the receiver has now"
    return ""
