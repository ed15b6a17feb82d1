"""The cookie of an OpenLDAP provider, as the provider reads and writes it.

The form is ``rid=NNN[,sid=XXX],csn=CSN[;CSN…][,delcsn=CSN]``.  This is the server's half, kept apart from the client's:
a mistake in one of them must not be made good by the same mistake in the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Cookie"]


@dataclass(frozen=True, slots=True)
class Cookie:
    """What a client's cookie says.

    Args:
        rid: the client's own number; None if the cookie has none, and then it is no cookie of this provider's.
        csns: the CSN of each server that the client knows of, by server id.
    """

    rid: str | None = "000"
    csns: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, octets: bytes | None) -> Cookie:
        """Read a cookie; of one that cannot be read nothing is kept, as slapd does it."""
        if not octets:
            return cls()
        fields = dict(part.partition("=")[::2] for part in octets.decode(errors="replace").split(","))
        rid = fields.get("rid")
        if rid is None or not rid.isdecimal():
            return cls(rid=None)
        csns = [csn for csn in fields.get("csn", "").split(";") if csn.count("#") == 3]  # noqa: PLR2004 - parts of a CSN
        return cls(rid, {csn.split("#")[2]: csn for csn in csns})

    def reply(self, csn: str, *, server_id: int = 0, deleted: str | None = None) -> bytes:
        """Write a cookie for the client that sent this one; empty where that one could not be read.

        Args:
            csn: how far the client is.
            server_id: the provider's number; 0 if it has none.
            deleted: the CSN of the deletion that is being replayed.
        """
        if self.rid is None:
            return b""
        sid = f",sid={server_id:03x}" if server_id else ""
        tail = "" if deleted is None else f",delcsn={deleted}"
        return f"rid={self.rid}{sid},csn={csn}{tail}".encode()
