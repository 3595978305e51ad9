"""Answers to one mention, as the tests of `bot.answer.reply` play them: what the model says, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from bot.answer.reply import Reply, Stream
from bot.events import Delta
from tests.fakes.platform import FakePlatform
from tests.mentions import mention

Piece = str | float | Exception


def reply_on(
    platform: FakePlatform,
    *,
    parts: dict[int, str] | None = None,
    recover: bool = False,
    noted: dict[int, str] | None = None,
    private: bool = False,
    earlier_files: Sequence[str] = (),
) -> Reply:
    """A reply on the platform; `noted` takes the ids that would be stored."""

    async def note(part: int, message_id: str) -> None:
        if noted is not None:
            noted[part] = message_id

    asked = replace(mention(), private=private)
    return Reply(
        platform,
        asked,
        parts=parts or {},
        note_part=note,
        guard=lambda: None,
        recover=recover,
        earlier_files=earlier_files,
    )


async def deltas(pieces: Sequence[Piece]) -> AsyncGenerator[Delta, None]:
    """Texts as deltas, numbers as pauses in seconds, an error as the end."""
    for piece in pieces:
        if isinstance(piece, str):
            yield Delta(piece)
        elif isinstance(piece, Exception):
            raise piece
        else:
            await asyncio.sleep(piece)
    yield Delta(finish="stop")


async def answered(
    platform: FakePlatform, pieces: Sequence[Piece], *, private: bool = False, within_s: float = 60
) -> tuple[Reply, Stream]:
    """Stream and finish as the handler does."""
    reply = reply_on(platform, private=private)
    stream = await reply.stream(deltas(pieces))
    mark = "\n\n*(Stopped.)*" if stream.stopped else ""
    text = reply.text.strip() + mark
    await reply.finish(text, deadline=asyncio.get_running_loop().time() + within_s)
    return reply, stream


def said(pieces: Sequence[Piece]) -> str:
    """All that the model said."""
    return "".join(piece for piece in pieces if isinstance(piece, str))


def times(platform: FakePlatform) -> list[float]:
    """When each write was made, in seconds after the beginning."""
    return [round(write.at - 1000, 3) for write in platform.writes]


def shown(platform: FakePlatform, reply: Reply) -> list[str]:
    """The answer's messages in the order of their parts."""
    return [platform.messages[message_id] for message_id in (reply.first_id, *reply.more_ids) if message_id]
