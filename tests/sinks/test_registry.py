"""Which sink a URL means, also those of other distributions, and what to install for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.command import CommandSink
from syncrepl_client.sinks.file import FileSink
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.sinks.nats import NatsSink
from syncrepl_client.sinks.redis import RedisSink
from syncrepl_client.sinks.registry import known, make_sink, sink_type
from syncrepl_client.sinks.stdout import StreamSink
from syncrepl_client.sinks.webhook import WebhookSink
from tests.sinks.receivers import SECRET

OWN = """
from syncrepl_client.sinks.memory import MemorySink


class Own(MemorySink):
    @classmethod
    def from_url(cls, url, *, colour="red"):
        made = cls()
        made.made_of = url, colour
        return made
"""
ENTRY_POINTS = """
[syncrepl_client.sinks]
own = own_sink:Own
broken = own_sink:Nothing
lacking = lacking_sink:Lacking [extra]
"""


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own_sinks-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: own-sinks\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "own_sink.py").write_text(OWN)
    (tmp_path / "lacking_sink.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("stdout:", StreamSink),
        ("stdout", StreamSink),
        ("FILE:///tmp/changes", FileSink),
        ("exec:cat -n", CommandSink),
        ("https://example.com/hook", WebhookSink),
        ("http://127.0.0.1/hook", WebhookSink),
        ("nats://127.0.0.1", NatsSink),
        ("tls://nats.example.com:4222", NatsSink),
        ("redis://127.0.0.1/1", RedisSink),
        ("rediss://redis.example.com", RedisSink),
    ],
)
def test_the_scheme_says_which_sink_it_is(url: str, kind: type) -> None:
    assert type(make_sink(url)) is kind


def test_options_are_those_of_the_sink() -> None:
    make_sink("https://example.com/", secrets=[Secret(SECRET)], timeout=3.0)
    make_sink("file:///tmp/changes", max_octets=10)
    with pytest.raises(UsageError, match=r"'file' does not take that.*'maximum'"):
        make_sink("file:///tmp/changes", maximum=10)


@pytest.mark.usefixtures("distribution")
def test_others_bring_sinks_of_their_own() -> None:
    sink = make_sink("own:somewhere", colour="blue")
    assert isinstance(sink, MemorySink)
    assert vars(sink)["made_of"] == ("own:somewhere", "blue")
    assert {"own", "stdout", "exec", "https"} <= set(known())


@pytest.mark.usefixtures("distribution")
def test_what_cannot_be_imported_says_what_to_install() -> None:
    with pytest.raises(UsageError, match="no_such_library") as caught:
        sink_type("lacking")
    assert caught.value.hint == 'pip install "own-sinks[extra]"'
    with pytest.raises(UsageError, match="Nothing") as caught:
        sink_type("broken")
    assert "anew" in caught.value.hint


def test_an_unknown_sink_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="'kafak'") as caught:
        make_sink("kafak://host/")
    assert all(name in caught.value.hint for name in ("amqp", "exec", "file", "https", "nats", "stdout"))
    with pytest.raises(UsageError, match="not the URL"):
        make_sink("//host")


@pytest.mark.parametrize(
    ("library", "url", "extra"),
    [
        ("urllib3", "https://example.com/", "webhook"),
        ("nats", "tls://example.com", "nats"),
        ("pika", "amqp://localhost", "rabbitmq"),
        ("paho", "mqtt://localhost", "mqtt"),
        ("redis", "rediss://example.com", "redis"),
    ],
)
def test_without_its_extra_a_sink_says_so_and_the_others_work(library: str, url: str, extra: str) -> None:
    program = f"""
import sys
sys.modules["{library}"] = None
from syncrepl_client.sinks.registry import make_sink
for url in ("stdout:", "file:///tmp/changes", "exec:cat"):
    make_sink(url)
try:
    make_sink("{url}")
except Exception as error:
    print(type(error).__name__, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f'UsageError pip install "syncrepl[{extra}]"\n'


def test_every_module_of_a_sink_can_be_asked_for() -> None:
    folder = Path(sys.modules[FileSink.__module__].__file__ or "").parent
    others = {
        "__init__",
        "addresses",
        "amqp",
        "base",
        "halves",
        "lines",
        "logins",
        "memory",
        "mqtt_line",
        "nats_connection",
        "postgresql_connection",
        "postgresql_tables",
        "progress",
        "registry",
        "templates",
        "waves",
        "written",
    }
    assert {type_of(name) for name in known()} >= {one.stem for one in folder.glob("*.py")} - others


def type_of(name: str) -> str:
    return str(vars(sink_type(name))["__module__"]).rpartition(".")[2]
