"""What the table of a sink may say besides what all may say: the arguments of what makes that sink.

So a sink documents and types its options in one place, its own code; and a sink of somebody else's is checked as
strictly as ours.
"""

from __future__ import annotations

import builtins
import collections.abc
import importlib
import inspect
import re
import typing
from typing import TYPE_CHECKING, Any, Final, cast

from syncrepl_client.exceptions import UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.service.reading import Key
from syncrepl_client.sinks.registry import maker, scheme_of, sink_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncrepl_client.sinks.registry import SinkType

__all__ = ["GIVEN", "accepts", "sink_class", "sink_keys"]

GIVEN: Final = ("join", "source")
"""What the service gives a sink that asks for it: how events are joined into one body, and the name of the source."""


_METHODS: Final = ("open", "publish", "close", "stop")
# An argument in a docstring, with the lines that are indented more.
_ARGUMENT: Final = re.compile(r"^    (\w+): (.*(?:\n     .*)*)", re.MULTILINE)
# What docstrings say to programmers: where to read on, and what no value is.
_READ_ON: Final = re.compile(r"; see `[^`]+`")
_NO_VALUE: Final = "None for "


class _Names(dict[str, Any]):
    """The names in annotations; what is imported for type checkers alone may be anything."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(Secret=Secret, Sequence=typing.Sequence, Mapping=typing.Mapping, Callable=typing.Callable)
        self._own = inspect.unwrap(function).__globals__

    def __missing__(self, name: str) -> Any:  # noqa: ANN401 - that is what it is
        if name in self._own:
            return self._own[name]
        return getattr(builtins, name, Any)


def sink_class(table: Mapping[str, Any]) -> SinkType:
    """Return the class of the sink that a table is about.

    Raises:
        UsageError: there is none, or what it needs is not installed.
    """
    named = table.get("class", "")
    if named:
        return _imported(str(named))
    return sink_type(scheme_of(str(table.get("url", ""))))


def sink_keys(table: Mapping[str, Any], known: set[str]) -> list[Key]:
    """Return what a table may say about its kind of sink.

    Args:
        table: the table; its URL or its class says which sink.
        known: the keys that all sinks have.

    Raises:
        UsageError: there is no such sink, or what it needs is not installed.
    """
    kind = sink_class(table)
    meanings = _meanings(kind)
    return [
        Key(
            name,
            name,
            annotation,
            required=default is inspect.Parameter.empty,
            default=default,
            meaning=meanings.get(name, "an option of this kind of sink"),
        )
        for name, annotation, default in _options(kind)
        if name not in known and name not in GIVEN
    ]


def accepts(kind: SinkType, name: str) -> bool:
    """Tell whether a sink asks for something; see `GIVEN`."""
    return name in {option for option, _, _ in _options(kind)}


def _options(kind: SinkType) -> list[tuple[str, Any, Any]]:
    """Return the names, types and defaults of what a sink takes besides its URL."""
    made = maker(kind)
    function: Callable[..., Any] = vars(made)["__init__"] if isinstance(made, type) else getattr(made, "__func__", made)
    try:
        hints = typing.get_type_hints(function, localns=_Names(function))
        arguments = inspect.signature(function).parameters.values()
    except Exception as error:
        raise UsageError(
            f"what makes {kind} cannot be understood: {type(error).__name__}: {error}",
            hint="give its arguments types, as text or as they are",
        ) from error
    return [
        (one.name, hints.get(one.name, Any), one.default)
        for one in arguments
        if one.kind is inspect.Parameter.KEYWORD_ONLY
        and typing.get_origin(hints.get(one.name)) is not collections.abc.Callable
    ]


def _meanings(kind: SinkType) -> dict[str, str]:
    """Return what docstrings say about arguments: that of `from_url`, if there is one, or else that of the class."""
    found: dict[str, str] = {}
    for text in (inspect.getdoc(kind), inspect.getdoc(maker(kind))):
        arguments = (text or "").partition("Args:\n")[2].partition("\n\n")[0]
        found |= {name: _in_other_words(meaning) for name, meaning in _ARGUMENT.findall(arguments)}
    return found


def _in_other_words(meaning: str) -> str:
    """Say what an argument is to who writes a configuration."""
    line = " ".join(meaning.split()).removesuffix(".")
    return _READ_ON.sub("", line).replace(_NO_VALUE, "by default ")


def _imported(named: str) -> SinkType:
    module, _, name = named.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        # A module of somebody else's may do anything, and a service that runs must outlive it.
        raise UsageError(
            f"{named!r} cannot be imported: {type(error).__name__}: {error}",
            hint="write module:Class, and install it where this program is",
        ) from error
    if not callable(getattr(found, "from_url", None)) and not all(hasattr(found, name) for name in _METHODS):
        methods = ", ".join(_METHODS)
        raise UsageError(f"{named!r} is no sink", hint=f"it needs a class with {methods}, which is made of a URL")
    return cast("SinkType", found)
