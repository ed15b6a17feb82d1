"""syncrepl-client 0.95.1, the program whose interface this package has.

Arguments: URL, data file.  Runs in an environment of its own.
"""

# mypy: ignore-errors

from __future__ import annotations

import sys

from syncrepl_client import Syncrepl, SyncreplMode
from syncrepl_client.callbacks import BaseCallback


def main(url: str, path: str) -> None:
    """Refresh once."""
    client = Syncrepl(data_path=path, callback=BaseCallback, mode=SyncreplMode.REFRESH_ONLY, ldap_url=url)
    while client.poll():
        pass
    client.unbind()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
