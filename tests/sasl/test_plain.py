"""The mechanisms that are one message."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import ProtocolError, UsageError
from syncrepl_client.sasl.plain import External, Plain


def test_all_is_said_at_once() -> None:
    assert Plain("tim", b"tanstaaftanstaaf").start() == b"\0tim\0tanstaaftanstaaf"
    assert Plain("Kurt", b"xipj3plmq", "Ursel").start() == b"Ursel\0Kurt\0xipj3plmq"
    assert (External().start(), External("u:ä").start()) == (b"", "u:ä".encode())


@pytest.mark.parametrize(("user", "password"), [("", b"x"), ("a", b""), ("a\0b", b"x"), ("a", b"x\0y")])
def test_what_it_has_no_room_for_is_the_callers_fault(user: str, password: bytes) -> None:
    with pytest.raises(UsageError):
        Plain(user, password)


@pytest.mark.parametrize("mechanism", [External(), Plain("a", b"x")])
def test_there_is_nothing_to_ask(mechanism: External | Plain) -> None:
    mechanism.start()
    mechanism.conclude(None)

    assert mechanism.layer is None
    with pytest.raises(ProtocolError, match="has none"):
        mechanism.respond(b"")
