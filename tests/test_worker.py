"""A thread that is asked by others: what it does, in which order, and how it ends."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.aio.worker import Worker
from syncrepl_client.exceptions import ClosedError
from tests.following import until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Waiting:
    """Waits in each turn until it is woken, as long as there is something to wait for."""

    def __init__(self, turns: int = 0) -> None:
        self.turns = turns
        self.done: list[str] = []
        self.patience: list[float] = []
        self._woken = threading.Event()

    def turn(self, patience: float) -> bool:
        self.patience.append(patience)
        self._woken.wait(patience)
        self._woken.clear()
        self.turns -= 1
        return self.turns > 0

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self.done.append("stop")

    def close(self) -> None:
        self.done.append(f"close in {threading.current_thread().name}")


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def worker(waiting: Waiting) -> Iterator[Worker]:
    worker = Worker("worker", waiting)
    yield worker
    worker.end()
    worker.join(10)


def test_calls_are_done_in_their_order_in_one_thread(worker: Worker) -> None:
    def numbered(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    done = [call.result(10) for call in [worker.call(partial(numbered, number)) for number in range(100)]]

    assert list(range(100)) == [number for number, _ in done]
    assert len({thread for _, thread in done} | {threading.get_ident()}) == 2


def test_what_a_call_raises_comes_to_who_asked(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 // 0).result(10)
    assert worker.call(lambda: 1).result(10) == 1


def test_a_call_that_was_cancelled_in_time_is_not_done(worker: Worker) -> None:
    going = threading.Event()
    done: list[str] = []
    first = worker.call(lambda: going.wait(10))
    second = worker.call(lambda: done.append("second"))
    assert second.cancel()
    going.set()

    assert first.result(10)
    worker.call(lambda: done.append("third")).result(10)
    assert done == ["third"]


def test_a_call_ends_a_turn_that_waits(worker: Worker, waiting: Waiting) -> None:
    waiting.turns = 10
    worker.call(int).result(10)
    until(lambda: waiting.patience)
    began = time.monotonic()

    assert worker.call(lambda: 2).result(10) == 2
    assert time.monotonic() - began < 1
    assert waiting.patience[0] > 1


def test_at_its_end_it_does_what_was_asked_for_and_then_closes(worker: Worker, waiting: Waiting) -> None:
    worker.call(lambda: waiting.done.append("call"))
    end = worker.end()

    end.result(10)
    assert waiting.done[-1] == "close in worker"
    assert set(waiting.done) == {"stop", "call", "close in worker"}
    assert worker.end() is end
    with pytest.raises(ClosedError):
        worker.call(int).result(10)


def test_one_that_was_never_called_needs_no_thread(worker: Worker, waiting: Waiting) -> None:
    threads = threading.active_count()
    worker.end().result(10)

    assert waiting.done == ["stop", "close in MainThread"]
    assert threading.active_count() == threads


def test_while_it_is_idle_it_keeps_nothing_alive(worker: Worker) -> None:
    class Large:
        def work(self) -> None: ...

    large = Large()
    gone = weakref.ref(large)
    worker.call(large.work).result(10)
    del large

    until(lambda: gc.collect() >= 0 and gone() is None)


def test_a_thousand_that_are_idle_end_at_once() -> None:
    before = threading.active_count()
    workers = [Worker(f"worker {number}", Waiting()) for number in range(1000)]
    for call in [worker.call(int) for worker in workers]:
        call.result(30)
    assert threading.active_count() == before + 1000

    began = time.monotonic()
    for end in [worker.end() for worker in workers]:
        end.result(30)
    until(lambda: threading.active_count() == before)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("hangs", [False, True])
def test_the_interpreter_exits_although_one_is_left(*, hangs: bool) -> None:
    program = f"""
        import sys, time
        from tests.test_worker import Waiting
        from syncrepl_client.aio.worker import Worker

        class Left(Waiting):
            def close(self):
                print("closed", flush=True)

        Worker("left", Left()).call(lambda: time.sleep({60 if hangs else 0.1}))
    """
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "if True:" + program], capture_output=True, text=True, timeout=50, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if hangs else "closed\n")
    assert time.monotonic() - began < 30
