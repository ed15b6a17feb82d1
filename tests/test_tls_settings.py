"""What a program says about encryption, before there is a server: contradictions, and files of no use."""

from __future__ import annotations

import pickle
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.transport.tls import TLS
from tests.certificates import KEY_PASSWORD, Authority, encrypted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_the_default_verifies_and_is_no_older_than_tls_1_2() -> None:
    for context in (TLS().make_context(), TLS.of(None).make_context()):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_context_of_the_program_is_used_as_it_is() -> None:
    given = ssl.create_default_context()
    settings = TLS.of(given)

    assert settings.make_context() is given
    assert TLS.of(settings) is settings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"context": ssl.create_default_context(), "ca_file": "ca.pem"}, "an SSLContext and other TLS settings"),
        ({"context": ssl.create_default_context(), "certificate": "c.pem"}, "an SSLContext and other TLS settings"),
        ({"context": ssl.create_default_context(), "insecure_skip_verification": True}, "an SSLContext and other"),
        ({"context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}, "is one for servers"),
        ({"key": "key.pem"}, "a key was given without its certificate"),
        ({"key_password": Secret("x")}, "a password for a key was given without a key"),
        ({"insecure_skip_verification": True, "ca_file": "ca.pem"}, "the verification by them turned off"),
        ({"insecure_skip_verification": True, "ca_folder": "."}, "the verification by them turned off"),
    ],
)
def test_contradictions_are_refused_at_once(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        TLS(**settings)

    assert caught.value.hint


def failure(**settings: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        TLS(**settings).make_context()
    assert KEY_PASSWORD not in f"{caught.value}{caught.value.hint}"
    return caught.value


def test_each_file_that_is_missing_is_named(authority: Authority, tmp_path: Path) -> None:
    cert, _ = authority.issue("h")
    none = tmp_path / "none"
    assert f"cannot read the file of authorities '{none}'" in str(failure(ca_file=none))
    assert f"cannot read the folder of authorities '{none}'" in str(failure(ca_folder=none))
    assert f"cannot read the certificate '{none}'" in str(failure(certificate=none))
    assert f"cannot read the key '{none}'" in str(failure(certificate=cert, key=none))


def test_files_that_hold_something_else_are_refused(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("h")
    other = tmp_path / "other"
    other.write_text("Dear Sir or Madam")
    empty = tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    damaged.write_bytes(authority.file.read_bytes().replace(b"M", b"?"))

    assert "no certificate is in" in str(failure(ca_file=other))
    assert "no certificate is in the folder" in str(failure(ca_folder=empty))
    assert "is damaged" in str(failure(ca_file=damaged))
    assert "no certificate with its key is in" in str(failure(certificate=other))
    assert "no certificate with its key is in" in str(failure(certificate=cert))
    assert "no certificate with its key is in" in str(failure(certificate=cert, key=other))
    assert "is not that of the certificate" in str(
        failure(certificate=cert, key=authority.issue("h", file="second")[1])
    )
    TLS(certificate=cert, key=key).make_context()


def test_an_encrypted_key_needs_its_password(authority: Authority) -> None:
    """OpenSSL would ask for it at the terminal."""
    cert, key = authority.issue("h")
    protected = encrypted(key)

    assert "is encrypted, and no password was given" in str(failure(certificate=cert, key=protected))
    assert "--key-password-file" in failure(certificate=cert, key=protected).hint
    wrong = failure(certificate=cert, key=protected, key_password=Secret("wrong"))
    assert "cannot be decrypted" in str(wrong)
    TLS(certificate=cert, key=protected, key_password=Secret(KEY_PASSWORD)).make_context()
    # One that is not needed does no harm.
    TLS(certificate=cert, key=key, key_password=Secret(KEY_PASSWORD)).make_context()


def test_the_password_of_a_key_does_not_show() -> None:
    settings = TLS(certificate="cert.pem", key_password=Secret(KEY_PASSWORD))

    assert KEY_PASSWORD not in repr(settings)
    with pytest.raises(TypeError):
        pickle.dumps(settings)


def test_secrets_in_files_that_others_can_read_are_known(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("h")
    file = tmp_path / "password"
    file.write_text(KEY_PASSWORD)
    for path in (key, file):
        path.chmod(0o600)
    kept = Secret.from_file(file)
    assert list(TLS(certificate=cert, key=key).exposed_files()) == []
    assert list(TLS(certificate=cert, key=key, key_password=kept).exposed_files()) == []
    assert list(TLS(certificate=cert).exposed_files()) == []

    for path in (key, file):
        path.chmod(0o644)

    assert list(TLS(certificate=cert, key=key).exposed_files()) == [key]
    # An encrypted key is no secret.
    assert list(TLS(certificate=cert, key=key, key_password=kept).exposed_files()) == [file]
    assert list(TLS(certificate=cert, key=key, key_password=Secret("x")).exposed_files()) == []


def test_a_key_in_the_file_of_its_certificate_is_a_secret_too(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("h")
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    settings = TLS(certificate=both)
    settings.make_context()
    both.chmod(0o600)
    assert list(settings.exposed_files()) == []

    both.chmod(0o640)
    assert list(settings.exposed_files()) == [both]
    # What is missing is told by who needs it.
    assert list(TLS(certificate=tmp_path / "none").exposed_files()) == []
