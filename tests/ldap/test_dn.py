"""Distinguished names: RFC 4514 and what servers make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import DNError
from syncrepl_client.ldap import dn
from tests.fuzz.limits import bounded

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TYPES = st.sampled_from(["cn", "OU", "uid", "dc", "x-y", "2.5.4.3"])
NAMES = st.lists(
    st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=2).map(
        lambda pairs: "+".join(f"{kind}={dn.escape_value(value)}" for kind, value in pairs)
    ),
    min_size=1,
    max_size=4,
).map(",".join)
PLAIN = st.lists(
    st.tuples(
        st.sampled_from(["cn", "OU", "uid"]), st.from_regex(r"[A-Za-z0-9.@_-]+( [A-Za-z0-9.@_-]+)?", fullmatch=True)
    ),
    min_size=1,
    max_size=4,
).map(lambda pairs: ",".join(f"{kind}={value}" for kind, value in pairs))


@given(TYPES, VALUES)
def test_an_escaped_value_is_read_back(kind: str, value: str) -> None:
    assert (((kind, value),),) == dn.parse(f"{kind}={dn.escape_value(value)}")


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        (" ", "\\ "),
        ("  ", "\\ \\ "),
        (" a ", "\\ a\\ "),
        ("a b", "a b"),
        ("#a", "\\#a"),
        ("a#", "a#"),
        ('a,b+c"d\\e<f>g;h', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        ("a\0b", "a\\00b"),
        ("a\\ ", "a\\\\\\ "),
    ],
)
def test_what_has_a_meaning_of_its_own_is_escaped(value: str, escaped: str) -> None:
    """RFC 4514 section 2.4."""
    assert escaped == dn.escape_value(value)
    assert ((("cn", value),), (("dc", "x"),)) == dn.parse(f"cn={escaped} , dc=x")


def test_quoted_values_are_not_taken_apart() -> None:
    name = 'cn="a,b;c",ou="d\\",e",dc=x'

    assert dn.first_rdn(name) == 'cn="a,b;c"'
    assert dn.parent(name) == 'ou="d\\",e",dc=x'
    assert dn.depth(name) == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cn=x2,dc=a", "CN=X2,DC=A"),
        ("cn=a\\2Cb,dc=a", "cn=a\\,b,dc=a"),
        ("cn=\\C3\\A9", "cn=é"),
        ("cn=É", "cn=é"),
        ("cn=a+uid=b,dc=a", "uid=b+cn=a,dc=a"),
        ("cn=a , dc=a", "cn=a,dc=a"),
        ("cn = a,dc=a", "cn=a,dc=a"),
        ("cn=a  b,dc=a", "cn=a b,dc=a"),
        ('cn="a,b",dc=a', "cn=a\\,b,dc=a"),
        ("cn=a;dc=a", "cn=a,dc=a"),
        ("2.5.4.3=a,dc=a", "cn=a,dc=a"),
        ("OID.2.5.4.3=a", "cn=a"),
        ("dc=a,2.5.4.11=a", "dc=a,ou=a"),
        ("cn=\\20a\\20", "cn=a"),
    ],
)
def test_spellings_of_one_name_are_the_same(first: str, second: str) -> None:
    assert dn.same(first, second)
    assert dn.key(first) == dn.key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("cn=a,dc=a", "cn=b,dc=a"), ("cn=a\\,dc=a", "cn=a,dc=a"), ("cn=a", "sn=a"), ("cn=a\\+uid=b", "cn=a+uid=b")],
)
def test_different_names_are_not_the_same(first: str, second: str) -> None:
    assert not dn.same(first, second)


@given(st.one_of(NAMES, PLAIN))
def test_the_normal_form_is_its_own_normal_form(name: str) -> None:
    assert dn.normalize(name) == dn.normalize(dn.normalize(name))


@given(PLAIN)
def test_the_quick_way_and_the_long_way_agree(name: str) -> None:
    long_way = ",".join(
        "+".join(f"{kind.lower()}={dn.escape_value(str(value).casefold())}" for kind, value in rdn)
        for rdn in dn.parse(name)
    )

    assert long_way == dn.normalize(name)


@given(NAMES)
def test_first_rdn_and_parent_are_the_whole(name: str) -> None:
    rdns = dn.parse(name)

    assert len(rdns) == dn.depth(name)
    assert rdns[1:] == dn.parse(dn.parent(name))
    assert dn.split_first(dn.normalize(name)) == (dn.normalize(dn.first_rdn(name)), dn.normalize(dn.parent(name)))


@given(NAMES, NAMES, NAMES)
def test_rebase_moves_what_is_below(below: str, old: str, new: str) -> None:
    name = f"{below},{old}"

    assert f"{below},{new}" == dn.rebase(name, old, new)
    assert f"{below},{new}" == dn.rebase(name, dn.normalize(old), new)
    assert dn.is_under(name, old)
    assert dn.is_under(name, "")
    assert dn.is_under(old, old)


def test_a_name_that_ends_alike_is_not_below() -> None:
    assert not dn.is_under("cn=a,xdc=b", "dc=b")
    assert not dn.is_under("cn=a\\,dc=b", "dc=b")
    assert not dn.is_under("dc=b", "cn=a,dc=b")
    assert dn.is_under("cn=a\\,b,dc=b", "DC=B")


@given(NAMES, NAMES)
def test_the_key_of_a_child_is_in_the_range_of_its_parent(child: str, parent: str) -> None:
    low, high = dn.child_range(parent)

    assert low <= dn.key(f"{dn.first_rdn(child)},{parent}") <= high
    assert -(1 << 63) <= low <= high < 1 << 63


@given(st.lists(st.one_of(PLAIN, PLAIN, NAMES, st.text(alphabet="a=,\n oid.É\\2\u0130", max_size=12)), max_size=6))
def test_many_keys_are_those_of_each(many: list[str]) -> None:
    assert [dn.key(name) for name in many] == dn.keys(many)


def test_values_that_are_not_text_are_octets() -> None:
    assert dn.parse("cn=#040161,dc=x") == ((("cn", b"\x04\x01a"),), (("dc", "x"),))
    assert dn.parse("cn=\\FF") == ((("cn", b"\xff"),),)
    assert dn.normalize("cn=#040161") == dn.normalize("CN=#040161")


@pytest.mark.parametrize("text", ["x", "=a", "cn=a,", "cn=a,,dc=b", 'cn="a', "cn=#4", "cn=a\\", "cn=a+", "1cn=a"])
def test_what_is_no_name_says_where(text: str) -> None:
    with pytest.raises(DNError) as caught:
        dn.parse(text)

    assert 0 <= caught.value.position <= len(text)
    assert dn.normalize(text) == text.casefold()


def test_the_empty_name_is_the_root() -> None:
    assert dn.parse("") == ()
    assert dn.depth("") == 0
    assert dn.parent("dc=x") == ""


@pytest.mark.parametrize(
    ("first", "second", "are"),
    [
        ("ou=a,dc=x", "ou=a,dc=x", True),
        ("ou=a,dc=x", "OU=A, DC=X", True),
        ("ou=Ärger,dc=x", "ou=\\C3\\A4RGER,dc=x", True),
        ("ou=Straße,dc=x", "ou=Strasse,dc=x", False),
        ("ou=Straße,dc=x", "ou=STRASSE,dc=x", False),
        ("ou=a,dc=x", "ou=b,dc=x", False),
        ("no name", "NO NAME", True),
        ("no namẞe", "NO NAMSSE", False),
    ],
)
def test_names_that_not_every_server_takes_for_one_are_not_alike(first: str, second: str, are: bool) -> None:  # noqa: FBT001
    assert are is dn.alike(first, second)


def test_a_semicolon_before_the_value_parts_no_names() -> None:
    """There it begins an option of the type; behind a value it is RFC 2253's separator."""
    name = "cn;lang-de=a+sn;x=b;dc=x"

    assert len(dn.parse(name)) == dn.depth(name) == 2
    assert dn.first_rdn(name) == "cn;lang-de=a+sn;x=b"
    assert dn.parent(name) == "dc=x"


def test_spaces_alone_are_the_root() -> None:
    assert dn.depth("  ") == len(dn.parse("  ")) == 0


def test_the_work_grows_with_the_length_of_a_name_and_not_faster() -> None:
    """A name may be as long as a message."""
    name = ",".join([r"cn=\2c"] * 400_000)

    with bounded(0, seconds=8):
        assert dn.depth(name) == 400_000
        assert dn.rebase(name, "cn=b", "dc=x") == name.removesuffix(r"cn=\2c") + "dc=x"
