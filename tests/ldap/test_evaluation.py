"""Filters evaluated on entries away from a server: slapd finds the same ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import ldap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import FilterError, ProtocolError
from syncrepl_client.ldap import ber, clues, evaluation, matching
from syncrepl_client.ldap import dn as dn_module
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.classes import ObjectClasses
from syncrepl_client.ldap.schema import Schema
from syncrepl_client.ldap.schema_rules import SchemaRules
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.server import Values

PEOPLE = f"ou=people,{SUFFIX}"
PERSON = ["inetOrgPerson"]

ENTRIES: dict[str, Mapping[str, Values]] = {
    "cn=a": {"sn": ["x"], "description": ["one", "TWO"], "title": ["a b"], "employeeNumber": ["9"]},
    "cn=b": {"sn": ["(star*)"], "title": ["the longest  title of all"], "telephoneNumber": ["+41 44 123-45-67", "12"]},
    "cn=c": {"sn": ["Ax"], "cn;lang-de": ["Zeh"], "cn;lang-en-us": ["Zee"], "uid": ["u1"], "mail": ["C@Example.COM"]},
    "cn=d": {"cn": ["Anna  M\u00fcller"], "sn": ["M\u00dcLLER"], "l": ["Z\u00fcrich"], "givenName": ["Anna"]},
    "cn=e": {"sn": ["Mueller"], "jpegPhoto": [b"\xff\xd8\x00"], "userPassword": [b"secret", b"\xff"]},
    "cn=f": {"sn": ["\uff26ull"], "l": ["\u0141\u00f3d\u017a"], "manager": [f"CN=A , {PEOPLE}"]},
    "cn=g": {"sn": ["g"], "seeAlso": [f"cn=Foo\\2C Bar,{SUFFIX}", "ou=x+cn=y,dc=z"], "manager": [f"cn=b,{PEOPLE}"]},
    "cn=h+sn=i": {"sn": ["i"], "labeledURI": ["http://example.com/ A"], "preferredLanguage": ["de"]},
    "cn=\\#j\\, k": {"sn": ["j\\k"], "carLicense": ["ZH 1", "zh  2"], "postalAddress": ["Mr $ Street 1 $ Town"]},
    "cn=l": {"objectClass": ["inetOrgPerson", "posixAccount"], "sn": ["l"], "uid": ["l"], "uidNumber": ["9"]},
    "cn=m": {"objectClass": ["inetOrgPerson", "posixAccount"], "sn": ["m"], "uid": ["M"], "uidNumber": ["10"]},
    "cn=n": {"objectClass": ["inetOrgPerson", "posixAccount"], "sn": ["n"], "uid": ["n"], "uidNumber": ["-3"]},
    "cn=o": {"objectClass": ["groupOfNames"], "member": [f"cn=a,{PEOPLE}", f"CN=B,{PEOPLE.upper()}", "cn=gone"]},
    "cn=p": {"objectClass": ["groupOfUniqueNames"], "uniqueMember": [f"cn=a,{PEOPLE}", f"cn=b,{PEOPLE}#'01'B"]},
    "cn=q": {"objectClass": ["device"], "serialNumber": ["SN 1"], "owner": [f"cn=a,{PEOPLE}"]},
    "cn=r": {"objectClass": ["applicationProcess"], "description": ["Stra\u00dfe", "caf\u00e9", "e\u0301t\u00e9"]},
    "cn=s": {"objectClass": ["device", "domainRelatedObject"], "associatedDomain": ["example.com"]},
    "c=DE": {"objectClass": ["country"], "description": ["Germany"]},
    "ou=units": {"objectClass": ["organizationalUnit"], "telephoneNumber": ["+41 44 999 99 99"], "street": ["Way 1"]},
    "cn=t,ou=units": {"sn": ["t"], "ou": ["People"]},
    "cn=people,ou=units": {"sn": ["u"], "initials": ["P"]},
    "dc=v": {"objectClass": ["domain"], "associatedName": [SUFFIX]},
    "cn=w": {"objectClass": ["person"], "sn": ["w"], "description;lang-fr;x-odd": ["mot"], "description": ["word"]},
    **{
        f"uid=u{number:02}": {"cn": [f"Person {number}", f"P{number % 3}"], "sn": [f"S{number % 7}"], "title": ["Dr"]}
        for number in range(1, 30)
    },
}

# RFC 4511, 4515, 4517, and what slapd makes of them; each is tried by itself and denied.
FILTERS = [
    "(objectClass=*)",
    "(objectClass=person)",
    "(objectclass=ORGANIZATIONALPERSON)",
    "(objectClass=2.5.6.6)",
    "(objectClass=top)",
    "(objectClass=posixAccount)",
    "(objectClass=nosuchclass)",
    "(objectClass=pers*)",
    "(cn=A)",
    "(commonName=a)",
    "(2.5.4.3=a)",
    "(name=x)",
    "(name=*\u00fcl*)",
    "(cn=anna m\u00fcller)",
    "(cn=  ANNA   M\u00dcLLER )",
    "(cn=zeh)",
    "(cn;lang-de=zeh)",
    "(cn;lang-en=zee)",
    "(cn;lang-en-=zee)",
    "(cn;lang-=*)",
    "(description;x-odd=MOT)",
    "(description;x-odd;lang-fr=mot)",
    "(description=w*)",
    r"(sn=\28star\2a\29)",
    r"(sn=j\5ck)",
    "(sn=full)",
    "(l=z\u00fcrich)",
    "(l=\u0142\u00f3D\u017a)",
    "(l=lodz)",
    "(description=CAF\u00c9)",
    "(description=\u00e9te\u0301)",
    "(description=*t\u00e9)",
    "(description=*W*)",
    "(description=*e)",
    "(title=*)",
    "(title=x)",
    "(title=a*b)",
    "(title=a *b)",
    "(title=a* b)",
    "(title=ab*)",
    "(title=the*long*title*all)",
    "(title=the*title*long*)",
    "(title=the*e*all)",
    "(title=LONGEST TITLE)",
    "(title=*LONGEST TITLE*)",
    "(title=*t  t*)",
    "(telephoneNumber=+4144123 4567)",
    "(telephoneNumber=1-2)",
    "(telephoneNumber=*3-4*)",
    "(telephoneNumber=+41*)",
    "(telephoneNumber=)",
    "(mail=c@example.com)",
    "(mail=*@EXAMPLE.com)",
    r"(mail=\c3\a9)",
    r"(mail=*\c3\a9*)",
    "(uid=m)",
    "(uidNumber=9)",
    "(uidNumber=010)",
    "(uidNumber>=9)",
    "(uidNumber<=9)",
    "(uidNumber=abc)",
    "(uidNumber>=abc)",
    "(uidNumber=1*)",
    "(employeeNumber>=1)",
    "(sn>=a)",
    r"(jpegPhoto=\ff\d8\00)",
    "(jpegPhoto=*)",
    "(facsimileTelephoneNumber=1)",
    "(userPassword=secret)",
    "(userPassword=SECRET)",
    r"(userPassword=\ff)",
    f"(manager=cn=a,{PEOPLE})",
    f"(manager=CN = A,{PEOPLE})",
    f"(manager=2.5.4.3=b,{PEOPLE})",
    f"(manager=cn=\\5c61,{PEOPLE})",
    "(manager=xx)",
    "(manager=*a*)",
    f"(seeAlso=cn=foo\\5c, bar,{SUFFIX})",
    f"(seeAlso=cn=foo\\5c2c  bar,{SUFFIX})",
    "(seeAlso=cn=Y+ou=X,dc=z)",
    f"(distinguishedName=cn=a,{PEOPLE})",
    f"(member=cn=a,{PEOPLE})",
    f"(member=cn=b,{PEOPLE})",
    "(member=cn=nobody)",
    f"(uniqueMember=cn=a,{PEOPLE})",
    f"(uniqueMember=cn=b,{PEOPLE}#'01'B)",
    "(associatedDomain=EXAMPLE.COM)",
    "(c=de)",
    "(c=DEE)",
    "(carLicense=ZH 2)",
    "(carLicense=zh*2)",
    "(postalAddress=mr$street 1$TOWN)",
    "(postalAddress=*street*)",
    "(labeledURI=http://example.com/ a)",
    "(labeledURI=http://example.com/ A)",
    f"(entryDN=CN=a,{PEOPLE})",
    "(entryUUID=*)",
    "(entryUUID=nonsense)",
    "(entryUUID>=00000000-0000-0000-0000-000000000000)",
    "(createTimestamp>=20200101000000Z)",
    "(createTimestamp<=20200101000000.5Z)",
    "(createTimestamp>=202001010000+0200)",
    "(createTimestamp>=yesterday)",
    "(hasSubordinates=TRUE)",
    "(hasSubordinates=perhaps)",
    f"(creatorsName=cn=ADMIN,{SUFFIX})",
    "(unheardof=x)",
    "(unheardof=*)",
    "(unheardof>=x)",
    "(unheardof=x*)",
    "(1.2.3.4=x)",
    "(cn=)",
    "(cn= )",
    "(cn:=A)",
    "(cn:caseExactMatch:=A)",
    "(cn:2.5.13.5:=a)",
    "(cn:caseIgnoreMatch:=A)",
    "(cn:integerMatch:=1)",
    "(cn:1.2.3.4:=a)",
    "(mail:caseExactIA5Match:=c@example.com)",
    "(mail:caseExactIA5Match:=C@Example.COM)",
    "(mail:caseIgnoreMatch:=c@example.com)",
    "(telephoneNumber:caseIgnoreMatch:=12)",
    "(uidNumber:integerBitAndMatch:=9)",
    "(uidNumber:1.2.840.113556.1.4.803:=8)",
    "(uidNumber:1.2.840.113556.1.4.804:=3)",
    "(uidNumber:1.2.840.113556.1.4.804:=x)",
    "(:caseExactMatch:=x)",
    "(:caseIgnoreMatch:=X)",
    "(:caseIgnoreIA5Match:=EXAMPLE.COM)",
    "(:integerMatch:=9)",
    "(:distinguishedNameMatch:=CN = gone)",
    "(:1.2.3.4:=x)",
    "(cn:dn:=people)",
    "(cn:dn:=H)",
    "(ou:dn:=UNITS)",
    "(ou:dn:caseExactMatch:=UNITS)",
    "(ou:dn:caseExactMatch:=units)",
    "(dc:dn:=example)",
    "(:dn:caseIgnoreMatch:=units)",
    "(:dn:caseIgnoreIA5Match:=v)",
    "(:dn:2.5.13.2:=example)",
    "(&)",
    "(|)",
    "(&(cn=*)(sn=ax))",
    "(&(cn=*)(unheardof=x))",
    "(&(cn=nobody)(unheardof=x))",
    "(|(cn=a)(unheardof=x))",
    "(|(cn=nobody)(unheardof=x))",
    "(|(cn=nobody)(&(objectClass=person)(!(|(cn=a)(cn=b)))))",
    "(&(!(unheardof=x))(cn=b))",
    "(&(|(cn=p1)(cn=P2))(!(sn=s3))(uid=U*))",
    "(|(uid=u01)(uid=u02)(uid=U03))",
]


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with Slapd(extra_global="attributeoptions lang- x-") as server:
        server.load(empty_tree())
        server.start()
        for rdn, attributes in ENTRIES.items():
            usual: dict[str, Values] = {"objectClass": PERSON}
            if "posixAccount" in attributes.get("objectClass", ()):
                usual |= {"gidNumber": ["1"], "homeDirectory": ["/"]}
            own = {**usual, **attributes}
            kind, _, value = rdn.partition(",")[0].partition("+")[0].partition("=")
            name = value.replace("\\", "")
            if name not in own.get(kind, ()):
                own[kind] = [*own.get(kind, ()), name]
            server.add(f"{rdn},{PEOPLE}", own)
        yield server


@pytest.fixture(scope="module")
def schema(slapd: Slapd) -> Schema:
    ((_, found),) = slapd.connection.search_s("cn=Subschema", ldap.SCOPE_BASE, "(objectClass=*)", ["+"])
    return Schema.parse(found)


@pytest.fixture(scope="module")
def copy(slapd: Slapd) -> dict[str, Attributes]:
    found = slapd.search(PEOPLE, attrs=["*", "+"])
    return {dn: Attributes.of(attributes) for dn, attributes in found.items()}


@pytest.mark.parametrize("text", [text for one in FILTERS for text in (one, f"(!{one})")])
def test_slapd_finds_the_same(slapd: Slapd, schema: Schema, copy: dict[str, Attributes], text: str) -> None:
    matches = evaluation.compile(text, schema)

    assert set(slapd.search(PEOPLE, filter=text)) == {dn for dn, attributes in copy.items() if matches(attributes, dn)}


def test_a_filter_may_be_text_encoded_or_a_tree(schema: Schema, copy: dict[str, Attributes]) -> None:
    text = "(&(sn=ax)(!(cn=nobody)))"
    dn = f"cn=c,{PEOPLE}"

    for filter_ in (text, filters.encode(text), filters.parse(text)):
        assert evaluation.compile(filter_, schema)(copy[dn], dn)
    with pytest.raises(FilterError):
        evaluation.compile("(cn=a", schema)
    with pytest.raises(ProtocolError):
        evaluation.compile(b"\xff", schema)


# By a schema that is small enough to know

SMALL = Schema.parse(
    {
        "attributeTypes": [
            b"( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
            b"( 1.1 NAME 'name' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
            b"( 1.2 NAME ( 'cn' 'commonName' ) SUP name SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            b"( 1.3 NAME 'number' EQUALITY integerMatch ORDERING integerOrderingMatch )",
            b"( 1.4 NAME 'exact' EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch )",
            b"( 1.5 NAME 'member' EQUALITY distinguishedNameMatch )",
            b"( 1.6 NAME 'odd' EQUALITY inventedMatch )",
            b"( 1.7 NAME 'oid' EQUALITY objectIdentifierMatch )",
        ],
        "objectClasses": [b"( 3.1 NAME 'thing' )", b"( 3.2 NAME ( 'tool' 'utensil' ) SUP thing )"],
    }
)


def verdict(text: str, attributes: dict[str, list[bytes]], dn: str = "cn=a,dc=x") -> bool | None:
    return evaluation.evaluator(filters.parse(text), SchemaRules(SMALL))(attributes, dn)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(cn=a)", True),
        ("(cn=b)", False),
        ("(cn~=A)", True),
        ("(cn>=a)", None),
        ("(exact=*A*)", False),
        ("(exact=*a*)", True),
        ("(number>=x)", None),
        ("(number<=7)", True),
        ("(number>=8)", False),
        ("(odd=a)", None),
        ("(odd=*)", True),
        ("(unknown=*)", None),
        ("(oid=CN)", True),
        ("(objectClass=THING)", True),
        ("(objectClass=3.2)", True),
        ("(objectClass=other)", None),
        ("(:caseExactMatch:=a)", True),
        ("(:unknownMatch:=a)", None),
        ("(number:integerOrderingMatch:=8)", True),
        ("(number:2.5.13.15:=7)", False),
        ("(number:integerOrderingMatch:=x)", None),
        ("(cn:caseIgnoreSubstringsMatch:=a)", None),
        ("(member:dn:=cn=a)", False),
        (r"(member=cn=\ff)", None),
        (r"(cn=\ff)", None),
        ("(&(cn=a)(unknown=*))", None),
        ("(&(cn=b)(unknown=*))", False),
        ("(|(cn=a)(unknown=*))", True),
        ("(|(cn=b)(unknown=*))", None),
        ("(!(unknown=*))", None),
        ("(!(cn=b))", True),
    ],
)
def test_an_item_is_true_false_or_undefined(text: str, expected: bool | None) -> None:  # noqa: FBT001 - the table's
    entry = {
        "objectClass": [b"utensil"],
        "commonName": [b"A"],
        "exact": [b"a"],
        "number": [b"7", b"broken"],
        "odd": [b"a"],
        "oid": [b"1.2"],
    }

    assert verdict(text, entry) is expected


def test_a_value_that_is_undefined_by_itself_is_not_in_an_extensible_match_of_anything() -> None:
    tree = filters.Extensible(None, None, b"a", with_dn=False)

    assert evaluation.evaluator(tree, SchemaRules(SMALL))({"cn": [b"a"]}, "") is None


def test_an_attribute_without_values_is_not_there() -> None:
    assert verdict("(cn=*)", {"cn": []}) is False


def test_a_rule_is_for_attributes_that_are_known() -> None:
    assert verdict("(:caseExactMatch:=a)", {"unknown": [b"a"]}) is False


@pytest.mark.parametrize(("value", "expected"), [(b"no name", True), (b"cn=a", False)])
def test_what_is_no_name_is_compared_by_its_octets(value: bytes, expected: bool) -> None:  # noqa: FBT001 - the table's
    assert verdict("(member:distinguishedNameMatch:=no name)", {"member": [value]}) is expected


def test_more_descriptions_than_are_remembered_are_looked_at() -> None:
    matches = evaluation.compile("(cn;x-a=a)", SMALL)
    many = {f"sn;x-{number}": [b"a"] for number in range(5000)}

    assert not matches(many, "")
    assert matches({**many, "cn;x-a;x-b": [b"a"]}, "")
    assert not matches(many, "")


def test_a_name_that_is_none_has_no_values() -> None:
    assert verdict("(cn:dn:=a)", {}, "cn=a,dc=x") is True
    assert verdict("(cn:dn:=a)", {}, "no name") is False


def test_without_a_schema_everything_is_text() -> None:
    entry = {"cn;lang-de": [b"A  b"], "number": [b"10"]}

    for text in ("(cn=a B)", "(cn;LANG-DE=*b)", "(number>=9)", "(:caseIgnoreMatch:=a b)", "(!(other=x))"):
        assert evaluation.compile(text)(entry, "")
        assert evaluation.compile(text, Schema.parse({}))(entry, "")
    for text in ("(cn;lang-fr=*)", "(cn:caseExactMatch:=a B)", "(!(cn:1.2.3:=a))", "(number<=9)"):
        assert not evaluation.compile(text)(entry, "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(cn>=ANN)", True),
        ("(cn>=anna marie)", True),
        ("(cn>=b)", False),
        ("(cn<=b)", True),
        ("(cn<=7)", False),
        ("(cn=an*)", True),
        ("(cn=AN*na*RIE)", True),
        ("(cn=*a*m*e*)", True),
        ("(cn=*marie*anna*)", False),
        ("(cn=bn*)", False),
        ("(cn=an*rio)", False),
        # A piece is not found twice in one place.
        ("(cn=anna marie*e)", False),
        ("(cn=*marie*e)", False),
    ],
)
def test_without_a_schema_order_and_pieces_are_those_of_text(text: str, *, found: bool) -> None:
    assert evaluation.compile(text)({"cn": [b"Anna Marie"]}, "") is found


@pytest.mark.parametrize("schema", [Schema.parse({}), SMALL], ids=["none", "small"])
def test_a_piece_of_nothing_is_in_every_value(schema: Schema) -> None:
    """RFC 4517 has no such piece, but an encoded filter may."""
    encoded = ber.sequence(
        ber.octet_string(b"cn"),
        ber.sequence(
            ber.octet_string(b"a", tag=0x80), ber.octet_string(b"", tag=0x81), ber.octet_string(b"c", tag=0x82)
        ),
        tag=0xA4,
    )

    assert evaluation.compile(encoded, schema)({"cn": [b"abc"]}, "")
    assert not evaluation.compile(encoded, schema)({"cn": [b"abd"]}, "")


# What need not be decoded


def test_an_entry_without_the_octets_of_a_value_is_not_decoded() -> None:
    missing = Attributes(b"no attribute list")
    found = Attributes(b"no attribute list of commonName1 with valuable values")

    for text in ("(cn=VALUABLE)", "(cn=*val*)", "(&(!(exact=x))(cn=valuable))", "(|(cn=valuable)(exact=values))"):
        matches = evaluation.compile(text, SMALL)
        assert not matches(missing, "")
        with pytest.raises(ProtocolError):
            matches(found, "")
    for text in ("(!(cn=valuable))", "(|(cn=valuable)(!(exact=x)))", "(cn:dn:=valuable)", "(:caseExactMatch:=o)"):
        with pytest.raises(ProtocolError):
            evaluation.compile(text, SMALL)(missing, "")


def test_of_many_values_every_entry_is_decoded() -> None:
    """To look for each of them in all octets would take longer."""
    missing = Attributes(b"no attribute list")
    few, many = (
        evaluation.compile(f"(|{''.join(f'(exact=value{number})' for number in range(count))})", SMALL)
        for count in (32, 33)
    )

    assert not few(missing, "")
    with pytest.raises(ProtocolError):
        many(missing, "")


def test_every_character_that_may_be_ascii_or_nothing_is_decoded() -> None:
    forms = [form for rule in ("caseIgnoreMatch", "caseExactMatch") if (form := matching.equality(rule)) is not None]
    (clue,) = clues.in_value("anna")
    taken_for_others = set()
    # All that follow are taken for such characters by their first octets.
    for code in range(0x80, 0xB000):
        value = f"an{chr(code)}na".encode()
        prepared = [str(form(value)).lower().removeprefix("an").removesuffix("na") for form in forms]
        if any(not text or re.search("[!-~]", text) for text in prepared) and not clue.is_in(value):
            taken_for_others.add(hex(code))

    assert len(forms) == 2
    assert taken_for_others == set()
    assert not clue.is_in("an\u00e9na".encode())
    assert clue.is_in("an\U000e0001na".encode())


letters = st.sampled_from("aAbB1 -,=\\\x01\u00e4\u00df\u0130\u0133\u017f\u212a\u00ad\uff21\u0301\u03b1\u0416\u4e2d")
texts = st.text(letters, max_size=6)
values = st.lists(st.one_of(texts.map(str.encode), st.binary(max_size=4)), min_size=1, max_size=3)
dns = st.lists(texts.map(lambda text: f"cn={dn_module.escape_value(text)}".encode()), min_size=1, max_size=3)


@given(
    st.fixed_dictionaries({}, optional={"cn": values, "commonName;x-a": values, "exact": values, "member": dns}),
    st.recursive(
        st.one_of(
            st.builds(filters.Comparison, st.sampled_from(["cn", "exact"]), texts.map(str.encode), st.just("=")),
            st.builds(filters.Comparison, st.just("member"), st.one_of(dns.map(lambda some: some[0])), st.just("=")),
            st.builds(
                filters.Substrings,
                st.sampled_from(["name", "exact"]),
                texts.map(str.encode),
                st.lists(st.text(letters, min_size=1, max_size=3).map(str.encode), max_size=2).map(tuple),
                texts.map(str.encode),
            ),
            st.builds(filters.Present, st.sampled_from(["name", "exact"])),
        ),
        lambda inner: st.one_of(
            st.builds(filters.And, st.lists(inner, max_size=3).map(tuple)),
            st.builds(filters.Or, st.lists(inner, max_size=3).map(tuple)),
            st.builds(filters.Not, inner),
        ),
        max_leaves=5,
    ),
)
def test_octets_never_hide_an_entry(attributes: dict[str, list[bytes]], tree: filters.Filter) -> None:
    """A plain dict has no octets to look at."""
    matches = evaluation.compile(tree, SMALL)

    assert matches(attributes, "") == matches(Attributes.of(attributes), "")


# Object classes


def test_a_class_is_called_by_its_names_and_those_of_the_classes_below() -> None:
    classes = ObjectClasses(
        [
            "( 1.1 NAME 'top' DESC 'the administrator's SUP nothing' ABSTRACT )",
            "( 1.2 NAME ( 'person' 'Human' ) SUP top STRUCTURAL MUST cn )",
            "( 1.3 NAME 'employee' SUP ( person $ 1.9 ) )",
            "( 1.9 SUP unknown )",
            "( 1.4 NAME 'a' SUP b )",
            "( 1.5 NAME 'b' SUP a )",
            "nonsense",
        ]
    )

    assert classes.names("TOP") == {"1.1", "top", "1.2", "person", "human", "1.3", "employee"}
    assert classes.names("1.9") == {"1.9", "1.3", "employee"}
    assert classes.names("a") == classes.names("b") == {"1.4", "a", "1.5", "b"}
    assert classes.names("unknown") == classes.names("nothing") == frozenset()
