"""PostgreSQL as a receiver of the contract: a table of events and one of entries, which always say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncrepl_client.envelope.plain import Plain
from syncrepl_client.secret import Secret
from tests.sinks.postgresql_server import PASSWORD, shared
from tests.sinks.receivers import Receiver

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["Database"]

_SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF current_setting('test.slow', true) = 'yes' THEN PERFORM pg_sleep(0.05); END IF; RETURN NULL; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON changes EXECUTE FUNCTION slow()
"""
_BOTH = """
    SELECT (SELECT json_agg(body ORDER BY position) FROM changes),
        (SELECT json_agg(json_build_array(uuid, dn, attributes)) FROM people)
"""


class Database(Receiver):
    """A database of the server that tests share."""

    troubles = ("killed", "frozen", "full", "refusing", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = shared()
        self._name = self._server.make_database()
        # The tables are there before anything is in trouble.
        sink = self.sink(Plain("contract").batch)
        sink.open()
        sink.close()
        for statement in _SLOW.strip().split(";\n"):
            self._execute(statement)

    def settings(self) -> dict[str, Any]:
        return {
            "url": self._server.url(self._name),
            "table": "people",
            "events": "changes",
            "create": True,
            "password": Secret(PASSWORD),
            "timeout": 0.5,
        }

    def _execute(self, statement: str) -> list[Any]:
        return self._server.execute(statement, self._name)

    def received(self) -> list[dict[str, Any]]:
        # By one statement, for both tables are written to meanwhile, together.
        [(bodies, rows)] = self._execute(_BOTH)
        received: list[dict[str, Any]] = bodies or []
        people = {event["entryUUID"]: event["after"] for event in received}
        assert {uuid: {"dn": dn, "attributes": attributes} for uuid, dn, attributes in rows or []} == {
            uuid: after for uuid, after in people.items() if after is not None
        }
        return received

    def begin(self, trouble: str) -> None:
        match trouble:
            case "killed":
                self._server.kill()
            case "frozen":
                self._server.freeze()
            case "full":
                self._change("CONNECTION LIMIT 0")
            case "refusing":
                self._change("SET default_transaction_read_only = on")
            case _:
                self._change("SET test.slow = 'yes'")

    def _change(self, what: str) -> None:
        """Change the database for who comes now."""
        self._server.execute(f"ALTER DATABASE {self._name} {what}")
        self._server.disconnect(self._name)

    def end(self) -> None:
        self._server.thaw()
        if not self._server.running:
            self._server.start()
        for what in ("CONNECTION LIMIT -1", "RESET ALL"):
            self._server.execute(f"ALTER DATABASE {self._name} {what}")

    def close(self) -> None:
        self.end()
        self._server.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
