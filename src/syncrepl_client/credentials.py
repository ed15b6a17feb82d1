"""Who a program is to the server.

Each kind of identity is a value; how it is proved stands in `access` and `sasl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncrepl_client.secret import Secret

__all__ = ["Anonymous", "Credentials", "Simple"]


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody in particular: no bind at all."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple bind (RFC 4513 section 5.1.3).

    Args:
        name: the DN to bind as.
        password: its password.
    """

    name: str
    password: Secret


Credentials = Anonymous | Simple
