"""Changes that no test can notice, since they make no difference, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EXPLAINED", "Mutation"]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was changed.

    Args:
        place: the function.
        was: the line, or lines, as they are.
        becomes: what they were changed to; nothing where they were left out.
    """

    place: str
    was: str
    becomes: str


_NEVER: Final = "Nobody comes there: type checkers prove that every kind of event has its case before it."
_FALSE: Final = (
    "It is only asked whether it is true, and ``None`` is not; "
    "where ``False`` stands, type checkers let nothing else pass."
)
_SLOWER: Final = (
    "It only takes longer: what begins like the entries before it is decoded in full, "
    "as all others are, with the same result."
)
_NO_CSN: Final = "Neither text has a CSN in it."
_BEGINNING: Final = "No controls begin like that, as none begin like nothing."
_ALL_KNOWN: Final = "If all are known, to look for those that are not takes longer and finds nobody."
_HOLE: Final = "One more row that nobody has is like those that were deleted before, which are marked and not counted."
_ONE_EACH: Final = "Each name has one text, so that no row is left over."
_INDEXES: Final = "Indexes make it faster to look something up, and what is found is the same."
_AGAIN: Final = "Each page has its rows and those after them, which are staged again, with the same result."
_NOTHING_THERE: Final = "It takes back, or looks for, what is not there, which takes longer and changes nothing."

_BY_REASON: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    _NEVER: (
        ("contentsync.session: Session._info", "assert_never(info)", "assert_never(None)"),
        ("consumer.pump: Consumer._stage", "case _: assert_never(event)", ""),
        ("consumer.pump: Consumer._stage", "assert_never(event)", "assert_never(None)"),
        ("consumer.pump: _stage_content", "case _: assert_never(event)", ""),
        ("consumer.pump: _stage_content", "assert_never(event)", "assert_never(None)"),
    ),
    _FALSE: (
        ("contentsync.session: Session.__init__", "self._lost = False", "self._lost = None"),
        ("contentsync.session: Session.__init__", "self._presents = False", "self._presents = None"),
        ("contentsync.session: Session.__init__", 'self._usual = b""', "self._usual = None"),
        (
            "contentsync.session: Session._info",
            "return [self._refresh_end(cookie, deletes=False)]",
            "return [self._refresh_end(cookie, deletes=None)]",
        ),
        (
            "contentsync.session: Session._phase_end",
            "swept = self._sweep(deletes=False) is Sweep.EVERYTHING",
            "swept = self._sweep(deletes=None) is Sweep.EVERYTHING",
        ),
        ("store.refresh: Update.__init__", "self._swept = False", "self._swept = None"),
        ("store.refresh: Update.__init__", "self._staged = False", "self._staged = None"),
        ("store.refresh: Update.__init__", "self._followed = False", "self._followed = None"),
        ("consumer.pump: Consumer._end_refresh", "forget = False", "forget = None"),
        ("consumer.pump: Consumer._end_refresh", "self._ahead = False", "self._ahead = None"),
    ),
    _SLOWER: (
        ("contentsync.session: Session._entries", "usual = self._usual", "usual = None"),
        (
            "contentsync.session: Session._entries",
            "if usual and raw[:-16] == usual:",
            "if usual and raw[:+16] == usual:",
        ),
        (
            "contentsync.session: Session._entries",
            "if usual and raw[:-16] == usual:",
            "if usual and raw[:-17] == usual:",
        ),
        (
            "contentsync.session: Session._entries",
            r'if state.cookie is None and raw.endswith(b"\x04\x10" + state.uuid):',
            r'if state.cookie is None and raw.endswith(b"XX\x04\x10XX" + state.uuid):',
        ),
        (
            "contentsync.session: Session._entries",
            "usual = self._usual = raw[:-16]",
            "usual = self._usual = None",
        ),
        (
            "contentsync.session: Session._entries",
            "usual = self._usual = raw[:-16]",
            "usual = self._usual = raw[:+16]",
        ),
        (
            "contentsync.session: Session._entries",
            "usual = self._usual = raw[:-16]",
            "usual = self._usual = raw[:-17]",
        ),
    ),
    _BEGINNING: (("contentsync.session: Session.__init__", 'self._usual = b""', 'self._usual = b"XXXX"'),),
    _NO_CSN: (
        (
            "contentsync.cookies: OpenLDAPCookie.parse",
            'for csn in fields.get(b"csn", b"").split(b";"):',
            'for csn in fields.get(b"csn", b"XXXX").split(b";"):',
        ),
    ),
    _ALL_KNOWN: (
        (
            "store.refresh: Update.present",
            "unknown = [uuid for uuid in uuids if uuid not in known] if len(known) < len(uuids) else []",
            "unknown = [uuid for uuid in uuids if uuid not in known] if (len(known) < len(uuids)) or True else []",
        ),
        (
            "store.refresh: Update.present",
            "unknown = [uuid for uuid in uuids if uuid not in known] if len(known) < len(uuids) else []",
            "unknown = [uuid for uuid in uuids if uuid not in known] if len(known) <= len(uuids) else []",
        ),
    ),
    _NOTHING_THERE: tuple(
        ("store.refresh: Update.__init__", f"self.{name} = False", f"self.{name} = True")
        for name in ("_staged", "_followed")
    ),
    _AGAIN: (
        (
            "store.refresh: Update._stage",
            "for start in range(0, len(rows), _AT_A_TIME):",
            "for start in range(0, len(rows), ):",
        ),
    ),
    _HOLE: (
        ("store.refresh: Update.__init__", "self.marks = bytearray(last + 1)", "self.marks = bytearray(last + 2)"),
    ),
    _ONE_EACH: tuple(
        (
            "store.refresh: Update.sent",
            "for name, (uuid, _, attrs) in zip(dns, rows, strict=True):",
            f"for name, (uuid, _, attrs) in zip(dns, rows, {strict}):",
        )
        for strict in ("strict=None", "", "strict=False")
    ),
    _INDEXES: tuple(
        (
            "store.refresh: Update.settle",
            "for statement in staging.CREATE_INDEXES if self._some.named else ():",
            f"for statement in staging.CREATE_INDEXES if (self._some.named) {change} else ():",
        )
        for change in ("and False", "or True")
    ),
}


def _explained() -> Iterator[tuple[Mutation, str]]:
    for reason, mutations in _BY_REASON.items():
        for mutation in mutations:
            yield Mutation(*mutation), reason


EXPLAINED: Final = dict(_explained())
