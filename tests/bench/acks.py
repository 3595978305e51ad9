"""Measure how long Slack waits for its acknowledgements over HTTP: 50 events a second, by default for 20 seconds.

    python -m tests.bench.acks [seconds] [gateway|all]

By default a gateway (`--role gateway`: it takes events, and workers elsewhere answer) with the embedded store on disk,
appendfsync always; `all` also answers, 25 mentions a second. The fakes share its process and its loop, so what is
printed is more than the bot's own part. Slack gives 3 s (docs.slack.dev/apis/events-api, November 2026).
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median, quantiles

from bot import embedded
from bot.process import Role
from tests.fakes.slack import Entry, FakeSlack
from tests.running import running, services
from tests.unmetered import lift

EVENTS_PER_S = 50
TALKERS = 20


async def measure(seconds: float, role: Role) -> list[float]:
    """The seconds from an event's delivery to its acknowledgement; a mention is two events."""
    lift()
    slack = FakeSlack(rates=False, echoes=False)
    slack.names |= {f"U{number:02}": f"Person {number}" for number in range(TALKERS)}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded.serving(Path(folder)) as socket,
            services(slack=slack) as outside,
            running(outside, redis_url=f"unix://{socket}", on=["slack"], http=True, role=role),
        ):
            began, mentions = time.monotonic(), int(seconds * EVENTS_PER_S / 2)
            async with asyncio.TaskGroup() as people:
                for number in range(mentions):
                    await asyncio.sleep(max(0.0, began + 2 * number / EVENTS_PER_S - time.monotonic()))
                    people.create_task(slack.mention(f"C{number % 5}", f"U{number % TALKERS:02}", f"question {number}"))
            return _waits(slack.ledger)


def _waits(ledger: Iterable[Entry]) -> list[float]:
    sent: dict[object, float] = {}
    waits: list[float] = []
    for entry in ledger:
        key = entry.name, entry.fields.get("ts")
        if entry.what == "event":
            sent[key] = entry.at
        elif entry.what == "ack" and key in sent:
            waits.append(entry.at - sent.pop(key))
    return waits


def main() -> None:
    """Print the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    role: Role = "all" if "all" in sys.argv else "gateway"
    waits = [wait * 1000 for wait in asyncio.run(measure(seconds, role))]
    p99 = quantiles(waits, n=100, method="inclusive")[98]
    print(f"{len(waits)} events at {EVENTS_PER_S}/s: acknowledged in {median(waits):.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
