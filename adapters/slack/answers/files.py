"""An answer as a file under the answer, where it is too long for messages: Slack's upload in three steps.

Only the last step shows anything; the first two may be repeated (docs.slack.dev/messaging/working-with-files, November
2026). A file carries no metadata, so its name holds a hash of its key, and a thread is searched for that name.
"""

import asyncio
import logging
from pathlib import PurePath
from typing import Any, Final, cast

from adapters.slack.answers.keys import own, short
from adapters.slack.answers.posting import READ_APART_S, READS
from adapters.slack.api.calls import Api, Unclear, code_of
from adapters.slack.api.chores import Pause
from adapters.slack.api.reading import PAGE, stored
from adapters.slack.payloads.parse import Identity
from bot.errors import Ambiguous, Forbidden, Gone, PlatformError, RateLimited, Rejected
from bot.events import Mention

log = logging.getLogger(__name__)

Json = dict[str, Any]

_STEM_MAX: Final = 60
_GONE: Final = ("file_deleted", "file_not_found")  # docs.slack.dev/reference/methods/files.delete, November 2026


class Files:
    """The answers' files in one workspace."""

    def __init__(self, api: Api, me: Identity, *, page: int = PAGE, pause: Pause = asyncio.sleep) -> None:
        self._api = api
        self._me = me
        self._page = page
        self._pause = pause

    async def upload(self, mention: Mention, text: str, *, name: str, key: str, recover: bool) -> str:
        """Put a Markdown file into the mention's thread once; gives the file's id.

        Raises Forbidden without the scope files:write and for a private answer, Ambiguous where the file may stand.
        """
        if mention.private:
            raise Forbidden("a private answer has no file: the thread would see it")
        called = file_name(name, key)
        if recover and (found := await self._recovered(mention, called)):
            return found
        file = await self._sent(text.encode("utf-8", "replace"), called)
        try:
            await self._share(mention, file, name)
        except Unclear as error:
            return await self._after_unclear(mention, called, error)
        return file

    async def remove(self, file: str) -> None:
        """Remove a file of the bot's, also one that is gone already.

        A line that says so may stay where it stood: Slack does not document what becomes of the message (files.delete,
        November 2026). Raises Forbidden without the scope files:write, Rejected where Slack lets nobody remove files.
        """
        try:
            await self._api.write("files.delete", file=file)
        except Rejected as error:
            if code_of(error) not in _GONE:
                raise
            log.debug("slack_file_already_deleted")

    async def _sent(self, content: bytes, called: str) -> str:
        answer = await self._api.read("files.getUploadURLExternal", filename=called, length=len(content))
        url, file = answer.data.get("upload_url"), answer.data.get("file_id")
        if not (isinstance(url, str) and isinstance(file, str)):
            raise Unclear("files.getUploadURLExternal: no address in the answer")
        await self._api.send("upload", url, data=content)
        return file

    async def _share(self, mention: Mention, file: str, name: str) -> None:
        place = mention.place
        await self._api.write(
            "files.completeUploadExternal",
            files=[{"id": file, "title": name}],
            channel_id=place.channel,
            thread_ts=place.thread,
        )

    async def _recovered(self, mention: Mention, called: str) -> str | None:
        try:
            return await self._find(mention, called)
        except (Gone, RateLimited):
            raise
        except PlatformError as error:
            raise Ambiguous(f"cannot look for the file: {error}") from error

    async def _after_unclear(self, mention: Mention, called: str, unclear: Unclear) -> str:
        try:
            for read in range(READS):
                if read:
                    await self._pause(READ_APART_S)
                if found := await self._find(mention, called):
                    return found
        except PlatformError as error:
            raise Ambiguous(f"still unclear: {error}") from error
        # Slack shows a file some time after it took it: not seen is not known.
        raise Ambiguous(f"the file may stand: {unclear}") from unclear

    async def _find(self, mention: Mention, called: str) -> str | None:
        async for raw in stored(self._api, mention, page=self._page, oldest=mention.message_id):
            for file in _files(raw) if own(raw, self._me) else []:
                if file.get("name") == called:
                    return str(file.get("id"))
        return None


def file_name(name: str, key: str) -> str:
    """The name with a hash of the key before its ending: `answer-0123456789ab.md`."""
    path = PurePath(name)
    return f"{path.stem[:_STEM_MAX]}-{short(key)}{path.suffix}"


def _files(raw: Json) -> list[Json]:
    found = raw.get("files")
    return [cast(Json, one) for one in cast(list[object], found) if isinstance(one, dict)] if found else []
