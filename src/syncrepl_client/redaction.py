"""Attributes of which nothing is kept: they are dropped, masked or hashed before anybody else sees them.

A `Redaction` works on the octets of an attribute list as it arrives, so that what comes behind it (trace, comparison,
data file, callbacks, output) never holds the values.  Most entries have none of the attributes: a search for their
names, with the beginning of the element that each stands in, tells that in about a microsecond.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.exceptions import ProtocolError, UsageError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import attribute_at
from syncrepl_client.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.ldap.connection import Row

__all__ = ["MASK", "PASSWORDS", "Redaction", "is_stand_in"]

MASK: Final = b"{REDACTED}"
"""The one value of an attribute that is masked, which is no password of any scheme that exists."""

_HASH: Final = b"{HMAC-SHA256}"
_HASHED: Final = re.compile(re.escape(_HASH) + rb"[A-Za-z0-9+/]{43}=")
_SHORTEST_KEY: Final = 16

# By name, with the object identifier by which a server may call it as well; empty where none was ever assigned that
# all servers have.
_PASSWORD_LIKE: Final = {
    # Passwords and their hashes: RFC 4519 section 2.41, RFC 3112 section 2.
    "userPassword": "2.5.4.35",
    "authPassword": "1.3.6.1.4.1.4203.1.3.4",
    # A private key, protected by a password that can be guessed at leisure: RFC 2798 section 2.9.
    "userPKCS12": "2.16.840.1.113730.3.1.216",
    # Hashes of former passwords, of which the next one is often a variation: draft-behera-ldap-password-policy, and 389
    # Directory Server.
    "pwdHistory": "1.3.6.1.4.1.42.2.27.8.1.20",
    "passwordHistory": "2.16.840.1.113730.3.1.96",
    # Samba: hashes that are as good as the password itself (pass the hash), and passwords.
    "sambaNTPassword": "1.3.6.1.4.1.7165.2.1.25",
    "sambaLMPassword": "1.3.6.1.4.1.7165.2.1.24",
    "sambaPasswordHistory": "1.3.6.1.4.1.7165.2.1.54",
    "sambaClearTextPassword": "1.3.6.1.4.1.7165.2.1.68",
    "sambaPreviousClearTextPassword": "1.3.6.1.4.1.7165.2.1.69",
    "ntPassword": "1.3.6.1.4.1.7165.2.1.2",
    "lmPassword": "1.3.6.1.4.1.7165.2.1.1",
    # MIT Kerberos: the keys of principals, the former ones, and the key that they are encrypted with.
    "krbPrincipalKey": "2.16.840.1.113719.1.301.4.39.1",
    "krbPwdHistory": "2.16.840.1.113719.1.301.4.44.1",
    "krbMKey": "2.16.840.1.113719.1.301.4.46.1",
    # Heimdal: the same.
    "krb5Key": "1.3.6.1.4.1.5322.10.1.10",
    # Active Directory, and servers that hold its schema: passwords, hashes, keys of trusts between domains.
    "unicodePwd": "1.2.840.113556.1.4.90",
    "dBCSPwd": "1.2.840.113556.1.4.55",
    "ntPwdHistory": "1.2.840.113556.1.4.94",
    "lmPwdHistory": "1.2.840.113556.1.4.160",
    "supplementalCredentials": "1.2.840.113556.1.4.125",
    "trustAuthIncoming": "1.2.840.113556.1.4.129",
    "trustAuthOutgoing": "1.2.840.113556.1.4.135",
    "initialAuthIncoming": "1.2.840.113556.1.4.539",
    "initialAuthOutgoing": "1.2.840.113556.1.4.540",
    "currentValue": "1.2.840.113556.1.4.27",
    "priorValue": "1.2.840.113556.1.4.100",
    "unixUserPassword": "",
    "msDS-ManagedPassword": "",
    "msDS-ExecuteScriptPassword": "1.2.840.113556.1.4.1783",
    # Local administrators' passwords (LAPS), the former and the present form.
    "ms-Mcs-AdmPwd": "",
    "msLAPS-Password": "",
    "msLAPS-EncryptedPassword": "",
    "msLAPS-EncryptedPasswordHistory": "",
    # Keys that open the disks of computers.
    "msFVE-RecoveryPassword": "",
    # FreeIPA: NT hashes, seeds of one-time passwords, secrets that are shared with other servers.
    "ipaNTHash": "",
    "ipaNTTrustAuthIncoming": "",
    "ipaNTTrustAuthOutgoing": "",
    "ipatokenOTPkey": "2.16.840.1.113730.3.8.16.1.8",
    "ipatokenRadiusSecret": "2.16.840.1.113730.3.8.16.1.17",
    "ipaIdpClientSecret": "",
    # OpenLDAP's one-time passwords: the shared secret.
    "oathSecret": "1.3.6.1.4.1.5427.1.389.4226.4.1",
    # 389 Directory Server: keys of encrypted attributes, passwords that can be decrypted again, NT hashes.
    "nsSymmetricKey": "2.16.840.1.113730.3.1.2084",
    "netscapeReversiblePassword": "2.16.840.1.113730.3.1.812",
    "ntUserNtPassword": "2.16.840.1.113730.3.1.2334",
    # The configuration of servers: the administrator's password, and those that they bind to each other with.
    "olcRootPW": "1.3.6.1.4.1.4203.1.12.2.3.2.0.9",
    "olcSyncrepl": "1.3.6.1.4.1.4203.1.12.2.3.2.0.11",
    "nsslapd-rootpw": "",
    "nsDS5ReplicaCredentials": "2.16.840.1.113730.3.1.582",
    "nsDS5ReplicaBootstrapCredentials": "2.16.840.1.113730.3.1.2372",
    "nsMultiplexorCredentials": "",
    # The keys that DNS updates of a DHCP server are signed with.
    "dhcpKeySecret": "",
}

PASSWORDS: Final = frozenset(_PASSWORD_LIKE)
"""Attributes that hold passwords, hashes or keys that are as good as those, or secrets that servers share."""

# The name, in lower case, of which another one is an alias.
_CANONICAL: Final = {oid: name.lower() for name, oid in _PASSWORD_LIKE.items() if oid}

# Without these nobody could tell which entry it is, or whether it changed.
_NEEDED: Final = frozenset({"entryuuid", "entrycsn", "modifytimestamp"})
# RFC 4512 section 1.4, and the underscore that some servers allow.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*|[0-9]+(?:\.[0-9]+)+")


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Redaction:
    """What is kept of attributes that are none of the program's business.

    Names are in any case; an attribute with options (``userPassword;x-old``) counts as the one without.  Of the
    attributes in `PASSWORDS` the object identifier counts as well; of any other one, each name by which the server may
    call it must be given.

    Args:
        drop: attributes that look as if they were not there.
        mask: attributes that keep one value, `MASK`, whatever they had: it shows that they are there, and nothing else.
        hash: attributes of whose values an HMAC is kept, so that a change shows, and values that are the same.
        key: of the HMAC; at least 16 octets, chosen at random.  A `Secret` is revealed once, here.

    Raises:
        UsageError: a name is none, or comes twice, or is one that the copy cannot do without; hashes without a key, a
            key without hashes, or one that is too short.
    """

    drop: frozenset[str]
    mask: frozenset[str]
    hash: frozenset[str]
    fingerprint: str = field(repr=False)
    """Stands for all rules and for the key, which cannot be read from it; empty where there are no rules."""
    _search: Callable[..., re.Match[bytes] | None] = field(repr=False)
    _mac: hmac.HMAC | None = field(repr=False)
    # What becomes of an attribute, and the name that its values are hashed with.
    _rules: dict[str, tuple[str, bytes]] = field(repr=False)

    def __init__(
        self,
        drop: Iterable[str] = (),
        mask: Iterable[str] = (),
        hash: Iterable[str] = (),  # noqa: A002 - what it does
        key: Secret | bytes | None = None,
    ) -> None:
        try:
            secret = Secret(key) if isinstance(key, bytes) else key
        finally:
            # Tools print the variables of a traceback: no key may be among them.
            del key
        mac = None if secret is None else _mac_of(secret)
        names = {"drop": _names(drop), "mask": _names(mask), "hash": _names(hash)}
        _check(names)
        if (mac is None) != (not names["hash"]):
            raise UsageError(
                "hashes of attributes need a key, and nothing else does",
                hint="passwords can be tried on a hash without a key: give 16 octets or more, or mask instead",
            )
        values: dict[str, Any] = {
            **names,
            "fingerprint": _fingerprint(names, mac),
            "_search": _pattern({name for some in names.values() for name in some}).search,
            "_mac": mac,
            "_rules": {name: (kind, name.encode()) for kind, some in names.items() for name in some},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def passwords(cls, key: Secret | bytes | None = None) -> Redaction:
        """Return the rules for `PASSWORDS`: hashed with a key, else masked, for hashes without a key can be guessed."""
        secret = Secret(key) if isinstance(key, bytes) else key
        del key
        return cls(mask=PASSWORDS) if secret is None else cls(hash=PASSWORDS, key=secret)

    def __bool__(self) -> bool:
        return bool(self.fingerprint)

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return entries as they arrive, without what is redacted."""
        hit = self._search
        return [row if hit(row[1]) is None else (row[0], self.of(row[1]), row[2]) for row in rows]

    def of(self, wire: bytes, *, stored: bool = False) -> bytes:
        """Return an attribute list without what is redacted; the octets of all other attributes stay as they are.

        Args:
            wire: a PartialAttributeList with its tag and length.
            stored: whether it was kept here before, under other rules perhaps: what is a hash or masked already is not
                hashed once more.

        Raises:
            ProtocolError: it is malformed; nothing of it is quoted.
        """
        hit = self._search(wire)
        if hit is None:
            return wire
        try:
            return self._without_values(wire, hit.start(), stored=stored)
        except ProtocolError as error:
            # What it quotes may be a value.
            raise ProtocolError(f"a malformed attribute list: {str(error).partition(':')[0]}") from None

    def _without_values(self, wire: bytes, found: int, *, stored: bool) -> bytes:
        """Return an attribute list in which something was found at a position, without what is redacted."""
        tag, pos, end = ber.read(wire, 0, len(wire))
        if tag != 0x30 or end != len(wire):  # noqa: PLR2004 - SEQUENCE
            raise ProtocolError("it is not one SEQUENCE")
        parts = []
        # Where begins what stays as it is.
        kept = pos
        while pos < end:
            if found < pos:
                # It was in the middle of another attribute, or before the first.
                hit = self._search(wire, pos)
                if hit is None:
                    break
                found = hit.start()
            if found > pos:
                # A length in one octet is by far the usual one.
                size = wire[pos + 1] if pos + 1 < end else 0
                pos = pos + 2 + size if 0 < size < 128 else ber.read(wire, pos, end)[2]  # noqa: PLR2004
                continue
            name, values, stop = attribute_at(wire, pos, end)
            if rule := self._rule(name):
                parts += [wire[kept:pos], self._redacted(rule, name, values, stored=stored)]
                kept = stop
            pos = stop
        if pos > end:
            raise ProtocolError("an attribute that is cut off")
        return ber.sequence(*parts, wire[kept:end]) if parts else wire

    def _redacted(self, rule: tuple[str, bytes], name: str, values: list[bytes], *, stored: bool) -> bytes:
        """Return what is kept of an attribute; nothing if it is dropped."""
        kind, hashed_as = rule
        if kind == "drop":
            return b""
        kept = [MASK] if kind == "mask" else self._hashed(hashed_as, values, stored=stored)
        return ber.sequence(ber.octet_string(name.encode()), ber.set_of(*map(ber.octet_string, kept)))

    def _rule(self, name: str) -> tuple[str, bytes] | None:
        """Tell what becomes of an attribute, and by which name its values are hashed."""
        plain = name.partition(";")[0].lower()
        return self._rules.get(_CANONICAL.get(plain, plain))

    def _hashed(self, name: bytes, values: list[bytes], *, stored: bool) -> list[bytes]:
        assert self._mac is not None  # noqa: S101 - our own guarantee: there is no such rule without a key
        kept = []
        for value in values:
            if stored and is_stand_in(value):
                kept.append(value)
                continue
            mac = self._mac.copy()
            # A name holds no NUL, so no two of them with their values look alike.
            mac.update(name + b"\0" + value)
            kept.append(_HASH + base64.b64encode(mac.digest()))
        return kept


def is_stand_in(value: bytes) -> bool:
    """Tell whether a value is what is kept in place of one: `MASK` or a hash."""
    return value == MASK or _HASHED.fullmatch(value) is not None


def _mac_of(key: Secret) -> hmac.HMAC:
    octets = key.reveal()
    if len(octets) < _SHORTEST_KEY:
        raise UsageError(
            f"a key of {len(octets)} octets",
            hint=f"{_SHORTEST_KEY} or more, chosen at random, as secrets.token_bytes does",
        )
    return hmac.new(octets, digestmod=hashlib.sha256)


def _names(given: Iterable[str]) -> frozenset[str]:
    """Return the names by which rules are found."""
    if isinstance(given, str):
        raise UsageError(f"the text {given!r} where names of attributes are expected", hint="give them as a list")
    names = set()
    for name in given:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of an attribute", hint="give it without options, as userPassword")
        names.add(_CANONICAL.get(name.lower(), name.lower()))
    return frozenset(names)


def _check(names: dict[str, frozenset[str]]) -> None:
    """Raise an error if rules contradict each other, or take away what a copy is kept by."""
    seen: set[str] = set()
    for some in names.values():
        if twice := sorted(seen & some):
            raise UsageError(f"two rules for the attribute {twice[0]}", hint="drop it, mask it or hash it")
        seen |= some
    if needed := sorted(seen & _NEEDED):
        raise UsageError(f"the attribute {needed[0]} cannot be redacted", hint="the copy is kept in step by it")


def _fingerprint(names: dict[str, frozenset[str]], mac: hmac.HMAC | None) -> str:
    """Return a digest of rules and key."""
    if not any(names.values()):
        return ""
    key = b""
    if mac is not None:
        mac = mac.copy()
        # The message of a value has a NUL in it, so this is the hash of none.
        mac.update(b"which key it is")
        key = mac.digest()[:8]
    lines = (f"{kind} {' '.join(sorted(some))}" for kind, some in names.items())
    return hashlib.sha256("\n".join(lines).encode() + b"\n" + key).hexdigest()


def _pattern(names: set[str]) -> re.Pattern[bytes]:
    r"""Make the search for an attribute with one of these names: the beginning of its SEQUENCE, and its name.

    It may find one in the middle of a value, but misses none: the lengths are in whatever form BER has.  Behind a name
    stand options, or the tag of the values, which is the digit 1.
    """
    names = names | {oid for oid, name in _CANONICAL.items() if name in names}
    if not names:
        return re.compile(rb"(?!)")
    long = rb"[\x81-\x88][\x00-\xff]{1,8}?"
    shortest = b"\\x%02x" % min(127, *map(len, names))
    return re.compile(
        rb"0(?:[\x00-\x7f]|" + long + rb")\x04(?:[" + shortest + rb"-\x7f]|" + long + b")" + _any_of(names) + b"[;1]",
        re.DOTALL,
    )


def _any_of(endings: set[str]) -> bytes:
    """Make the pattern that matches any of some texts in any case, letter by letter.

    So the engine looks at most attributes no further than their first letters, while a list of whole names in any case
    would be tried name by name.
    """
    following: dict[str, set[str]] = {}
    for text in endings - {""}:
        following.setdefault(text[0], set()).add(text[1:])
    if not following:
        return b""
    ways = [_letter(first) + _any_of(rest) for first, rest in sorted(following.items())]
    return b"(?:" + b"|".join(ways) + b")" + (b"?" if "" in endings else b"")


def _letter(character: str) -> bytes:
    if character.isalpha():
        return f"[{character.upper()}{character}]".encode()
    return re.escape(character.encode())
