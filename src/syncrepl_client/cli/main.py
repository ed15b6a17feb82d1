"""The command and its subcommands: which of them is meant, and what a newcomer is told."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

import click

from syncrepl_client import __version__
from syncrepl_client.cli.commands import GROUPS, Commands
from syncrepl_client.cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem

__all__ = ["main"]

_HELP: Final = ("-h", "--help")
_OWN: Final = (*_HELP, "-V", "--version")
# The command whose word may be left out.
_WITHOUT_WORD: Final = "copy"


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click calls it
    if wanted and not context.resilient_parsing:
        click.echo(f"syncrepl-client {__version__}")
        context.exit()


class _WithoutWord(click.Group):
    """Subcommands; where the first word is none of them it is the URL of the command as it always was."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - what click gives
    ) -> click.Context:
        """Put the word before the words of who left it out."""
        first = args[0] if args else None
        if first is not None and first not in self.commands and first not in _OWN:
            args.insert(0, self._meant(first, resilient=bool(extra.get("resilient_parsing"))))
        return super().make_context(info_name, args, parent, **extra)

    def _meant(self, first: str, *, resilient: bool) -> str:
        if not (resilient or first.startswith("-") or ":" in first or "/" in first):
            close = difflib.get_close_matches(first, self.commands, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"{first!r} is neither a command nor the URL of a server{hint}")
        return _WITHOUT_WORD

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both forms."""
        formatter.write_usage(ctx.command_path, "[--persist] [--json | --ldif] [OPTIONS] URL DATA")
        formatter.write_usage(ctx.command_path, "COMMAND ...", prefix="       ")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """Write the commands by what they are about."""
        width = max(map(len, self.commands))
        limit = formatter.width - width - 6
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:{width}}", self.commands[name].get_short_help_str(limit)) for name in names],
                    col_spacing=2,
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return commands, and the options of the command whose word may be left out."""
        found = super().shell_complete(ctx, incomplete)
        if not incomplete.startswith("-"):
            return found
        known = {item.value for item in found}
        copy = self.commands[_WITHOUT_WORD]
        return found + [
            item for item in copy.shell_complete(click.Context(copy), incomplete) if item.value not in known
        ]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - it is click's signature
        """Return the names in the order of the groups."""
        return list(self.commands)


def _epilog(lines: Iterable[str]) -> str:
    # "\b" keeps the lines as they are.
    return "\n".join(["\b", *lines])


@click.group(
    cls=_WithoutWord,
    commands=Commands(),
    context_settings={"help_option_names": list(_HELP)},
    epilog=_epilog(
        [
            "Exit codes (their meaning: syncrepl-client copy --help):",
            "  " + ", ".join(f"{code:d} {code.name.lower().replace('_', ' ')}" for code in list(ExitCode)[:6]) + ",",
            "  " + ", ".join(f"{code:d} {code.name.lower().replace('_', ' ')}" for code in list(ExitCode)[6:]),
        ]
    ),
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Print the version.",
)
def main() -> None:
    """Keep a copy of an LDAP search in a file, in step, and be told what changes.

    \b
    What to type first:
      syncrepl-client doctor 'ldap://HOST/BASE'        is the server fit for it?
      syncrepl-client watch 'ldap://HOST/BASE'         see changes as they happen
      syncrepl-client sync 'ldap://HOST/BASE' copy.db  make or update a copy
      syncrepl-client status copy.db                   see what is in it

    URL: ldap://HOST/BASE?ATTRIBUTES?SCOPE?FILTER?bindname=DN, also ldaps and ldapi.
    Each command has --help; "copy" is the one without a word.
    """  # noqa: D301 - click's mark for lines that stay as they are
