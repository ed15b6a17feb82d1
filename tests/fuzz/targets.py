"""What is tried, and what must hold whatever the input is.

A target is a function of bytes.  It returns where all is well; an error of the package is well too, for the input is
what a stranger sent.  Anything else that it raises is a defect.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from syncrepl_client.contentsync import controls, dialects
from syncrepl_client.contentsync.cookies import ChangeNumberCookie, OpenLDAPCookie
from syncrepl_client.contentsync.events import EntriesDeleted, EntriesPresent, EntriesSent, PresentPhaseEnded
from syncrepl_client.contentsync.plain import PlainSearch
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.contentsync.selection import Selection
from syncrepl_client.contentsync.server import Server
from syncrepl_client.contentsync.session import Mode, Session
from syncrepl_client.exceptions import ProtocolError, SyncreplError
from syncrepl_client.ldap import attributes, dn, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.connection import Connection, EntryRun
from syncrepl_client.ldap.schema import Schema
from syncrepl_client.sasl.binding import end_point
from syncrepl_client.sasl.layer import SecurityLayer
from syncrepl_client.sasl.scram import Scram
from syncrepl_client.trace.conversation import Conversation
from syncrepl_client.trace.requests import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.contentsync.events import Event

__all__ = ["TARGETS", "attempt"]

# Larger than any input, and small enough that a length alone does not pass.
MAX_MESSAGE = 1 << 20
MOST_SEALED = 1 << 12
DIALECTS = [None, *dialects.DIALECTS.values()]
COOKIES = [None, b"rid=000,csn=20261125110130.815080Z#000000#000#000000", b"h:389#cn=a:dc=x:(a=*)#15", b"anything"]


def attempt(target: Callable[[bytes], None], data: bytes) -> bool:
    """Run a target; tells whether the input was taken, False for an error of the package."""
    try:
        target(data)
    except SyncreplError as error:
        _told(error)
        return False
    return True


def _told(error: SyncreplError) -> None:
    """An error can be shown, with its hint, in whatever encoding."""
    assert f"{error}\n{error.hint}\n{error!r}".encode(errors="backslashreplace")


def outcome(work: Callable[[], Any]) -> tuple[str, Any]:
    """Return what came out, as something that can be compared."""
    try:
        return "value", work()
    except SyncreplError as error:
        return type(error).__name__, str(error)


def pieces(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut a stream anywhere, also into single bytes."""
    chance = random.Random(seed)
    most = chance.choice([1, 2, 7, 100, 5000])
    pos = 0
    while pos < len(data):
        size = chance.randint(1, most)
        yield data[pos : pos + size]
        pos += size


# --- the stream -------------------------------------------------------------------------------------------------------


def read(parts: Iterable[bytes]) -> list[Any]:
    """Read a stream; runs are taken apart, for where they end depends on the cuts."""
    connection = Connection(max_message=MAX_MESSAGE)
    found: list[Any] = []
    for part in parts:
        for item in connection.receive_data(part):
            if isinstance(item, EntryRun):
                found += [(item.message_id, *row) for row in item.rows]
            else:
                found.append((item, outcome(lambda item=item: item.controls)))  # type: ignore[misc]
    return found


def stream(data: bytes) -> None:
    """What is read does not depend on where the stream was cut."""
    data, seed = data[2:], int.from_bytes(data[:2])
    whole = outcome(lambda: read([data]))
    cut = outcome(lambda: read(pieces(data, seed)))
    assert whole == cut
    if whole[0] == "value":
        conversation = Conversation(_printed)
        for item in Connection(max_message=MAX_MESSAGE).receive_data(data):
            conversation.received(item)
    else:
        raise SyncreplError(whole[1])


def message(data: bytes) -> None:
    """One message by itself is read, and whatever it is, it can be described."""
    decoded = outcome(lambda: messages.decode_message(data))
    assert outcome(lambda: Conversation(_printed).sent(1, data or b"\0", ()))[0] == "value"
    if decoded[0] != "value":
        raise SyncreplError(decoded[1])
    assert outcome(lambda: Conversation(_printed).received(decoded[1]))[0] == "value"
    outcome(lambda: decoded[1].controls)


def _printed(line: str) -> None:
    assert line.isprintable()


def sync_values(data: bytes) -> None:
    """The values of controls and Sync Info messages."""
    for decode in (controls.decode_state, controls.decode_done, controls.decode_info, messages.decode_controls):
        outcome(lambda decode=decode: decode(data))  # type: ignore[misc]
    request(data)
    for cookie in (data, *data.split(b"\0")):
        _cookies(cookie)


def _cookies(cookie: bytes) -> None:
    parsed = OpenLDAPCookie.parse(cookie)
    if parsed is not None:
        assert OpenLDAPCookie.parse(parsed.encode()) == parsed
        assert parsed.updated(parsed) == parsed
        assert not parsed.newer_than(parsed)
    ChangeNumberCookie.parse(cookie)
    for dialect in dialects.DIALECTS.values():
        kept = dialect.cookies.after_refresh(cookie)
        # What is kept can be sent.
        assert kept is None or dialect.cookies.to_send(kept) == kept
        for former in (None, cookie, *COOKIES):
            dialect.cookies.in_persist(former, cookie)
            dialect.cookies.covers(former, cookie)


# --- the session ------------------------------------------------------------------------------------------------------


def session(data: bytes) -> None:
    """A session says the same however its messages came, and takes nothing after an error."""
    head, data = data[:4].ljust(4, b"\0"), data[4:]
    mode = Mode.REFRESH_AND_PERSIST if head[0] % 2 else Mode.REFRESH_ONLY
    dialect, cookie = DIALECTS[head[1] % len(DIALECTS)], COOKIES[head[2] % len(COOKIES)]
    selection = Selection((), frozenset({"cn", "entrycsn"})) if head[0] & 2 else None

    def follow(parts: Iterable[bytes]) -> list[Any]:
        connection = Connection(max_message=MAX_MESSAGE)
        followed = Session(mode, cookie, dialect, selection)
        followed.request_control()
        found: list[Any] = []
        for part in parts:
            for item in connection.receive_data(part):
                found += [one for event in followed.receive(item) for one in _single(event)]
        return [*found, followed.state, followed.dialect.name]

    whole = outcome(lambda: follow([data]))
    cut = outcome(lambda: follow(pieces(data, head[3])))
    if whole[0] == "value" or cut[0] == "value":
        assert whole == cut
    plain = PlainSearch(Search("dc=x", SUBTREE, b"", ()))
    outcome(lambda: [plain.receive(item) for item in Connection(max_message=MAX_MESSAGE).receive_data(data)])
    if whole[0] != "value":
        raise SyncreplError(whole[1])


def _single(event: Event) -> list[Any]:
    """Take an event apart, where the cuts decide how much is in one."""
    match event:
        case EntriesSent(rows):
            return [("sent", row) for row in rows]
        case EntriesPresent(uuids):
            return [("present", uuid) for uuid in uuids]
        case EntriesDeleted(uuids, name):
            return [("deleted", uuid, name) for uuid in uuids]
        case PresentPhaseEnded():
            return ["present phase ended"]
        case _:
            return [event]


# --- entries ----------------------------------------------------------------------------------------------------------


def attribute_list(data: bytes) -> None:
    """An entry is decoded alike with and without a layout of others, and can be written and compared."""
    attributes._LAYOUTS.clear()  # noqa: SLF001 - what is remembered must make no difference
    cold = outcome(lambda: attributes.decode_attributes(data))
    warm = outcome(lambda: attributes.decode_attributes(data))
    assert cold == warm
    outcome(lambda: attributes.without(data, frozenset({"cn", "description"})))
    if cold[0] != "value":
        raise SyncreplError(cold[1])
    found: dict[str, list[bytes]] = cold[1]
    assert attributes.decode_attributes(attributes.encode_attributes(found)) == found
    entry = attributes.Attributes(data)
    assert entry == attributes.Attributes(attributes.encode_attributes(found))
    assert len(hash(entry).to_bytes(9, signed=True)) == 9
    Server.of(found).dialect("dc=example,dc=com")
    definitions = [value for values in found.values() for value in values]
    assert all(name == name.lower() for name in Schema.parse({"attributeTypes": definitions}).operational)


# --- texts ------------------------------------------------------------------------------------------------------------


def filter_text(data: bytes) -> None:
    """A filter that can be encoded is written as one that means the same."""
    outcome(lambda: filters.decode(data))
    encoded = filters.encode(data.decode(errors="replace"))
    assert filters.encode(filters.decode(encoded)) == encoded


def name(data: bytes) -> None:
    """Names have one normal form, by which they are found, in both ways that are there to find it."""
    text = data.decode(errors="replace")
    normal = dn.normalize(text)
    assert dn.keys([text, "dc=x", text]) == [dn.key(text), dn.key("dc=x"), dn.key(text)]
    dn.first_rdn(text)
    dn.child_range(text)
    assert dn.depth(text) <= len(text) + 1
    dn.rebase(text, dn.parent(text), "dc=y")
    dn.is_under("cn=a,dc=x", text)
    rdns = dn.parse(text)
    above = dn.parent(text)
    assert (dn.depth(text), dn.depth(above)) == (len(rdns), max(0, len(rdns) - 1))
    if len(rdns) > 1:
        assert dn.same(dn.rebase(text, above, "dc=y"), f"{dn.first_rdn(text)},dc=y")
    assert dn.normalize(normal) == normal
    assert dn.same(text, normal)
    assert dn.key(text) == dn.key(normal)
    assert dn.is_under(text, dn.parent(text))
    assert dn.is_under(text, text)


def url(data: bytes) -> None:
    """A URL that is read is written as one that means the same, without its password."""
    text = data.decode(errors="replace")
    parsed = urls.parse(text)
    shown = urls.parse(str(parsed))
    assert shown.search_url() == parsed.search_url()
    assert (shown.scheme, shown.host, shown.port, shown.bind_name) == (
        parsed.scheme,
        parsed.host,
        parsed.port,
        parsed.bind_name,
    )
    assert shown.bind_password is None


# --- SASL -------------------------------------------------------------------------------------------------------------


def _unsealed(buffer: bytes) -> bytes:
    """Stand in for a mechanism: the first octet is the sum of the others."""
    if not buffer or sum(buffer[1:]) % 256 != buffer[0]:
        raise ProtocolError("a forged buffer")
    return buffer[1:]


def layer(data: bytes) -> None:
    """A protected stream says the same however it was cut, and holds back no more than one buffer."""
    data, seed = data[2:], int.from_bytes(data[:2])

    def opened(parts: Iterable[bytes]) -> bytes:
        own = SecurityLayer(bytes, _unsealed, most_plain=4096, most_sealed=MOST_SEALED, confidential=True)
        text = b""
        for part in parts:
            text += own.unwrap(part)
            assert own.pending < 4 + MOST_SEALED
        return text

    whole = outcome(lambda: opened([data]))
    assert whole == outcome(lambda: opened(pieces(data, seed)))
    if whole[0] != "value":
        raise SyncreplError(whole[1])


def scram(data: bytes) -> None:
    """No server proves itself by luck, and none makes the client count for ever."""
    user = Scram("SCRAM-SHA-1", "user", b"pencil", nonce="fyko+d2lbbFgONRv9qkxdawL")
    user.start()
    first, _, final = data.partition(b"\n")
    answer = user.respond(first)
    assert answer.startswith(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL")
    user.respond(final)
    user.conclude(None)
    assert b"v=" in final


def certificate(data: bytes) -> None:
    """A binding is the hash of the whole certificate, or there is none."""
    found = end_point(data)
    assert found is None or len(found) in {28, 32, 48, 64}


TARGETS: dict[str, Callable[[bytes], None]] = {
    "stream": stream,
    "message": message,
    "sync-values": sync_values,
    "session": session,
    "attributes": attribute_list,
    "filter": filter_text,
    "name": name,
    "url": url,
    "layer": layer,
    "scram": scram,
    "certificate": certificate,
}
