"""Times and sizes as people write them."""

from __future__ import annotations

import math

import pytest

from syncrepl_client.service.units import Duration, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5s", 1.5), ("250ms", 0.25), ("10 m", 600), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds
    assert Duration.parse(Duration.parse(text).text) == seconds


def test_a_time_may_be_without_end() -> None:
    assert Duration.parse("forever").limited is None
    assert Duration.parse("3s").limited == 3
    assert Duration(math.inf).text == "forever"


@pytest.mark.parametrize("text", ["", "3", "s", "-3s", "3 years", 4, None, "1e3s", "nan s"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a number and a unit"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "octets"), [("0B", 0), ("64 KB", 65_536), ("1.5MiB", 1_572_864), ("2 gb", 2 << 30), ("1TB", 1 << 40)]
)
def test_a_size_has_a_unit(text: str, octets: int) -> None:
    assert Size.parse(text) == octets
    assert Size.parse(Size.parse(text).text) == octets


def test_a_size_may_be_without_limit() -> None:
    assert Size.parse("unlimited").limited is None
    assert Size.parse("3B").limited == 3
    assert Size(-1).text == "unlimited"


@pytest.mark.parametrize("text", ["", "3", "KB", "-3B", 4, None, "1 XB"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a number and a unit"):
        Size.parse(text)
