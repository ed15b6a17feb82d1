"""What was recorded from real servers is whole, and is what the index says."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import messages
from tests.recordings import FOLDER, INDEX, MESSAGE_ID, Recording, read_recordings, split_messages
from tests.recordings.expected import CAME

RECORDINGS = read_recordings()


def each(*names: str) -> pytest.MarkDecorator:
    chosen = [recording for recording in RECORDINGS if not names or recording.name in names]
    return pytest.mark.parametrize("recording", chosen, ids=lambda recording: f"{recording.server}-{recording.name}")


def decode(recording: Recording) -> list[messages.Message]:
    return [messages.decode_message(raw) for raw in split_messages(recording.octets)[0]]


def added(recording: Recording) -> dict[str, str]:
    """Return UUID to DN of the entries sent as add."""
    found = {}
    for message in decode(recording):
        if isinstance(message.operation, messages.SearchResultEntry):
            value = controls.find(message.controls, controls.SYNC_STATE)
            assert value is not None
            state = controls.decode_state(value)
            if state.state is controls.EntryState.ADD:
                found[str(UUID(bytes=state.uuid))] = message.operation.dn.decode()
    return found


def test_the_index_names_every_file_and_no_other() -> None:
    assert {recording.path for recording in RECORDINGS} == set(FOLDER.glob("*/*.bin"))


def test_the_index_describes_every_recording() -> None:
    index = json.loads(INDEX.read_text())
    described = {
        server: {name: asked["came"] for name, asked in about["recordings"].items()} for server, about in index.items()
    }
    assert described == CAME


@each()
def test_a_recording_holds_whole_messages_of_one_search(recording: Recording) -> None:
    whole, rest = split_messages(recording.octets)
    assert whole
    assert rest == b""
    assert {message.message_id for message in decode(recording)} == {MESSAGE_ID}


@each()
def test_a_recording_ends_as_the_index_says(recording: Recording) -> None:
    *before, last = [message.operation for message in decode(recording)]
    assert not any(isinstance(operation, messages.SearchResultDone) for operation in before)
    result = last.result.code if isinstance(last, messages.SearchResultDone) else None
    assert recording.result == result


@each("first-refresh", "foreign-cookie")
def test_a_full_refresh_sent_the_content(recording: Recording) -> None:
    assert recording.content == added(recording)
