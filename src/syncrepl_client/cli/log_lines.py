"""How the service writes its log: lines for people, or one JSON object for each record, for programs."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

import msgspec

from syncrepl_client.log_fields import Fields
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["log_to"]

_PACKAGE: Final = "syncrepl_client"
_FIELDS: Final = tuple(Fields.__annotations__)


class _Lines(logging.Formatter):
    """Lines for people; who collects them knows the time."""

    def format(self, record: logging.LogRecord) -> str:
        said = f"{record.levelname.lower()}: {printable(record.getMessage())}"
        # A traceback has lines of its own.
        return f"{said}\n{self.formatException(record.exc_info)}" if record.exc_info else said


class _Objects(logging.Formatter):
    """JSON: when, how grave, who says it, the sentence, and the fields of `log_fields`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: record.__dict__[name] for name in _FIELDS if name in record.__dict__}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode({name: _as_text(value) for name, value in told.items()}, enc_hook=str).decode()


def _as_text(value: object) -> object:
    """Make text that is UTF-8 of text that is not, as names of files may be."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


class _ToStream(logging.StreamHandler[TextIO]):
    """The handler of this module, which a later call finds again."""


def log_to(stream: TextIO, *, form: Literal["text", "json"], level: str) -> None:
    """Let the package log to a stream, in place of where it did so before.

    Args:
        stream: where to.
        form: what the lines look like.
        level: the least grave that is logged, in small letters.
    """
    logger = logging.getLogger(_PACKAGE)
    for one in [one for one in logger.handlers if isinstance(one, _ToStream)]:
        logger.removeHandler(one)
    handler = _ToStream(stream)
    handler.setFormatter(_Lines() if form == "text" else _Objects())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
