"""Secrets show nowhere."""

from __future__ import annotations

import os
import pickle
import threading
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.credentials import Anonymous, Choice, External, Kerberos, Plain, Scram, Simple, exposed_files
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap.messages import bind_request, encode_message, unbind_request
from syncrepl_client.secret import Secret, is_exposed, without_newline

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_told_to_who_asks_for_it() -> None:
    assert Secret("päss").reveal() == "päss".encode()
    assert Secret(b"\xff").reveal() == b"\xff"


def test_a_source_is_asked_each_time() -> None:
    answers = iter([b"old", b"new"])
    secret = Secret(lambda: next(answers))
    assert [secret.reveal(), secret.reveal()] == [b"old", b"new"]


def test_it_shows_nowhere() -> None:
    secret = Secret("geheim")
    scram = Scram("a", secret)
    assert (
        "geheim" not in f"{secret} {secret!r} {[secret]} {Simple('cn=a', secret)} {Choice((scram, Plain('a', secret)))}"
    )
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


def test_a_file_is_read_each_time_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"old\r\n")
    secret = Secret.from_file(file)
    assert (secret.reveal(), secret.path) == (b"old", file)
    file.write_bytes(b"new")
    assert secret.reveal() == b"new"
    file.unlink()
    with pytest.raises(UsageError, match="cannot read the password file"):
        secret.reveal()


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"once\n",))
    writer.start()
    secret = Secret.from_file(pipe)
    writer.join()

    assert [secret.reveal(), secret.reveal(), secret.path] == [b"once", b"once", None]


def test_a_file_of_no_use_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Secret.from_file(tmp_path / "none")
    with pytest.raises(UsageError, match="empty"):
        without_newline(b"\n")
    assert without_newline(b" a\n\n") == b" a\n"


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_files_that_others_can_read_are_known(tmp_path: Path, mode: int, *, exposed: bool) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    secret = Secret.from_file(file)

    assert exposed == is_exposed(file)
    assert not is_exposed(tmp_path)
    assert not is_exposed(tmp_path / "none")
    kinds = (Simple("cn=a", secret), Choice((External(), Scram("a", secret))), Kerberos(str(file)), Anonymous())
    assert [list(exposed_files(one)) for one in kinds] == [[file] * exposed] * 3 + [[]]
