"""`examine`: connect, bind and ask, as far as one gets.

What fails becomes a fact, and the rest is asked all the same.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from syncrepl_client.consumer.resumption import read_server
from syncrepl_client.contentsync import dialects
from syncrepl_client.contentsync.search import Search
from syncrepl_client.diagnosis.facts import Clock, Facts, Link
from syncrepl_client.examination import servers
from syncrepl_client.examination.probes import (
    generalized_time,
    look_at_base,
    look_at_containers,
    read,
    take_sample,
    try_sync,
)
from syncrepl_client.exceptions import AuthenticationError, ConnectionLost, LDAPResultError, SyncreplError, UsageError
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.connection.access import Access
    from syncrepl_client.connection.client import Client

__all__ = ["examine"]


def _now() -> datetime:
    return datetime.now(UTC)


def examine(access: Access, *, now: Callable[[], datetime] = _now) -> Facts:
    """Find out what there is to know.

    Args:
        access: the server with its search, and who to be there.
        now: the clock.

    Raises:
        ProtocolError: what answers does not speak LDAP.
    """
    url = access.url
    facts = Facts(url=url, link=Link(local=url.is_local, encrypted=url.scheme == "ldaps"))
    try:
        client = access.connect()
    except ConnectionLost as error:
        return replace(facts, link=replace(facts.link, connecting=error))
    with closing(client):
        examination = _Examination(client, facts)
        try:
            examination.introduce(access, now)
            examination.ask(now)
        except ConnectionLost as error:
            examination.link(lost=error)
        return examination.facts


class _Examination:
    """What was found out so far.

    Args:
        client: connected.
        facts: what the URL alone tells.
    """

    def __init__(self, client: Client, facts: Facts) -> None:
        self._client = client
        url = facts.url
        self._search = Search(url.base, int(url.scope), filters.encode(url.filter), url.attributes, url.bind_name or "")
        self.facts = facts

    def link(self, **changes: SyncreplError | bool | str | float | None) -> None:
        """Note something about the connection."""
        self.facts = replace(self.facts, link=replace(self.facts.link, **changes))  # type: ignore[arg-type]

    def introduce(self, access: Access, now: Callable[[], datetime]) -> None:
        """Encrypt and bind; where that fails we stay anonymous."""
        try:
            access.encrypt(self._client)
        except LDAPResultError as error:
            # The connection is as it was; the password would go in clear.
            self.link(encrypting=error)
            return
        self._look_at_certificate(now)
        try:
            mechanism = access.bind(self._client)
            self.link(mechanism=mechanism, layered=self._client.confidential and not self._client.encrypted)
        except (LDAPResultError, UsageError, AuthenticationError) as error:
            self.link(binding=error)
        try:
            self.link(identity=self._client.who_am_i())
        except LDAPResultError:
            self.link(identity=None)

    def _look_at_certificate(self, now: Callable[[], datetime]) -> None:
        found = self._client.encryption
        if found is not None:
            left = None if found.expires is None else (found.expires - now()) / timedelta(days=1)
            self.link(encrypted=True, verified=found.verified, days_left=left)

    def ask(self, now: Callable[[], datetime]) -> None:
        """Ask what the server is, and about the search."""
        server = read_server(self._client)
        self.facts = replace(self.facts, server=server, said_version=server.version)
        dialect = self.facts.dialect
        if dialect is dialects.OPENLDAP:
            self.facts = replace(self.facts, said_version=servers.openldap_version(self._client))
        self._ask_about_base()
        self._ask_this_kind()
        self._look_at_clock(now)

    def _ask_about_base(self) -> None:
        client, search, facts = self._client, self._search, self.facts
        base = look_at_base(client, search)
        self.facts = replace(facts, base=base)
        if base.error is not None:
            return
        if facts.dialect is not dialects.APACHEDS:
            self.facts = replace(self.facts, trial=try_sync(client, search, facts.server.dialect(search.base)))
        sample = take_sample(client, search)
        self.facts = replace(self.facts, sample=sample)
        self.facts = replace(self.facts, containers=look_at_containers(client, search, sample))

    def _ask_this_kind(self) -> None:
        client, facts = self._client, self.facts
        if facts.dialect is dialects.OPENLDAP and facts.sample is not None:
            found = servers.ask_openldap(client, self._search, facts.suffix, facts.sample)
            self.facts = replace(facts, openldap=found)
        elif facts.is_389:
            self.facts = replace(facts, ds389=servers.ask_389(client, facts.server))
        elif facts.dialect is dialects.APACHEDS:
            self.facts = replace(facts, apacheds=servers.ask_apacheds(client))

    def _look_at_clock(self, now: Callable[[], datetime]) -> None:
        told = generalized_time(servers.server_time(self._client) or b"")
        if told is not None:
            self.facts = replace(self.facts, clock=Clock(ahead=(told - now()).total_seconds()))
            return
        openldap = self.facts.openldap
        marks = [csn for _, csn in openldap.contexts.csns] if openldap and openldap.contexts else []
        marks += read(self._client, self.facts.url.base, "modifyTimestamp").get("modifytimestamp", [])
        newest = max((time for mark in marks if (time := generalized_time(mark)) is not None), default=None)
        if newest is not None:
            self.facts = replace(self.facts, clock=Clock(newest_ahead=(newest - now()).total_seconds()))
