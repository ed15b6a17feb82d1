"""From a table of TOML, and the environment, to a section: each value by itself, so that all mistakes are found.

A key of a section may also come from the environment, which has the last word: ``SYNCREPL_SOURCES_CORP_URL`` is the key
``url`` of ``[sources.corp]``, and ``SYNCREPL_SOURCES_CORP_URL_FILE`` a file that holds it.  A secret is never written
into the configuration: it is a table that says where it is.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from syncrepl_client.exceptions import Mistake, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.service.units import Duration, Size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Key", "Reading", "as_text", "is_secret", "keys_of"]

_FILE: Final = "_FILE"
_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_WHERE: Final = '{ file = "/path" }, { credential = "NAME" } or { env = "NAME" }'
_EXPECTED: Final = re.compile(r"Expected `([^`]*)`, got `([^`]*)`(?: - at `\$(.*)`)?")
# What the types of values are called where people write them.
_WORDS: Final = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list in brackets",
    "object": "a table in braces",
    "null": "nothing",
}
_TRUE: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Key:
    """What a table may say.

    Args:
        name: as it is written.
        field: the name of the argument that gets the value.
        type: of the value.
        required: whether it must be there.
        default: what it is if it is not there.
        meaning: what it is.
        example: how it may look; None for none.
    """

    name: str
    field: str
    type: Any
    required: bool
    default: Any = None
    meaning: str = ""
    example: Any = None


def keys_of(section: type[msgspec.Struct]) -> list[Key]:
    """Return what the table of a section may say."""
    keys = []
    for one in msgspec.structs.fields(section):
        kind = msgspec.inspect.type_info(one.type)
        if not isinstance(kind, msgspec.inspect.Metadata) or kind.extra_json_schema is None:
            continue
        described = kind.extra_json_schema
        keys.append(
            Key(
                one.encode_name,
                one.name,
                one.type,
                one.required,
                _default(one),
                described["description"],
                next(iter(described.get("examples", ())), None),
            )
        )
    return keys


def _default(one: msgspec.structs.FieldInfo) -> object:
    if one.required:
        return None
    return one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()


class Reading:
    """Reads the tables of one configuration.

    Args:
        folder: what relative paths of secrets are relative to.
        environment: the variables of the process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self.mistakes: list[Mistake] = []
        # Which variables were meant for some key.
        self._used: set[str] = set()

    def mistake(self, key: str, problem: str, hint: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(key, problem, hint))

    def values(self, table: object, where: str, keys: Iterable[Key], *, others: bool = False) -> dict[str, Any]:
        """Return the right values of a table, by the names of their fields; the wrong ones are noted as mistakes.

        Args:
            table: the table as it was read.
            where: what it is called, such as ``sources.corp``.
            keys: what it may say.
            others: whether it may say other things, which somebody else looks at.
        """
        if not isinstance(table, dict):
            self.mistake(where, f"it is {as_text(table)}, not a table", f"write [{where}] and keys below it")
            return {}
        known = {key.name: key for key in keys}
        if not others:
            for name in table.keys() - known.keys():
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                self.mistake(f"{where}.{name}", "there is no such key", hint)
        found: dict[str, Any] = {}
        for key in known.values():
            self._value(table, where, key, found)
        return found

    def refused(self, table: Mapping[str, Any], where: str, keys: Iterable[Key], name: str) -> bool:
        """Note the mistakes of a table of which not all keys are known, and tell whether a key is among them."""
        before = len(self.mistakes)
        self.values(table, where, keys, others=True)
        return any(one.key == f"{where}.{name}" for one in self.mistakes[before:])

    def _value(self, table: Mapping[str, Any], where: str, key: Key, found: dict[str, Any]) -> None:
        place = f"{where}.{key.name}"
        try:
            given = self._from_environment(place, key)
            if given is not None:
                found[key.field] = given
            elif key.name in table:
                found[key.field] = self._converted(table[key.name], key.type, strict=True)
            elif key.required:
                self.mistake(place, "it is missing", _hint(key))
        except UsageError as error:
            self.mistake(place, str(error), error.hint or _hint(key))
        except ValueError as error:
            self.mistake(place, _problem(error), _hint(key))

    def _converted(self, value: object, kind: Any, *, strict: bool) -> Any:  # noqa: ANN401 - any type there is
        return msgspec.convert(value, kind, strict=strict, dec_hook=self._special)

    def _special(self, kind: type, value: object) -> object:
        """Make a value of the types that only we know."""
        if kind is Duration or kind is Size:
            return kind.parse(value)
        if kind is Secret:
            return self._secret(value)
        raise NotImplementedError(kind)

    # --- secrets ------------------------------------------------------------------------------------------------------

    def _secret(self, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str):
            raise UsageError("a secret does not stand in the configuration", hint=f"say where it is: {_WHERE}")
        match value:
            case {"file": str(path), **rest} if not rest:
                try:
                    file = Path(path).expanduser()
                except RuntimeError as error:
                    raise UsageError(f"{path}: {error}", hint="write the whole path") from error
                return Secret.from_file(self._folder / file)
            case {"credential": str(name), **rest} if not rest:
                return self._credential(name)
            case {"env": str(name), **rest} if not rest:
                return self._variable(name)
        raise UsageError("that does not say where the secret is", hint=f"write {_WHERE}")

    def _credential(self, name: str) -> Secret:
        folder = self._environment.get(_CREDENTIALS)
        if not folder or Path(name).name != name:
            raise UsageError(
                f"systemd gives no credential {name!r}", hint=f"LoadCredential={name}:/path in the unit, or a file"
            )
        return Secret.from_file(Path(folder, name))

    def _variable(self, name: str) -> Secret:
        self._used.add(name)
        secret = self._environment.get(name)
        if not secret:
            raise UsageError(f"the environment has no {name}", hint="set it, or name a file")
        return Secret(secret)

    # --- the environment ----------------------------------------------------------------------------------------------

    def _from_environment(self, place: str, key: Key) -> Any:  # noqa: ANN401 - any type there is
        """Return the value that the environment has for a key; None if it has none."""
        variable = _variable_of(place)
        if variable in self._environment:
            self._used.add(variable)
            text = self._environment[variable]
        elif variable + _FILE in self._environment:
            variable += _FILE
            self._used.add(variable)
            file = Path(self._environment[variable])
            if is_secret(key.type):
                return self._one_secret(Secret.from_file(file), key.type)
            text = _contents(file)
        else:
            return None
        try:
            return self._from_text(text, key.type)
        except ValueError as error:
            raise UsageError(f"{variable}: {_problem(error)}", hint=_hint(key)) from error

    def _from_text(self, text: str, kind: Any) -> Any:  # noqa: ANN401 - any type there is
        """Make a value of text: a list is written with commas, a table as JSON."""
        if is_secret(kind):
            return self._one_secret(Secret(text), kind)
        shape = _shape(kind)
        value: object = text
        if shape is bool:
            value = _TRUE.get(text.lower(), text)
        elif shape is tuple:
            value = [word.strip() for word in text.split(",") if word.strip()]
        elif shape is dict:
            value = msgspec.json.decode(text)
        return self._converted(value, kind, strict=False)

    def _one_secret(self, secret: Secret, kind: Any) -> Any:  # noqa: ANN401 - any type there is
        """Make a value of a secret, also for a key that takes several."""
        return self._converted([secret] if _takes_several(kind) else secret, kind, strict=True)

    def refuse_other_variables(self, tables: Iterable[str]) -> None:
        """Note variables that look as if they were for a key, and are for none.

        Args:
            tables: what the names of all tables begin with.
        """
        beginnings = tuple(f"{_variable_of(table)}_" for table in tables)
        for name in sorted(self._environment):
            if name.startswith(beginnings) and name not in self._used:
                self.mistake(name, "no key has this variable", "compare it with the names of tables and keys")


def _variable_of(place: str) -> str:
    return "SYNCREPL_" + re.sub(r"[.-]", "_", place).upper()


def _contents(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="check its path and permissions") from error


def is_secret(kind: Any) -> bool:  # noqa: ANN401 - any type there is
    """Tell whether values of a type are secrets."""
    return Secret in _classes(kind)


def _takes_several(kind: Any) -> bool:  # noqa: ANN401 - any type there is
    return any(isinstance(info, msgspec.inspect.CollectionType) for info in _alternatives(kind))


def _classes(kind: Any) -> list[object]:  # noqa: ANN401 - any type there is
    """Return the classes that the values of a type can be of; those that are in a list, if they are secrets."""
    return [_class(info) for info in _alternatives(kind)]


def _alternatives(kind: Any) -> Sequence[msgspec.inspect.Type]:  # noqa: ANN401 - any type there is
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _class(info: msgspec.inspect.Type) -> object:
    match info:
        case msgspec.inspect.CustomType(cls=cls):
            return cls
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            return Secret if _class(item) is Secret else tuple
        case msgspec.inspect.CollectionType(item_type=item):
            return Secret if _class(item) is Secret else tuple
        case msgspec.inspect.DictType():
            return dict
        case msgspec.inspect.BoolType():
            return bool
    return object


def _shape(kind: Any) -> object:  # noqa: ANN401 - any type there is
    classes = _classes(kind)
    return next((one for one in (bool, tuple, dict) if one in classes), object)


def _problem(error: ValueError) -> str:
    """Return what is wrong with a value, in the words of whoever writes it."""
    match = _EXPECTED.fullmatch(str(error))
    if match is None:
        return str(error).removesuffix(".")
    wanted = " or ".join(dict.fromkeys(_WORDS.get(word.strip(), word.strip()) for word in match[1].split("|")))
    wanted = wanted.removesuffix(" or nothing")
    where = f" in {match[3]}" if match[3] else ""
    return f"it must be {wanted}, and is {_WORDS.get(match[2], match[2])}{where}"


def _hint(key: Key) -> str:
    hint = key.meaning
    choices = [as_text(value) for value in _choices(key.type) if value != ""]
    if choices:
        hint += f": {', '.join(choices)}"
    if key.example is not None:
        hint += f"; such as {as_text(key.example)}"
    return hint


def _choices(kind: Any) -> tuple[object, ...]:  # noqa: ANN401 - any type there is
    """Return the words that a value, or each in a list, is one of; none if it is not of that kind."""
    info = msgspec.inspect.type_info(kind)
    while isinstance(info, msgspec.inspect.Metadata | msgspec.inspect.VarTupleType):
        info = info.type if isinstance(info, msgspec.inspect.Metadata) else info.item_type
    return tuple(info.values) if isinstance(info, msgspec.inspect.LiteralType) else ()


def as_text(value: object) -> str:
    """Return a value as it is written in a configuration."""
    match value:
        case bool():
            return "true" if value else "false"
        case Duration() | Size():
            return f'"{value.text}"'
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple() | list():
            return "[" + ", ".join(map(as_text, value)) + "]"
        case dict():
            return "{ " + ", ".join(f"{key} = {as_text(one)}" for key, one in value.items()) + " }" if value else "{}"
    return str(value)
