"""How the commands that talk to a server get to it: from what the options say to a replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncrepl_client.cli.encryption import make_tls, warn_of_clear_text
from syncrepl_client.cli.identity import find_credentials
from syncrepl_client.ldap import url as urls
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from syncrepl_client.cli.encryption import AskedTLS
    from syncrepl_client.cli.identity import Asked
    from syncrepl_client.cli.terminal import Messages, ProgressLine
    from syncrepl_client.consumer.guard import MaxDeletes
    from syncrepl_client.model import SyncreplMode
    from syncrepl_client.redaction import Redaction

__all__ = ["Connecting"]


@dataclass(frozen=True, slots=True)
class Connecting:
    """What the options say about servers, how to get to them and whom to be there."""

    starttls: bool
    tls: AskedTLS
    identity: Asked
    on_behalf_of: str
    max_deletes: MaxDeletes | None
    providers: tuple[str, ...]
    srv: str | None
    redaction: Redaction

    def replica(
        self,
        url: str,
        data: str | os.PathLike[str],
        messages: Messages,
        *,
        mode: SyncreplMode,
        listener: object | None = None,
        progress: ProgressLine | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> Replica:
        """Make a replica, which is not open yet.

        Raises:
            UsageError: the URL cannot be read, or the options contradict each other.
        """
        parsed = urls.parse(url)
        return Replica(
            parsed,
            data,
            mode=mode,
            listener=listener,
            starttls=self.starttls,
            tls=make_tls(self.tls),
            cleartext_password=True,
            credentials=find_credentials(parsed, self.identity, messages),
            on_behalf_of=self.on_behalf_of,
            progress=progress,
            max_deletes=self.max_deletes,
            redaction=self.redaction or None,
            trace=trace,
            providers=self.providers,
            srv=self.srv,
        )

    @staticmethod
    def open(replica: Replica, messages: Messages) -> None:
        """Open its data file, and say what is known before the server is asked.

        Raises:
            DBError: the data file cannot be used.
            LDAPUrlConflict: it is of another search.
        """
        replica.open_store()
        # A mistyped URL must not replace a copy, which would look as if everything in it were deleted.
        replica.refuse_another_search()
        for access in replica.opened.accesses:
            warn_of_clear_text(access, messages)
