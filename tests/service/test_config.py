"""Configurations: what each key takes, and how each mistake is told."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.exceptions import ConfigurationError
from syncrepl_client.service import building
from syncrepl_client.service.config import load
from syncrepl_client.service.example import example
from syncrepl_client.service.reading import Key, as_text, keys_of
from syncrepl_client.service.sections import ServiceSection, SinkSection, SourceSection
from syncrepl_client.service.sink_keys import sink_keys
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.sinks.registry import known

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

    from syncrepl_client.exceptions import Mistake
    from syncrepl_client.secret import Secret
    from syncrepl_client.service.config import Config

RIGHT: dict[str, dict[str, Any]] = {
    "service": {"data": "data"},
    "sources.corp": {"url": "ldap://127.0.0.1/dc=example,dc=com"},
    "sinks.out": {"url": "stdout:"},
}
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "service": ServiceSection,
    "sources.corp": SourceSection,
    "sinks.out": SinkSection,
}
KEYS = [(table, key) for table, section in SECTIONS.items() for key in keys_of(section)]


class Own:
    """A sink of somebody's own."""

    def __init__(self, url: str, size: int, secret: Secret | None) -> None:
        self.what = url, size, secret

    @classmethod
    def from_url(cls, url: str, *, size: int = 3, secret: Secret | None = None, source: str = "") -> MemorySink:
        """Make one."""
        assert source == "corp"
        return MemorySink()


class Raising:
    """A sink that has a defect."""

    @classmethod
    def from_url(cls, url: str) -> MemorySink:
        """Fail."""
        raise KeyError(url)


class Unreadable:
    """A sink whose annotations are none."""

    @classmethod
    def from_url(cls, url: str, *, size: int = 0) -> MemorySink:
        """Make one."""
        return MemorySink()


Unreadable.from_url.__func__.__annotations__["size"] = "1 +"  # type: ignore[attr-defined]


def text_of(tables: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {as_text(value)}" for key, value in table.items())]
    return "\n".join(lines)


def read(folder: Path, tables: dict[str, dict[str, Any]], environment: dict[str, str] | None = None) -> Config:
    file = folder / "config.toml"
    file.write_text(text_of(tables))
    return load(file, environment or {})


def mistakes(
    folder: Path, tables: dict[str, dict[str, Any]], environment: dict[str, str] | None = None
) -> list[Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        building.check(read(folder, tables, environment))
    assert str(folder / "config.toml") in str(caught.value)
    return list(caught.value.mistakes)


def with_key(table: str, key: str, value: object) -> dict[str, dict[str, Any]]:
    return {name: {**values, **({key: value} if name == table else {})} for name, values in RIGHT.items()}


def test_a_configuration_that_says_what_must_be_said_is_right(tmp_path: Path) -> None:
    config = read(tmp_path, RIGHT)
    building.check(config)
    assert config.folder == tmp_path / "data"
    assert config.data_file("corp") == tmp_path / "data" / "corp.db"
    assert config.sources_of("out") == ("corp",)


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[f"{table}.{key.name}" for table, key in KEYS])
def test_a_value_of_the_wrong_type_is_told_for_every_key(table: str, key: Key, tmp_path: Path) -> None:
    # No key takes a list of truth values.
    [mistake] = mistakes(tmp_path, with_key(table, key.name, [True]))
    assert mistake.key == f"{table}.{key.name}"
    assert mistake.problem
    assert mistake.hint


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    tables = {name: dict(table) for name, table in RIGHT.items()}
    for table, key in KEYS:
        tables[table][key.name] = [True]
    # What kind of sink it is cannot be told then.
    tables["sinks.out"]["url"] = RIGHT["sinks.out"]["url"]
    del tables["sinks.out"]["class"]
    told = {mistake.key for mistake in mistakes(tmp_path, tables)}
    assert told == {f"{table}.{key.name}" for table, key in KEYS} - {"sinks.out.url", "sinks.out.class"}


@pytest.mark.parametrize("table", RIGHT)
def test_an_unknown_key_is_told_with_the_one_that_was_meant(table: str, tmp_path: Path) -> None:
    near = {"service": "dat", "sources.corp": "pasword", "sinks.out": "filtr"}[table]
    [mistake] = mistakes(tmp_path, with_key(table, near, "x"))
    assert mistake.key == f"{table}.{near}"
    assert mistake.hint.startswith("did you mean ")


@pytest.mark.parametrize("scheme", sorted(known()))
def test_the_options_of_every_sink_are_checked_and_explained(scheme: str, tmp_path: Path) -> None:
    keys = sink_keys({"url": f"{scheme}:"}, {key.name for key in keys_of(SinkSection)})
    table = {"url": f"{scheme}:", **{key.name: [[True]] for key in keys}, "nothing_like_it": 1}
    told = mistakes(tmp_path, {**RIGHT, "sinks.out": table})
    assert {mistake.key for mistake in told} == {f"sinks.out.{key.name}" for key in keys} | {
        "sinks.out.nothing_like_it"
    }
    assert all("an option of this kind of sink" not in key.meaning for key in keys), keys


@pytest.mark.parametrize("table", RIGHT)
def test_what_must_be_said_is_told_where_it_is_missing(table: str, tmp_path: Path) -> None:
    tables = {name: {} if name == table else values for name, values in RIGHT.items()}
    told = mistakes(tmp_path, tables)
    assert f"{table}.{'data' if table == 'service' else 'url'}" in {mistake.key for mistake in told}


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("", "sources", "there is none"),
        ("[service]\ndata = 'd'\n[sources]\n[sinks]", "sinks", "there is none"),
        ("sources = 3", "sources", "there is none"),
        ("sources = 3\n[sinks.a]\nurl='stdout:'\nfrom=['b']", "sinks.a.from", "there is no source"),
        ("[service]\ndata='~no-such-user/d'\n[sources.a]\nurl='ldap:///'", "service.data", "home directory"),
        (
            "[service]\ndata='d'\n[sources.a]\nurl='ldap:///'\npassword={file='~no-such-user/p'}",
            "sources.a.password",
            "home",
        ),
        ("[service]\ndata=\"d\\u0000\"\n[sources.a]\nurl='ldap:///'\n[sinks.a]\nurl='stdout:'", "service.data", "null"),
        (f"x = {'[' * 5000}", "config.toml", "it is not TOML"),
        ("[service]\ndata='d'\n[sources]\ncorp = 3\n[sinks.a]\nurl='stdout:'", "sources.corp", "it is 3, not a table"),
        ("[service]\ndata='d'\n[sources.'a b']\n[sinks.a]\nurl='stdout:'", "sources.a b", "that is no name"),
        (
            "[service]\ndata='d'\n[sources.a-b]\nurl='ldap:///'\n[sources.a_b]\nurl='ldap:///'",
            "sources.a_b",
            "too much",
        ),
        ("[server]", "server", "no such table"),
        ("[service", "config.toml", "it is not TOML"),
        ("\xff", "config.toml", "it is not TOML"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(text: str, key: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    assert any(one.key == key and problem in one.problem for one in caught.value.mistakes), caught.value.mistakes


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_a_sink_may_name_its_sources(tmp_path: Path) -> None:
    tables = {**RIGHT, "sources.more": RIGHT["sources.corp"], "sinks.out": {"url": "stdout:", "from": ["more"]}}
    assert read(tmp_path, tables).sources_of("out") == ("more",)
    [mistake] = mistakes(tmp_path, with_key("sinks.out", "from", ["carp"]))
    assert mistake.key == "sinks.out.from"


@pytest.mark.parametrize(
    ("table", "key", "value", "problem"),
    [
        ("sources.corp", "url", "http://x", "ldap"),
        ("sources.corp", "url", "ldap://x/dc=x????bindname=cn=ann%2Cdc=x", "there is no password for 'cn=ann,dc=x'"),
        ("sources.corp", "max_deletes", "many", "no limit"),
        ("sources.corp", "password", {"env": "PW"}, "nobody whose"),
        ("sources.corp", "sasl", "PLAIN", "needs a user and a password"),
        ("sources.corp", "hash", ["mail"], "need a key"),
        ("sources.corp", "drop", ["a b"], "a b"),
        ("sources.corp", "on_behalf_of", "ann", "ann"),
        ("sources.corp", "keep", "9999999999999w", "forever"),
        ("sources.corp", "keep_size", "9" * 400 + "TB", "unlimited"),
        ("sources.corp", "data", "dead-letters.db", "is what could not be delivered"),
        ("sources.corp", "data", "service.lock", "is who works with the folder"),
        ("sinks.out", "url", "stdout://x", "not standard output"),
        ("sinks.out", "filter", "(x", "x"),
        ("sinks.out", "retry_longest", "10ms", "no backoff"),
        ("sinks.out", "heartbeat", "10ms", "a heartbeat each 10ms is too much"),
        ("service", "listen", "9464", "no HOST:PORT"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_opened(
    table: str, key: str, value: object, problem: str, tmp_path: Path
) -> None:
    [mistake] = mistakes(tmp_path, with_key(table, key, value), {"PW": "x"})
    assert mistake.key.startswith(table)
    assert problem in mistake.problem


@pytest.mark.parametrize(
    ("key", "value", "library"),
    [("srv", "example.com", "dns"), ("sasl", "GSSAPI", "gssapi")],
)
def test_what_a_source_needs_installed_is_told(
    key: str, value: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    [mistake] = mistakes(tmp_path, with_key("sources.corp", key, value))
    assert mistake.hint == f'pip install "syncrepl[{"srv" if key == "srv" else library}]"'


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_a_secret_is_in_a_file_a_variable_or_a_credential(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret\n")
    environment = {"PW": "s3cret", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    for where in ({"file": "pw"}, {"file": str(tmp_path / "pw")}, {"env": "PW"}, {"credential": "pw"}):
        config = read(tmp_path, with_key("sources.corp", "password", where), environment)
        password = config.sources["corp"].section.password
        assert password is not None
        assert password.reveal() == b"s3cret"


@pytest.mark.parametrize(
    "where",
    [
        "s3cret",
        {"file": "none"},
        {"env": "NONE"},
        {"credential": "none"},
        {"credential": "../pw"},
        {"flie": "x"},
        {"file": "x", "env": "y"},
        {},
    ],
    ids=repr,
)
def test_a_secret_that_cannot_be_had_is_told_and_never_shown(where: object, tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    [mistake] = mistakes(tmp_path, with_key("sources.corp", "password", where), environment)
    assert mistake.key == "sources.corp.password"
    assert "s3cret" not in mistake.problem + mistake.hint
    assert mistake.hint


# --- the environment --------------------------------------------------------------------------------------------------


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ldap://127.0.0.1/dc=other\n")
    (tmp_path / "pw").write_text("s3cret")
    environment = {
        "SYNCREPL_SOURCES_CORP_URL_FILE": str(tmp_path / "url"),
        "SYNCREPL_SOURCES_CORP_STARTTLS": "yes",
        "SYNCREPL_SOURCES_CORP_MASK": "passwords, mail",
        "SYNCREPL_SOURCES_CORP_KEEP": "1h",
        "SYNCREPL_SOURCES_CORP_PASSWORD_FILE": str(tmp_path / "pw"),
        "SYNCREPL_SINKS_OUT_BATCH": "7",
        "SYNCREPL_SINKS_OUT_RENAME": '{"mail": "email"}',
        "SYNCREPL_SINKS_OUT_RECORDS": "true",
        "SYNCREPL_NO_COLOR": "1",
    }
    config = read(tmp_path, RIGHT, environment)
    source, sink = config.sources["corp"].section, config.sinks["out"].section
    assert (source.url, source.starttls, source.mask) == ("ldap://127.0.0.1/dc=other", True, ("passwords", "mail"))
    assert float(source.keep) == 3600
    assert source.password is not None
    assert source.password.reveal() == b"s3cret"
    assert (sink.batch, sink.rename, sink.options) == (7, {"mail": "email"}, {"records": True})


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_a_key_that_takes_several_secrets_gets_one_of_the_environment(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    value = str(tmp_path / "secret") if suffix else (tmp_path / "secret").read_text()
    tables = with_key("sinks.out", "url", "https://hooks.example.com/")
    config = read(tmp_path, tables, {f"SYNCREPL_SINKS_OUT_SECRETS{suffix}": value})
    building.check(config)
    (secret,) = config.sinks["out"].section.options["secrets"]
    assert secret.reveal() == b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("SYNCREPL_SOURCES_CORP_KEEP", "soon", "sources.corp.keep"),
        ("SYNCREPL_SOURCES_CORP_STARTTLS", "perhaps", "sources.corp.starttls"),
        ("SYNCREPL_SOURCES_CORP_URL_FILE", "/nowhere", "sources.corp.url"),
        ("SYNCREPL_SOURCES_CORP_ULR", "x", "SYNCREPL_SOURCES_CORP_ULR"),
        ("SYNCREPL_SINKS_CORP_URL", "x", "SYNCREPL_SINKS_CORP_URL"),
        ("SYNCREPL_SINKS_OUT_RENAME", "{", "sinks.out.rename"),
    ],
)
def test_a_mistake_in_the_environment_is_told(variable: str, value: str, key: str, tmp_path: Path) -> None:
    [mistake] = mistakes(tmp_path, RIGHT, {variable: value})
    assert mistake.key == key
    assert re.search(variable, mistake.key + mistake.problem) or "nowhere" in mistake.problem


# --- kinds of sinks ---------------------------------------------------------------------------------------------------


def test_a_sink_of_ones_own_is_a_class(tmp_path: Path) -> None:
    table = {"url": "anything", "class": "tests.service.test_config:Own", "size": 4}
    config = read(tmp_path, {**RIGHT, "sinks.out": table})
    building.check(config)
    assert config.sinks["out"].section.options == {"size": 4}
    [mistake] = mistakes(tmp_path, {**RIGHT, "sinks.out": {**table, "size": "4"}})
    assert mistake.key == "sinks.out.size"


@pytest.mark.parametrize("named", ["nothing", "no.such:Class", "json:nothing", "json:JSONDecoder", ":"])
def test_a_class_that_is_no_sink_is_told(named: str, tmp_path: Path) -> None:
    [mistake] = mistakes(tmp_path, {**RIGHT, "sinks.out": {"url": "x", "class": named}})
    assert mistake.key == "sinks.out.class"


@pytest.mark.parametrize("text", ["class Sink(:", "1 / 0", "raise SystemExit"])
def test_a_module_that_cannot_be_imported_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_sink.py").write_text(text)
    [mistake] = mistakes(tmp_path, {**RIGHT, "sinks.out": {"url": "x", "class": "broken_sink:Sink"}})
    assert mistake.key == "sinks.out.class"
    assert "cannot be imported" in mistake.problem


@pytest.mark.parametrize("kind", ["Raising", "Unreadable"])
def test_a_sink_that_cannot_be_made_is_told(kind: str, tmp_path: Path) -> None:
    [mistake] = mistakes(tmp_path, {**RIGHT, "sinks.out": {"url": "x", "class": f"tests.service.test_config:{kind}"}})
    assert mistake.key.startswith("sinks.out")
    assert kind in mistake.problem


def test_two_sources_have_two_data_files(tmp_path: Path) -> None:
    more = {**RIGHT["sources.corp"], "data": "./corp.db"}
    [mistake] = mistakes(tmp_path, {**RIGHT, "sources.more": more})
    assert mistake.key == "sources.more"
    assert "is the data file of corp" in mistake.problem


# --- what is the same -------------------------------------------------------------------------------------------------


def test_a_part_is_the_same_as_long_as_its_table_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("one")
    changed = with_key("sources.corp", "password", {"file": "pw"})
    first, again = read(tmp_path, changed), read(tmp_path, changed)
    assert first.sources["corp"].fingerprint == again.sources["corp"].fingerprint
    other = read(tmp_path, with_key("sources.corp", "keep", "1h"))
    assert first.sources["corp"].fingerprint != other.sources["corp"].fingerprint
    assert first.sinks["out"].fingerprint == other.sinks["out"].fingerprint
    secrets = [read(tmp_path, with_key("sources.corp", "password", {"env": "PW"}), {"PW": word}) for word in ("a", "b")]
    assert secrets[0].sources["corp"].fingerprint != secrets[1].sources["corp"].fingerprint


# --- the example ------------------------------------------------------------------------------------------------------


def test_the_example_is_right_and_so_is_every_line_in_it_that_shows_a_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(example())
    building.check(load(file, {}))
    lines = example().splitlines()
    shown = {line.partition(" = ")[0].strip("# ") for line in lines if " = " in line and not line.startswith("# ")}
    assert shown >= {key.name for _, key in KEYS}
    secret = tmp_path / "secret"
    secret.write_text("x" * 16)
    whole = "\n".join(line.removeprefix("#") if line[:1] == "#" and line[1:2] != " " else line for line in lines)
    whole = whole.replace("/etc/syncrepl-client/secret", str(secret))
    whole = re.sub(r"^.* = \.\.\.$", "", whole, flags=re.MULTILINE)
    file.write_text(whole)
    load(file, {})


def test_a_file_is_for_one_sink_and_one_source(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    tables = with_key("sinks.out", "url", kept.as_uri())
    tables["sources.lab"] = RIGHT["sources.corp"]
    (mistake,) = mistakes(tmp_path, tables)
    assert mistake.key == "sinks.out"
    assert (
        mistake.problem == f"{kept} is for sink out from corp and for sink out from lab, and only one can write to it"
    )
    assert "{source}" in mistake.hint

    tables["sinks.out"]["url"] = f"file://{tmp_path}/{{source}}.jsonl"
    building.check(read(tmp_path, tables))

    tables["sinks.other"] = {"url": f"file://{tmp_path}/corp.jsonl", "from": ["corp"]}
    assert [one.key for one in mistakes(tmp_path, tables)] == ["sinks.other"]


def test_what_an_option_means_is_said_to_who_writes_a_configuration() -> None:
    said = [f"{name} {key.name}: {key.meaning}" for name in known() for key in sink_keys({"url": f"{name}:"}, set())]
    assert [one for one in said if re.search(r"\bNone\b|; see `", one)] == []
    assert [one for one in said if "by default" in one] != []


def test_a_table_of_entries_is_for_one_sink_and_one_source(tmp_path: Path) -> None:
    tables = with_key("sinks.out", "url", "postgresql://localhost/directory")
    tables["sources.lab"] = RIGHT["sources.corp"]
    tables["sinks.out"] |= {"events": "changes"}
    building.check(read(tmp_path, tables))

    tables["sinks.out"] |= {"table": "people"}
    (mistake,) = mistakes(tmp_path, tables)
    assert mistake.problem.startswith("the table people at postgresql://localhost:5432/directory is for sink out from")

    tables["sinks.out"] |= {"table": "people_{source}"}
    building.check(read(tmp_path, tables))


@pytest.mark.parametrize("text", ["no TOML", "", text_of(with_key("sinks.out", "url", "file:x?y"))], ids=repr)
def test_a_mistake_names_the_file_as_it_was_given(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        building.check(load("config.toml", {}))
    assert caught.value.file == "config.toml"
