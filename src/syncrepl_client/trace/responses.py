"""Responses as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.contentsync.controls import SYNC_INFO
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import results
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.messages import (
    NOTICE_OF_DISCONNECTION,
    WHO_AM_I,
    BindResponse,
    ExtendedResponse,
    IntermediateResponse,
    Message,
    Result,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    UpdateResponse,
    decode_controls,
)
from syncrepl_client.trace.extras import controls, sync_info
from syncrepl_client.trace.words import HIDDEN, listed, quoted

if TYPE_CHECKING:
    from syncrepl_client.ldap.connection import Row
    from syncrepl_client.ldap.messages import Operation

__all__ = ["entry", "response"]

_UPDATES: Final = {0x67: "modify", 0x69: "add", 0x6B: "delete", 0x6D: "modify DN", 0x6F: "compare"}


def response(message: Message, asked: str = "") -> str:
    """Describe a message.

    Args:
        message: any but an entry of a run.
        asked: the object identifier of the extended operation that it answers, if that is known.
    """
    return f"{_operation(message.operation, asked)}{_controls(message.raw_controls)}"


def entry(row: Row) -> str:
    """Describe an entry: its name, its controls, and of each attribute the number and the octets of its values."""
    dn, attributes, raw = row
    try:
        found = decode_attributes(attributes)
        sizes = (f"{name} ({len(values)}, {sum(map(len, values))} bytes)" for name, values in found.items())
        shown = listed(sizes) or "no attributes"
    except ProtocolError as error:
        shown = f"malformed attributes, {_without_octets(error)}"
    return f"entry {quoted(dn)}{_controls(raw)}: {shown}"


def _without_octets(error: ProtocolError) -> str:
    """Leave out what an error quotes: it may be a value."""
    return str(error).partition(":")[0]


def _controls(raw: bytes) -> str:
    try:
        return controls(decode_controls(raw))
    except ProtocolError as error:
        return f"; malformed controls, {error}"


def _operation(operation: Operation, asked: str) -> str:  # noqa: PLR0911 - one for each kind
    match operation:
        case BindResponse(result, credentials):
            return f"bind: {_result(result)}" + ("" if credentials is None else f" SASL {HIDDEN}")
        case SearchResultDone(result):
            return f"search done: {_result(result)}"
        case SearchResultReference(urls):
            return f"reference {listed(map(quoted, urls))}"
        case SearchResultEntry(dn, attributes):
            return entry((dn, attributes, b""))
        case UpdateResponse(tag, result):
            return f"{_UPDATES[tag]}: {_result(result)}"
        case ExtendedResponse():
            return _extended(operation, asked)
        case IntermediateResponse(name, value):
            return _intermediate(name, value or b"")
        case _:
            assert_never(operation)


def _extended(operation: ExtendedResponse, asked: str) -> str:
    if operation.name == NOTICE_OF_DISCONNECTION:
        return f"notice of disconnection: {_result(operation.result)}"
    said = f"extended operation{f' {quoted(operation.name)}' if operation.name else ''}: {_result(operation.result)}"
    if operation.value is None:
        return said
    # What operations that are not known answer with may be a secret: a new password is such an answer.
    return f"{said} {quoted(operation.value) if asked == WHO_AM_I else f'and {len(operation.value)} bytes'}"


def _intermediate(name: str | None, value: bytes) -> str:
    if name != SYNC_INFO:
        return f"intermediate response {quoted(name or '')}, {len(value)} bytes"
    try:
        return f"Sync Info {sync_info(value)}"
    except ProtocolError as error:
        return f"Sync Info malformed, {error}"


def _result(result: Result) -> str:
    text = f"{results.name_of(result.code)} ({result.code})"
    if result.diagnostic:
        text += f" {quoted(result.diagnostic)}"
    if result.matched_dn:
        text += f" matched {quoted(result.matched_dn)}"
    if result.referrals:
        text += f" referral {listed(map(quoted, result.referrals))}"
    return text
