"""A connection to NATS, for threads that do not know asyncio.

The library is made for asyncio, so a connection has an event loop of its own, which runs while something is to be done
and rests in between.  One that has rested for long is to be made anew: nobody has answered the server's pings.

Facts about nats-py that shaped it:

* It encrypts if the server says that it wants that, and not because the URL says ``tls``: whoever is on the way could
  have the password by keeping silent.  The loop knows whether TLS was begun, and is asked before the password goes out.
* A server that cannot be reached is tried again for ever, whatever is said of reconnecting, unless the function that
  is told of errors raises one.
* Closing waits until all that was written is sent, which may be never; so the loop knows its connections, and ends
  them.
* Some of its functions swallow their cancellation, and go on until the connection is closed.
* Its own way to publish without waiting makes some objects and a name of chance for each message; to number messages
  and to count the answers is twice as fast.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from syncrepl_client.exceptions import SinkUnavailable
from syncrepl_client.sinks.logins import Login

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from nats.aio.msg import Msg
    from nats.js.api import StreamConfig

    from syncrepl_client.secret import Secret
    from syncrepl_client.transport.tls import TLS

__all__ = ["TOO_LARGE", "Connection", "Message", "Refusal"]

TOO_LARGE: Final = 10054
"""The one refusal that is said of the message: "message size exceeds maximum allowed"."""

_T = TypeVar("_T")

_NO_RESPONDERS: Final = "503"
_HEAD: Final = len(b"NATS/1.0\r\n\r\n")
_LINE: Final = len(b": \r\n")
_HINTS: Final = {
    "authorization": "compare the user and the password, or the token, with those that the server has",
    "permissions": "the user must be allowed to publish to the subject and to $JS.API.STREAM.INFO.*, to "
    "$JS.API.STREAM.NAMES if the stream has no name here, and to subscribe to _INBOX.>",
    "certificate": "compare the certificate with the name in the URL, and give who issued it as ca_file",
    "refused": "look whether the server runs, and at the address",
}


class Refusal(msgspec.Struct, frozen=True):
    """Why a message was not taken."""

    description: str = "no reason"
    err_code: int = 0


class _Answer(msgspec.Struct, frozen=True):
    """What a stream says to a message."""

    stream: str = ""
    error: Refusal | None = None


_NOBODY: Final = _Answer(error=Refusal("no stream takes the subject"))
_answer: Final = msgspec.json.Decoder(_Answer).decode


class Message(NamedTuple):
    """What is published for an event."""

    subject: str
    body: bytes
    headers: dict[str, str]

    @property
    def octets(self) -> int:
        """How large the server finds it."""
        # Names and values are ASCII: the binding sees to it, and ids and media types are.
        return _HEAD + sum(len(name) + len(value) + _LINE for name, value in self.headers.items()) + len(self.body)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that knows its connections."""

    def __init__(self) -> None:
        super().__init__()
        # Its parent has private names of its own, which are not to be met.
        self.lines: list[asyncio.BaseTransport] = []
        self.encrypts = False

    async def create_connection(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - its parent has 13 overloads
        """Connect."""
        made = await super().create_connection(*args, **options)
        self.lines.append(made[0])
        return made

    async def start_tls(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - what its parent has
        """Begin to encrypt."""
        made = await super().start_tls(*args, **options)
        if made is not None:
            self.lines.append(made)
            self.encrypts = True
        return made

    def abort(self) -> None:
        """End all connections at once."""
        for transport in self.lines[::-1]:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()


class Connection:
    """One connection, from when it is made until it is closed."""

    def __init__(self, where: str, timeout: float) -> None:
        self.where = where
        self._timeout = timeout
        self._client = Client()
        self._runner = asyncio.Runner(loop_factory=_Loop)
        self._loop = cast("_Loop", self._runner.get_loop())
        self._connected = False
        # What is done now, why it ends early, and a number that grows with each answer.
        self._task: asyncio.Task[Any] | None = None
        self._end: asyncio.Future[Exception] = self._loop.create_future()
        self._progress = 0
        # Which messages have no answer yet, by the subject of that; which were refused; whether all were answered.
        self._stream = self._inbox = ""
        self._waiting: dict[str, int] = {}
        self._refused: dict[int, Refusal] = {}
        self._answered: asyncio.Future[None] = self._loop.create_future()

    # --- what may be called from outside of the loop ------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something, unless nothing is heard for too long, or it is ended.

        Raises:
            SinkUnavailable: it was not done.
        """
        try:
            return self._runner.run(self._attended(work))
        # TimeoutError is an OSError; what is no answer of NATS is a ValueError.
        except (OSError, ValueError, nats.errors.Error) as error:
            reason = error
        # The frames of the library hold the password, so they are not kept as the context of an error.
        raise self._unavailable(reason)

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        said = str(error).strip()
        if isinstance(error, TimeoutError) and not error.errno:
            return SinkUnavailable(f"{self.where} has said nothing for {self._timeout:g} s")
        if isinstance(error, nats.js.errors.ServiceUnavailableError):
            return SinkUnavailable(f"{self.where} has no JetStream", hint="start it with: nats-server --jetstream")
        if isinstance(error, ConnectionRefusedError):
            # What the loop makes of it does not say so.
            said = "connection refused"
        elif isinstance(error, OSError):
            said = error.strerror or said
        hint = next((hint for words, hint in _HINTS.items() if words in said.lower()), "")
        return SinkUnavailable(f"{self.where} cannot be used: {said}", hint=hint)

    def end(self, reason: Exception) -> None:
        """End what is done now; for any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end_now, reason)

    def close(self) -> None:
        """Let go of it."""
        self._loop.abort()
        self._runner.run(self._close())
        self._runner.close()

    # --- inside of the loop -------------------------------------------------------------------------------------------

    async def _attended(self, work: Coroutine[Any, Any, _T]) -> _T:
        task = self._loop.create_task(work)
        self._task = task
        either: set[asyncio.Future[Any]] = {task, self._end}
        seen = -1
        while seen != self._progress and not task.done() and not self._end.done():
            seen = self._progress
            await asyncio.wait(either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        # Nobody else asks what became of it.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        if self._end.done():
            raise self._end.result()
        raise TimeoutError

    async def _close(self) -> None:
        # Of one that was never let in the library waits for the end of what TLS has taken over, which it does not see.
        if self._connected:
            with contextlib.suppress(OSError, nats.errors.Error):
                await asyncio.wait_for(self._client.close(), self._timeout)
        if self._task is not None and not self._task.done():
            # It has swallowed the cancellation before; now that the client is closed it will not go on.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=self._timeout)

    def _end_now(self, reason: Exception) -> None:
        if not self._end.done():
            self._end.set_result(reason)

    async def connect(self, tls: TLS | None, login: Login | None, token: Secret | None) -> None:
        """Connect, and say who we are."""
        encrypted = tls is not None
        options: dict[str, Any] = {} if tls is None else {"tls": tls.make_context()}
        if login is not None:
            options |= {"user": login.user, "password": partial(self._reveal, login, encrypted=encrypted)}
        if token is not None:
            options["token"] = partial(self._reveal, Login("token", token), encrypted=encrypted)
        await self._client.connect(
            self.where,
            error_cb=self._hear_error,
            closed_cb=self._hear_closed,
            allow_reconnect=False,
            connect_timeout=cast("int", self._timeout),
            name="syncrepl_client",
            **options,
        )
        self._connected = True
        self._check_encryption(encrypted=encrypted)
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._hear_answer)

    def _reveal(self, login: Login, *, encrypted: bool) -> str:
        self._check_encryption(encrypted=encrypted)
        return login.text()

    def _check_encryption(self, *, encrypted: bool) -> None:
        if encrypted and not self._loop.encrypts:
            raise SinkUnavailable(
                f"{self.where} does not encrypt; nothing was sent",
                hint="the server needs a certificate, or somebody on the way removes encryption",
            )

    async def look(self, name: str | None, subjects: Sequence[str], create: Sequence[str]) -> int:
        """Look for the stream.

        Args:
            name: of the stream; None for whichever takes the subjects.
            subjects: what it must take.
            create: the subjects of the stream to make if there is none.

        Returns:
            How many octets a message may have.
        """
        js = self._client.jetstream(timeout=self._timeout)
        try:
            found = await js.stream_info(name or await js.find_stream_name_by_subject(subjects[0]))
        except nats.js.errors.NotFoundError:
            if name is None or not create:
                raise SinkUnavailable(
                    f"there is no stream {name or 'for ' + subjects[0]} at {self.where}", hint=_make(name, subjects)
                ) from None
            found = await js.add_stream(name=name, subjects=list(create))
        self._stream = found.config.name or ""
        _check(self.where, found.config, subjects)
        largest = found.config.max_msg_size
        most = self._client.max_payload
        return most if largest is None or largest < 0 else min(most, largest)

    async def exchange(self, messages: Sequence[Message]) -> dict[int, Refusal]:
        """Publish messages, and wait for all answers; returns which were refused, and why."""
        if not messages:
            return {}
        self._answered = self._loop.create_future()
        self._refused = {}
        self._waiting = {f"{self._inbox}.{self._progress + at}": at for at in range(len(messages))}
        for reply, message in zip(tuple(self._waiting), messages, strict=True):
            await self._client.publish(message.subject, message.body, reply=reply, headers=message.headers)
        await self._answered
        return self._refused

    async def _hear_answer(self, msg: Msg) -> None:
        """Note what the stream says; whoever else listens to the subject may answer as well, and does not count."""
        if msg.headers is not None and msg.headers.get("Status") == _NO_RESPONDERS:
            answer = _NOBODY
        else:
            try:
                answer = _answer(msg.data)
            except msgspec.MsgspecError:
                return
        if answer.error is None and answer.stream != self._stream:
            return
        at = self._waiting.pop(msg.subject, None)
        if at is None:
            return
        self._progress += 1
        if answer.error is not None:
            self._refused[at] = answer.error
        if not self._waiting:
            self._answered.set_result(None)

    async def _hear_error(self, error: Exception) -> None:
        if not self._connected:
            # Else it would be tried again.
            raise error
        self._end_now(error)

    async def _hear_closed(self) -> None:
        self._end_now(self._client.last_error or nats.errors.ConnectionClosedError())


def _check(where: str, config: StreamConfig, subjects: Sequence[str]) -> None:
    """Raise if a stream cannot keep events."""
    kept = config.subjects or []
    missing = next((one for one in subjects if not any(_takes(subject, one) for subject in kept)), None)
    trouble = f"does not take the subject {missing}" if missing else "does not acknowledge" if config.no_ack else None
    if trouble is not None:
        raise SinkUnavailable(
            f"the stream {config.name} at {where} {trouble}",
            hint=f"nats stream edit {config.name} --subjects … --ack, or choose another subject or stream",
        )


def _takes(kept: str, subject: str) -> bool:
    """Tell whether a subject of a stream, which may have wildcards, takes one that has none."""
    wanted, given = kept.split("."), subject.split(".")
    if wanted[-1] == ">" and len(given) >= len(wanted):
        given = given[: len(wanted) - 1]
        del wanted[-1]
    return len(wanted) == len(given) and all(one in {"*", other} for one, other in zip(wanted, given, strict=True))


def _make(name: str | None, subjects: Sequence[str]) -> str:
    """Return the command that makes a stream."""
    return f"nats stream add {name or 'LDAP'} --subjects '{','.join(subjects)}' --storage file --defaults"
