"""JSON lines, and the stream that they are written to."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from syncrepl_client.exceptions import SinkUnavailable
from syncrepl_client.sinks.lines import as_lines
from syncrepl_client.sinks.stdout import StreamSink
from tests.sinks.events import event


def test_a_line_is_the_body_of_its_event() -> None:
    events = [event(1), event(2, b'{"a": 1}', "application/cloudevents+json; charset=utf-8")]
    assert as_lines(events, records=False) == b'{"id":"e1"}\n{"a": 1}\n'


def test_a_body_of_several_lines_is_written_as_one() -> None:
    assert as_lines([event(1, b'{\n "a":\r\n [1, 2]\n}')], records=False) == b'{"a":[1,2]}\n'


@pytest.mark.parametrize(
    ("made", "records", "expected"),
    [
        (event(1), True, {"data": {"id": "e1"}, "headers": {}}),
        (
            event(1, b'"x"', "application/json", source="ldap://h"),
            False,
            {"data": "x", "headers": {"source": "ldap://h"}},
        ),
        (event(1, b"a\xffb\n", "text/plain"), False, {"data_base64": "Yf9iCg==", "headers": {}}),
        (event(1, b"{\n"), False, {"data_base64": "ewo=", "headers": {}}),
        (event(1, b""), False, {"data_base64": "", "headers": {}}),
        (replace(event(1), body=None), False, {"data": None, "headers": {}}),
    ],
)
def test_what_the_body_does_not_say_is_in_a_record(made: object, records: bool, expected: dict[str, object]) -> None:  # noqa: FBT001
    line = as_lines([made], records=records)  # type: ignore[list-item]
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert (found.pop("id"), found.pop("key"), found.pop("kind")) == ("e1", "k1", "updated")
    assert (found.pop("dn"), found.pop("sequence"), bool(found.pop("content_type"))) == ("cn=1", 1, True)
    assert found == expected


def test_a_stream_that_takes_little_at_a_time_gets_everything() -> None:
    class Little(io.RawIOBase):
        taken = b""

        def write(self, octets: bytes, /) -> int:  # type: ignore[override]
            self.taken += bytes(octets[:3])
            return min(3, len(octets))

    stream = Little()
    StreamSink(stream).publish([event(1), event(2)])
    assert stream.taken == b'{"id":"e1"}\n{"id":"e2"}\n'


def test_a_stream_that_is_closed_is_unavailable() -> None:
    stream = io.BytesIO()
    stream.close()
    with pytest.raises(SinkUnavailable, match="cannot be written"):
        StreamSink(stream).publish([event(1)])


def test_standard_output_is_what_it_is_when_events_are_written(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sink = StreamSink.from_url("stdout:", records=False)
    sink.open()
    sink.publish([event(1)])
    sink.close()
    assert capfdbinary.readouterr().out == b'{"id":"e1"}\n'
