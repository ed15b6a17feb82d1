"""A configuration to begin with, made of what the tables may say, so that it cannot be out of date."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from syncrepl_client.secret import Secret
from syncrepl_client.service.reading import as_text, is_secret, keys_of
from syncrepl_client.service.sections import ServiceSection, SinkSection, SourceSection
from syncrepl_client.service.sink_keys import sink_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.service.reading import Key

__all__ = ["example"]

_HEAD: Final = """\
# The configuration of: syncrepl-client run CONFIG
# Lines that begin with "#key" show what it is by default.  Check it with: syncrepl-client config check CONFIG
#
# Each key can come from the environment: SYNCREPL_SOURCES_CORP_URL is url in [sources.corp], and
# SYNCREPL_SOURCES_CORP_URL_FILE a file that holds it.  Secrets are never written here: a file, a credential of
# systemd ({ credential = "NAME" }) or a variable ({ env = "NAME" }) holds them.
"""
# What must be said, and what is worth to be shown.
_SAID: Final[dict[str, dict[str, object]]] = {
    "service": {"data": "/var/lib/syncrepl-client", "listen": "127.0.0.1:9464"},
    "sources.corp": {"url": "ldap://127.0.0.1/dc=example,dc=com?*?sub?(objectClass=*)"},
    "sinks.changes": {"url": "file:///var/lib/syncrepl-client/changes.jsonl"},
}
_SECRET: Final = {"file": "/etc/syncrepl-client/secret"}
_WIDTH: Final = 118


def example() -> str:
    """Return the text of a configuration: one source, one sink, and all keys with what they mean."""
    sink = _SAID["sinks.changes"]
    own = keys_of(SinkSection)
    return "\n".join(
        [
            _HEAD,
            *_table("service", keys_of(ServiceSection)),
            *_table("sources.corp", keys_of(SourceSection)),
            *_table("sinks.changes", [*own, *sink_keys(sink, {key.name for key in own})]),
        ]
    )


def _table(name: str, keys: Iterable[Key]) -> list[str]:
    lines = [f"[{name}]"]
    for key in keys:
        lines += [f"# {line}" for line in wrap(key.meaning, _WIDTH)]
        if key.name in _SAID[name]:
            lines.append(f"{key.name} = {as_text(_SAID[name][key.name])}")
        else:
            lines.append(f"#{key.name} = {_default(key)}")
    return [*lines, ""]


def _default(key: Key) -> str:
    if is_secret(key.type):
        return as_text(_SECRET)
    return "..." if key.default is None or isinstance(key.default, Secret) else as_text(key.default)
