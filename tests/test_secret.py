"""Secrets show nowhere."""

from __future__ import annotations

import pickle

import pytest

from syncrepl_client.credentials import Simple
from syncrepl_client.secret import Secret


def test_it_is_told_to_who_asks_for_it() -> None:
    assert Secret("päss").reveal() == "päss".encode()
    assert Secret(b"\xff").reveal() == b"\xff"


def test_a_source_is_asked_each_time() -> None:
    answers = iter([b"old", b"new"])
    secret = Secret(lambda: next(answers))
    assert [secret.reveal(), secret.reveal()] == [b"old", b"new"]


def test_it_shows_nowhere() -> None:
    secret = Secret("geheim")
    assert "geheim" not in f"{secret} {secret!r} {[secret]} {Simple('cn=a', secret)}"
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(secret)
