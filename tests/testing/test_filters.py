"""Filters as the provider reads them: the same entries are found as by OpenLDAP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ldap
import pytest

from syncrepl_client.testing import Provider
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES: dict[str, dict[str, list[str]]] = {
    "a": {"cn": ["a", "Anna  Müller"], "sn": ["Müller"], "description": ["one", "TWO"], "employeeNumber": ["9"]},
    "b": {"cn": ["b"], "sn": ["(star*)"], "employeeNumber": ["10"], "title": ["the longest title of all"]},
    "c": {"cn": ["c"], "sn": ["Ax"], "cn;lang-de": ["Zeh"], "uid": ["u1"]},
}
FILTERS = [
    "(objectClass=*)",
    "(objectclass=INETORGPERSON)",
    "(cn=A)",
    "(cn=anna müller)",
    "(cn=ANNA   MÜLLER)",
    "(cn=zeh)",
    "(cn;lang-de=zeh)",
    "(cn;lang-de=*)",
    r"(sn=\28star\2a\29)",
    "(sn=*)",
    "(title=*)",
    "(!(title=*))",
    "(!(title=x))",
    "(description=t*)",
    "(description=*W*)",
    "(description=*e)",
    "(title=the*long*title*all)",
    "(title=the*title*long*)",
    "(title=the*e*all)",
    "(sn~=ax)",
    "(&(cn=*)(sn=ax))",
    "(&(cn=*)(sn=ax)(uid=none))",
    "(|(cn=a)(cn=b))",
    "(|(cn=none)(&(objectClass=inetOrgPerson)(!(|(cn=a)(cn=b)))))",
    "(cn:=A)",
    "(cn:caseExactMatch:=A)",
    "(cn:2.5.13.5:=a)",
    "(cn:caseIgnoreMatch:=A)",
    "(cn:dn:=C)",
    "(ou:dn:=People)",
    "(ou:dn:caseExactMatch:=People)",
    "(!(cn:1.2.3.4:=a))",
    "(cn:1.2.3.4:=a)",
    "(|(cn:1.2.3.4:=a)(cn=b))",
    "(&(!(cn:1.2.3.4:=a))(cn=b))",
]


@pytest.fixture(scope="module")
def both() -> Iterator[list[Any]]:
    with Slapd() as slapd, Provider(SUFFIX) as provider:
        slapd.load(empty_tree())
        slapd.start()
        for dn in (f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"):
            provider.add(dn, {"objectClass": ["top", "organizationalUnit"]})
        for server in (slapd, provider):
            for name, attributes in ENTRIES.items():
                server.add(f"cn={name},ou=people,{SUFFIX}", {"objectClass": ["inetOrgPerson"], **attributes})
        connections = [ldap.initialize(server.url) for server in (slapd, provider)]
        yield connections
        for connection in connections:
            connection.unbind_ext()


@pytest.mark.parametrize("text", FILTERS)
def test_the_same_entries_are_found(both: list[Any], text: str) -> None:
    real, ours = (
        {dn for dn, _ in connection.search_s(f"ou=people,{SUFFIX}", ldap.SCOPE_SUBTREE, text, ["1.1"])}
        for connection in both
    )

    assert real == ours


def test_an_entry_is_found_by_its_operational_attributes(provider: Provider) -> None:
    uuid = provider.add(f"cn=a,{SUFFIX}", {"sn": "x"})

    for text in (f"(entryUUID={str(uuid).upper()})", f"(entryDN=CN=a,{SUFFIX})", "(&(entryCSN>=2)(cn=a))"):
        assert [f"cn=a,{SUFFIX}"] == list(provider.search(filter=text))


def test_numbers_are_compared_as_numbers(provider: Provider) -> None:
    provider.add(f"cn=a,{SUFFIX}", {"uidNumber": "9"})
    provider.add(f"cn=b,{SUFFIX}", {"uidNumber": "10"})

    assert [f"cn=b,{SUFFIX}"] == list(provider.search(filter="(uidNumber>=10)"))
    assert [f"cn=a,{SUFFIX}"] == list(provider.search(filter="(uidNumber<=9)"))


def test_text_is_compared_in_its_order(provider: Provider) -> None:
    for name in ("a", "B", "c"):
        provider.add(f"cn={name},{SUFFIX}", {"sn": name})

    assert [f"cn=B,{SUFFIX}", f"cn=c,{SUFFIX}"] == list(provider.search(filter="(sn>=b)"))
    assert [f"cn=a,{SUFFIX}", f"cn=B,{SUFFIX}"] == list(provider.search(filter="(sn<=B)"))
