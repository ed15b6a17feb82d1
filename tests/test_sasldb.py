"""Users that are in no directory: Cyrus SASL keeps them in a file of its own."""

from __future__ import annotations

import subprocess
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.connection.access import Access
from syncrepl_client.credentials import Scram
from syncrepl_client.exceptions import InvalidCredentials
from syncrepl_client.ldap import url as urls
from syncrepl_client.secret import Secret
from tests.server import find_program
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGURATION = f"""
sasl-host localhost
sasl-realm EXAMPLE.COM
sasl-auxprops sasldb
authz-regexp uid=([^,]*),(cn=[^,]*,)?cn=[^,]*,cn=auth uid=$1,ou=people,{SUFFIX}
"""


@dataclass(kw_only=True)
class WithUsers(Slapd):
    """A slapd with a file of users.

    slapd reads the place of that file from the system's folders alone, so it gets a view of the file system of its own
    in which the file is where it looks by default.
    """

    users: Path

    def _prepare(self) -> list[str]:
        command = 'mount --bind "$0" /etc/sasldb2 && exec "$@"'
        return [
            find_program("unshare", "util-linux"),
            "--mount",
            "sh",
            "-c",
            command,
            str(self.users),
            *super()._prepare(),
        ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    users = tmp_path / "users"
    command = [find_program("saslpasswd2", "sasl2-bin"), "-p", "-c", "-f", str(users), "-u", "EXAMPLE.COM", "carol"]
    subprocess.run(command, input=b"pencil", check=True)
    with WithUsers(users=users, extra_global=CONFIGURATION) as running:
        running.load(empty_tree())
        running.start()
        yield running


@pytest.mark.long
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_of_a_file_are_known(server: Slapd, mechanism: str) -> None:
    """Long for what it needs, not for how long it takes: a mount namespace is for root alone."""
    url = urls.parse(server.url)
    with closing(Access(url, Scram("carol", Secret("pencil"), mechanism)).enter()) as client:
        assert client.identity == f"uid=carol,ou=people,{SUFFIX}"
    with pytest.raises(InvalidCredentials):
        Access(url, Scram("carol", Secret("wrong"), mechanism)).enter()
