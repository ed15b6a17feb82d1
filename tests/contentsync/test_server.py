"""What a server says of itself, and the dialect that follows from it."""

from __future__ import annotations

import pytest

from syncrepl_client.contentsync.controls import SYNC_REQUEST
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, FREEIPA, OPENLDAP, UNKNOWN, Dialect
from syncrepl_client.contentsync.server import Server
from syncrepl_client.ldap.messages import CANCEL

RootDSE = dict[str, list[bytes]]

SLAPD: RootDSE = {"objectClass": [b"top", b"OpenLDAProotDSE"], "supportedControl": [SYNC_REQUEST.encode()]}
NS_SLAPD: RootDSE = {"vendorName": [b"389 Project"], "namingContexts": [b"dc=x"]}
IPA: RootDSE = {**NS_SLAPD, "ipaTopologyPluginVersion": [b"1.0"]}


@pytest.mark.parametrize(
    ("root_dse", "base", "dialect"),
    [
        (SLAPD, "dc=x", OPENLDAP),
        (NS_SLAPD, "dc=x", DS389),
        (NS_SLAPD, "cn=dns,dc=x", DS389),
        (IPA, "dc=x", FREEIPA),
        (IPA, "cn=users,dc=x", FREEIPA),
        # Its changelog holds the changes of these alone.
        (IPA, "idnsName=x,cn=DNS, DC=x", DS389),
        ({**IPA, "namingContexts": []}, "idnsName=x,cn=dns,dc=x", FREEIPA),
        ({"vendorName": [b"Apache Software Foundation"]}, "dc=x", APACHEDS),
        ({"vendorName": [b"Somebody"]}, "dc=x", UNKNOWN),
        ({}, "dc=x", None),
    ],
)
def test_the_root_dse_tells_the_dialect(root_dse: RootDSE, base: str, dialect: Dialect | None) -> None:
    assert dialect is Server.of(root_dse).dialect(base)


def test_names_of_attributes_are_read_in_any_case() -> None:
    server = Server.of(
        {
            "SUPPORTEDEXTENSION": [CANCEL.encode()],
            "vendorversion": [b"1.2", b"ignored"],
            "supportedSASLMechanisms": [b"GSSAPI"],
            "FirstChangeNumber": [b"7"],
            "lastchangenumber": [b"12"],
            "supportedControl": [SYNC_REQUEST.encode()],
            "subschemaSUBENTRY": [b"cn=Schema"],
        }
    )

    assert (server.version, set(server.mechanisms), server.subschema) == ("1.2", {"GSSAPI"}, "cn=Schema")
    assert (server.first_change, server.last_change) == (7, 12)
    assert (server.offers_cancel, server.offers_sync, server.known) == (True, True, True)


def test_what_is_no_text_is_read_as_far_as_it_is() -> None:
    assert Server.of({"vendorVersion": [b"389-Directory/1.4 \xff"]}).version == "389-Directory/1.4 \ufffd"


def test_a_server_that_hides_its_root_dse_offers_nothing() -> None:
    server = Server.of({})

    assert (server.vendor, server.version, server.subschema) == ("", "", "")
    assert (server.offers_cancel, server.offers_sync, server.known) == (False, False, False)
    assert (server.first_change, server.last_change, server.suffix_of("dc=x")) == (None, None, None)


@pytest.mark.parametrize("number", [b"", b"x", b"-1", "\u0661".encode()])
def test_a_change_number_that_is_none_is_not_known(number: bytes) -> None:
    assert Server.of({"firstChangeNumber": [number]}).first_change is None


@pytest.mark.parametrize(
    ("base", "suffix"),
    [
        ("cn=a,dc=x", "dc=x"),
        ("ou=b,O=Y,dc=x", "o=y,dc=x"),
        ("ou=b,c=y,dc=x", "c=y,dc=x"),
        ("DC=x", "dc=x"),
        ("dc=z", None),
    ],
)
def test_a_name_lies_in_the_deepest_naming_context(base: str, suffix: str | None) -> None:
    assert suffix == Server.of({"namingContexts": [b"dc=x", b"o=y,dc=x", b"c=y,dc=x", b""]}).suffix_of(base)
