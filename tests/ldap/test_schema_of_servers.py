"""What real servers say about their attributes, and whether they compare values as the rules here do."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import ldap.filter
import pytest

from syncrepl_client.connection.client import Client
from syncrepl_client.connection.listener import BoundConnection
from syncrepl_client.ldap import matching
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.schema import Schema
from syncrepl_client.transport.sockets import connect
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ns_slapd import NsSlapd
    from tests.server import Server

SYNTAX = "1.3.6.1.4.1.1466.115.121.1."

# Rule: the syntax of its values, a value, spellings of it and of others.
EQUAL_OR_NOT: dict[str, list[tuple[str, str, list[str]]]] = {
    "caseIgnoreMatch": [
        (f"{SYNTAX}15", "Babs  Jensen", ["babs jensen", " BABS   jensen ", "babsjensen", "babs\u00a0jensen"]),
        (f"{SYNTAX}15", "É ﬁn µ", ["é fin μ", "e\u0301 FIN \u00b5", "e fin μ"]),
    ],
    "caseExactMatch": [(f"{SYNTAX}15", "Babs  É", ["Babs É", " Babs E\u0301 ", "babs É"])],
    "caseIgnoreIA5Match": [(f"{SYNTAX}26", "A@B.c  d", ["a@b.C d", "a@b.cd", " a@b.c d "])],
    "caseExactIA5Match": [(f"{SYNTAX}26", "/home/A  b", ["/home/A b", "/home/a b"])],
    "caseIgnoreListMatch": [
        (f"{SYNTAX}41", "1 Main  St.$\\24", ["1 MAIN st. $ \\24", "1 main st.$", "1 main st. \\24"])
    ],
    "numericStringMatch": [(f"{SYNTAX}36", "12 34", ["1234", "1 2 3 4", "123", "12a4"])],
    "telephoneNumberMatch": [(f"{SYNTAX}50", "+41 44-123", ["+4144123", "+41-44 12 3", "+41 44 124"])],
    "integerMatch": [(f"{SYNTAX}27", "-10", ["-10", "10", "-100", "ten"])],
    "booleanMatch": [(f"{SYNTAX}7", "TRUE", ["TRUE", "FALSE"])],
    "distinguishedNameMatch": [
        (f"{SYNTAX}12", "cn=A  b,ou=X,dc=x", ["CN=a b,OU=x,DC=X", "cn=a b , ou=x, dc=x", "2.5.4.3=a b,ou=x,dc=x", "x"]),
        (f"{SYNTAX}12", "cn=a\\2Cb+sn=c,dc=x", ["sn=C+cn=a\\,b,dc=x", "cn=a\\,b+sn=d,dc=x", "cn=a,b+sn=c,dc=x"]),
    ],
    "uniqueMemberMatch": [
        (f"{SYNTAX}34", "cn=A,dc=x", ["CN=a, DC=x", "cn=a,dc=x#'01'B"]),
        (f"{SYNTAX}34", "cn=A,dc=x#'0101'B", ["cn=a,dc=x#'0101'B", "cn=a,dc=x#'0100'B", "cn=a,dc=x"]),
    ],
    "UUIDMatch": [
        (
            "1.3.6.1.1.16.1",
            "597ae2f6-16A6-1027-98f4-d28b5365dc14",
            ["597AE2F6-16a6-1027-98f4-d28b5365dc14", "597ae2f6-16a6-1027-98f4-d28b5365dc15"],
        )
    ],
    "generalizedTimeMatch": [
        (
            f"{SYNTAX}24",
            "20260131120000.50Z",
            ["20260131120000.5Z", "20260131120000,5Z", "20260131130000.5+0100", "20260131120000Z", "now"],
        ),
        (f"{SYNTAX}24", "20260131120000Z", ["202601311200Z", "2026013112Z", "20260131120000.0Z", "20260131130000Z"]),
    ],
    "octetStringMatch": [(f"{SYNTAX}40", "aB", ["aB", "ab"])],
    "bitStringMatch": [(f"{SYNTAX}6", "'0101'B", ["'0101'B", "'01010'B"])],
}
PIECES: dict[str, list[tuple[str, list[str]]]] = {
    "caseIgnoreMatch": [
        ("Babs  Jensen", ["b*", "babs *", "babs*sen", "* jensen", "*s j*", "*s  J*", "*b*b*", "*sen "])
    ],
    "caseExactMatch": [("Babs  É", ["B*", "b*", "*E\u0301", "* *"])],
    "telephoneNumberMatch": [("+41 44-123", ["+414*", "*4123", "*41-4*", "+41*44*123", "*5*"])],
    "caseIgnoreListMatch": [("1 Main St.$Anytown", ["1 main*", "*anytown", "*st.*any*", "*st. any*"])],
}
IN_ORDER: dict[str, list[str]] = {
    "integerMatch": ["-10", "-9", "0", "9", "10", "100"],
    "caseIgnoreMatch": ["a", "B", "c  d", "C E"],
    "generalizedTimeMatch": ["20260131120000Z", "20260131120000.5Z", "202601311300Z", "20260131120000-0200"],
}
ORDERING_RULES = {"integerMatch": "integerOrderingMatch", "generalizedTimeMatch": "generalizedTimeOrderingMatch"}
SUBSTRING_RULES = {rule: rule.removesuffix("Match") + "SubstringsMatch" for rule in PIECES}


def attribute(rule: str) -> str:
    return f"compared-by-{rule}"


def definitions() -> str:
    lines = []
    for number, (rule, examples) in enumerate(EQUAL_OR_NOT.items()):
        ordering = f"ORDERING {rule.removesuffix('Match')}OrderingMatch" if rule in IN_ORDER else ""
        substrings = f"SUBSTR {SUBSTRING_RULES[rule]}" if rule in PIECES else ""
        lines.append(
            f"attributetype ( 1.3.6.1.4.1.4203.666.99.{number} NAME '{attribute(rule)}' EQUALITY {rule} "
            f"{ordering} {substrings} SYNTAX {examples[0][0]} )"
        )
    return "\n".join(lines)


@contextmanager
def connection_to(server: Server) -> Iterator[BoundConnection]:
    client = Client(connect(urls.parse(server.url)))
    try:
        client.bind(server.rootdn, server.rootpw.encode())
        yield BoundConnection(client)
    finally:
        client.close()


def published(server: Server) -> Schema:
    with connection_to(server) as connection:
        found = connection.read_subschemasubentry_s(connection.search_subschemasubentry_s() or "")
    assert found is not None
    began = time.process_time()
    schema = Schema.parse(found)
    # It takes a tenth of that.
    assert time.process_time() - began < 0.5
    names = {name for value in found["attributeTypes"] for name in value.decode().split("NAME ")[1:]}
    assert len(names) > 300
    return schema


@pytest.fixture(scope="module")
def comparing() -> Iterator[Slapd]:
    """Run a server with an attribute for each rule."""
    with Slapd(extra_global=definitions()) as server:
        server.load(empty_tree())
        server.start()
        yield server


def test_the_schema_of_slapd_is_read_whole(comparing: Slapd) -> None:
    schema = published(comparing)
    cn, member, stamp = (schema.attribute(name) for name in ("commonName", "member", "modifyTimestamp"))

    assert schema.broken == ()
    assert cn
    assert member
    assert stamp
    assert (cn.equality, cn.syntax, cn.single_valued) == ("caseIgnoreMatch", f"{SYNTAX}15", False)
    assert (member.equality, member.syntax) == ("distinguishedNameMatch", f"{SYNTAX}12")
    assert stamp.no_user_modification
    assert schema.decode("uidNumber", b"1000") == 1000
    assert schema.equality("objectClass")(b"inetOrgPerson") == schema.equality("objectClass")(
        b"2.16.840.1.113730.3.2.2"
    )


def test_the_schema_of_389_is_read_whole(ns_slapd: NsSlapd) -> None:
    schema = published(ns_slapd)
    surname, vendor, unnumbered = (schema.attribute(name) for name in ("SN", "vendorName", "nsAdminDomainName"))

    assert schema.broken == ()
    assert surname
    assert vendor
    assert unnumbered
    assert (surname.superior, surname.equality) == ("name", "caseIgnoreMatch")
    # The rule is named by its OID, the attribute is not.
    assert schema.equality("vendorName")(b"A  b") == "A b"
    assert unnumbered.oid == "nsAdminDomainName-oid"
    assert schema.decode("nsSizeLimit", b"5") == 5


@pytest.mark.parametrize("rule", EQUAL_OR_NOT)
def test_values_are_equal_where_slapd_finds_one_by_the_other(comparing: Slapd, rule: str) -> None:
    form = published(comparing).equality(attribute(rule))
    differing = []
    for number, (_, value, spellings) in enumerate(EQUAL_OR_NOT[rule]):
        dn = add(comparing, rule, f"{rule}{number}", value)
        for spelling in [value, *spellings]:
            found = comparing.search(dn, ldap.SCOPE_BASE, f"({attribute(rule)}={escaped(spelling)})")
            if bool(found) is not (form(value.encode()) == form(spelling.encode())):
                differing.append((value, spelling))

    assert differing == []


def test_object_classes_are_equal_by_name_and_by_number(comparing: Slapd) -> None:
    form = published(comparing).equality("objectClass")
    dn = f"ou=people,{comparing.suffix}"
    [attributes] = comparing.search(dn, ldap.SCOPE_BASE).values()
    held = {form(value) for value in attributes["objectClass"]}

    for name in ("organizationalUnit", "ORGANIZATIONALUNIT", "2.5.6.5", "person", "2.5.6.6"):
        found = comparing.search(dn, ldap.SCOPE_BASE, f"(objectClass={name})")
        assert bool(found) is (form(name.encode()) in held)


@pytest.mark.parametrize("rule", PIECES)
def test_pieces_are_found_where_slapd_finds_them(comparing: Slapd, rule: str) -> None:
    substrings = matching.substrings(SUBSTRING_RULES[rule])
    assert substrings is not None
    differing = []
    for number, (value, patterns) in enumerate(PIECES[rule]):
        dn = add(comparing, rule, f"{rule}-pieces{number}", value)
        for pattern in patterns:
            initial, *middle, final = [piece.encode() for piece in pattern.split("*")]
            assertion = "*".join(escaped(piece) for piece in pattern.split("*"))
            found = comparing.search(dn, ldap.SCOPE_BASE, f"({attribute(rule)}={assertion})")
            if bool(found) is not substrings.matcher(initial, middle, final)(value.encode()):
                differing.append((value, pattern))

    assert differing == []


@pytest.mark.parametrize("rule", IN_ORDER)
def test_values_come_in_the_order_that_slapd_has_them_in(comparing: Slapd, rule: str) -> None:
    key = published(comparing).ordering(attribute(rule))
    assert key is not None
    values = IN_ORDER[rule]
    dns = {add(comparing, rule, f"{rule}-order{number}", value): value for number, value in enumerate(values)}
    differing = []
    for dn, value in dns.items():
        for other in values:
            at_least, at_most = (
                bool(comparing.search(dn, ldap.SCOPE_BASE, f"({attribute(rule)}{operator}{escaped(other)})"))
                for operator in (">=", "<=")
            )
            mine, others = key(value.encode()), key(other.encode())
            if (at_least, at_most) != (mine >= others, mine <= others):
                differing.append((value, other))

    assert differing == []
    assert values == sorted(values, key=lambda value: key(value.encode()))


def add(server: Slapd, rule: str, name: str, value: str) -> str:
    dn = f"uid={name},ou=people,{server.suffix}"
    server.add(dn, {"objectClass": ["account", "extensibleObject"], "uid": [name], attribute(rule): [value]})
    return dn


def escaped(text: str) -> str:
    return str(ldap.filter.escape_filter_chars(text))
