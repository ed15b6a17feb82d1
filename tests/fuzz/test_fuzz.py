"""The short run: what once failed, the seeds themselves, and some hundred inputs made of them."""

from __future__ import annotations

import random

import pytest

from syncrepl_client.exceptions import ProtocolError
from tests.fuzz.limits import Hang, TooMuchMemory, bounded, measured
from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import CORPUS, failures, seeds
from tests.fuzz.targets import TARGETS, attempt

CASES = 800


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_failed_holds(name: str) -> None:
    for data in failures(name).values():
        with bounded(len(data)):
            attempt(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_hold_and_most_are_valid(name: str) -> None:
    """A target that takes nothing would look at nothing."""
    own = [data for data in seeds(name) if data not in failures(name).values()]
    valid = [attempt(TARGETS[name], data) for data in own]

    assert sum(valid) * 3 > len(valid)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_made_of_seeds_hold(name: str) -> None:
    chance, material = random.Random(random.random()), seeds(name)
    for number in range(CASES):
        data = mutated(chance, material)
        try:
            with bounded(len(data)):
                if number % 16:
                    attempt(TARGETS[name], data)
                else:
                    measured(lambda octets: attempt(TARGETS[name], octets), data)
        except Exception as error:
            error.add_note(f"the input was {data!r}")
            raise


def test_the_corpus_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= TARGETS.keys()


# --- defects are noticed ----------------------------------------------------------------------------------------------


def raises(error: Exception) -> None:
    raise error


def test_another_error_than_the_packages_own_gets_through() -> None:
    assert not attempt(lambda _: raises(ProtocolError("x")), b"")
    with pytest.raises(IndexError):
        attempt(lambda _: raises(IndexError("x")), b"")


def never_ends() -> None:
    with bounded(10, seconds=0.05):
        while True:
            pass


def test_what_does_not_end_is_noticed() -> None:
    with pytest.raises(Hang):
        never_ends()


def test_what_takes_memory_is_noticed() -> None:
    with pytest.raises(TooMuchMemory):
        measured(lambda _: len(bytearray(64 << 20)), b"x")
