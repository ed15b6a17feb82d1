"""A provider for tests: `Provider` is an LDAP directory in memory, `script` what it can be told to say instead."""

from __future__ import annotations

from syncrepl_client.testing import script
from syncrepl_client.testing.directory import Values
from syncrepl_client.testing.provider import Provider
from syncrepl_client.testing.requests import SyncRequest
from syncrepl_client.testing.script import Stall, Step

__all__ = ["Provider", "Stall", "Step", "SyncRequest", "Values", "script"]
