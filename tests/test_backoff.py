"""The waits between tries, with given randomness."""

from __future__ import annotations

import math
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client import Backoff
from syncrepl_client.exceptions import UsageError

CHANCES = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50)


def test_the_longest_waits_double_up_to_the_cap() -> None:
    assert list(islice(Backoff(1, 60).delays(lambda: 1.0), 8)) == [1, 2, 4, 8, 16, 32, 60, 60]


@given(CHANCES, st.floats(0.001, 100), st.floats(1, 1000))
def test_each_wait_is_its_share_of_what_is_allowed(chances: list[float], base: float, factor: float) -> None:
    backoff = Backoff(base, base * factor)
    given_out = iter(chances)
    waits = list(islice(backoff.delays(lambda: next(given_out)), len(chances)))
    for number, (wait, chance) in enumerate(zip(waits, chances, strict=True)):
        assert wait == pytest.approx(chance * min(backoff.cap, base * 2.0**number))


def test_a_row_of_failures_may_last_for_months() -> None:
    assert list(islice(Backoff(1, 60).delays(lambda: 0.5), 5000))[-1] == 30


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (-1, 1), (2, 1), (1, math.inf), (math.nan, 1), (1, math.nan)])
def test_what_is_no_backoff_is_refused(base: float, cap: float) -> None:
    with pytest.raises(UsageError, match="no backoff"):
        Backoff(base, cap)
