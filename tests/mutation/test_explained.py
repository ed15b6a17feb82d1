"""What is explained is still there; whether no test notices it, the command tells."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import cast

import pytest

from tests.mutation.__main__ import PACKAGE, place_of
from tests.mutation.explained import EXPLAINED, Mutation


@pytest.mark.parametrize("mutation", EXPLAINED, ids=lambda mutation: f"{mutation.place}: {mutation.becomes}")
def test_an_explanation_is_of_a_line_that_is_there(mutation: Mutation) -> None:
    module, _, function = mutation.place.partition(": ")
    found: object = import_module(PACKAGE + module)
    for name in function.split("."):
        found = getattr(found, name)
    source = inspect.getsource(cast("type", found))

    assert mutation.was in " ".join(line.strip() for line in source.splitlines())
    assert mutation.was != mutation.becomes
    assert EXPLAINED[mutation].endswith(".")


def test_a_place_is_written_as_people_write_it() -> None:
    assert place_of("syncrepl_client.store.refresh.xǁUpdateǁsent__mutmut_12") == "store.refresh: Update.sent"
    assert place_of("syncrepl_client.store.refresh.xǁUpdateǁ__init____mutmut_2") == "store.refresh: Update.__init__"
    assert place_of("syncrepl_client.consumer.pump.x__stage_content__mutmut_1") == "consumer.pump: _stage_content"
