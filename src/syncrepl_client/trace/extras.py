"""Controls and Sync Info messages as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.contentsync import controls as sync
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.trace.words import listed, quoted, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.ldap.messages import Control

__all__ = ["controls", "sync_info"]

_MODES: Final = {1: "refreshOnly", 3: "refreshAndPersist"}
_MOST_UUIDS: Final = 10


def controls(carried: Iterable[Control]) -> str:
    """Return what stands behind a message that carries controls; empty if it carries none."""
    return "".join(f"; {_control(one)}" for one in carried)


def sync_info(value: bytes) -> str:
    """Describe a syncInfoValue (RFC 4533 section 2.5).

    Raises:
        ProtocolError: it is malformed.
    """
    match sync.decode_info(value):
        case sync.NewCookie(cookie):
            return f"newcookie {quoted(cookie)}"
        case sync.PhaseEnd(deletes, done, cookie):
            return f"{'refreshDelete' if deletes else 'refreshPresent'} refreshDone {_flag(done)}{_cookie(cookie)}"
        case sync.IdSet(deletes, uuids, cookie):
            named = f": {listed(map(uuid, uuids), _MOST_UUIDS)}" if uuids else ""
            return f"syncIdSet refreshDeletes {_flag(deletes)}, {len(uuids)} entries{_cookie(cookie)}{named}"
        case unknown:
            assert_never(unknown)


def _control(control: Control) -> str:
    name, describe = _KNOWN.get(control.oid, (f"control {quoted(control.oid)}", None))
    value = ""
    if control.value is not None:
        try:
            value = describe(control.value) if describe is not None else f"{len(control.value)} bytes"
        except ProtocolError as error:
            value = f"malformed, {error}"
    return f"{name}{' critical' if control.critical else ''}{' ' if value else ''}{value}"


def _request(value: bytes) -> str:
    mode: object = None
    cookie = None
    _, start, end = ber.read(value, 0, len(value))
    for tag, inner, stop in ber.children(value, start, end):
        if tag == 0x0A:  # noqa: PLR2004 - ENUMERATED
            number = ber.read_integer(value, inner, stop)
            mode = _MODES.get(number, number)
        elif tag == 0x04:  # noqa: PLR2004 - OCTET STRING
            cookie = value[inner:stop]
    return f"{mode}{_cookie(cookie)}"


def _state(value: bytes) -> str:
    state = sync.decode_state(value)
    return f"{state.state.name.lower()} {uuid(state.uuid)}{_cookie(state.cookie)}"


def _done(value: bytes) -> str:
    done = sync.decode_done(value)
    return f"refreshDeletes {_flag(done.refresh_deletes)}{_cookie(done.cookie)}"


def _cookie(cookie: bytes | None) -> str:
    return "" if cookie is None else f" cookie {quoted(cookie)}"


def _flag(flag: bool) -> str:  # noqa: FBT001 - what is shown
    return "TRUE" if flag else "FALSE"


_KNOWN: Final[dict[str, tuple[str, Callable[[bytes], str] | None]]] = {
    sync.SYNC_REQUEST: ("Sync Request", _request),
    sync.SYNC_STATE: ("Sync State", _state),
    sync.SYNC_DONE: ("Sync Done", _done),
    messages.MANAGE_DSA_IT: ("ManageDsaIT", None),
}
