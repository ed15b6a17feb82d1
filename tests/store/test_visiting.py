"""Those who do not own a data file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import DBError
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.reset import forget_cookie, reset
from syncrepl_client.store.visiting import is_there, visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("look", [is_there, visit, DeadLetterFile])
def test_a_path_that_cannot_be_looked_at_is_an_error_of_the_file(
    tmp_path: Path, look: Callable[[Path], object]
) -> None:
    with pytest.raises(DBError, match="File name too long") as caught:
        look(tmp_path / ("x" * 300))

    assert "check the path" in caught.value.hint


@pytest.mark.parametrize("start_afresh", [reset, forget_cookie])
def test_what_is_not_there_cannot_be_started_afresh(tmp_path: Path, start_afresh: Callable[[Path], None]) -> None:
    with pytest.raises(DBError, match="there is no data file"):
        start_afresh(tmp_path / "data")

    assert list(tmp_path.iterdir()) == []
