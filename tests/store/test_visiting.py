"""Those who do not own a data file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import DBError, DBSchemaError
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.reset import forget_cookie, reset
from syncrepl_client.store.store import Store
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


def test_a_file_that_is_just_being_made_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.touch()
    with ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(visit, path)
        assert not wait([visitor], 0.05).done
        with closing(Store(path, lambda: False)), closing(visitor.result()) as connection:
            assert connection.execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (0,)


def test_a_file_that_stays_empty_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(DBSchemaError, match="is not a data file"):
        visit(tmp_path / "data")
