"""What it costs to import the package, and to start the command: the modules that come with it.

Times differ from run to run, and are what ``python -m bench`` tells; the modules are the same each time.
"""

from __future__ import annotations

import subprocess
import sys

# What opens a file or a connection, or is for some programs alone.
OUTSIDE = {
    "asyncio",
    "click",
    "concurrent.futures",
    "decimal",
    "dns",
    "fractions",
    "gssapi",
    "hashlib",
    "http",
    "msgspec",
    "random",
    "rich",
    "scramp",
    "select",
    "selectors",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib",
    "urllib3",
}
BEHIND = {
    f"syncrepl_client.{name}"
    for name in (
        "connection.access",
        "cli",
        "connection.client",
        "consumer.pump",
        "contentsync",
        "diagnosis",
        "envelope",
        "provider.follow",
        "ldap.definitions",
        "provider.link",
        "opening",
        "relay.pump",
        "sasl",
        "aio.sharing",
        "sinks",
        "store.database",
        "store.store",
        "testing",
        "trace",
        "transport.sockets",
        "transport.tls",
        "aio.worker",
    )
}


def imported_by(*statements: str) -> set[str]:
    """Return the modules of a process that has executed this and nothing else."""
    program = "\n".join([*statements, "import sys", "print(*sys.modules)"])
    # Isolated, but for where the package is: what is installed beside it may import things as the interpreter starts.
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_brings_the_words_and_nothing_of_what_stands_behind_them() -> None:
    brought = imported_by("import syncrepl_client") - imported_by()

    assert {"syncrepl_client.model", "syncrepl_client.replica"} <= brought
    assert brought & (OUTSIDE | BEHIND) == set()


def test_a_replica_without_an_event_loop_needs_no_asyncio() -> None:
    brought = imported_by("from syncrepl_client import Replica", "Replica('ldap://localhost/dc=example', 'copy.db')")

    assert "syncrepl_client.opening" in brought
    assert brought & {"asyncio", "concurrent.futures", "msgspec", "tempfile"} == set()


def test_a_command_is_imported_when_it_is_asked_for() -> None:
    version = imported_by("from syncrepl_client.cli.main import main", "main(['--version'], standalone_mode=False)")
    status = imported_by("from syncrepl_client.cli.main import main", "main.commands['status']")

    assert version & (OUTSIDE | BEHIND) == {"click", "syncrepl_client.cli"}
    assert {name for name in version if name.startswith("syncrepl_client.cli.")} == {
        "syncrepl_client.cli.commands",
        "syncrepl_client.cli.exits",
        "syncrepl_client.cli.main",
    }
    assert "syncrepl_client.cli.status" in status
    assert status & {"syncrepl_client.cli.sync", "syncrepl_client.cli.doctor"} == set()
