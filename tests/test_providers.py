"""In which order servers are tried."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.provider.providers import Listed, Target, by_weight

TARGETS = st.lists(
    st.builds(
        Target,
        priority=st.integers(0, 3),
        weight=st.integers(0, 3) | st.integers(0, 65535),
        host=st.sampled_from(["a", "b", "c"]),
        port=st.integers(1, 3),
    ),
    max_size=12,
)
SHARES = st.floats(0, 1, exclude_max=True)
URL = "ldap://a.example.com/ou=people,dc=example,dc=com?cn?one?(cn=*)?bindname=cn=reader%2Cdc=example%2Cdc=com"


@given(TARGETS, st.data())
def test_every_target_is_tried_once_the_lowest_priority_first(targets: list[Target], data: st.DataObject) -> None:
    ordered = by_weight(targets, lambda: data.draw(SHARES))

    assert Counter(targets) == Counter(ordered)
    assert sorted(target.priority for target in targets) == [target.priority for target in ordered]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), SHARES)
def test_the_first_is_chosen_by_its_share_of_the_weights(weights: list[int], share: float) -> None:
    """RFC 2782: a number from 0 to the sum; the first whose running sum is as large is chosen."""
    targets = [Target(0, weight, str(number), 389) for number, weight in enumerate(weights)]
    number = int(share * (sum(weights) + 1))
    expected = next(index for index in range(len(weights)) if sum(weights[: index + 1]) >= number)

    assert str(expected) == by_weight(targets, lambda: share)[0].host


def test_many_choices_are_shared_as_the_weights_say() -> None:
    targets = [Target(0, 60, "much", 389), Target(0, 30, "some", 389), Target(0, 10, "little", 389)]
    seeded = random.Random(4533)

    first = Counter(by_weight(targets, seeded.random)[0].host for _ in range(4000))

    for host, share in {"much": 0.6, "some": 0.3, "little": 0.1}.items():
        assert abs(first[host] / 4000 - share) < 0.05


def test_a_weight_of_nothing_leaves_a_small_chance() -> None:
    targets = [Target(0, 9, "heavy", 389), Target(0, 0, "light", 389)]

    assert [by_weight(targets, lambda share=share: share)[0].host for share in (0.0, 0.09, 0.11, 0.99)] == [  # type: ignore[misc]
        "light",
        "light",
        "heavy",
        "heavy",
    ]


def test_without_weights_the_order_stays() -> None:
    targets = [Target(0, 0, host, 389) for host in "bca"]

    assert targets == by_weight(targets, lambda: 0.99)


# --- servers that the user lists --------------------------------------------------------------------------------------


def listed(*others: str) -> list[str]:
    found = Listed(urls.parse(URL), tuple(map(urls.parse, others))).urls()
    assert {one.search_url() for one in found} == {urls.parse(URL).search_url()}
    assert {one.bind_name for one in found} == {"cn=reader,dc=example,dc=com"}
    return [f"{one.host}:{one.port}" for one in found]


def test_other_servers_need_no_search() -> None:
    assert listed("ldap://b.example.com", "ldap://c.example.com:3389/") == [
        "a.example.com:389",
        "b.example.com:389",
        "c.example.com:3389",
    ]


def test_other_servers_may_repeat_the_search_in_any_spelling() -> None:
    assert listed(
        URL.replace("//a", "//b"), "ldap://c.example.com/OU=People, DC=Example, DC=Com?CN?one?(cn=*)".replace(" ", "")
    ) == ["a.example.com:389", "b.example.com:389", "c.example.com:389"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("ldaps://b.example.com", "another scheme"),
        ("ldap://b.example.com/dc=example,dc=com", "another search"),
        (URL.replace("?cn?", "?sn?"), "another search"),
        (URL.replace("?one?", "?sub?"), "another search"),
        (URL.replace("(cn=*)", "(cn=x)"), "another search"),
        ("ldap://b.example.com/????bindname=cn=other", "another identity"),
    ],
)
def test_other_servers_differ_in_nothing_else(other: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        listed(other)
    assert caught.value.hint


def test_what_is_known_is_the_list() -> None:
    providers = Listed(urls.parse(URL), (urls.parse("ldap://b.example.com"),))

    assert providers.urls() == providers.known()
