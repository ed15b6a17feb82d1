"""The format of ``--ldif``: what comes before the records, and records of renames."""

from __future__ import annotations

from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.model import Renamed
from tests.cli.entries import UUID_TEXT, entry

HEAD = f"# entryUUID: {UUID_TEXT}\n"


def test_a_file_begins_with_its_version() -> None:
    assert Ldif().begin() == "version: 1\n\n"


def test_entries_below_a_renamed_one_are_not_renamed_again() -> None:
    form = Ldif()
    parent = Renamed(entry("ou=A,dc=x", ou=b"A"), entry("ou=B,dc=x", ou=b"B"))
    child = Renamed(entry("cn=a,ou=a,dc=x", cn=b"a"), entry("cn=a,ou=B,dc=x", cn=b"a"))
    other = Renamed(entry("cn=b,ou=A,dc=x", cn=b"b"), entry("cn=c,ou=B,dc=x", cn=b"c"))
    assert "changetype: modrdn" in form.change(parent)
    assert form.change(child) == ""
    expected = f"{HEAD}dn: cn=b,ou=B,dc=x\nchangetype: modrdn\nnewrdn: cn=c\ndeleteoldrdn: 1\n\n"
    assert expected == form.change(other)
    form.cookie(b"1")
    assert "dn: cn=a,ou=a,dc=x" in form.change(child)


def test_names_that_move_up_one_after_the_other_keep_what_is_below() -> None:
    """In a refresh ou=B becomes ou=C before ou=A becomes ou=B; what was below ou=B is below ou=C then."""
    form = Ldif()
    form.change(Renamed(entry("ou=B", ou=b"B"), entry("ou=C", ou=b"C")))
    form.change(Renamed(entry("ou=A", ou=b"A"), entry("ou=B", ou=b"B")))
    assert form.change(Renamed(entry("cn=b,ou=B", cn=b"b"), entry("cn=b,ou=C", cn=b"b"))) == ""
