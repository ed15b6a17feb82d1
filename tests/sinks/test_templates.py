"""Templates: names that depend on the event."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.sinks.templates import Template
from tests.sinks.events import event


def template(text: str, **options: object) -> Template:
    return Template(text, source="corp", what="topic", **options)  # type: ignore[arg-type]


def test_fields_are_filled_with_what_the_event_is() -> None:
    one = event(3)
    made = template("a.{source}.{kind}.{key}")
    assert made(one) == f"a.corp.{one.kind.value}.{one.key}"
    assert made.constant is None


def test_a_template_without_fields_of_the_event_is_constant() -> None:
    made = template("ldap-{source}")
    assert made.constant == made(event(1)) == "ldap-corp"


@pytest.mark.parametrize("text", ["{dn}", "{}", "a{kind.__class__}", "{0}"])
def test_an_unknown_field_is_refused_and_the_known_are_named(text: str) -> None:
    with pytest.raises(UsageError, match="which no event has") as caught:
        template(text)
    assert "{source}, {kind}, {key}" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{kind", "kind}", "a b", "a\n", "é"])
def test_what_the_receiver_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be a topic"):
        template(text)


def test_other_characters_may_be_allowed() -> None:
    assert template("a/{kind}", allowed=r"a-z/")(event(1)).startswith("a/")


def test_a_name_that_may_get_too_long_is_refused() -> None:
    assert template("x" * 4 + "{key}", longest=40).text
    with pytest.raises(UsageError, match="longer than 40"):
        template("x" * 5 + "{key}", longest=40)


def test_a_source_with_other_characters_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot name a source"):
        Template("a", source="a.b", what="topic")
