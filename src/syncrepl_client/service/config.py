"""A configuration file, read: which sources and sinks there are, and what each is told.

Nothing is opened here but files that hold secrets; whether what was written makes sense together is found out by who
makes things of it (`building`).
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from syncrepl_client.exceptions import ConfigurationError, Mistake, SyncreplError
from syncrepl_client.secret import Secret
from syncrepl_client.service.reading import Key, Reading, as_text, keys_of
from syncrepl_client.service.sections import ServiceSection, SinkSection, SourceSection
from syncrepl_client.service.sink_keys import sink_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LOCK", "REPORT", "Config", "Part", "load"]

LOCK: Final = "service.lock"
REPORT: Final = "service.json"
"""Two files in the folder of a service; see `claim`."""

S = TypeVar("S", bound=msgspec.Struct)

_TABLES: Final = ("service", "sources", "sinks")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Part(Generic[S]):
    """A source or a sink.

    Args:
        name: its name.
        section: what its table says.
        fingerprint: stands for all of that; another one means that it has to be made anew.
    """

    name: str
    section: S
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration says.

    Args:
        file: the file, by its whole path.
        named: the same as it was given, for errors.
        service: what concerns all of it.
        sources: by name.
        sinks: by name.
    """

    file: Path
    named: str
    service: ServiceSection
    sources: Mapping[str, Part[SourceSection]]
    sinks: Mapping[str, Part[SinkSection]]

    @property
    def contents(self) -> str:
        """How many sources and sinks there are, in words."""
        counts = (("source", len(self.sources)), ("sink", len(self.sinks)))
        return " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts)

    @property
    def folder(self) -> Path:
        """The folder of the copies, and of what could not be delivered."""
        return self.file.parent / Path(self.service.data).expanduser()

    @property
    def dead_letters(self) -> Path:
        """The file of what could not be delivered."""
        return self.folder / "dead-letters.db"

    @property
    def own_files(self) -> dict[Path, str]:
        """The files in the folder that are no copies, and what they are."""
        return {
            self.dead_letters: "what could not be delivered",
            self.folder / LOCK: "who works with the folder",
            self.folder / REPORT: "what the service says of itself",
        }

    def data_file(self, source: str) -> Path:
        """Return the data file of a source."""
        return self.folder / (self.sources[source].section.data or f"{source}.db")

    def sources_of(self, sink: str) -> tuple[str, ...]:
        """Return the names of the sources that a sink takes from."""
        return self.sinks[sink].section.sources or tuple(self.sources)


def load(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration.

    Args:
        path: the file.
        environment: variables, some of which have the last word; see `reading`.

    Raises:
        ConfigurationError: it cannot be read, or has mistakes, all of which are told.
    """
    file = Path(path).absolute()
    document = _document(file, str(path))
    reading = Reading(file.parent, environment)
    for name in document.keys() - set(_TABLES):
        reading.mistake(name, "there is no such table", "there are [service], [sources.NAME] and [sinks.NAME]")
    service = _section(reading, document.get("service", {}), "service", ServiceSection)
    sources = _parts(reading, document, "sources", SourceSection)
    sinks = _parts(reading, document, "sinks", SinkSection)
    named = document.get("sources")
    for name, sink in sinks.items():
        for source in sink.section.sources:
            if not isinstance(named, dict) or source not in named:
                reading.mistake(f"sinks.{name}.from", f"there is no source {source!r}", "name a table [sources.NAME]")
    reading.refuse_other_variables(_TABLES)
    if service is not None:
        _look_at_folder(reading, service)
    if reading.mistakes or service is None:
        raise ConfigurationError(str(path), tuple(reading.mistakes))
    return Config(file, str(path), service, sources, sinks)


def _look_at_folder(reading: Reading, service: ServiceSection) -> None:
    try:
        Path(service.data).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        reading.mistake("service.data", f"that is no folder: {error}", "name one that this user may write to")


def _document(file: Path, named: str) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened)
    except OSError as error:
        problem, hint = f"it cannot be read: {error.strerror}", "check its path and permissions"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        problem, hint = f"it is not TOML: {error}", "compare that line with: syncrepl-client config example"
    raise ConfigurationError(named, (Mistake(file.name, problem, hint),))


def _parts(reading: Reading, document: Mapping[str, Any], tables: str, kind: type[S]) -> dict[str, Part[S]]:
    """Read all sources, or all sinks."""
    given = document.get(tables, {})
    if not isinstance(given, dict) or not given:
        reading.mistake(tables, "there is none", f"write a table [{tables}.NAME]")
        return {}
    parts: dict[str, Part[S]] = {}
    taken: dict[str, str] = {}
    for name, table in given.items():
        where = f"{tables}.{name}"
        if not _NAME.fullmatch(name):
            reading.mistake(where, "that is no name", "begin with a letter; letters, digits, '-' and '_' may follow")
            continue
        # The environment cannot tell them apart.
        other = taken.setdefault(name.replace("-", "_").upper(), name)
        if other != name:
            reading.mistake(where, f"it is too much like {other}", "choose names that differ in letters or digits")
        section = _part(reading, table, where, kind)
        if section is not None:
            parts[name] = Part(name, section, _fingerprint(section))
    return parts


def _part(reading: Reading, table: object, where: str, kind: type[S]) -> S | None:
    if kind is not SinkSection or not isinstance(table, dict):
        return _section(reading, table, where, kind)
    own = keys_of(kind)
    try:
        options = sink_keys(table, {key.name for key in own})
    except SyncreplError as error:
        key = "class" if "class" in table else "url"
        # What is left may have mistakes of its own.
        if not reading.refused(table, where, own, key):
            reading.mistake(f"{where}.{key}", str(error), error.hint)
        return None
    return _section(reading, table, where, kind, options)


def _section(reading: Reading, table: object, where: str, kind: type[S], options: Sequence[Key] = ()) -> S | None:
    before = len(reading.mistakes)
    values = reading.values(table, where, [*keys_of(kind), *options])
    if len(reading.mistakes) > before:
        return None
    if options:
        names = {key.field for key in options}
        values["options"] = {name: values.pop(name) for name in names & values.keys()}
    return kind(**values)


def _fingerprint(section: msgspec.Struct) -> bytes:
    """Return what stands for all that a section says; secrets in files are read anew when they are needed."""
    text = repr(_plain(msgspec.structs.asdict(section)))
    return hashlib.sha256(text.encode()).digest()


def _plain(value: object) -> object:
    match value:
        case Secret(path=None):
            return hashlib.sha256(value.reveal()).hexdigest()
        case Secret():
            return str(value.path)
        case dict():
            return sorted((name, _plain(one)) for name, one in value.items())
        case tuple() | list():
            return [_plain(one) for one in value]
    return as_text(value)
