"""How often a search begins again before its server is given up."""

from __future__ import annotations

import pytest

from syncrepl_client.consumer.restarts import Restarts
from syncrepl_client.exceptions import ProtocolError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("syncrepl_client.consumer.restarts.time.monotonic", lambda: now[0])
    return now


def test_a_server_may_ask_for_a_refresh_twice_in_a_row(clock: list[float]) -> None:
    counted = Restarts()
    counted.required("")
    counted.required("")

    with pytest.raises(ProtocolError, match="again and again: it gives no reason") as caught:
        counted.required("")
    assert caught.value.hint


def test_a_copy_that_comes_further_does_not_excuse_a_server_that_asks_again_at_once(clock: list[float]) -> None:
    counted = Restarts()
    for _ in range(2):
        counted.required("stale")
        counted.progressed()

    with pytest.raises(ProtocolError, match="stale"):
        counted.required("stale")


def test_after_a_while_a_server_may_ask_again(clock: list[float]) -> None:
    counted = Restarts()
    for _ in range(10):
        counted.required("")
        clock[0] += 61


def test_what_cannot_be_settled_is_read_with_everything_and_then_given_up() -> None:
    counted = Restarts()

    assert [counted.unsettled() for _ in range(10)] == [False] * 5 + [True] * 5
    with pytest.raises(ProtocolError, match="again and again") as caught:
        counted.unsettled()
    assert caught.value.hint


def test_a_copy_that_comes_further_begins_a_new_count() -> None:
    counted = Restarts()
    for _ in range(30):
        assert not counted.unsettled()
        counted.progressed()
