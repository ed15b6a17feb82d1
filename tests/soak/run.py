"""`run`: what a plan says, round by round, until something is not as it must be."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.convergence.mirror import look
from tests.soak.examination import Apart, Damaged, check_sinks, come_to_rest
from tests.soak.excuses import Excuse, excused, unexplained
from tests.soak.pen import Gate, Pen, Writer
from tests.soak.stage import CLIENTS, Stage
from tests.soak.told import Told
from tests.soak.troubles import TROUBLES
from tests.soak.vitals import Vitals, grown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.soak.plan import Happening, Plan, Round

__all__ = ["Outcome", "run"]

# How long a server may need to take what is left of a round, and a trouble to end, in seconds.
_LATE: Final = 10.0
_END: Final = 60.0
# The exit codes of who says what was wrong.
_FAILED: Final = (1, 2)


class Broken(Exception):
    """Something is not as it must be."""


@dataclass
class Outcome:
    """What was done how often, and what was wrong.

    Args:
        rounds: how many came to their end.
        wrong: what was not as it must be; nothing if all was.
        failed: in which round that was.
        void: what servers did that says nothing of us; each ended a round, and the next had other servers.
    """

    rounds: int = 0
    wrong: str = ""
    failed: Round | None = None
    void: list[str] = field(default_factory=list)
    written: dict[str, Counter[str]] = field(default_factory=lambda: {"pair": Counter(), "other": Counter()})
    troubles: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    told: dict[str, Counter[str]] = field(default_factory=dict)
    lies: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    lives: dict[str, int] = field(default_factory=dict)
    vitals: dict[str, list[Vitals]] = field(default_factory=dict)
    seconds: float = 0.0


class _Happens(threading.Thread):
    """Lets a trouble happen."""

    def __init__(self, stage: Stage, happening: Happening, began: float) -> None:
        super().__init__(name=happening.trouble, daemon=True)
        self._stage = stage
        self._happening = happening
        self._began = began
        self.error: BaseException | None = None

    def run(self) -> None:
        trouble = TROUBLES[self._happening.trouble]
        time.sleep(max(0.0, self._began + self._happening.at - time.monotonic()))
        try:
            with ExitStack() as busy:
                # Who comes back later than planned is left alone until then.
                for part in sorted(trouble.parts):
                    busy.enter_context(self._stage.busy[part])
                busy.callback(trouble.end, self._stage)
                trouble.begin(self._stage)
                time.sleep(self._happening.lasts)
        except BaseException as error:  # noqa: BLE001 - told where the round is waited for
            self.error = error


class _Run:
    def __init__(self, stage: Stage, outcome: Outcome, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._outcome = outcome
        self._say = say
        self._told = {name: Told(stage.told(name)) for name in CLIENTS if name != "callbacks"}
        self._pens = {
            "pair": Pen(stage.first),
            "other": Pen(stage.other),
        }

    def go(self, rounds: deque[Round], until: float) -> None:
        """Go through the rounds, as far as there is time; those that were begun are taken away."""
        self._rest({})
        while rounds:
            began = time.monotonic()
            self._outcome.failed = one = rounds.popleft()
            self._round(one)
            wrote = time.monotonic()
            self._rest(self._excuses(one))
            self._outcome.failed = None
            self._outcome.rounds += 1
            self._say(f"a round: {wrote - began:.0f} s of work, {time.monotonic() - wrote:.0f} s to come to rest")
            if time.monotonic() > until:
                rounds.clear()
        self._end()

    def _excuses(self, one: Round) -> dict[str, Excuse]:
        excuses: dict[str, Excuse] = {}
        for happening in one.troubles:
            for program, excuse in TROUBLES[happening.trouble].excused.items():
                excuses[program] = excuses.get(program, Excuse.NONE) | excuse
        return excuses

    def _round(self, one: Round) -> None:
        began = time.monotonic()
        written = self._outcome.written
        writers = [
            Writer(self._pens["pair"], self._stage.gate, one.pair, written["pair"]),
            Writer(self._pens["other"], Gate([]), one.other, written["other"]),
        ]
        happening = [_Happens(self._stage, what, began) for what in one.troubles]
        threads: list[Writer | _Happens] = [*writers, *happening]
        for thread in threads:
            thread.start()
        for thread in happening:
            thread.join(_END)
        latest = max([due.at for due in (*one.pair, *one.other)], default=0.0) + _LATE
        for writer in writers:
            writer.join(max(0.0, began + latest - time.monotonic()))
            writer.over.set()
            writer.join(_END)
        self._outcome.troubles.update(what.trouble for what in one.troubles)
        stuck = [thread.name for thread in threads if thread.is_alive()]
        failed = [f"{thread.name}: {thread.error!r}" for thread in threads if thread.error is not None]
        if stuck or failed:
            raise Broken("; ".join([*failed, *(f"{name} does not end" for name in stuck)]))

    def _rest(self, excuses: dict[str, Excuse]) -> None:
        """Let everything come to rest, and look at it."""
        stage = self._stage
        wrong = come_to_rest(stage)
        complaints = [wrong] if wrong else []
        for name, told in self._told.items():
            complaints += self._read(name, told) if not wrong else []
        look(stage.data("callbacks")).check("callbacks")
        for name, program in stage.programs.items():
            excuse = excuses.get(name, Excuse.NONE)
            ended, program.ended = program.ended, []
            complaints += [
                f"{name} has ended by itself with {one.code}: {one.said}"
                for one in ended
                # What it said last is why.
                if one.code not in _FAILED or not excused(name, one.said, excuse)
            ]
            lines = unexplained(name, program.log(), excuse)
            complaints += [f"unexplained in the log of {name} ({excuse}): {line}" for line in lines[:20]]
            program.measure()
        complaints += [f"{name} has ended by itself" for name, one in stage.servers.items() if not one.running]
        if complaints:
            raise Broken("\n".join(complaints))

    def _read(self, name: str, told: Told) -> list[str]:
        """Wait until a client has written down all there is; returns what is wrong then."""
        path = self._stage.data("callbacks" if name == "subscriber" else name)
        deadline = time.monotonic() + 30.0
        while True:
            try:
                told.read()
            except AssertionError as error:
                return [f"{name}: {error}"]
            wrong = told.check(path)
            if not wrong or time.monotonic() > deadline:
                return [f"{name}: {wrong}"] if wrong else []
            time.sleep(0.1)

    def _end(self) -> None:
        stage, outcome = self._stage, self._outcome
        complaints, received = check_sinks(stage)
        outcome.received.update(received)
        outcome.lies += sum(line.lied for line in stage.lines.values())
        outcome.decided.update(stage.decided.values())
        for name, told in self._told.items():
            outcome.told[name] = outcome.told.get(name, Counter()) + Counter(changes=told.changes, repeats=told.repeats)
        stage.laggard.read()
        outcome.told["laggard"] = outcome.told.get("laggard", Counter()) + Counter(
            changes=stage.laggard.changes, repeats=stage.laggard.repeats, lost=stage.laggard.lost
        )
        if wrong := stage.laggard.check(stage.data("callbacks")):
            complaints.append(f"laggard: {wrong}")
        for name, program in stage.programs.items():
            outcome.lives[name] = outcome.lives.get(name, 0) + len(program.lives)
            for life in program.lives:
                complaints += [f"{name} has grown: {what}" for what in grown(life)]
            last = program.lives[-1]
            outcome.vitals[name] = last
            code = program.stop()
            if code != 0:
                complaints.append(f"{name} was asked to end, and ended with {code}")
        if complaints:
            raise Broken("\n".join(complaints))

    def close(self) -> None:
        for pen in self._pens.values():
            pen.close()


def run(plan: Plan, folder: Path, seconds: float, say: Callable[[str], None]) -> Outcome:
    """Do what a plan says.

    Args:
        plan: the rounds.
        folder: of all that is written.
        seconds: after which no round begins any more.
        say: is told how it goes on.
    """
    outcome, began, rounds = Outcome(), time.monotonic(), deque(plan.rounds)
    while rounds and not outcome.wrong:
        place = folder / f"stage{len(outcome.void)}"
        place.mkdir()
        with Stage(place) as stage:
            one = _Run(stage, outcome, say)
            try:
                one.go(rounds, began + seconds)
            except (Apart, Damaged) as error:
                say(f"the servers went wrong, and others take their place: {type(error).__name__}")
                outcome.void.append(f"{type(error).__name__}: {error}")
            except (Broken, AssertionError) as error:
                outcome.wrong = str(error)
            finally:
                one.close()
        if len(outcome.void) > max(2, len(plan.rounds) // 5):
            outcome.wrong = "the servers go wrong again and again:\n" + "\n".join(outcome.void)
        if time.monotonic() > began + seconds:
            break
    outcome.seconds = time.monotonic() - began
    return outcome
