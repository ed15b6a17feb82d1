"""Who a program is to the server.

Each kind of identity is a value; how it is proved stands in `authentication` and `sasl`.  An authorization identity
(`authzid`, RFC 4513 section 5.2.1.8) is whom to act as after the bind, ``dn:DN`` or ``u:NAME``; empty is who one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import UsageError
from syncrepl_client.secret import is_exposed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.secret import Secret

__all__ = [
    "LAYERS",
    "Anonymous",
    "Choice",
    "Credentials",
    "External",
    "Kerberos",
    "Plain",
    "SASLCredentials",
    "Scram",
    "Simple",
    "exposed_files",
]

LAYERS: Final = ("none", "integrity", "confidentiality")
"""What Kerberos can do for the stream after the bind: nothing, let nobody change it, let nobody read it."""


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


@dataclass(frozen=True, slots=True)
class External:
    """Whoever the client certificate of TLS, or the process at the end of an ``ldapi`` socket, is (SASL EXTERNAL).

    Args:
        authzid: whom to act as.
    """

    authzid: str = ""


@dataclass(frozen=True, slots=True)
class Plain:
    """A user whose password is sent to the server (SASL PLAIN): over TLS and local sockets only.

    Args:
        user: as the server knows it.
        password: its password.
        authzid: whom to act as.
    """

    user: str
    password: Secret
    authzid: str = ""


@dataclass(frozen=True, slots=True)
class Scram:
    """A user whose password stays here, by SASL SCRAM; the server proves that it knows it too.

    Args:
        user: as the server knows it.
        password: its password.
        mechanism: such as ``SCRAM-SHA-256-PLUS``: this one and no other; None for the strongest that is offered.
        authzid: whom to act as.
    """

    user: str
    password: Secret
    mechanism: str | None = None
    authzid: str = ""


@dataclass(frozen=True, slots=True)
class Kerberos:
    """Whoever the Kerberos ticket is of (SASL GSSAPI).

    Args:
        keytab: the path of a file with the key to get tickets with; empty for the credential cache, or the library's
            own client keytab.
        principal: who to be; empty for whoever cache or keytab are of.
        layer: one of `LAYERS`; empty for the strongest that is offered, or for none where TLS does that work.
        host: the server's name in the realm, if it is not the one in the URL.
        authzid: whom to act as.

    Raises:
        UsageError: there is no such layer, or python-gssapi is missing.
    """

    keytab: str = ""
    principal: str = ""
    layer: str = ""
    host: str = ""
    authzid: str = ""

    def __post_init__(self) -> None:
        # Said before anybody is asked; `sasl.kerberos` loads it, and says if that fails.
        if find_spec("gssapi") is None:
            raise UsageError("Kerberos needs python-gssapi", hint='pip install "syncrepl[gssapi]"')
        if self.layer and self.layer not in LAYERS:
            raise UsageError(f"no layer {self.layer!r}", hint=f"it is one of {', '.join(LAYERS)}")


SASLCredentials = External | Plain | Scram | Kerberos


@dataclass(frozen=True, slots=True)
class Choice:
    """The first of several that the server offers; nothing else is ever used.

    Args:
        alternatives: the best first.  `Plain` is passed over where somebody could read it.

    Raises:
        UsageError: there is none.
    """

    alternatives: tuple[SASLCredentials, ...]

    def __post_init__(self) -> None:
        if not self.alternatives:
            raise UsageError("a choice among no credentials")


Credentials = Anonymous | Simple | SASLCredentials | Choice


def exposed_files(credentials: Credentials) -> Iterator[Path]:
    """Iterate over the files with secrets of somebody's that other users can read."""
    for one in credentials.alternatives if isinstance(credentials, Choice) else (credentials,):
        path = None
        if isinstance(one, Simple | Plain | Scram):
            path = one.password.path
        elif isinstance(one, Kerberos) and one.keytab:
            path = Path(one.keytab)
        if path is not None and is_exposed(path):
            yield path
