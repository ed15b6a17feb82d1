"""python-ldap's SyncreplConsumer, which decodes every entry and stores nothing.

Arguments: server, base.  Runs in an environment of its own.
"""

# ruff: noqa: D102 - the methods are named by python-ldap
# mypy: ignore-errors

from __future__ import annotations

import sys

import ldap
from ldap.ldapobject import SimpleLDAPObject
from ldap.syncrepl import SyncreplConsumer


class Consumer(SimpleLDAPObject, SyncreplConsumer):
    """Counts entries."""

    entries = 0

    def syncrepl_set_cookie(self, cookie: str) -> None:
        self.cookie = cookie

    def syncrepl_get_cookie(self) -> None:
        return None

    def syncrepl_present(self, uuids: object, refreshDeletes: bool = False) -> None:  # noqa: FBT001, FBT002, N803
        pass

    def syncrepl_delete(self, uuids: object) -> None:
        pass

    def syncrepl_entry(self, dn: str, attributes: object, uuid: str) -> None:  # noqa: ARG002
        self.entries += 1


def main(server: str, base: str) -> None:
    """Refresh once."""
    consumer = Consumer(server)
    consumer.simple_bind_s("", "")
    message = consumer.syncrepl_search(base, ldap.SCOPE_SUBTREE, mode="refreshOnly")
    while consumer.syncrepl_poll(msgid=message, all=1):
        pass


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
