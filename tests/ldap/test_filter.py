"""Search filters (RFC 4515), compared with what libldap puts on the wire."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import ldap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncrepl_client.exceptions import FilterError, ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEARCH_REQUEST = 0x63
FILTER_MEMBER = 6


@pytest.fixture(scope="module")
def of_libldap() -> Iterator[Callable[[str], bytes]]:
    """Encode filters with libldap: it sends a search to a socket that only listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = ldap.initialize(f"ldap://127.0.0.1:{listener.getsockname()[1]}")
        accepted: list[socket.socket] = []
        worker = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        worker.start()

        def encode(text: str) -> bytes:
            client.search_ext("dc=x", ldap.SCOPE_SUBTREE, text)
            worker.join()
            data = accepted[0].recv(65536)
            while True:
                try:
                    _, start, end = ber.read(data, 0, len(data))
                    break
                except Exception:  # noqa: BLE001 - not all of it came yet
                    data += accepted[0].recv(65536)
            (request,) = [part for part in ber.children(data, start, end) if part[0] == SEARCH_REQUEST]
            members = list(ber.children(data, request[1], request[2]))
            return data[members[FILTER_MEMBER - 1][2] : members[FILTER_MEMBER][2]]

        yield encode
        client.unbind_ext()
        accepted[0].close()


FILTERS = [
    "(cn=a)",
    "cn=a",
    "(objectClass=*)",
    "(&(a=b)(c=d))",
    "(|(a=b)(c=d)(!(e=f)))",
    "(!(a=b))",
    "(&)",
    "(|)",
    "(cn=a*)",
    "(cn=*a)",
    "(cn=*a*)",
    "(cn=a*b*c)",
    "(cn=a*b*c*)",
    "(cn=*a*b*)",
    "(a>=b)",
    "(a<=b)",
    "(a~=b)",
    "(cn=\\2a\\28\\29\\5c\\00)",
    "(cn=é日本)",
    "(cn;lang-de=x)",
    "(2.5.4.3=x)",
    "(cn:=x)",
    "(cn:dn:=x)",
    "(cn:caseExactMatch:=x)",
    "(cn:dn:2.4.6.8.10:=x)",
    "(:1.2.3:=x)",
    "(:dn:2.4.6.8.10:=x)",
    "(cn=)",
    "(cn= a )",
    "(& (a=b) (c=d) )",
    "(cn=a=b)",
    "(cn=a:b)",
    "(memberOf=cn=a,dc=x)",
    "(&(objectClass=person)(|(uid=a*)(mail=*@example.com))(!(title~=x)))",
    "(entryUUID=597ae2f6-16a6-1027-98f4-d28b5365dc14)",
    "(userCertificate;binary=\\30\\82)",
    "(seeAlso=\\04\\02\\48\\69)",
    "(" * 0 + "(&" * 30 + "(a=b)" + ")" * 30,
]


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_encoded_as_libldap_does(text: str, of_libldap: Callable[[str], bytes]) -> None:
    assert of_libldap(text) == filters.encode(text)


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=30))
def test_any_value_can_be_escaped(of_libldap: Callable[[str], bytes], value: bytes) -> None:
    text = f"(cn={filters.escape(value)})"

    assert ber.tlv(0xA3, ber.octet_string(b"cn"), ber.octet_string(value)) == filters.encode(text) == of_libldap(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "()",
        "(cn)",
        "(cn=a",
        "(cn=a))",
        "(&(a=b)",
        "(!)",
        "(!(a=b)(c=d))",
        "(cn=(a)",
        "(cn=\\zz)",
        "(cn=\\2)",
        "(cn=**)",
        "(=a)",
        "(:=a)",
        "(1cn=a)",
        "(cn<a)",
        "(a=b)(c=d)",
        "(&" * 200 + "(a=b)" + ")" * 200,
    ],
)
def test_what_is_no_filter_says_where(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        filters.encode(text)

    assert 0 <= caught.value.position <= len(text) + 2


# --- from the encoding to the text ------------------------------------------------------------------------------------

TEXTS = [
    "(cn=Babs Jensen)",
    "(!(cn=Tim Howes))",
    "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
    "(o=univ*of*mich*)",
    "(seeAlso=)",
    "(cn=*a*)",
    "(cn:caseExactMatch:=Fred)",
    "(sn:dn:2.4.6.8.10:=Barney)",
    "(o:dn:=Ace)",
    "(:1.2.3:=Wilma)",
    "(:dn:2.4.6.8.10:=Dino)",
    r"(o=Parens R Us \28for all your\29)",
    r"(cn=*\2a*)",
    r"(bin=\00\00\00\ff)",
    r"(sn=Lu\c4\8di\c4\87)",
    "(&)",
    "(|)",
    "(a>=b)",
    "(a<=b)",
    "(a~=b)",
    "(a=*)",
    "(a=x*)",
    "(a=*x)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_encoded_filter_is_written_as_it_was(text: str) -> None:
    assert text == filters.decode(filters.encode(text))


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_encoded_again_as_it_was(text: str) -> None:
    tree = filters.parse(text)

    assert filters.encode(text) == filters.encode(filters.text_of(tree))
    assert tree == filters.parse(filters.encode(text))


def test_a_filter_is_read_from_among_other_octets() -> None:
    encoded = filters.encode("(!(cn=a*b))")
    tree = filters.Not(filters.Substrings("cn", b"a", (), b"b"))

    assert filters.read(b"?" + encoded + b"?", 1, len(encoded) + 2) == (tree, len(encoded) + 1)
    with pytest.raises(ProtocolError, match="follows"):
        filters.parse(encoded + b"?")


def test_values_are_written_as_wanted() -> None:
    written = filters.decode(filters.encode("(|(a=1)(b=2*3)(c:=4)(d=*))"), lambda name, value: name + value)

    assert written == "(|(a=a1)(b=b2*b3)(c:=c4)(d=*))"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xa2\x00",
        b"\xa3\x00",
        b"\xa3\x03\x04\x01a",
        b"\xab\x06\x04\x01a\x04\x01b",
        b"\xa4\x05\x04\x01a\x30\x00",
        b"\x87\x01\xff",
        b"\x87\x01a\x00",
        b"\xa0\x80" * 200,
    ],
)
def test_what_is_no_filter_is_a_protocol_error(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        filters.decode(octets)


def test_an_encoded_filter_is_not_nested_too_deep() -> None:
    encoded = b"\x87\x01a"
    for _ in range(100):
        encoded = ber.tlv(0xA2, encoded)

    assert filters.decode(encoded).count("!") == 100
    with pytest.raises(ProtocolError, match="levels deep"):
        filters.decode(ber.tlv(0xA2, encoded))
