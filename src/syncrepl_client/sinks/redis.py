"""Redis Streams: each event is an entry of a stream, a batch is one transaction.

An entry has the fields ``id`` and ``key``, the attributes that travel beside the body, and the body as ``data``; a
tombstone has none.  There is no CloudEvents binding for Redis, so attributes are named as in Kafka's.

The ids of entries are made by Redis, and not of the numbers of changes, though a repeat with the same id would be
refused.  Redis refuses an id because it is not larger than the last one, and not because it is there: an event that
was never delivered would count as delivered if its number is smaller.  It is, whenever another data file begins to
count anew, two sources share a stream, a dead letter is delivered at last, changes are replayed or a new snapshot is
taken; and the entries of a snapshot share one number.  So a repeat is in the stream twice, with the same ``id`` in its
fields; there are some only when a batch was not confirmed.

All or nothing of a batch is in the stream, so nothing of it can stand before what it follows: Redis decides whether it
has room when commands are queued.

Facts that shaped it:

* Replies to the commands of a transaction come one by one, and then those to what they did, in one list; an error there
  does not keep the others from being done, but only a wrong kind of key, or no key, is noticed as late as that.
* A command that is larger than a limit ends the connection, and so does a transaction that is larger than another.
* redis-py tries again by itself, but its connections do not.
* A thread that waits for a connection is only woken by shutting its socket down.
* Frames of redis-py hold the password, so they are not kept as the context of an error.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis

from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.logins import Login, encryption
from syncrepl_client.sinks.templates import Template

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret

__all__ = ["RedisSink"]

_T = TypeVar("_T")

_SCHEMES: Final = {"rediss": True, "redis": False}
_PORTS: Final = {"rediss": 6379, "redis": 6379}
_DEFAULT_USER: Final = "default"
_BINDING: Final = BINDINGS["kafka"]
# Firewalls forget a connection on which nothing is said.
_RESTED: Final = 30.0
# How large a transaction gets, unless an event is larger; the smallest limit that Redis can have is twice that.
_OCTETS: Final = 512 << 10
# What Redis takes if nobody has said otherwise, and how it is asked.
_MOST: Final = 512 << 20
_LIMITS: Final = ("proto-max-bulk-len", "client-query-buffer-limit")
# What an entry has beside its body is less than this, and about that.
_BESIDE: Final = 64 << 10
_BESIDE_EACH: Final = 1 << 10
_BOTH_WAYS: Final = 2  # socket.SHUT_RDWR

# What Redis says, or the system, and what to do about it.
_HINTS: Final = {
    "WRONGPASS": "compare the user and the password with those that the server has",
    "NOAUTH": "give a password, and perhaps a user",
    "NOPERM": "the user must be allowed to use TYPE, MULTI, EXEC and XADD, and the name of the stream",
    "WRONGTYPE": "something else has that name: choose another one for the stream",
    "OOM": "let readers keep up, give max_length, or give Redis more memory",
    "READONLY": "this is a replica: give the address of the primary",
    "MISCONF": "look at the disk of the server, and at its log",
    "MOVED": "a cluster is not supported: give the address of a single server",
    "CERTIFICATE": "compare the certificate with the name in the URL, and give who issued it as ca_file",
    "REFUSED": "look whether the server runs, and at the address",
}
# Of these redis-py does not keep the word that Redis begins with.
_WORDS: Final = {
    redis.AuthenticationError: "WRONGPASS",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.ReadOnlyError: "READONLY",
    redis.exceptions.MovedError: "MOVED",
}


class _Credentials(redis.CredentialProvider):
    """Says who we are, each time that it is asked."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str, str]:
        """Return the user and the password."""
        return self._login.user, self._login.text()


class _Line(redis.Connection):
    """A connection that encrypts as the rest of this package does, and gives its socket away.

    redis-py's own believes the authorities of the system as well, whatever others it is given.
    """

    def __init__(self, context: ssl.SSLContext | None, **options: Any) -> None:  # noqa: ANN401 - what redis-py has
        self._context = context
        self.socket: socket.socket | None = None
        super().__init__(**options)

    def _connect(self) -> socket.socket:
        """Make the socket; this is what redis-py's kinds of connections differ by."""
        line: socket.socket = super()._connect()
        if self._context is not None:
            try:
                line = self._context.wrap_socket(line, server_hostname=self.host)
            except OSError:
                line.close()
                raise
        self.socket = line
        return line


class RedisSink:
    """Appends events to a stream.

    Args:
        url: a ``rediss`` or ``redis`` URL with the server and perhaps a user and the number of a database.
        source: the name of the source, for the name of the stream.
        stream: a template for the name of the stream; see `Template`.
        max_length: how many entries the stream keeps, about, whether or not they were read; None for all.
        create: whether to make the stream if it is missing.
        user: who to be; None for the default user.
        password: of the user.
        ca_file: who may have issued the server's certificate; None for whomever the system trusts.
        cert_file: the certificate to show to the server.
        key_file: its key, if that is in a file of its own.
        cleartext: whether a ``redis`` URL may be another machine's.
        timeout: how many seconds the server may say nothing.
        clock: returns seconds, never less than before.

    Raises:
        UsageError: one of them is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str = "directory",
        stream: str = "ldap:{source}",
        max_length: int | None = None,
        create: bool = False,
        user: str | None = None,
        password: Secret | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        cleartext: bool = False,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
        self._database = _database(self._address)
        if password is not None and user is None:
            user = self._address.user or _DEFAULT_USER
        self._login = Login.of(self._address, user, password)
        self._stream = Template(stream, source=source, what="stream", allowed="0-9A-Za-z._:-")
        if max_length is not None and max_length < 1:
            raise UsageError("a stream that keeps nothing is none", hint="give a max_length of 1 or more")
        if not timeout > 0:
            raise UsageError("Redis cannot answer in no time", hint="give a timeout of some seconds")
        self._options: list[str] = [] if create else ["NOMKSTREAM"]
        if max_length is not None:
            self._options += ["MAXLEN", "~", str(max_length)]
        self._create = create
        self._tls = encryption(self._address, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
        self._timeout = timeout
        self._clock = clock
        self._connection: _Line | None = None
        self._stopped = False
        # How large a body may be, and when the server was last heard.
        self._most = _MOST
        self._heard = 0.0

    # --- the connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and look for the stream."""
        connection = self._connection = self._make_connection()
        self._do(connection.connect)
        # From here on `stop` finds the socket.
        if self._stopped:
            raise SinkUnavailable(f"nothing is sent to {self._address}: the sink is stopped")
        name = self._stream.constant
        kind = b"stream" if name is None else self._do(lambda: _ask(connection, "TYPE", name))
        if kind == b"none" and not self._create:
            raise self._missing(name or "")
        if kind not in (b"stream", b"none"):
            raise self._unavailable(redis.ResponseError(f"WRONGTYPE {name} is no stream"))
        self._most = self._do(lambda: min(_limit(connection, name) for name in _LIMITS)) - _BESIDE
        self._heard = self._clock()

    def _make_connection(self) -> _Line:
        return _Line(
            None if self._tls is None else self._tls.make_context(),
            host=self._address.host,
            port=self._address.port,
            db=self._database,
            credential_provider=None if self._login is None else _Credentials(self._login),
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            protocol=2,
            driver_info=None,
        )

    def _do(self, work: Callable[[], _T]) -> _T:
        """Do something; what goes wrong in the library means that Redis is not available."""
        try:
            return work()
        except (redis.RedisError, OSError, ValueError) as error:
            reason = error
        # Frames of the library hold the password, so they are not kept as the context of an error.
        raise self._unavailable(reason)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def stop(self) -> None:
        """Let what waits end."""
        self._stopped = True
        connection = self._connection
        line = None if connection is None else connection.socket
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(_BOTH_WAYS)

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Event]) -> None:
        """Publish events; see `Sink.publish`."""
        if self._connection is None or self._stopped:
            raise SinkUnavailable(f"nothing was sent to {self._address}: the sink is stopped, or not open")
        if self._clock() - self._heard > _RESTED:
            self.close()
            self.open()
        connection = self._connection
        for events in _transactions(batch):
            large = next((at for at, event in enumerate(events) if len(event.body or b"") > self._most), None)
            self._append(connection, events[:large])
            if large is not None:
                octets = len(events[large].body or b"")
                raise EventRejected(events[large], f"it has {octets} octets, and {self._most} are taken")
        self._heard = self._clock()

    def _append(self, connection: _Line, events: Sequence[Event]) -> None:
        """Append events to their streams: all of them, or none."""
        if not events:
            return
        names = [self._stream(event) for event in events]
        commands: list[Sequence[str | bytes]] = [("MULTI",)]
        commands += [
            ("XADD", name, *self._options, "*", *_fields(event)) for name, event in zip(names, events, strict=True)
        ]
        commands += [("EXEC",)]
        *queued, done = self._do(lambda: _exchange(connection, commands))
        replies = [*queued, *(done if isinstance(done, list) else [done])]
        for reply in replies:
            if isinstance(reply, Exception):
                raise self._unavailable(reply)
        # `NOMKSTREAM`: there is no id where nothing was appended.
        for name, reply in zip(names, replies[-len(names) :], strict=True):
            if not isinstance(reply, bytes):
                raise self._missing(name)

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def _missing(self, name: str) -> SinkUnavailable:
        return SinkUnavailable(
            f"there is no stream {name} at {self._address}",
            hint=f"redis-cli -n {self._database} XGROUP CREATE {name} readers 0 MKSTREAM",
        )

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        if self._stopped:
            return SinkUnavailable(f"{self._address} was not waited for: the sink is stopped")
        if isinstance(error, (redis.TimeoutError, TimeoutError)):
            return SinkUnavailable(f"{self._address} has said nothing for {self._timeout:g} s")
        said = str(error)
        word = next((word for kind, word in _WORDS.items() if isinstance(error, kind)), said.upper())
        hint = next((hint for begin, hint in _HINTS.items() if begin in word), "")
        return SinkUnavailable(f"{self._address} does not take events: {said}", hint=hint)


def _ask(connection: _Line, *words: str) -> Any:  # noqa: ANN401 - what Redis says
    """Return the reply to a command."""
    connection.send_command(*words)
    return connection.read_response()


def _limit(connection: _Line, name: str) -> int:
    """Return a limit of the server; if it does not tell, what it is where nobody has changed it."""
    try:
        found = _ask(connection, "CONFIG", "GET", name)
    except redis.ResponseError:
        return _MOST
    if not isinstance(found, list) or len(found) != 2:  # noqa: PLR2004 - name and value
        raise redis.InvalidResponse(f"{found!r} is no limit")
    return int(found[1])


def _exchange(connection: _Line, commands: Sequence[Sequence[str | bytes]]) -> list[Any]:
    """Send commands at once; returns the replies, also those that are errors."""
    connection.send_packed_command(connection.pack_commands(commands))
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(connection.read_response())
        except redis.ResponseError as error:
            replies.append(error)
    return replies


def _fields(event: Event) -> list[str | bytes]:
    """Return names and values by turns."""
    fields: list[str | bytes] = ["id", event.id, "key", event.key]
    for header in _BINDING.headers(event).items():
        fields += header
    if event.body is not None:
        fields += ["data", event.body]
    return fields


def _transactions(batch: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Cut a batch into parts that a server takes at once."""
    begin = octets = 0
    for at, event in enumerate(batch):
        size = len(event.body or b"") + _BESIDE_EACH
        if octets and octets + size > _OCTETS:
            yield batch[begin:at]
            begin, octets = at, 0
        octets += size
    yield batch[begin:]


def _database(address: Address) -> int:
    """Return the number of the database in a URL."""
    path = address.path.strip("/")
    if not path:
        return 0
    if not (path.isascii() and path.isdecimal()):
        raise UsageError(f"{path!r} is not the number of a database", hint="write redis://host:6379/0")
    return int(path)
