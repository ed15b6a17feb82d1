"""Attributes of which nothing is kept."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import ProtocolError, UsageError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import decode_attributes, encode_attributes
from syncrepl_client.redaction import MASK, PASSWORDS, Redaction
from syncrepl_client.secret import Secret

KEY = b"0123456789abcdef"
HASHED = re.compile(rb"\{HMAC-SHA256\}[A-Za-z0-9+/]{43}=")

REDACTED = st.sampled_from(["userPassword", "USERPASSWORD", "userpassword;x-old", "2.5.4.35", "carLicense;lang-de;x-a"])
OTHERS = st.from_regex(r"[a-z][a-z0-9-]{0,20}(;[a-z-]{1,8})?", fullmatch=True).filter(
    lambda name: name.partition(";")[0] not in {"userpassword", "carlicense"}
)
# Values that look like the beginning of an attribute, besides any others.
TRAPS = st.sampled_from(
    [b"0\x14\x04\x0cuserPassword1\x04\x04\x02ab", b"\x04\x0cuserPassword;", b"0\x81\x04\x82\x04\x04"]
)
SECRETS = st.binary(min_size=8, max_size=200).filter(lambda secret: secret not in MASK)
VALUES = st.lists(TRAPS | st.binary(max_size=300), max_size=3)
RULES = [
    Redaction(drop=["userPassword", "carLicense"]),
    Redaction(mask=["userPassword", "carLicense"]),
    Redaction(hash=["userPassword", "carLicense"], key=KEY),
    Redaction(drop=["carlicense"], hash=["2.5.4.35"], key=KEY),
]


def attribute(name: bytes, values: list[bytes], forms: list[int]) -> bytes:
    """Encode an attribute, its lengths in more octets than it takes."""
    return _in_form(0x30, _in_form(4, name, forms[0]) + _in_form(0x31, _values(values, forms[2]), forms[1]), forms[3])


def _values(values: list[bytes], form: int) -> bytes:
    return b"".join(_in_form(4, value, form) for value in values)


def _in_form(tag: int, body: bytes, octets: int) -> bytes:
    if not octets or len(body) >= 1 << 8 * octets:
        return ber.tlv(tag, body)
    return bytes((tag, 0x80 | octets)) + len(body).to_bytes(octets) + body


LISTS = st.lists(
    st.tuples(
        st.one_of(OTHERS.map(lambda name: (name, False)), REDACTED.map(lambda name: (name, True))), VALUES, SECRETS
    ),
    max_size=8,
)
FORMS = st.lists(st.integers(0, 8), min_size=4, max_size=4)


@given(LISTS, st.sampled_from(RULES), st.lists(FORMS, min_size=8, max_size=8))
def test_nothing_of_a_redacted_value_remains_and_all_else_stays_as_it_is(
    attributes: list[tuple[tuple[str, bool], list[bytes], bytes]], rules: Redaction, forms: list[list[int]]
) -> None:
    encoded = [
        attribute(name.encode(), [secret] if hit else values, form)
        for ((name, hit), values, secret), form in zip(attributes, forms, strict=False)
    ]
    untouched = [one for one, ((_, hit), _, _) in zip(encoded, attributes, strict=True) if not hit]

    redacted = rules.of(ber.tlv(0x30, *encoded))

    decoded = decode_attributes(redacted)
    rest = redacted
    for one in untouched:
        assert one in redacted
        rest = rest.replace(one, b"", 1)
    for (name, hit), _, secret in attributes:
        if hit:
            assert secret not in rest
            kept = decoded.get(name, [])
            assert all(value == MASK or HASHED.fullmatch(value) for value in kept)


@given(LISTS, st.sampled_from(RULES))
def test_what_is_redacted_already_stays_as_it_is_in_a_file(
    attributes: list[tuple[tuple[str, bool], list[bytes], bytes]], rules: Redaction
) -> None:
    once = rules.of(ber.tlv(0x30, *(attribute(name.encode(), [s], [0] * 4) for (name, _), _, s in attributes)))

    assert rules.of(once, stored=True) == once


@given(st.binary(max_size=80), st.integers(0, 80), st.sampled_from(RULES))
def test_garbage_is_a_protocol_error_that_quotes_nothing(tail: bytes, cut: int, rules: Redaction) -> None:
    wire = encode_attributes({"cn": [b"a"], "userPassword": [b"sesame", b"x" * 140], "sn": [b"b"]})[:cut] + tail
    said: ProtocolError | None = None
    try:
        redacted = rules.of(wire)
    except ProtocolError as error:
        said = error
    if said is not None:
        assert b"sesame".hex() not in f"{said!r}"
        assert said.__suppress_context__
    else:
        assert redacted == wire or b"sesame" not in redacted


def test_a_value_with_another_tag_is_not_quoted() -> None:
    wire = ber.sequence(ber.sequence(ber.octet_string(b"userPassword"), ber.set_of(ber.tlv(0x0C, b"open sesame"))))

    with pytest.raises(ProtocolError) as caught:
        RULES[0].of(wire)

    assert b"sesame".hex() not in str(caught.value)
    with pytest.raises(ProtocolError, match="malformed"):
        RULES[0].of(wire[:-1] + b"x" + wire[-1:])


def test_an_attribute_that_is_dropped_is_not_there() -> None:
    redaction = Redaction(drop=["userpassword"])

    assert decode_attributes(redaction.of(encode_attributes({"cn": [b"a"], "userPassword": [b"b"]}))) == {"cn": [b"a"]}
    assert decode_attributes(redaction.of(encode_attributes({"userPassword": [b"b"]}))) == {}


def test_a_mask_does_not_tell_how_many_values_there_are() -> None:
    redaction = Redaction(mask=["userPassword"])

    for values in ([b"a"], [b"a", b"b"], []):
        assert decode_attributes(redaction.of(encode_attributes({"userPassword": values}))) == {"userPassword": [MASK]}


def test_a_hash_is_the_same_for_the_same_value_of_the_same_attribute() -> None:
    redaction = Redaction(hash=["userPassword", "carLicense"], key=KEY)
    found = decode_attributes(
        redaction.of(
            encode_attributes(
                {"userPassword": [b"a", b"b"], "2.5.4.35": [b"a"], "carLicense": [b"a"], "carLicense;lang-de": [b"a"]}
            )
        )
    )

    assert found["2.5.4.35"] == found["userPassword"][:1]
    assert found["carLicense"] == found["carLicense;lang-de"]
    assert len({value for values in found.values() for value in values}) == 3
    assert all(HASHED.fullmatch(value) for values in found.values() for value in values)
    other = Redaction(hash=["userPassword"], key=KEY + b"x")
    assert other.of(encode_attributes({"userPassword": [b"a"]})) != redaction.of(
        encode_attributes({"userPassword": [b"a"]})
    )


def test_an_attribute_whose_name_begins_alike_is_another_one() -> None:
    redaction = Redaction(drop=["pwd", "pwdHistory"])
    entry = {"pwdReset": [b"TRUE"], "pwd1;x": [b"a"], "xpwd": [b"b"]}

    wire = encode_attributes(entry)
    assert redaction.of(wire) is wire
    assert (
        decode_attributes(redaction.of(encode_attributes({**entry, "PWD": [b"c"], "pwdhistory;x-1": [b"d"]}))) == entry
    )


def test_entries_without_any_of_it_are_handed_on_as_they_are() -> None:
    plain = (b"cn=a", encode_attributes({"cn": [b"a"]}), b"controls")
    secret = (b"cn=b", encode_attributes({"userPassword": [b"b"]}), b"more")
    redacted = encode_attributes({"userPassword": [MASK]})

    rows = Redaction.passwords().rows([plain, secret])

    assert rows == [plain, (b"cn=b", redacted, b"more")]
    assert rows[0] is plain


@pytest.mark.parametrize("name", sorted(PASSWORDS))
def test_each_password_is_masked_without_a_key_and_hashed_with_one(name: str) -> None:
    wire = encode_attributes({name.upper(): [b"sesame"], "cn": [b"a"]})

    assert decode_attributes(Redaction.passwords().of(wire)) == {name.upper(): [MASK], "cn": [b"a"]}
    assert HASHED.fullmatch(decode_attributes(Redaction.passwords(KEY).of(wire))[name.upper()][0])


def test_without_rules_it_is_off() -> None:
    nothing = Redaction()

    assert not nothing
    assert nothing.fingerprint == ""
    assert nothing.of(encode_attributes({"userPassword": [b"b"]})) == encode_attributes({"userPassword": [b"b"]})
    assert Redaction(drop=["cn"])


def test_rules_and_key_are_told_apart_by_the_fingerprint() -> None:
    rules = [
        Redaction(drop=["cn"]),
        Redaction(mask=["cn"]),
        Redaction(mask=["cn", "sn"]),
        Redaction(hash=["cn"], key=KEY),
        Redaction(hash=["cn"], key=KEY + b"x"),
    ]

    assert len({one.fingerprint for one in rules}) == len(rules)
    assert Redaction(hash=["CN"], key=Secret(KEY)).fingerprint == rules[3].fingerprint
    assert Redaction(mask=["2.5.4.35"]).fingerprint == Redaction(mask=["userPassword"]).fingerprint


def test_the_key_shows_nowhere() -> None:
    redaction = Redaction(drop=["sn"], hash=["cn"], key=b"open sesame please")

    assert "sesame" not in f"{redaction!r} {redaction} {redaction.fingerprint}"
    assert b"sesame".hex() not in redaction.fingerprint
    with pytest.raises(TypeError):
        pickle.dumps(redaction)
    with pytest.raises(UsageError) as caught:
        Redaction.passwords(b"sesame")
    trace = caught.value.__traceback__
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    shown = [
        f"{value!r}" for frame in frames[1:] for value in frame.f_locals.values() if not isinstance(value, Redaction)
    ]
    assert shown
    assert not any("sesame" in one for one in shown)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hash": ["cn"]}, "need a key"),
        ({"mask": ["cn"], "key": KEY}, "need a key"),
        ({"hash": ["cn"], "key": KEY[1:]}, "a key of 15 octets"),
        ({"mask": ["cn"], "drop": ["CN"]}, "two rules for the attribute cn"),
        ({"mask": ["userPassword"], "hash": ["2.5.4.35"], "key": KEY}, "two rules for the attribute userpassword"),
        ({"mask": "userPassword"}, "names of attributes are expected"),
        ({"mask": ["userPassword;x-old"]}, "no name of an attribute"),
        ({"mask": ["*"]}, "no name of an attribute"),
        ({"drop": ["entryCSN"]}, "the attribute entrycsn cannot be redacted"),
    ],
)
def test_rules_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Redaction(**options)

    assert caught.value.hint
