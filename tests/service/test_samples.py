"""The files for those who operate the service: what they name is there, and whoever reads them finds nothing wrong."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from syncrepl_client.relay import State
from syncrepl_client.service.endpoint import Endpoint
from syncrepl_client.service.exchange import Answer
from syncrepl_client.service.health import Policy
from syncrepl_client.service.metrics import FAMILIES
from syncrepl_client.service.pages import pages
from tests.cli.command import run
from tests.server import find_program
from tests.service.snapshots import BUSY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
ETC = ROOT / "etc"
UNIT = ETC / "syncrepl-client.service"
CONTAINER = (ETC / "Containerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# --- systemd ----------------------------------------------------------------------------------------------------------


def settings() -> dict[str, list[str]]:
    """Return what the unit sets; a name may stand there more than once."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def analyzed(*arguments: str) -> str:
    """Let systemd look at a unit; returns what it says."""
    program = find_program("systemd-analyze", "systemd")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong_in_the_unit() -> None:
    assert analyzed("verify", "--man=no", str(UNIT)) == ""


def test_systemd_would_find_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / UNIT.name
    wrong.write_text(UNIT.read_text(encoding="utf-8").replace("ProtectHome=", "ProtectHouse="), encoding="utf-8")

    assert "ProtectHouse" in analyzed("verify", "--man=no", str(wrong))


def test_systemd_takes_the_service_for_hardened() -> None:
    """On its scale from 0 to 10; without any hardening a service has 9.6."""
    (exposure,) = re.findall(
        r"Overall exposure level for \S+: (\d+\.\d)", analyzed("security", "--offline=1", str(UNIT))
    )

    assert float(exposure) < 2


def test_the_unit_runs_a_command_that_there_is() -> None:
    ((program, command, subcommand, config),) = [shlex.split(line) for line in settings()["ExecStart"]]

    assert program == "/usr/bin/env"
    assert command in PROJECT["scripts"]
    assert subcommand in main.commands
    assert config.startswith(f"/etc/{settings()['ConfigurationDirectory'][0]}/")


def test_the_unit_does_not_start_again_what_cannot_be() -> None:
    assert settings()["RestartPreventExitStatus"] == [f"{ExitCode.USAGE:d}"]


def test_a_secret_is_named_as_the_comment_says() -> None:
    (credential,) = settings()["LoadCredential"]

    name, _, path = credential.partition(":")
    assert f'{{ credential = "{name}" }}' in UNIT.read_text(encoding="utf-8")
    assert Path(path).is_absolute()


# --- containers -------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the container file with what each says."""
    text = re.sub(r"(?m)^\s*#.*\n", "", CONTAINER).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def said(instruction: str) -> list[str]:
    return [text for name, text in instructions() if name == instruction]


def test_the_container_has_the_instructions_that_there_are() -> None:
    known = set("ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK RUN STOPSIGNAL USER VOLUME WORKDIR".split())

    assert {name for name, _ in instructions()} == known


def test_the_container_runs_as_nobody_in_particular_to_the_end() -> None:
    names = [name for name, _ in instructions()]

    assert said("USER") == ["10001:10001"]
    assert "RUN" not in names[names.index("USER") :]
    assert "COPY" not in names[names.index("USER") :]


def test_the_container_is_made_of_what_the_package_needs() -> None:
    copied = [word for text in said("COPY") if not text.startswith("--from") for word in text.split()[:-1]]

    assert [word for word in copied if not (ROOT / word).exists()] == []
    assert {"pyproject.toml", "src", PROJECT["readme"], *PROJECT["license-files"]} == set(copied)


def test_the_container_takes_extras_that_there_are() -> None:
    (extras,) = [text.partition("=")[2] for text in said("ARG") if text.startswith("EXTRAS=")]

    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_container_runs_a_command_that_there_is() -> None:
    (entrypoint,), (subcommand, config) = json.loads(said("ENTRYPOINT")[0]), json.loads(said("CMD")[0])

    assert entrypoint in PROJECT["scripts"]
    assert subcommand in main.commands
    assert config.startswith("/etc/syncrepl-client/")


@pytest.fixture(params=[200, 503])
def ready(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """Be ready, or not."""
    status = request.param
    with Endpoint("127.0.0.1", 0, {"/readyz": lambda _: Answer(b"", status)}) as endpoint:
        yield status, endpoint.url


def test_the_container_is_healthy_when_the_service_is_ready(ready: tuple[int, str]) -> None:
    status, url = ready
    (check,) = said("HEALTHCHECK")
    command = json.loads(check.partition(" CMD ")[2])
    variables = dict(pair.split("=", 1) for pair in shlex.split(said("ENV")[0]))
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\w+)", variables["SYNCREPL_READY_URL"]).groups()  # type: ignore[union-attr]

    done = subprocess.run(
        [sys.executable, *command[1:]],
        env={**os.environ, "SYNCREPL_READY_URL": url + path},
        stderr=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )

    assert done.returncode == (0 if status == 200 else 1)
    assert path in pages(lambda: BUSY, Policy)
    assert said("EXPOSE") == [port]


# --- Prometheus and Grafana -------------------------------------------------------------------------------------------

NAMES = {family.name: family for family in FAMILIES}


def rules() -> list[str]:
    """Return the expressions of the rules."""
    return re.findall(r"(?m)^ +expr: (.*)$", (ETC / "prometheus-alerts.yml").read_text(encoding="utf-8"))


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ETC / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return found


def drawn() -> list[str]:
    """Return the expressions of the dashboard."""
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_there_are_rules_and_panels() -> None:
    assert len(rules()) > 10
    assert len(drawn()) > 10


@pytest.mark.parametrize("expression", [*rules(), *drawn()])
def test_what_is_watched_is_measured(expression: str) -> None:
    names = re.findall(r"\b(?:syncrepl|process)_\w+", expression)

    assert names
    assert set(names) <= set(NAMES)


@pytest.mark.parametrize("expression", [*rules(), *drawn()])
def test_what_is_selected_by_is_a_label(expression: str) -> None:
    for name, selectors in re.findall(r"\b((?:syncrepl|process)_\w+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)(?:=~|!=|=)", selectors)) - {"instance"}
        assert labels <= set(NAMES[name].labels)
    for states in re.findall(r'state(?:=~|!=|=)"([^"]*)"', expression):
        assert set(states.split("|")) <= set(State)


def test_what_texts_say_is_a_label() -> None:
    alerts = (ETC / "prometheus-alerts.yml").read_text(encoding="utf-8")
    legends = [target["legendFormat"] for panel in dashboard()["panels"] for target in panel["targets"]]
    named = set(re.findall(r"\$labels\.(\w+)", alerts)) | set(re.findall(r"\{\{(\w+)\}\}", " ".join(legends)))

    assert named <= {"instance", *(label for family in FAMILIES for label in family.labels)}


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)


# --- configurations ---------------------------------------------------------------------------------------------------

SAMPLES = sorted(ETC.glob("config-*.toml"))
# What pages show without running it; the rest is run by the pages.
_SHOWN = re.compile(r"\.\. code-block:: toml\n\n((?:   .*\n|\n)+)")
SHOWN = [
    pytest.param(textwrap.dedent(text), id=f"{page.stem}-{number}")
    for page in sorted((ROOT / "docs").glob("**/*.rst"))
    for number, text in enumerate(_SHOWN.findall(page.read_text(encoding="utf-8")))
    if re.search(r"^   \[(service|sources\.|sinks\.)", text, re.MULTILINE)
]
_SECRET = re.compile(r"\b(file|credential) = \"(?:/etc/syncrepl-client/)?([a-z-]+)\"")


def checked(text: str, folder: Path) -> None:
    """Let the command check a configuration, in a folder where all the secrets are that it names."""
    for _, name in _SECRET.findall(text):
        (folder / name).write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    file = folder / "config.toml"
    file.write_text(_SECRET.sub(r'\1 = "\2"', text))
    done = run("config", "check", str(file), CREDENTIALS_DIRECTORY=str(folder), SYNCREPL_SERVICE_DATA="data")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_of_a_configuration_is_right(sample: Path, tmp_path: Path) -> None:
    checked(sample.read_text(encoding="utf-8"), tmp_path)


def test_there_are_samples_that_pages_name() -> None:
    named = {
        name
        for page in (ROOT / "docs").glob("*.rst")
        for name in re.findall(r"``etc/([\w.-]+)``", page.read_text(encoding="utf-8"))
    }

    assert {path.name for path in SAMPLES} <= named
    assert [name for name in named if not (ETC / name).exists()] == []


@pytest.mark.parametrize("text", SHOWN)
def test_what_pages_show_of_a_configuration_is_right(text: str, tmp_path: Path) -> None:
    shown = tomllib.loads(text)
    missing = {
        "sources": '[sources.corp]\nurl = "ldap://localhost/dc=example,dc=com"\n',
        "sinks": '[sinks.out]\nurl = "stdout:"\n',
    }

    checked("".join([text, *(table for name, table in missing.items() if name not in shown)]), tmp_path)
