"""A RabbitMQ broker of the tests' own: a folder, ports and a user of its own, and nothing left when it ends.

Facts that shaped it:

* Where Erlang nodes are is asked of a daemon, epmd.  A broker that finds none starts one, which outlives it and belongs
  to nobody; so each broker here gets its own, on a port of its own, as a process that is known.
* Erlang keeps a shared secret in a file in the home directory, so the folder is the home directory.
* Without input of its own the start script waits for the broker instead of becoming it; told to allow input it becomes
  it, so the process id is the broker's.
* It needs some seconds to start, most of them to look through its own modules.
* ``rabbitmqctl`` is an Erlang node as well and takes a second: what can be said beforehand is in the definitions.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pika

from tests.certificates import Authority
from tests.server import find_program, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LARGEST", "PASSWORD", "RabbitMQ", "new_name", "shared", "stop_shared"]

PASSWORD = "Hs-nO-tHe-RaBbIt"
# The largest message it takes, in octets.
LARGEST = 200_000
_START = 60.0
# What Debian puts on the PATH insists on root, and on the user and folders of the system's own broker.
_PROGRAMS = Path("/usr/lib/rabbitmq/bin")
_CONF = """
listeners.tcp.1 = 127.0.0.1:{port}
max_message_size = {largest}
load_definitions = {folder}/definitions.json
log.file.level = info
"""
_TLS = """
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {cert}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
ssl_cert_login_from = common_name
"""


class RabbitMQ:
    """One broker; it keeps its ports and what it stored for all its lives.

    There are the virtual hosts ``/`` and ``a/b``.  ``guest``, and ``ann``, who has no password, may do everything;
    ``writer`` may write to ``changes`` in ``/``, and ``nobody`` may do nothing.  The last two have the password
    `PASSWORD`.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rabbitmq-")
        self.directory = Path(self._folder.name)
        self.port, self.tls_port, self._epmd_port, self._dist_port = (free_port() for _ in range(4))
        self.authority = Authority(self.directory)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self.port}/"

    @property
    def tls_url(self) -> str:
        return f"amqps://127.0.0.1:{self.tls_port}/"

    @property
    def log(self) -> str:
        """What it wrote about itself, and about its clients."""
        return "".join(file.read_text(errors="replace") for file in sorted((self.directory / "log").glob("*.log")))

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when it accepts clients."""
        if self._epmd is None:
            find_program("rabbitmq-server", "rabbitmq-server")
            self._epmd = self._run("epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1")
            self._write_files()
        self._process = process = self._run(str(_PROGRAMS / "rabbitmq-server"))
        deadline = time.monotonic() + _START
        while True:
            with contextlib.suppress(pika.exceptions.AMQPError), self.connected():
                return
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"rabbitmq-server did not start: {self.log[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it with no chance to write anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def mend(self) -> None:
        """Let it run, whatever was done to it."""
        if self._process is None:
            self.start()
        self.thaw()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None
        self._folder.cleanup()

    def control(self, *command: str) -> None:
        """Run ``rabbitmqctl``."""
        subprocess.run(
            [str(_PROGRAMS / "rabbitmqctl"), "--quiet", *command],
            check=True,
            env=self._environment(),
            capture_output=True,
        )

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.directory / "output").open("ab") as output:
            # Whatever becomes of us, it does not stay.
            return subprocess.Popen(
                [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL", *command],
                env=self._environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _environment(self) -> dict[str, str]:
        folder = str(self.directory)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": folder,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "tests@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput",
        }

    def _write_files(self) -> None:
        conf = _CONF.format(port=self.port, largest=LARGEST, folder=self.directory)
        cert, key = self.authority.issue("127.0.0.1")
        conf += _TLS.format(tls_port=self.tls_port, ca=self.authority.file, cert=cert, key=key)
        (self.directory / "rabbitmq.conf").write_text(conf)
        (self.directory / "none.conf").touch()
        (self.directory / "plugins").write_text("[rabbitmq_auth_mechanism_ssl].")
        (self.directory / "definitions.json").write_text(json.dumps(_definitions()))

    # --- asking it, with nothing of ours between ----------------------------------------------------------------------

    @contextlib.contextmanager
    def connected(self, virtual_host: str = "/") -> Iterator[Any]:
        """Give a channel of ``guest``; pika has no types."""
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, virtual_host, socket_timeout=5, stack_timeout=10)
        with contextlib.closing(pika.BlockingConnection(parameters)) as connection:
            yield connection.channel()

    def make(self, queue: str, **arguments: Any) -> str:
        """Make a durable queue, and return its name."""
        with self.connected() as channel:
            channel.queue_declare(queue, durable=True, arguments=arguments)
        return queue

    def take(self, queue: str, virtual_host: str = "/") -> list[tuple[Any, Any, bytes]]:
        """Take all messages that are in a queue, each with how it came, its properties and its body."""
        found: list[tuple[Any, Any, bytes]] = []
        with self.connected(virtual_host) as channel:
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return found
                found.append((method, properties, body))


def _definitions() -> dict[str, Any]:
    def user(name: str, password: str, *tags: str) -> dict[str, Any]:
        salt = b"salt"
        octets = salt + hashlib.sha256(salt + password.encode()).digest()
        return {
            "name": name,
            "password_hash": base64.b64encode(octets).decode(),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": list(tags),
        }

    def may(name: str, host: str, write: str, rest: str) -> dict[str, str]:
        return {"user": name, "vhost": host, "configure": rest, "write": write, "read": rest}

    everything = [may(name, host, ".*", ".*") for name in ("guest", "ann") for host in ("/", "a/b")]
    return {
        "vhosts": [{"name": "/"}, {"name": "a/b"}],
        "users": [
            user("guest", "guest", "administrator"),
            {"name": "ann", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []},
            user("writer", PASSWORD),
            user("nobody", PASSWORD),
        ],
        "permissions": [*everything, may("writer", "/", "^changes$", "^$")],
    }


_SHARED: list[RabbitMQ] = []


def shared() -> RabbitMQ:
    """Return the broker that all tests of this process share; it runs."""
    if not _SHARED:
        _SHARED.append(RabbitMQ())
    _SHARED[0].mend()
    return _SHARED[0]


def stop_shared() -> None:
    """End it."""
    while _SHARED:
        _SHARED.pop().close()


def new_name(what: str) -> str:
    """Return a name that nothing in the shared broker has."""
    return f"{what}-{time.monotonic_ns()}"
