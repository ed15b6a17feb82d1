"""A provider that knows people by SASL: by their password, their certificate, their ticket, their process.

    with provider(folder) as server:
        ...

``alice`` and ``bob`` have the password ``pencil``, and ``alice`` may act as ``bob``.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.slapd import SUFFIX, Slapd, empty_tree, ldif_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ALICE", "BOB", "PASSWORD", "context", "provider"]

PASSWORD = "pencil"
ALICE = f"uid=alice,ou=people,{SUFFIX}"
BOB = f"uid=bob,ou=people,{SUFFIX}"
_CONFIGURATION = f"""
sasl-host localhost
sasl-realm EXAMPLE.COM
sasl-auxprops slapd
authz-policy to
authz-regexp .*cn=alice.* {ALICE}
authz-regexp uid=([^,/@]*)(@[^,]*)?,(cn=[^,]*,)?cn=[^,]*,cn=auth uid=$1,ou=people,{SUFFIX}
TLSVerifyClient try
"""
# alice may read everything, bob nobody's description.
_RIGHTS = f"""
access to attrs=userPassword by anonymous auth by * none
access to attrs=description by dn.exact="{BOB}" none by * read
access to * by * read
"""


@contextlib.contextmanager
def provider(folder: Path, *, binding: str = "none", configuration: str = "", rights: str = _RIGHTS) -> Iterator[Slapd]:
    """Run a server.

    Args:
        folder: for the certificates: ``ca.pem`` of the authority, ``alice.pem`` of a client.
        binding: what slapd knows of channel bindings: ``none``, ``tls-unique`` or ``tls-endpoint``.
        configuration: more lines of it.
        rights: of the database.
    """
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client = authority.issue_cert("alice@example.com", common_name="alice")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "alice.pem")
    # What Cyrus SASL compares the password of PLAIN with.
    (folder / "slapd.conf").write_text("pwcheck_method: auxprop\n", encoding="ascii")
    with (
        pytest.MonkeyPatch.context() as patch,
        Slapd(
            sessionlog=100,
            tls_cert=folder / "cert.pem",
            tls_key=folder / "key.pem",
            tls_ca=folder / "ca.pem",
            extra_global=f"{_CONFIGURATION}sasl-cbinding {binding}\n{configuration}",
            extra_database=rights,
        ) as server,
    ):
        patch.setenv("SASL_CONF_PATH", str(folder))
        server.load([empty_tree(), _person("alice", f"dn:{BOB}"), _person("bob")])
        server.start()
        yield server


def context(folder: Path, *, certificate: str | None = None) -> ssl.SSLContext:
    """Trust the server of a folder, and show it a certificate."""
    found = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if certificate is not None:
        found.load_cert_chain(folder / certificate)
    return found


def _person(name: str, *may_act_as: str) -> str:
    attrs = {
        "objectClass": ["person", "uidObject"],
        "uid": [name],
        "cn": [name],
        "sn": [name],
        "userPassword": [PASSWORD],
        "description": [f"about {name}"],
    }
    return ldif_entry(f"uid={name},ou=people,{SUFFIX}", attrs | ({"authzTo": list(may_act_as)} if may_act_as else {}))
