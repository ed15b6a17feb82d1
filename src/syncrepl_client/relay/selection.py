"""`Selection`: what one receiver gets of the changes: some kinds, some entries, some attributes.

A receiver that follows the selected changes holds the selected part of the directory.  So an entry that begins to match
the filter is told as `Added` and one that no longer does as `Deleted`, whatever happened to it in truth: what the
receiver sees is what a search with that filter would have found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.envelope.base import CHANGES, Kind, kind_of
from syncrepl_client.exceptions import FilterError, UsageError
from syncrepl_client.ldap import evaluation
from syncrepl_client.ldap.filter import And, Comparison, Extensible, Not, Or, Present, Substrings, parse
from syncrepl_client.ldap.schema import NO_SCHEMA
from syncrepl_client.model import Added, Deleted, Modified, Renamed
from syncrepl_client.relay.projection import Projection, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.ldap.filter import Filter
    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.model import Change
    from syncrepl_client.model.entry import Entry

__all__ = ["Selection"]

_HINT: Final = "write it as in a search: (&(objectClass=person)(!(employeeType=guest)))"


class Selection:
    """Selects changes.

    The filter is evaluated on entries as the data file has them, with the schema that it has: attributes that the
    search did not ask for are not there, and redacted ones have what redaction has left.  It sees the attributes that
    are left out.

    It belongs to one thread.

    Args:
        kinds: the kinds of change to tell, as the receiver sees them: ``created``, ``updated``, ``renamed``,
            ``deleted``, ``read``; all if there are none.
        filter: which entries (RFC 4515); None for all.
        keep: the attributes to tell; all if there are none; see `Projection`.
        leave_out: the attributes not to tell.  A change of nothing else is not told.
        rename: new names by the attributes that get them.

    Raises:
        UsageError: an unknown kind; no filter; what is wrong with attributes says `Projection`.
    """

    def __init__(
        self,
        *,
        kinds: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - what it is
        keep: Iterable[str] = (),
        leave_out: Iterable[str] = (),
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self._kinds = _kinds(texts(kinds, "kinds of change"))
        self._projection = Projection(keep, leave_out, rename)
        self._filter: Filter | None = None
        if filter is not None:
            try:
                self._filter = parse(filter)
            except FilterError as error:
                raise UsageError(str(error), hint=_HINT) from error
            self._learn(NO_SCHEMA, self._filter)

    def __bool__(self) -> bool:
        """Whether there is anything that is not told, or told otherwise."""
        return bool(self._kinds or self._filter or self._projection)

    def around(self, events: Callable[[Change], Iterable[Event]]) -> Callable[[Change], Iterable[Event]]:
        """Return what makes events of the selected changes, and none of the others.

        Args:
            events: makes the events of a change, such as `Envelope.events`.

        Returns:
            The same function if everything is selected.
        """
        if not self:
            return events
        of = self.of

        def selected(change: Change) -> Iterable[Event]:
            found = of(change)
            return () if found is None else events(found)

        return selected

    def of(self, change: Change) -> Change | None:
        """Return what the receiver is told of a change; None if it is told nothing."""
        found: Change | None = change
        if self._filter is not None:
            found = self._filtered(change, self._filter)
        if found is not None and self._projection:
            found = self._projected(found)
        if found is None or (self._kinds and kind_of(found) not in self._kinds):
            return None
        return found

    def unknown(self, schema: Schema) -> list[str]:
        """Return the attributes that are named in filter or lists and that a schema does not have; none without one.

        A filter that compares such an attribute finds nothing.
        """
        if schema.attribute("objectClass") is None:
            return []
        named = [*_named(self._filter), *self._projection.attributes]
        return [name for name in dict.fromkeys(named) if schema.attribute(name) is None]

    # --- the filter ---------------------------------------------------------------------------------------------------

    def _learn(self, schema: Schema, filter_: Filter) -> None:
        self._schema = schema
        self._matches = evaluation.compile(filter_, schema)

    def _filtered(self, change: Change, filter_: Filter) -> Change | None:
        before, after = change.before, change.after
        schema = change.entry.schema
        if schema is not self._schema:
            self._learn(schema, filter_)
        was, is_ = self._found(before), self._found(after)
        if was is before and is_ is after:
            return change
        if is_ is not None:
            return Added(is_, change.provenance)
        return None if was is None else Deleted(was, change.provenance)

    def _found(self, entry: Entry | None) -> Entry | None:
        return entry if entry is not None and self._matches(entry.attributes, entry.dn) else None

    # --- the attributes -----------------------------------------------------------------------------------------------

    def _projected(self, change: Change) -> Change | None:
        projection = self._projection
        match change:
            case Added(after, found):
                return Added(projection.of(after), found)
            case Deleted(before, found):
                return Deleted(projection.of(before), found)
            case Renamed(before, after, found):
                return Renamed(projection.of(before), projection.of(after), found)
            case Modified(before, after, found):
                if before.dn == after.dn and not projection.touches(before, after):
                    return None
                return Modified(projection.of(before), projection.of(after), found)
            case _:
                assert_never(change)


def _kinds(given: Iterable[str]) -> frozenset[Kind]:
    wanted = tuple(given)
    for kind in wanted:
        if kind not in CHANGES:
            raise UsageError(f"no kind of change: {kind!r}", hint=f"the kinds are {', '.join(CHANGES)}")
    return frozenset(map(Kind, wanted))


def _named(filter_: Filter | None) -> Iterator[str]:
    """Iterate over the attributes that a filter compares."""
    match filter_:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _named(part)
        case Not(part):
            yield from _named(part)
        case Comparison(attribute) | Present(attribute) | Substrings(attribute) | Extensible(str(attribute)):
            yield attribute
