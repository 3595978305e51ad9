"""Reading what stands in a thread or a channel, page by page, with a bound."""

from collections.abc import AsyncIterator
from typing import Any, Final, cast

from adapters.slack.api.calls import Answer, Api, Unclear
from bot.events import Mention

Json = dict[str, Any]

PAGE: Final = 200
"""Slack recommends no more per page (docs.slack.dev/apis/web-api/pagination, November 2026)."""

PAGE_DISTRIBUTED: Final = 15
"""What commercially distributed apps get, once a minute (docs.slack.dev/apis/web-api/rate-limits, November 2026)."""

_PAGES_MAX: Final = 10


class TooMany(Unclear):
    """There are more pages than may be read."""


async def stored(api: Api, mention: Mention, *, page: int = PAGE, **bounds: Any) -> AsyncIterator[Json]:
    """The messages around a mention, as Slack stores them: its thread, oldest first, or the channel, newest first.

    Raises TooMany after ten pages, and PlatformError.
    """
    thread, cursor = mention.place.thread, None
    method = "conversations.replies" if thread else "conversations.history"
    for _ in range(_PAGES_MAX):
        answer = await api.read(method, channel=mention.place.channel, ts=thread, limit=page, cursor=cursor, **bounds)
        for raw in messages(answer):
            yield raw
        cursor = _cursor(answer)
        if not cursor:
            return
    raise TooMany(f"{method}: more than {_PAGES_MAX} pages")


def messages(answer: Answer) -> list[Json]:
    """The messages of one page."""
    found = answer.data.get("messages")
    return [cast(Json, raw) for raw in cast(list[object], found) if isinstance(raw, dict)] if found else []


def _cursor(answer: Answer) -> str | None:
    about = answer.data.get("response_metadata")
    return cast(Json, about).get("next_cursor") or None if isinstance(about, dict) else None
