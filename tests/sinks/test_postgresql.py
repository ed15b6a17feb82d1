"""PostgreSQL: what is in the tables, what is exactly once, what is refused, and what nobody may see."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
import traceback
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from syncrepl_client.envelope import CloudEvents, Debezium, Plain, tombstone
from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.model import Added, Deleted, Modified, Origin, Renamed
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.postgresql import PostgreSQLSink
from syncrepl_client.sinks.postgresql_connection import encryption, place
from tests.certificates import Authority
from tests.envelope.changes import AFTER, ANN, BEFORE, FILE, MOVED, STORED, URL, entry, found
from tests.server import free_port
from tests.sinks.postgresql_server import PASSWORD, USER, PostgreSQLServer, shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.envelope.base import Envelope
    from syncrepl_client.model import Change

FORMS: dict[str, Envelope] = {
    "structured": CloudEvents(FILE, URL),
    "binary": CloudEvents(FILE, URL, mode="binary"),
    "debezium": Debezium(FILE, URL, name="corp", version="1.2"),
    "plain": Plain(FILE),
}
TABLES: dict[str, Any] = {"table": "people", "events": "changes"}


class Database:
    """A database of the server that tests share."""

    def __init__(self, server: PostgreSQLServer) -> None:
        self.server = server
        self.name = server.make_database()
        self.url = server.url(self.name)

    def sink(self, **options: Any) -> PostgreSQLSink:
        return PostgreSQLSink(self.url, **{"create": True, "password": Secret(PASSWORD), **options})

    def publish(self, *events: Event, **options: Any) -> None:
        with closing(self.sink(**(options or TABLES))) as sink:
            sink.open()
            sink.publish(events)

    def execute(self, statement: str) -> list[Any]:
        return self.server.execute(statement, self.name)

    def ids(self) -> list[str]:
        return [row[0] for row in self.execute("SELECT id FROM changes ORDER BY position")]

    def people(self) -> dict[str, str]:
        return dict(self.execute("SELECT uuid::text, dn FROM people"))


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database(shared())
    yield made
    made.server.execute(f"DROP DATABASE {made.name} WITH (FORCE)")


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def event(number: int, who: int, kind: Kind = Kind.UPDATED, *, body: bytes | None = None, last: bool = False) -> Event:
    """Make an event of our own form."""
    after = None if kind is Kind.DELETED else {"dn": f"cn={who}", "attributes": {"cn": [str(who)], "n": [number]}}
    text = json.dumps({"before": None, "after": after, "time": "2026-01-31T12:00:00Z"}).encode()
    name = f"{FILE}:{number}:{uuid(who)}" if kind is Kind.READ else f"{FILE}:{number}"
    return Event(name, uuid(who), kind, f"cn={who}", number, "application/json", {}, body or text, last)


def read(number: int, who: int, *, last: bool = False) -> Event:
    return event(number, who, Kind.READ, last=last)


# --- what is in the tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_entries_and_events_of_all_forms_are_kept(database: Database, form: str) -> None:
    changes: list[Change] = [
        Added(BEFORE, found(Origin.SNAPSHOT, 41)._replace(last=True)),
        Modified(BEFORE, AFTER, found(sequence=42)),
        Renamed(AFTER, MOVED, found(sequence=43)),
    ]
    events = [event for change in changes for event in FORMS[form].events(change)]
    with closing(database.sink(**TABLES)) as sink:
        sink.open()
        for at, (one, dn) in enumerate(zip(events, (BEFORE.dn, AFTER.dn, MOVED.dn), strict=True)):
            sink.publish([one])
            (row,) = database.execute("SELECT uuid, dn, attributes, sequence, extract(epoch FROM time) FROM people")
            values = {0: ["Ann"], 1: ["Ann", "Anna"], 2: ["Ann"]}[at]
            assert row[:4] == (ANN, dn, {"cn": values, "uidNumber": [1000]}, 41 + at)
            assert int(row[4] * 10**6) == STORED
        (deletion,) = FORMS[form].events(Deleted(MOVED, found(sequence=44)))
        sink.publish([FORMS[form].heartbeat(43, STORED)])
        sink.publish([FORMS[form].heartbeat(43, STORED), deletion, tombstone(deletion)])
    assert database.execute("SELECT FROM people") == []
    rows = database.execute(
        "SELECT id, sequence, key, kind, dn, headers, body, (extract(epoch FROM time) * 1000000)::bigint "
        "FROM changes ORDER BY position"
    )
    assert rows == [
        (
            one.id,
            one.sequence,
            one.key,
            one.kind,
            one.dn,
            dict(one.headers),
            json.loads(one.body or b""),
            STORED,
        )
        for one in [*events, deletion]
    ]


def test_octets_stay_marked_and_can_be_decoded(database: Database) -> None:
    (photo,) = FORMS["plain"].events(Added(entry(userPassword=[b"\0\xff"]), found()))
    database.publish(photo)
    query = "SELECT attributes, decode(attributes #>> '{userPassword,0,base64}', 'base64') FROM people"
    assert database.execute(query) == [({"userPassword": [{"base64": "AP8="}]}, b"\0\xff")]


def test_a_batch_makes_of_an_entry_what_its_last_event_says(database: Database) -> None:
    database.publish(event(1, 1), event(2, 2), event(3, 1, Kind.DELETED), event(4, 2), event(5, 3), event(6, 1))
    rows = database.execute("SELECT uuid::text, sequence FROM people ORDER BY uuid")
    assert rows == [(uuid(1), 6), (uuid(2), 4), (uuid(3), 5)]


def test_one_table_of_both_will_do(database: Database) -> None:
    database.publish(event(1, 1), table="people")
    database.publish(event(1, 1), events="changes")
    assert database.people() == {uuid(1): "cn=1"}
    assert database.ids() == [f"{FILE}:1"]


def test_the_names_of_tables_are_templates_and_may_have_a_schema(database: Database) -> None:
    database.execute(f'CREATE SCHEMA "Crm" AUTHORIZATION {USER}')
    database.publish(event(1, 1), table="Crm.people_{source}", offsets="Crm.offsets", source="corp")
    assert database.execute('SELECT dn FROM "Crm".people_corp') == [("cn=1",)]
    assert database.execute('SELECT target, source, sequence FROM "Crm".offsets') == [("Crm.people_corp", "corp", 1)]


# --- exactly once -----------------------------------------------------------------------------------------------------


def test_what_is_repeated_is_not_there_again_after_somebody_took_it_away(database: Database) -> None:
    events = [read(3, 1), read(3, 2), read(3, 3, last=True), event(4, 1), event(5, 2)]
    for at in range(len(events)):
        database.publish(*events[: at + 1])
        assert len(database.execute("DELETE FROM changes RETURNING id")) == 1
    for at in range(len(events)):
        database.publish(*events[at:])
    assert database.ids() == []
    assert database.people() == {uuid(number): f"cn={number}" for number in (1, 2, 3)}


def test_a_new_snapshot_makes_the_table_equal_to_the_directory(database: Database) -> None:
    database.publish(read(3, 1), read(3, 2), read(3, 3, last=True), event(4, 4))
    assert len(database.people()) == 4
    # The subscription was overtaken, and begins anew; it is interrupted, and repeats some of it.
    database.publish(read(9, 2))
    database.publish(read(9, 2), read(9, 5))
    assert len(database.people()) == 5
    database.publish(read(9, 5), read(9, 6, last=True))
    assert sorted(database.people()) == [uuid(2), uuid(5), uuid(6)]
    # Another file, in which the same numbers mean something else.
    other = replace(read(2, 7, last=True), id=f"other:2:{uuid(7)}")
    database.publish(other)
    assert sorted(database.people()) == [uuid(7)]
    assert database.execute("SELECT FROM syncrepl_offset_note") == []


def test_an_entry_that_is_as_it_was_is_not_touched_by_a_snapshot(database: Database) -> None:
    database.publish(event(1, 1), event(2, 2))
    before = database.execute("SELECT xmin::text FROM people ORDER BY uuid")
    database.publish(replace(read(9, 1), body=event(1, 1).body), read(9, 2, last=True))
    after = database.execute("SELECT xmin::text FROM people ORDER BY uuid")
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_change_of_another_file_waits_for_a_snapshot(database: Database) -> None:
    database.publish(read(3, 1, last=True))
    with pytest.raises(SinkUnavailable, match="no snapshot of this one") as caught:
        database.publish(replace(event(4, 2), id="other:4"))
    assert "begin again with a snapshot" in caught.value.hint
    assert database.people() == {uuid(1): "cn=1"}


def test_a_table_of_entries_is_of_one_source(database: Database) -> None:
    database.publish(event(1, 1), source="corp", **TABLES)
    with pytest.raises(UsageError, match="that of the source corp, not of other") as caught:
        database.publish(event(2, 2), source="other", **TABLES)
    assert "people_{source}" in caught.value.hint
    database.publish(replace(event(2, 2), id="b:2"), source="other", events="changes")
    assert database.ids() == [f"{FILE}:1", "b:2"]


def test_one_process_writes_at_a_time(database: Database) -> None:
    database.publish(event(1, 1))
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('syncrepl directory people', 0))"
    with psycopg.connect(database.url, password=PASSWORD) as other:
        other.execute(lock.encode())
        with pytest.raises(SinkUnavailable, match="lock timeout") as caught:
            database.publish(event(2, 1), timeout=0.3, **TABLES)
        assert "pg_locks" in caught.value.hint
    database.publish(event(2, 1))


def test_a_server_that_confirms_what_it_may_lose_is_told_not_to(database: Database) -> None:
    database.publish(event(1, 1))
    database.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.headers = "
        "jsonb_build_object('said', current_setting('synchronous_commit')); RETURN NEW; END $$"
    )
    database.execute("CREATE TRIGGER note BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION note()")
    for number, (said, meant) in enumerate({"off": "on", "local": "local", "on": "on"}.items(), 2):
        database.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = {said}")
        database.publish(event(number, 1))
        assert database.execute("SELECT headers ->> 'said' FROM changes ORDER BY position DESC LIMIT 1") == [(meant,)]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_an_event_that_breaks_a_constraint_is_found_and_can_come_again(database: Database) -> None:
    database.publish(event(1, 1))
    database.execute("ALTER TABLE people ADD CONSTRAINT mine CHECK (dn <> 'cn=5')")
    events = [event(number, number) for number in range(2, 9)]
    with closing(database.sink(**TABLES)) as sink:
        sink.open()
        with pytest.raises(EventRejected, match='"mine"') as caught:
            sink.publish(events)
        assert caught.value.event == events[3]
        assert [int(name.partition(":")[2]) for name in database.ids()] == [1, 2, 3, 4]
        # It is set aside, and the relay goes on.
        sink.publish(events[4:])
        database.execute("ALTER TABLE people DROP CONSTRAINT mine")
        sink.publish([events[3]])
        sink.publish([events[3]])
    assert [int(name.partition(":")[2]) for name in database.ids()] == [1, 2, 3, 4, 6, 7, 8, 5]
    assert len(database.people()) == 8


def test_what_a_refusal_says_has_no_values_in_it(database: Database) -> None:
    database.publish(event(1, 1))
    database.execute("CREATE UNIQUE INDEX ON people ((attributes ->> 'cn'))")
    with pytest.raises(EventRejected) as caught:
        database.publish(replace(event(2, 2), body=event(1, 1).body))
    assert "unique constraint" in str(caught.value)
    assert "cn=1" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"no json", "no entry before and after"),
        (b"{}", "no entry before and after"),
        (b'{"before":null,"after":{"dn":"cn=\\u0000","attributes":{}}}', "Unicode"),
        (b'{"before":null,"after":{"dn":"\\ud800","attributes":{}}}', "."),
    ],
)
def test_what_no_table_can_hold_is_refused(database: Database, body: bytes, why: str) -> None:
    with pytest.raises(EventRejected, match=why) as caught:
        database.publish(event(1, 1), event(2, 2, body=body), event(3, 3))
    assert caught.value.event.sequence == 2
    assert database.ids() == [f"{FILE}:1"]


def test_a_table_of_events_alone_takes_any_json(database: Database) -> None:
    with pytest.raises(EventRejected, match="not JSON"):
        database.publish(event(1, 1, body=b"[1]"), event(2, 2, body=b'1},{"id":"x"'), events="changes")
    assert database.execute("SELECT body, time FROM changes") == [([1], None)]


def many(count: int) -> list[Event]:
    """Make enough events for a copy, with names and a body that it has to spell otherwise."""
    made = [event(number, number) for number in range(1, count + 1)]
    awkward = "cn=back\\slash\\,tab\t,line\nreturn\r,\\N,dot\\.,é"
    made[1] = replace(made[1], dn=awkward, headers={"ce-subject": awkward})
    made[2] = event(3, 3, body=b'{\n\t"text":\r "a\\\\b\\n\\u00e9"}')
    return made


def test_many_events_are_kept_like_few(database: Database) -> None:
    events = many(250)
    database.publish(*events, events="changes")
    rows = database.execute("SELECT id, sequence, key, kind, dn, headers, body FROM changes ORDER BY position")
    assert rows == [
        (one.id, one.sequence, one.key, one.kind, one.dn, dict(one.headers), json.loads(one.body or b""))
        for one in events
    ]


def test_events_that_are_there_though_nobody_knows_stay_alone(database: Database) -> None:
    events = many(250)
    database.publish(*events[100:150], events="changes")
    database.execute("DELETE FROM syncrepl_offset")
    database.publish(*events, events="changes")
    assert sorted(database.ids()) == sorted(one.id for one in events)


def test_a_table_with_policies_for_rows_takes_many_too(database: Database) -> None:
    database.publish(event(1, 1), events="changes")
    database.execute("ALTER TABLE changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    database.execute("CREATE POLICY everybody ON changes USING (true) WITH CHECK (true)")
    database.publish(*many(250), events="changes")
    assert len(database.ids()) == 250


def test_one_of_many_that_is_refused_is_found(database: Database) -> None:
    events = many(250)
    events[170] = event(171, 171, body=b"no JSON")
    with pytest.raises(EventRejected) as refused:
        database.publish(*events, events="changes")
    assert refused.value.event == events[170]
    assert database.ids() == [one.id for one in events[:170]]


def test_an_event_that_an_index_has_no_room_for_is_refused(database: Database) -> None:
    database.publish(event(1, 1), events="changes")
    database.execute("CREATE INDEX ON changes (dn)")
    long = replace(event(2, 2), dn="".join(f"{number:x}" for number in range(4000)))
    with pytest.raises(EventRejected, match="index row"):
        database.publish(long, events="changes")


# --- what is missing --------------------------------------------------------------------------------------------------


def test_missing_tables_are_made_by_what_the_hint_says(database: Database) -> None:
    with pytest.raises(SinkUnavailable, match='no table "syncrepl_offset"') as caught:
        database.publish(create=False, **TABLES)
    makes = caught.value.hint.partition("make it: ")[2]
    with psycopg.connect(database.url, password=PASSWORD) as connection:
        connection.execute(makes.encode())
    database.publish(event(1, 1), create=False, **TABLES)
    assert database.ids() == [f"{FILE}:1"]


def test_a_table_that_is_gone_is_not_begun_in_the_middle(database: Database) -> None:
    database.publish(read(3, 1, last=True), event(4, 1))
    database.execute("DROP TABLE people")
    with pytest.raises(SinkUnavailable, match="is gone, and is known to hold what came up to change 4") as caught:
        database.publish(event(5, 1))
    assert "syncrepl_offset whose target is people" in caught.value.hint
    database.execute("DELETE FROM syncrepl_offset WHERE target = 'people'")
    database.publish(read(5, 1, last=True))
    assert database.people() == {uuid(1): "cn=1"}


def test_a_table_that_a_crash_empties_is_none(database: Database) -> None:
    database.publish(event(1, 1))
    database.execute("ALTER TABLE changes SET UNLOGGED")
    with pytest.raises(SinkUnavailable, match='"changes" is unlogged') as caught:
        database.publish(event(2, 1))
    database.execute(caught.value.hint)
    database.publish(event(2, 1))


def test_a_table_with_other_columns_is_said(database: Database) -> None:
    database.execute(f"CREATE TABLE changes (id text); ALTER TABLE changes OWNER TO {USER}")
    with pytest.raises(SinkUnavailable, match='column "') as caught:
        database.publish(event(1, 1))
    assert "documentation" in caught.value.hint


def test_rights_that_are_missing_are_said(database: Database) -> None:
    database.publish(event(1, 1))
    database.execute(f"REVOKE ALL ON changes FROM {USER}")
    with pytest.raises(SinkUnavailable, match="permission denied") as caught:
        database.publish(event(2, 1))
    assert "grant" in caught.value.hint


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_shown(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SinkUnavailable, match="password authentication failed") as caught:
        database.publish(password=Secret("t0ps3cret"), **TABLES)
    assert "compare user, password" in caught.value.hint
    error: BaseException = caught.value
    assert error.__cause__ is error.__context__ is None
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "test_a_wrong_password" in told
    assert "t0ps3cret" not in told.replace('Secret("t0ps3cret")', "").replace("'t0ps3cret'", "") + caplog.text


def test_what_is_not_there_is_said(database: Database) -> None:
    sink = PostgreSQLSink(database.server.url("other"), password=Secret(PASSWORD), **TABLES)
    with pytest.raises(SinkUnavailable, match='database "other" does not exist'):
        sink.open()
    sink = PostgreSQLSink(f"postgresql://127.0.0.1:{free_port()}/x", **TABLES)
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.open()
    sink.close()


def test_a_sink_that_is_not_open_or_stopped_sends_nothing(database: Database) -> None:
    sink = database.sink(**TABLES)
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1, 1)])
    sink.open()
    sink.stop()
    with closing(sink), pytest.raises(SinkUnavailable, match="stopped"):
        sink.publish([event(1, 1)])
    assert database.ids() == []


def test_a_server_that_stands_still_is_waited_for_until_the_sink_is_stopped(database: Database) -> None:
    sink = database.sink(timeout=30, **TABLES)
    sink.open()
    database.server.freeze()
    timer = threading.Timer(0.2, sink.stop)
    timer.start()
    began = time.monotonic()
    try:
        with closing(sink), pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1, 1)])
        assert time.monotonic() - began < 5
    finally:
        database.server.thaw()
        timer.join()


def test_a_server_that_takes_too_long_gives_up_by_itself(database: Database) -> None:
    database.publish(event(1, 1))
    with psycopg.connect(database.url, password=PASSWORD) as other:
        other.execute("LOCK TABLE people")
        with pytest.raises(SinkUnavailable):
            database.publish(event(2, 1), timeout=0.2, **TABLES)
    database.publish(event(2, 1))


def test_nothing_is_printed_where_no_logging_is_configured(database: Database) -> None:
    program = f"""
import sys
from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.postgresql import PostgreSQLSink
sink = PostgreSQLSink({database.url!r}, events="changes", create=True, password=Secret(sys.stdin.readline().strip()))
sink.open()
print("open", flush=True)
sys.stdin.readline()
try:
    sink.publish([Event("a:1", "k", Kind.CREATED, "cn=x", 1, "application/json", {{}}, b"{{}}")])
except Exception as error:
    print(type(error).__name__)
sink.close()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(f"{PASSWORD}\n")
        running.stdin.flush()
        assert running.stdout.readline() == "open\n"
        database.server.disconnect(database.name)
        assert running.communicate("\n", timeout=30) == ("SinkUnavailable\n", "")


@pytest.mark.parametrize("wrong", ["", "authority", "name"])
def test_certificates_are_verified(tmp_path: Path, wrong: str) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    certificate, key = authority.issue("other.example" if wrong == "name" else "127.0.0.1")
    client = authority.issue(USER, file=USER)
    settings = "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.pem'\n"
    server = PostgreSQLServer(settings)
    for path, name in ((certificate, "server.pem"), (key, "server.key"), (authority.file, "ca.pem")):
        (server.folder / name).write_bytes(path.read_bytes())
        (server.folder / name).chmod(0o600)
    (server.folder / "pg_hba.conf").write_text("local all postgres trust\nhostssl all all 127.0.0.1/32 cert\n")
    with server:
        trusted = str(other.file if wrong == "authority" else authority.file)
        paths: dict[str, Any] = {"ca_file": trusted, "cert_file": str(client[0]), "key_file": str(client[1])}
        sink = PostgreSQLSink(server.url(server.make_database()), create=True, **TABLES, **paths)
        with closing(sink):
            if wrong:
                with pytest.raises(SinkUnavailable, match="certificate"):
                    sink.open()
            else:
                sink.open()
                sink.publish([event(1, 1)])


def test_a_socket_in_a_folder_is_an_address(database: Database) -> None:
    folder = str(database.server.socket_folder).replace("/", "%2F")
    url = f"postgresql://postgres@{folder}:{database.server.port}/{database.name}"
    sink = PostgreSQLSink(url, create=True, **TABLES)
    sink.open()
    with closing(sink):
        sink.publish([event(1, 1)])
    assert database.ids() == [f"{FILE}:1"]


# --- settings ---------------------------------------------------------------------------------------------------------


def parse(url: str) -> Address:
    return Address.parse(url, {"postgresql": True}, {"postgresql": 5432})


def test_an_address_names_a_host_a_database_and_a_user() -> None:
    whole = {"host": "db.example", "port": "5432", "dbname": "a b", "user": "me"}
    assert place(parse("postgresql://me@db.example/a%20b"), None) == whole
    assert place(parse("postgresql://me@db.example/a%20b"), "you")["user"] == "you"
    assert "user" not in place(parse("postgresql://db.example/a"), None)


def test_other_machines_are_talked_to_with_tls_unless_they_need_not(tmp_path: Path) -> None:
    far, here = parse("postgresql://db.example/a"), parse("postgresql://localhost/a")
    verified = encryption(far, None, None, None, cleartext=False)
    assert verified["sslmode"] == "verify-full"
    assert verified["sslrootcert"]
    assert encryption(far, None, None, None, cleartext=True) == {"sslmode": "prefer"}
    assert encryption(here, None, None, None, cleartext=False) == {"sslmode": "prefer"}
    assert encryption(here, "ca.pem", "cert.pem", "key.pem", cleartext=True) == {
        "sslmode": "verify-full",
        "sslrootcert": "ca.pem",
        "sslcert": "cert.pem",
        "sslkey": "key.pem",
    }


@pytest.mark.parametrize(
    ("url", "options", "why"),
    [
        ("postgresql://h/", TABLES, "does not name a database"),
        ("postgresql://h/a/b", TABLES, "does not name a database"),
        ("postgresql://u:s3cret@h/a", TABLES, "holds a password"),
        ("http://h/a", TABLES, "not the address"),
        ("postgresql://h/a", {}, "no table to write to"),
        ("postgresql://h/a", {"table": "a", "events": "a"}, "given twice"),
        ("postgresql://h/a", {"table": "a", "offsets": "a"}, "given twice"),
        ("postgresql://h/a", {"table": "a_{kind}"}, "not one for all events"),
        ("postgresql://h/a", {"events": "a.b.c"}, "cannot be a table of events"),
        ("postgresql://h/a", {"events": "x" * 64}, "cannot be a table of events"),
        ("postgresql://h/a", {"events": 'a"b'}, "cannot be a table of events"),
    ],
)
def test_what_can_never_work_is_refused_at_once(url: str, options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        PostgreSQLSink(url, **options)
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)
