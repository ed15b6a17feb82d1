"""Who a sink is, and how it encrypts: both of what belongs together, or neither."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.logins import Login, encryption

SECRET = Secret("x")


def address(url: str) -> Address:
    return Address.parse(url, {"a": False, "as": True}, {"a": 1, "as": 2})


def test_a_user_is_named_by_the_url_or_beside_it() -> None:
    assert Login.of(address("as://ann@h"), None, SECRET) == Login("ann", SECRET)
    assert Login.of(address("as://ann@h"), "bob", SECRET) == Login("bob", SECRET)
    assert Login.of(address("as://h"), None, None) is None


@pytest.mark.parametrize(
    ("url", "user", "password", "missing"),
    [("as://ann@h", None, None, "password"), ("as://h", "ann", None, "password"), ("as://h", None, SECRET, "user")],
)
def test_a_user_and_a_password_belong_together(
    url: str, user: str | None, password: Secret | None, missing: str
) -> None:
    with pytest.raises(UsageError, match=f"without a {missing}") as caught:
        Login.of(address(url), user, password)
    assert caught.value.hint == f"give {missing} too"


def test_certificates_are_for_what_is_encrypted() -> None:
    tls = encryption(address("as://h"), ca_file="ca", cert_file="cert", key_file=None)
    assert tls is not None
    assert (tls.ca_file, tls.certificate, tls.key) == ("ca", "cert", None)
    assert encryption(address("a://localhost"), ca_file=None, cert_file=None, key_file=None) is None
    for name in ("ca_file", "cert_file", "key_file"):
        files = {"ca_file": None, "cert_file": None, "key_file": None} | {name: "file"}
        with pytest.raises(UsageError, match="a is not encrypted"):
            encryption(address("a://localhost"), **files)
