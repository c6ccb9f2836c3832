"""Does the main job work here? Starts everything, lets the sample's reporters and partners act, waits for facts, judges them."""

import asyncio
import json
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from deploy.demo import show
from deploy.demo.begin import begin, home
from deploy.demo.cast import role_of
from deploy.demo.expectation import Expectation, expect, read_agencies, read_reports
from deploy.demo.facts import Books, Found
from deploy.demo.filing import Filing
from deploy.demo.partners import Partner, Partners
from deploy.demo.verdict import FACTS, Run, differences
from deploy.keys import Claims
from deploy.local.announce import banner, is_terminal
from deploy.local.state import State
from deploy.local.supervisor import Stack

SAMPLE = Path(__file__).parents[1] / "sample"
REPORTS, DIRECTORY, RULES = SAMPLE / "reports.jsonl", SAMPLE / "directory.yaml", SAMPLE / "rules-drill.yaml"
RETRIES = "1,2,5,10,20,40"  # seconds: somebody is watching
POLL_SECONDS = 0.5
STILL_SECONDS, LIMIT_SECONDS = 180, 1800
"""How long nothing at all may change, and how long the whole may take: only for what will never come."""
SHOWN_DIFFERENCES = 30
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Options(NamedTuple):
    """`reports`: only the first so many. `stop`: also in a terminal, end when the verdict is there."""

    reports: int | None = None
    json: Path | None = None
    stop: bool = False


class Demo:
    """One run. `seconds` are counted from its beginning, each mark once."""

    def __init__(self, options: Options) -> None:
        self.options, self.state = options, State(home())
        self.seconds: dict[str, float] = {}
        self.judged = False
        self._start = time.monotonic()
        environment = {"HELI_RULES": str(RULES), "HELI_RETRY_SCHEDULE": RETRIES}
        self.stack = Stack(self.state, say=self.say, directory_file=DIRECTORY, environment=environment)
        self.agencies = read_agencies(DIRECTORY)
        self.roles = {code: role_of(agency) for code, agency in self.agencies.items()}

    async def run(self, stopped: asyncio.Event) -> bool:
        """Whether the verdict is ok; stays up until `stopped` where somebody may want to look around."""
        async with AsyncExitStack() as left:
            await begin(self.state, self.say)
            self.mark("setup")
            left.push_async_callback(self.stack.stop)
            await self.stack.start()
            partners = Partners(self._members(), self.stack.url, self.stack.bootstrap)
            left.push_async_callback(partners.stop)
            books = Books(self.stack)
            left.push_async_callback(books.close)
            self.say(f"{len(self.agencies)} partners")
            await asyncio.gather(partners.start(), books.open())
            self.mark("stack_ready")
            failed = asyncio.create_task(self.stack.wait_failed())  # one for the whole run: its end would end the supervision
            ok = await unless(failed, self._judged(partners, books))
            if is_terminal() and not self.options.stop:
                await unless(failed, self._stay(stopped))
        return ok

    def say(self, stage: str) -> None:
        print(f"  {time.monotonic() - self._start:5.1f} s  {stage}", flush=True)

    def mark(self, name: str) -> None:
        self.seconds[name] = round(time.monotonic() - self._start, 1)

    def _members(self) -> list[Partner]:
        members = []
        for code, agency in self.agencies.items():
            claims = Claims(kind="agency", party=code, department=agency["department"], region=agency["region"])
            members.append(Partner(code, agency["department"], self.roles[code], self.state.token(claims)))
        return members

    async def _judged(self, partners: Partners, books: Books) -> bool:
        reports = read_reports(REPORTS, self.options.reports)
        expected = expect(reports, RULES, self.agencies, datetime.now(SHANGHAI).date())
        filing = Filing(self.state, self.stack.url, lambda: self.mark("first_report"))
        async with asyncio.TaskGroup() as together:
            together.create_task(filing.file(reports))
            together.create_task(self._watch(books, wanted(len(reports), expected, self)))
        self.mark("all")
        found = await books.found(code for code, role in self.roles.items() if role.told == "topic")
        run = Run(expected, self.roles, {receipt.report: receipt.key for receipt in filing.receipts}, found)
        named = [*filing.refused, *partners.trouble, *differences(run)]
        self._tell(len(reports), run, named)
        self.judged = True
        return not named

    async def _watch(self, books: Books, goal: dict[str, int]) -> None:
        """Until everything is there and stays so for a moment, or nothing moves any more: then the verdict names what is missing."""
        last: dict[str, int] = {}
        moved, end, complete = time.monotonic(), time.monotonic() + LIMIT_SECONDS, 0
        with show.screen(goal, self._start) as screen:
            while complete < 3 and time.monotonic() < min(end, moved + STILL_SECONDS):  # noqa: PLR2004 - looked at three times
                counts = await books.counts()
                screen.show(counts)
                moved = time.monotonic() if counts != last else moved
                complete = complete + 1 if all(counts[name] == number for name, number in goal.items()) else 0
                last = counts
                await asyncio.sleep(POLL_SECONDS)

    def _tell(self, reports: int, run: Run, named: list[str]) -> None:
        show.table(run.found.legs)
        late = sum(row["stalled_at"] is not None for row in run.found.reports)
        if late:
            print(f"{late} reports had to wait for their cases longer than intake's own clock allows: this machine is slow.")
        for difference in named[:SHOWN_DIFFERENCES]:
            print(f"  difference: {difference}")
        if len(named) > SHOWN_DIFFERENCES:
            print(f"  ... and {len(named) - SHOWN_DIFFERENCES} more")
        outcome = summary(reports, run, named, self.seconds)
        if self.options.json:
            self.options.json.write_text(json.dumps(outcome, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        marks = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in self.seconds.items())
        print(f"verdict: {outcome['verdict']}   (seconds since the start: {marks})", flush=True)

    async def _stay(self, stopped: asyncio.Event) -> bool:
        self.state.write_env({"HELI_HOME": str(self.state.home), "HELI_URL": self.stack.url, **self.stack.bearers()})
        print(banner(self.state))
        print("Everything stays up, the partners too, until Ctrl-C.", flush=True)
        return await stopped.wait()


async def unless(failed: asyncio.Task[None], work: Coroutine[Any, Any, bool]) -> bool:
    """The result of the work; raises at once what ends `failed` before it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task, failed], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await failed
        return await task
    finally:
        task.cancel()


def wanted(reports: int, expected: Expectation, demo: Demo) -> dict[str, int]:
    """What the counts of `Books.counts` are when everything has happened."""
    run = Run(expected, demo.roles, {}, Found([], [], [], [], [], {}, [], [], {}, {}, {}, {}))
    answers = [demo.roles[leg.agency].answers for leg in expected.legs]
    said = {fact: sum(fact in answer for answer in answers) for fact in ("seen", "accepted", "active", "fulfilled")}
    legs, cases = len(expected.legs), len(expected.cases)
    return {
        "reports": reports,
        "opened": reports,
        "cases": cases,
        "filed": cases,
        "legs": legs,
        "followed": legs,
        "delivered": legs,
        "seen": said["seen"],
        "accepted": said["accepted"],
        "followed_accepted": said["accepted"],
        "active": said["active"],
        "ended": said["fulfilled"],
        "rungs": run.rungs,
        "untold": 0,
        "pending": 0,
    }


def summary(reports: int, run: Run, named: list[str], seconds: dict[str, float]) -> dict[str, Any]:
    legs = run.found.legs
    outcome = {
        "reports": reports,
        "cases": len(run.found.cases),
        "legs": {"expected": len(run.expected.legs), "found": len(legs)},
        "answers": {fact: sum(leg[f"{fact}_at"] is not None for leg in legs) for fact in FACTS[:3]},
        "escalations": {"expected": run.rungs, "found": len(run.found.escalated)},
        "webhook_attempts": sum(row["attempt"] for row in run.found.deliveries if row["channel"] == "webhook"),
        "parked": sum(run.found.parked.values()),
        "seconds": seconds,
        "verdict": "ok" if not named else "different",
    }
    return outcome | ({"differences": named} if named else {})


async def until_stopped(options: Options) -> bool:
    """Runs a demo; a signal ends it at any moment, with everything it started."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    demo = Demo(options)
    work = asyncio.create_task(demo.run(stopped))
    told = asyncio.create_task(stopped.wait())
    await asyncio.wait([work, told], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not demo.judged:
        work.cancel()  # with its verdict it ends by itself, and stopping what it started must not be broken off
    return await work
