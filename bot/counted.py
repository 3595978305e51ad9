"""What comes in, counted: every event on its way into the inbox, by its platform and what became of it."""

import time

from bot.errors import StoreError
from bot.events import Change, Event, Mention, Stop
from bot.inbox.commit import NotDurable
from bot.inbox.inbox import Inbox
from bot.metrics import Metrics
from bot.platform import Submit
from bot.tracing import OFF, Tracing


def counted(inbox: Inbox, metrics: Metrics, *, platform: str, tracing: Tracing = OFF) -> Submit:
    """`Inbox.submit` for one platform with its metrics, which stand at 0 from the start."""
    for counter in (metrics.accepted, metrics.duplicates, metrics.ignored, metrics.refused, metrics.withdrawn):
        counter.labels(platform)
    metrics.ack.labels(platform)

    async def submit(event: Event) -> None:
        match event:
            case Mention():
                with tracing.accepting(event) as mention:
                    await _take(mention, inbox, metrics, platform)
            case Change():
                outcome = await inbox.submit(event)
                metrics.changes.labels(platform, outcome).inc()
                if outcome == "withdrawn":
                    metrics.withdrawn.labels(platform).inc()
            case Stop():
                metrics.stops.labels(platform, await inbox.submit(event)).inc()

    return submit


async def _take(mention: Mention, inbox: Inbox, metrics: Metrics, platform: str) -> None:
    began = time.perf_counter()
    try:
        outcome = await inbox.submit(mention)
    except NotDurable:
        metrics.accepted.labels(platform).inc()
        raise
    except StoreError:
        metrics.refused.labels(platform).inc()
        raise
    outcomes = {"accepted": metrics.accepted, "duplicate": metrics.duplicates, "ignored": metrics.ignored}
    outcomes[outcome].labels(platform).inc()
    metrics.ack.labels(platform).observe(time.perf_counter() - began)
