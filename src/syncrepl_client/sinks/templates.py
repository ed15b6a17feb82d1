"""Names that depend on the event: of a topic, a subject, a key, a table.

A template is text with fields in braces.  All fields are safe: what they can be consists of letters, digits, ``-`` and
``_``, so that nothing in the directory can make an event go elsewhere.  A name of an entry is no field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope.base import Kind
from syncrepl_client.exceptions import UsageError

if TYPE_CHECKING:
    from syncrepl_client.envelope.base import Event

__all__ = ["FIELDS", "Template"]

FIELDS: Final = ("source", "kind", "key")
"""The name of the source; what happened (created, updated, renamed, deleted, read), or heartbeat; the entryUUID."""

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_SOURCE: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Template:
    """Makes a name for an event.

    Args:
        text: the template, such as ``ldap.{source}.{kind}``.
        source: the name of the source.
        allowed: which characters the receiver takes in such a name, as the inside of a class of a regular expression.
        longest: how many characters it takes.
        what: what the name is of, for errors.

    Raises:
        UsageError: it has another field, a brace too many, or a character that the receiver does not take.
    """

    __slots__ = ("_constant", "_parts", "text")

    def __init__(
        self, text: str, *, source: str, what: str, allowed: str = r"0-9A-Za-z._-", longest: int = 249
    ) -> None:
        if not _SOURCE.fullmatch(source):
            raise UsageError(f"{source!r} cannot name a source", hint="use 1 to 64 letters, digits, '_' or '-'")
        unknown = [name for name in _FIELD.findall(text) if name not in FIELDS]
        if unknown:
            raise UsageError(
                f"the {what} {text!r} has the field {{{unknown[0]}}}, which no event has",
                hint=f"there are {', '.join(f'{{{name}}}' for name in FIELDS)}",
            )
        rest = _FIELD.sub("", text)
        if not re.fullmatch(f"[{allowed}]*", rest) or not text:
            raise UsageError(
                f"{text!r} cannot be a {what}", hint=f"besides fields in braces it has characters of {allowed}"
            )
        filled = text.replace("{source}", source)
        longest_name = filled.replace("{kind}", Kind.HEARTBEAT).replace("{key}", "0" * 36)
        if len(longest_name) > longest:
            raise UsageError(f"the {what} {text!r} gets longer than {longest} characters", hint="choose a shorter one")
        self.text = text
        # Text and fields by turns, so that a name is made by joining; most templates have no field that changes.
        self._parts = tuple(_FIELD.split(filled))
        self._constant = filled if len(self._parts) == 1 else None

    @property
    def constant(self) -> str | None:
        """The name, if it is the same for all events."""
        return self._constant

    def __call__(self, event: Event) -> str:
        """Return the name for an event."""
        if self._constant is not None:
            return self._constant
        return "".join(
            part if not at % 2 else event.key if part == "key" else event.kind.value
            for at, part in enumerate(self._parts)
        )

    def __repr__(self) -> str:
        return f"Template({self.text!r})"
