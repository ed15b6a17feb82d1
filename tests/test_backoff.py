"""How long to wait between tries."""

from __future__ import annotations

import math
from itertools import islice, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client import Backoff
from syncrepl_client.exceptions import UsageError

SHARES = st.floats(0, 1, exclude_max=True)


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    delays = Backoff(base=0.5, cap=3.0).delays(lambda: 1.0)

    assert list(islice(delays, 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(base=st.floats(0.001, 10), factor=st.floats(1, 1000), shares=st.lists(SHARES, min_size=1, max_size=40))
def test_each_wait_is_a_share_of_the_longest_one(base: float, factor: float, shares: list[float]) -> None:
    dealt = iter(shares)
    cap = base * factor

    for number, (share, delay) in enumerate(zip(shares, Backoff(base, cap).delays(lambda: next(dealt)), strict=False)):
        assert delay == pytest.approx(share * min(cap, base * 2**number))
        assert 0 <= delay <= cap


def test_a_wait_after_months_of_failures_is_a_wait() -> None:
    (last,) = islice(Backoff().delays(lambda: 0.5), 5000, 5001)

    assert last == 30.0


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (-1, 1), (2, 1), (1, math.inf), (math.nan, 1), (1, math.nan)])
def test_what_would_not_wait_is_refused(base: float, cap: float) -> None:
    with pytest.raises(UsageError, match="is no backoff") as caught:
        Backoff(base, cap)
    assert caught.value.hint


def test_two_rows_know_nothing_of_each_other() -> None:
    backoff = Backoff(1, 8)
    first = backoff.delays(lambda: 1.0)
    assert list(islice(first, 3)) == [1, 2, 4]

    assert next(backoff.delays(lambda: 1.0)) == 1
    assert list(zip(first, repeat(8, 2), strict=False)) == [(8, 8), (8, 8)]
