"""NATS JetStream: each event is a message of a stream, published with an acknowledgement.

`Nats-Msg-Id` is the id of the event: the server drops what comes again within the stream's time for duplicates, two
minutes if nobody has said otherwise.  What comes again later is in the stream twice, with the same id.

All events of a batch are on their way at once, but for those of an entry that is in it already: a stream that is full
may refuse one message and take the next, smaller one, which must not be of the same entry.

Facts about the server that shaped it:

* What it takes at most is the size of the body and of the headers; the library looks at the body alone, and the server
  hangs up.
* It pings every two minutes, and hangs up when nobody has answered twice.
* Whoever else listens to a subject may answer as well; what a stream says names the stream.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope.base import CHANGES
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.logins import Login, encryption
from syncrepl_client.sinks.nats_connection import TOO_LARGE, Connection, Message
from syncrepl_client.sinks.templates import Template
from syncrepl_client.sinks.waves import until_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret

__all__ = ["NatsSink", "Subject"]

_SCHEMES: Final = {"tls": True, "nats": False}
_PORTS: Final = {"tls": 4222, "nats": 4222}
# A server hangs up after some minutes, and firewalls forget earlier.
_RESTED: Final = 30.0
_ANY_KEY: Final = "00000000-0000-0000-0000-000000000000"
_NAME: Final = re.compile(r"[0-9A-Za-z_-]{1,255}")
_BINDING: Final = BINDINGS["nats"]
_FULL: Final = "look at the limits of the stream, and how much room its server has"


class Subject:
    """The subject of events.

    Args:
        text: the template.
        source: the name of the source.

    Raises:
        UsageError: it is none.
    """

    def __init__(self, text: str, source: str) -> None:
        self._template = Template(text, source=source, what="subject")
        tokens = text.replace("{source}", source).split(".")
        if not all(tokens):
            raise UsageError(f"{text!r} cannot be a subject", hint="something must stand between its dots")
        # What a stream must take: one for all, and one for each kind of change.
        self.pattern = ".".join("*" if "{" in token else token for token in tokens)
        kinds = (".".join(tokens).replace("{kind}", kind) for kind in CHANGES)
        self.examples = sorted({kind.replace("{key}", _ANY_KEY) for kind in kinds})

    def __call__(self, event: Event) -> str:
        """Return that of an event."""
        return self._template(event)


class NatsSink:
    """Publishes events to a stream.

    Args:
        url: a ``tls`` or ``nats`` URL, which names the server and nothing else, but for a user perhaps.
        source: the name of the source, for the subject.
        subject: a template for the subject of each event; see `Template`.
        stream: the name of the stream; None for whichever takes the subjects.
        create: whether to make the stream, in files and without limits, if it is missing.
        user: who to be.
        password: of the user.
        token: what the server wants instead of a user.
        ca_file: who may have issued the server's certificate; None for whomever the system trusts.
        cert_file: the certificate to show to the server.
        key_file: its key, if that is in a file of its own.
        cleartext: whether a ``nats`` URL may be another machine's.
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
        subject: str = "ldap.{source}.{kind}",
        stream: str | None = None,
        create: bool = False,
        user: str | None = None,
        password: Secret | None = None,
        token: Secret | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        cleartext: bool = False,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _address(url, cleartext=cleartext)
        if not timeout > 0:
            raise UsageError("NATS cannot answer in no time", hint="give a timeout of some seconds")
        if stream is not None and not _NAME.fullmatch(stream):
            raise UsageError(f"{stream!r} cannot name a stream", hint="use letters, digits, '_' or '-'")
        self._subject = Subject(subject, source)
        self._stream = stream or (f"ldap-{source}" if create else None)
        self._create = [self._subject.pattern] if create else []
        self._login = Login.of(self._address, user, password)
        if self._login is not None and token is not None:
            raise UsageError("NATS takes a user or a token, not both", hint="leave one of them out")
        self._token = token
        self._tls = encryption(self._address, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
        self._timeout = timeout
        self._clock = clock
        self._connection: Connection | None = None
        self._stopped = False
        # How large a message may be, and when the server was last heard.
        self._most = 0
        self._heard = 0.0

    def open(self) -> None:
        """Connect, and look for the stream."""
        connection = self._connection = Connection(str(self._address), self._timeout)
        # From here on `stop` finds the connection.
        if self._stopped:
            raise SinkUnavailable(f"nothing is sent to {self._address}: the sink is stopped")
        connection.run(connection.connect(self._tls, self._login, self._token))
        self._most = connection.run(connection.look(self._stream, self._subject.examples, self._create))
        self._heard = self._clock()

    def publish(self, batch: Sequence[Event]) -> None:
        """Publish events; see `Sink.publish`."""
        if self._connection is None or self._stopped:
            raise SinkUnavailable(f"nothing was sent to {self._address}: the sink is stopped, or not open")
        if self._clock() - self._heard > _RESTED:
            self.close()
            self.open()
        for events in until_repeated(batch):
            self._publish(self._connection, events)
        self._heard = self._clock()

    def _publish(self, connection: Connection, events: Sequence[Event]) -> None:
        messages = [self._message(event) for event in events]
        most = self._most
        large = next((at for at, message in enumerate(messages) if message.octets > most), None)
        # What comes after one that is not taken is sent when it is known what becomes of that one.
        refused = connection.run(connection.exchange(messages[:large]))
        if refused:
            first = min(refused)
            refusal = refused[first]
            if refusal.err_code == TOO_LARGE:
                raise EventRejected(events[first], f"the stream says: {refusal.description}")
            raise SinkUnavailable(
                f"the stream at {self._address} does not take events: {refusal.description}", hint=_FULL
            )
        if large is not None:
            octets = messages[large].octets
            raise EventRejected(events[large], f"with its headers it has {octets} octets, and {most} are taken")

    def _message(self, event: Event) -> Message:
        headers = _BINDING.headers(event)
        headers["Nats-Msg-Id"] = event.id
        return Message(self._subject(event), event.body or b"", headers)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """Let what waits end."""
        self._stopped = True
        connection = self._connection
        if connection is not None:
            connection.end(SinkUnavailable(f"{self._address} was not waited for: the sink is stopped"))


def _address(url: str, *, cleartext: bool) -> Address:
    """Return the server of a URL."""
    address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
    if address.path.strip("/"):
        raise UsageError("the address of NATS has no path", hint="give subject and stream by their own options")
    return address
