"""Certificates, made by the test: of servers and of clients, right and wrong."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KEY_PASSWORD", "Authority", "encrypted"]

# So that it is found if it is printed anywhere.
KEY_PASSWORD = "Ms-Fnd-in-a-Lbry"
_PAST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Authority:
    """Somebody who issues certificates.

    Args:
        folder: the files are put there.
        name: of the authority, and of its file.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._authority = trustme.CA(organization_name=name)
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(
        self, *names: str, file: str = "server", expired: bool = False, lasts: dt.timedelta | None = None
    ) -> tuple[Path, Path]:
        """Issue a certificate for names or addresses; returns its file, and that of its key.

        Args:
            file: the beginning of their names.
            expired: whether its time is over.
            lasts: how long it is good for.
        """
        begin, end = (_PAST, _PAST + dt.timedelta(days=1)) if expired else (None, None)
        if lasts is not None:
            end = dt.datetime.now(dt.UTC) + lasts
        made = self._authority.issue_cert(*names, common_name=file, not_before=begin, not_after=end)
        certificate, key = (self._folder / f"{file}-{part}.pem" for part in ("cert", "key"))
        certificate.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        made.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        return certificate, key


def encrypted(key: Path) -> Path:
    """Write a key once more, encrypted with `KEY_PASSWORD`."""
    secret = BestAvailableEncryption(KEY_PASSWORD.encode())
    octets = load_pem_private_key(key.read_bytes(), None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    path = key.with_name(f"encrypted-{key.name}")
    path.write_bytes(octets)
    path.chmod(0o600)
    return path
