"""The subcommands by name, each imported when somebody looks at it: who asks for one does not wait for the others."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import click

__all__ = ["GROUPS", "Commands"]

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "With a server": ("doctor", "watch", "sync", "verify", "copy"),
    "As a service": ("run", "config", "sinks", "dead", "replay"),
    "With a copy": ("status", "search", "export", "history", "deletes", "reset", "backup"),
    "About this command": ("completion", "man"),
}
"""The names of the subcommands, as they are listed; each is in the module of its name."""


class Commands(MutableMapping[str, "click.Command"]):
    """What click takes for a dictionary of commands."""

    def __init__(self) -> None:
        names = (name for group in GROUPS.values() for name in group)
        # None is one that nobody has looked at.
        self._commands: dict[str, click.Command | None] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> click.Command:
        command = self._commands[name]
        if command is None:
            command = self._commands[name] = getattr(import_module(f"syncrepl_client.cli.{name}"), name)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)

    def __contains__(self, name: object) -> bool:
        # That of a mapping would look at it.
        return name in self._commands
