"""What a recorded message says, in a line; for whoever looks at recordings."""

from __future__ import annotations

from uuid import UUID

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import messages

__all__ = ["describe", "refresh_ends"]


def describe(raw: bytes) -> str:
    message = messages.decode_message(raw)
    match message.operation:
        case messages.SearchResultEntry(dn, attributes):
            value = controls.find(message.controls, controls.SYNC_STATE)
            state = None if value is None else controls.decode_state(value)
            if state is None:
                return f"entry without state {dn.decode()}"
            words = f"{state.state.name.lower()} {dn.decode() or '(no DN)'} {UUID(bytes=state.uuid)}"
            return f"{words} {len(attributes)} octets of attributes{_cookie(state.cookie)}"
        case messages.SearchResultDone(result):
            value = controls.find(message.controls, controls.SYNC_DONE)
            end = f"result {result.code} {result.diagnostic}".rstrip()
            if value is None:
                return f"{end}, no Sync Done"
            done = controls.decode_done(value)
            return f"{end}, Sync Done {value.hex(' ')[:8]}.. deletes={done.refresh_deletes}{_cookie(done.cookie)}"
        case messages.IntermediateResponse(_, value) if value is not None:
            return _info(controls.decode_info(value))
        case other:
            return repr(other)


def refresh_ends(message: messages.Message) -> bool:
    """Tell whether a refresh with persistence is over: also by a newcookie, for ApacheDS ends it so."""
    match message.operation:
        case messages.IntermediateResponse(controls.SYNC_INFO, value) if value is not None:
            match controls.decode_info(value):
                case controls.PhaseEnd(_, done, _):
                    return done
                case controls.NewCookie():
                    return True
    return False


def _info(info: controls.SyncInfo) -> str:
    match info:
        case controls.NewCookie(cookie):
            return f"newcookie{_cookie(cookie)}"
        case controls.PhaseEnd(deletes, done, cookie):
            return f"{'refreshDelete' if deletes else 'refreshPresent'} done={done}{_cookie(cookie)}"
        case controls.IdSet(deletes, uuids, cookie):
            names = " ".join(str(UUID(bytes=uuid)) for uuid in uuids)
            return f"syncIdSet deletes={deletes} {names}{_cookie(cookie)}"


def _cookie(cookie: bytes | None) -> str:
    return "" if cookie is None else f" cookie={cookie.decode(errors='backslashreplace')!r}"
