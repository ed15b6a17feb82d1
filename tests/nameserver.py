"""A DNS server of the test's own, on a port of the loopback interface.

    with NameServer() as dns:
        dns.set("_ldap._tcp.example.com", "10 50 389 a.example.com.")
        dns.resolver()

It knows SRV records alone, and says of any other name that it does not exist.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["NameServer"]

LOOPBACK = "127.0.0.1"


class NameServer:
    """The server; ``with`` starts and stops it."""

    def __init__(self) -> None:
        self._records: dict[dns.name.Name, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        # Whether it answers at all.
        self.silent = False
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self._socket.bind((LOOPBACK, 0))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def set(self, name: str, *records: str) -> None:
        """Let a name have these records: priority, weight, port and target of each."""
        self._records[dns.name.from_text(name)] = list(records)

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [LOOPBACK]
        resolver.port = self._socket.getsockname()[1]
        return resolver

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            if not self.silent:
                self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        (question,) = query.question
        self.asked.append(question.name.to_text(omit_final_dot=True))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self._records.get(question.name)
        if records is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "SRV", *records))
        return answer
