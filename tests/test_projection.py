"""Which attributes of an entry are told, by which names, and which changes touch them."""

from __future__ import annotations

import pytest

from syncrepl_client.envelope.values import Values
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap.attributes import Decoded
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model import Attributes, Modified
from syncrepl_client.relay.projection import Projection
from tests.selecting import SCHEMA, entry

ANN = {
    "objectClass": [b"person"],
    "cn": [b"Ann"],
    "cn;lang-de": [b"Anne"],
    "CN;x-a;lang-en": [b"Annie"],
    "mail": [b"a@x"],
    "uidNumber": [b"7"],
    "userCertificate;binary": [b"\1"],
    "modifyTimestamp": [b"20260131120000Z"],
    "entryCSN": [b"20260131120000.000000Z#000000#000#000000"],
}
MARKS = ["modifyTimestamp", "entryCSN"]


def told(projection: Projection, schema: Schema = SCHEMA) -> dict[str, list[bytes]]:
    whole = entry(ANN, schema=schema)
    found = projection.of(whole)
    assert (found.uuid, found.dn) == (whole.uuid, whole.dn)
    return dict(found.attributes)


def some(*names: str) -> dict[str, list[bytes]]:
    return {name: values for name, values in ANN.items() if name in names}


# --- which attributes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("mail", ["mail"]),
        ("MAIL", ["mail"]),
        ("cn", ["cn", "cn;lang-de", "CN;x-a;lang-en"]),
        ("cn;lang-de", ["cn;lang-de"]),
        ("Cn;LANG-en", ["CN;x-a;lang-en"]),
        ("cn;lang-en;x-a", ["CN;x-a;lang-en"]),
        ("cn;lang-fr", []),
        ("userCertificate", ["userCertificate;binary"]),
        ("userCertificate;binary", ["userCertificate;binary"]),
        ("sn", []),
    ],
)
@pytest.mark.parametrize("schema", [SCHEMA, NO_SCHEMA], ids=["schema", "none"])
def test_an_attribute_has_any_case_and_whatever_options(named: str, meant: list[str], schema: Schema) -> None:
    assert told(Projection(keep=[named]), schema) == some(*meant)
    assert told(Projection(leave_out=[named]), schema) == some(*(name for name in ANN if name not in meant))


@pytest.mark.parametrize(
    ("named", "meant"),
    [("0.9.2342.19200300.100.1.3", "mail"), ("rfc822mailbox", "mail"), ("2.5.4.3;lang-de", "cn;lang-de")],
)
def test_with_the_schema_an_attribute_has_any_of_its_names(named: str, meant: str) -> None:
    assert told(Projection(keep=[named])) == some(meant)
    assert meant not in told(Projection(leave_out=[named]))
    assert told(Projection(keep=[named]), NO_SCHEMA) == {}


def test_what_the_schema_says_counts_from_when_it_is_known() -> None:
    projection = Projection(keep=["rfc822mailbox"])
    for schema in (NO_SCHEMA, SCHEMA, NO_SCHEMA, SCHEMA):
        assert told(projection, schema) == (some("mail") if schema is SCHEMA else {})


def test_many_descriptions_are_not_remembered() -> None:
    projection = Projection(keep=["cn"])
    for first in range(0, 6_000, 1000):
        found = projection.of(entry({f"cn;x-{number}": [b""] for number in range(first, first + 1000)}))
        assert len(found.attributes) == 1000
    assert told(projection) == some("cn", "cn;lang-de", "CN;x-a;lang-en")


# --- other names ------------------------------------------------------------------------------------------------------


def test_an_attribute_gets_another_name_and_keeps_its_options_and_its_type() -> None:
    renamed = Projection(rename={"mail": "e_mail", "UIDNUMBER": "number", "cn": "name", "cn;lang-de": "German"})
    found = renamed.of(entry(ANN))
    assert dict(found.attributes) == {
        **some("objectClass", "userCertificate;binary", *MARKS),
        "e_mail": [b"a@x"],
        "number": [b"7"],
        "name": [b"Ann"],
        "German": [b"Anne"],
        "name;x-a;lang-en": [b"Annie"],
    }
    values = Values().of(found)
    assert (values["number"], values["e_mail"]) == ([7], ["a@x"])
    assert found["mail"] == found["e_mail"] == found["rfc822Mailbox"] == [b"a@x"]
    assert told(renamed, NO_SCHEMA)["number"] == [b"7"]


def test_what_is_renamed_is_kept() -> None:
    assert told(Projection(keep=["cn;lang-de"], rename={"mail": "email"})) == {**some("cn;lang-de"), "email": [b"a@x"]}


def test_names_may_be_swapped() -> None:
    found = Projection(rename={"mail": "uidNumber", "uidNumber": "mail"}).of(entry(ANN))
    assert (found.attributes["mail"], found.attributes["uidNumber"]) == ([b"7"], [b"a@x"])
    values = Values().of(found)
    assert (values["mail"], values["uidNumber"]) == ([7], ["a@x"])


def test_values_of_one_name_are_joined() -> None:
    whole = entry(ANN)
    joined = Projection(keep=["uidNumber"], rename={"mail": "uidNumber"})
    assert dict(joined.of(whole).attributes) == {"uidNumber": [b"a@x", b"7"]}
    assert whole.attributes == ANN


# --- what is still known ----------------------------------------------------------------------------------------------


def test_when_an_entry_was_changed_is_known_without_being_told() -> None:
    found = Projection(keep=["cn;lang-de"]).of(entry(ANN))
    change = Modified(found, found)
    assert change.modified_at is not None
    assert change.entry_csn == ANN["entryCSN"][0].decode()
    assert list(found) == ["cn;lang-de"]
    assert (found.get("mail"), found.get("mail", [])) == (None, [])


def test_what_was_to_be_left_out_is_not_known_at_all() -> None:
    found = Projection(leave_out=MARKS).of(entry(ANN))
    change = Modified(found, found)
    assert (change.modified_at, change.entry_csn) == (None, None)


def test_entries_become_octets_when_somebody_asks() -> None:
    found = Projection(leave_out=["cn"]).of(entry(ANN)).attributes
    assert Attributes(found.wire) == found == Attributes.of({name: ANN[name] for name in found})
    with pytest.raises(AttributeError):
        _ = found.weird  # type: ignore[attr-defined]
    assert isinstance(found, Decoded)


# --- what a change touches --------------------------------------------------------------------------------------------

LATER = {"modifyTimestamp": [b"20260131120001Z"], "entryCSN": [b"20260131120001.000000Z#000000#000#000000"]}


@pytest.mark.parametrize(
    ("projection", "changed", "touched"),
    [
        (Projection(leave_out=["mail"]), {"mail": [b"b@x"]}, False),
        (Projection(leave_out=["mail"]), {"mail": [b"b@x"], **LATER}, False),
        (Projection(leave_out=["mail"]), {"mail": [b"b@x"], "uidNumber": [b"8"]}, True),
        (Projection(leave_out=["mail"]), {"uidNumber": [b"8"], **LATER}, True),
        (Projection(leave_out=["mail"]), LATER, True),
        (Projection(leave_out=["mail", "entryCSN"]), {"mail": [b"b@x"], **LATER}, False),
        (Projection(leave_out=["mail"]), {"mail;lang-de": [b"b@x"]}, False),
        (Projection(leave_out=["mail"]), {"sn": [b"new"]}, True),
        (Projection(keep=["cn"]), {"mail": [b"b@x"], **LATER}, False),
        (Projection(keep=["cn"]), {"cn;lang-fr": [b"Anne"], **LATER}, True),
        (Projection(keep=["cn", "modifyTimestamp"]), {"mail": [b"b@x"], **LATER}, True),
        (Projection(keep=["cn"], rename={"mail": "email"}), {"mail": [b"b@x"]}, True),
        (Projection(rename={"mail": "email"}), LATER, True),
    ],
)
def test_a_change_of_what_is_left_out_touches_nothing(
    projection: Projection, changed: dict[str, list[bytes]], *, touched: bool
) -> None:
    before, after = entry(ANN), entry({**ANN, **changed})
    assert projection.touches(before, after) is touched
    assert projection.touches(after, before) is touched


def test_the_order_of_values_and_the_case_of_names_are_no_change() -> None:
    projection = Projection(leave_out=["mail"])
    before = entry({"cn": [b"a", b"b"], "l": [b"x"], "mail": [b"1"]})
    assert not projection.touches(before, entry({"CN": [b"b", b"a"], "l": [b"x"], "mail": [b"2"]}))
    assert projection.touches(before, entry({"CN": [b"b", b"c"], "l": [b"x"], "mail": [b"2"]}))
    assert projection.touches(before, entry({"cn": [b"a", b"b"], "mail": [b"1"]}))


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keep": ["c n"]}, "'c n' is no attribute"),
        ({"leave_out": ["*"]}, "is no attribute"),
        ({"rename": {"": "x"}}, "is no attribute"),
        ({"keep": "cn"}, "the text 'cn'"),
        ({"keep": ["cn"], "leave_out": ["mail"]}, "others to leave out"),
        ({"rename": {"mail": "e mail"}}, "'e mail' is no name"),
        ({"rename": {"mail": "x", "MAIL": "y"}}, "share a name"),
        ({"rename": {"mail": "x", "cn": "X"}}, "share a name"),
        ({"leave_out": ["mail"], "rename": {"Mail": "x"}}, "left out, and renamed"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Projection(**given)  # type: ignore[arg-type]
    assert caught.value.hint


def test_nothing_to_do_is_no_projection() -> None:
    assert not Projection()
    assert Projection(rename={"cn": "name"})
