"""Secrets show nowhere."""

from __future__ import annotations

import pickle

import pytest

from syncrepl_client.credentials import Simple
from syncrepl_client.ldap.messages import bind_request, encode_message, unbind_request
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


def test_its_octets_are_hidden_on_their_way() -> None:
    octets = Secret("geheim").reveal()
    assert octets == b"geheim"
    request = encode_message(1, bind_request("cn=a", octets))
    assert b"geheim" in request
    for hidden in (octets, request):
        assert (str(hidden), repr(hidden), f"{[hidden]}") == ("***", "***", "[***]")
        with pytest.raises(TypeError, match="not written anywhere"):
            pickle.dumps(hidden)
    assert repr(encode_message(1, unbind_request())).startswith("b'")
