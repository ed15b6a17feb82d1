"""A Kerberos realm for tests: its own server, database, folder and port.

    with realm_in_use() as realm:
        realm.get_ticket("alice", realm.add("alice", keytab="alice.keytab"))

Facts that shaped it:

* All programs and libraries of MIT Kerberos find the realm through variables of the environment alone.
* ``kadmin.local`` works on the database directly and needs no server.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.server import find_program, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REALM", "Realm", "realm_in_use"]

REALM = "EXAMPLE.COM"
_START_TIMEOUT = 20.0

_KRB5_CONF = """
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
rdns = false
dns_canonicalize_hostname = false
udp_preference_limit = 1
[realms]
{realm} = {{
    kdc = 127.0.0.1:{port}
}}
"""
_KDC_CONF = """
[kdcdefaults]
kdc_tcp_listen = 127.0.0.1:{port}
kdc_listen = ""
[realms]
{realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


class Realm:
    """One realm with one server; ``close`` (or ``with``) stops it and removes its folder."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="realm-")
        self.directory = Path(self._folder.name)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name, text in (("krb5.conf", _KRB5_CONF), ("kdc.conf", _KDC_CONF)):
            content = text.format(realm=REALM, port=self.port, folder=self.directory)
            (self.directory / name).write_text(content, encoding="ascii")

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process use this realm, and no ticket that somebody has already."""
        return {
            "KRB5_CONFIG": str(self.directory / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.directory / 'tickets'}",
            "KRB5_CLIENT_KTNAME": f"FILE:{self.directory / 'no-client-keytab'}",
            "KRB5_KTNAME": f"FILE:{self.directory / 'ldap.keytab'}",
        }

    def __enter__(self) -> Self:
        self._run("kdb5_util", "krb5-kdc", "create", "-s", "-r", REALM, "-P", "master")
        kdc = find_program("krb5kdc", "krb5-kdc")
        self._process = subprocess.Popen(
            [kdc, "-n"],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.add("ldap/localhost", keytab="ldap.keytab")
        self._wait()
        return self

    def _wait(self) -> None:
        log = self.directory / "kdc.log"
        deadline = time.monotonic() + _START_TIMEOUT
        while not (log.exists() and "commencing operation" in log.read_text(errors="replace")):
            if time.monotonic() > deadline:
                self.close()
                raise RuntimeError("krb5kdc did not start")
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        self._folder.cleanup()

    def add(self, principal: str, *, keytab: str) -> Path:
        """Add a principal with a random key, and write that into a keytab."""
        path = self.directory / keytab
        self._run("kadmin.local", "krb5-admin-server", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        options = f"ktadd -k {path} -norandkey {principal}"
        self._run("kadmin.local", "krb5-admin-server", "-r", REALM, "-q", options)
        return path

    def get_ticket(self, principal: str, keytab: Path, *options: str) -> None:
        """Put a ticket into the credential cache."""
        self.forget_ticket()
        self._run("kinit", "krb5-user", "-k", "-t", str(keytab), *options, principal)

    def forget_ticket(self) -> None:
        """Empty the credential cache."""
        (self.directory / "tickets").unlink(missing_ok=True)

    def _run(self, program: str, package: str, *arguments: str) -> None:
        command = [find_program(program, package), *arguments]
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr[-2000:]}")


@contextmanager
def realm_in_use() -> Iterator[Realm]:
    """Run a realm that this process, and those that it starts, use."""
    with Realm() as realm, pytest.MonkeyPatch.context() as patch:
        for name, value in realm.environment.items():
            patch.setenv(name, value)
        yield realm
