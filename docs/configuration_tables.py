"""The tables of configuration keys, made of what the service reads its configuration by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from syncrepl_client.secret import Secret
from syncrepl_client.service.reading import as_text, keys_of
from syncrepl_client.service.sections import ServiceSection, SinkSection, SourceSection
from syncrepl_client.service.sink_keys import sink_keys
from syncrepl_client.service.units import Duration, Size
from syncrepl_client.sinks.registry import extra_of, known, sink_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.service.reading import Key

__all__ = ["FOLDER", "kinds_of_sinks", "table", "tables", "write"]

FOLDER = Path(__file__).parent / "_build"
_SECTIONS: dict[str, type[msgspec.Struct]] = {"service": ServiceSection, "source": SourceSection, "sink": SinkSection}
_WORDS = {
    msgspec.inspect.StrType: "text",
    msgspec.inspect.IntType: "whole number",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.BoolType: "``true`` or ``false``",
    msgspec.inspect.DictType: "table",
}
_OWN = {Duration: "time", Size: "size", Secret: "secret"}


def write() -> None:
    """Write the tables as reStructuredText, for a page to include."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, lines in tables().items():
        (FOLDER / f"keys-{name}.inc").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tables() -> dict[str, list[str]]:
    """Return the lines of each table: those of the sections, and all kinds of sinks as one."""
    found = {name: table(keys_of(section)) for name, section in _SECTIONS.items()}
    found["sinks"] = [line for names in kinds_of_sinks() for line in _kind(names)]
    return found


def kinds_of_sinks() -> list[tuple[str, ...]]:
    """Return the schemes of each kind of sink."""
    kinds: dict[object, list[str]] = {}
    for name in known():
        kinds.setdefault(sink_type(name), []).append(name)
    return [tuple(names) for names in kinds.values()]


def _kind(names: tuple[str, ...]) -> Iterable[str]:
    title = ", ".join(f"``{name}:``" for name in names)
    common = {key.name for key in keys_of(SinkSection)}
    purpose = re.sub("; see .*", ".", (sink_type(names[0]).__doc__ or "").partition("\n")[0])
    extra = extra_of(names[0])
    needs = f' It needs ``pip install "syncrepl[{extra}]"``.' if extra else ""
    keys = sink_keys({"url": f"{names[0]}:"}, common)
    return [title, "~" * len(title), "", f"{_prose(purpose)}{needs}", "", *table(keys), ""]


def table(keys: Iterable[Key]) -> list[str]:
    """Return the lines of a table of keys."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 20 20 20 40",
        "",
        *_row("key", "value", "by default", "meaning"),
    ]
    for key in keys:
        example = f". Such as ``{as_text(key.example)}``" if key.example is not None else ""
        lines += _row(f"``{key.name}``", _value(key.type), _default(key), f"{_prose(key.meaning)}{example}")
    return lines


def _row(*cells: str) -> list[str]:
    return [f"   {'* -' if not number else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]


def _default(key: Key) -> str:
    if key.required:
        return "has to be given"
    # Nothing at all is what the meaning tells of.
    empty = key.default is None or key.default in ("", (), {})
    return "" if empty else f"``{as_text(key.default)}``"


def _value(kind: Any) -> str:  # noqa: ANN401 - any type that a key has
    """Say what may be written."""
    return _words(msgspec.inspect.type_info(kind))


def _words(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.Metadata(type=inner):
            return _words(inner)
        case msgspec.inspect.UnionType(types=choices):
            return " or ".join(_words(one) for one in choices if not isinstance(one, msgspec.inspect.NoneType))
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(f"``{as_text(value)}``" for value in values if value != "")
        case msgspec.inspect.CollectionType(item_type=inner):
            return f"list of {_words(inner)}"
        case msgspec.inspect.CustomType(cls=own):
            return _OWN[own]
    return _WORDS[type(info)]


def _prose(text: str) -> str:
    """Take what is marked as code for that, and nothing else for markup."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text.replace("*", r"\*"))
