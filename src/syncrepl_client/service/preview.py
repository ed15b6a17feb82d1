"""What a sink would get next: read from the data file as it is, without moving an offset or connecting to anybody."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from syncrepl_client.reader import Reader
from syncrepl_client.service.building import make_encoding
from syncrepl_client.service.delivery import subscription_of
from syncrepl_client.store.bookmark import peek
from syncrepl_client.store.feed import Feed
from syncrepl_client.store.files import data_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.model import Change
    from syncrepl_client.service.config import Config

__all__ = ["preview"]


def preview(config: Config, sink: str, source: str) -> Iterator[Event]:
    """Iterate over the events that a sink would get now.

    Args:
        config: the configuration.
        sink: the sink.
        source: the source.

    Raises:
        DBError: there is no data file yet.
        ChangesLost: what comes next is not in the changelog any more.
    """
    path = data_file(config.data_file(source))
    section = config.sinks[sink].section
    with Reader(path) as reader:
        events = make_encoding(config, sink, source, reader.status().file_id).events
    name = subscription_of(sink)
    with closing(Feed(path, peek(path, name, section.start), name)) as feed:
        while page := _page(feed):
            for change in page:
                yield from events(change)


def _page(feed: Feed) -> list[Change]:
    """Read a page; the end of a snapshot is none, and the changes after it are the next one."""
    before = feed.position
    found = feed.read()
    if not found and feed.position != before:
        found = feed.read()
    return [change for change, _ in found]
