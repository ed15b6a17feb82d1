"""This package: one refresh into a data file.

Arguments: URL, data file, ``read`` to have a callback that reads every attribute, ``--ca-file`` and a file to encrypt.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from syncrepl_client import Syncrepl, SyncreplMode
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


class Nothing:
    """No callback at all."""


class Reading:
    """Looks at every value of every attribute."""

    values = 0

    def record_add(self, dn: str, attrs: Mapping[str, list[bytes]], cursor: sqlite3.Cursor) -> None:
        """Count values."""
        del dn, cursor
        for values in attrs.values():
            self.values += len(values)

    def record_delete(self, dn: str, cursor: sqlite3.Cursor) -> None:
        """Do nothing."""


def main(url: str, path: str, *, read: bool, ca_file: str | None) -> None:
    """Refresh once."""
    tls = None if ca_file is None else TLS(ca_file=ca_file)
    with Syncrepl(
        path, Reading() if read else Nothing(), SyncreplMode.REFRESH_ONLY, url, tls=tls, max_deletes=None
    ) as client:
        while client.poll():
            pass


if __name__ == "__main__":
    url, path, *words = sys.argv[1:]
    main(url, path, read=words == ["read"], ca_file=words[1] if words[:1] == ["--ca-file"] else None)
