"""Waiting that others can end."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.transport.waking import Waker

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = 0.5


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


def test_a_wait_takes_its_time(waker: Waker) -> None:
    began = time.monotonic()

    waker.wait(0.05)

    assert time.monotonic() - began >= 0.05
    waker.wait(-1)


def test_a_wait_that_was_ended_before_it_began_is_none(waker: Waker) -> None:
    waker.wake()
    waker.wake()
    began = time.monotonic()

    waker.wait(3600)

    assert time.monotonic() - began < PROMPT
    # Once is enough, however often it was woken.
    waker.wait(0.01)


def test_another_thread_ends_it(waker: Waker) -> None:
    threading.Timer(0.05, waker.wake).start()
    began = time.monotonic()

    waker.wait(3600)

    assert time.monotonic() - began < PROMPT


def test_a_signal_ends_it(waker: Waker) -> None:
    """Also one whose handler does nothing about it."""
    came: list[int] = []
    former = signal.signal(signal.SIGALRM, lambda number, _: came.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        began = time.monotonic()
        waker.wait(3600)
    finally:
        signal.signal(signal.SIGALRM, former)

    assert came == [signal.SIGALRM]
    assert time.monotonic() - began < PROMPT


def test_waking_one_that_is_closed_is_harmless() -> None:
    waker = Waker()
    waker.close()

    waker.wake()
