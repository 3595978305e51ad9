"""The whole answer as a file, where it is too long for messages.

Knows what the last message then says, and that there is one file however often it is tried; knows no messages.
"""

import hashlib
import logging
from collections.abc import Sequence

from bot.answer.ledger import FILE_PART, Ledger
from bot.answer.marks import TOO_MANY_PARTS, in_private
from bot.errors import Ambiguous, Forbidden, PlatformError, Rejected
from bot.platform import Platform, Uploads

log = logging.getLogger(__name__)

IN_FILE = "*(The answer is longer than I may post here. The file below holds all of it.)*"

FILE_MAX = 1_000_000
"""Characters of an answer that may become a file: some 250,000 tokens, more than models write at once (chosen)."""

_NAME = "answer.md"


class Attached:
    """The file of one answer. `earlier` are files that go once it stands: of what was said in its place before."""

    def __init__(self, platform: Platform, ledger: Ledger, *, earlier: Sequence[str] = ()) -> None:
        private = ledger.mention.private  # a file would stand where everybody reads
        self._uploads = platform if isinstance(platform, Uploads) and not private else None
        self._refused = False
        self._ledger = ledger
        self._earlier = list(earlier)

    @property
    def file_id(self) -> str:
        """The file's id, "" where none stands."""
        return self._ledger.ids.get(FILE_PART, "")

    @property
    def offered(self) -> bool:
        """Whether the platform takes files here, as far as is known."""
        return self._uploads is not None and not self._refused

    @property
    def notice(self) -> str:
        """The last message of an answer that is too long."""
        if self.offered:
            return IN_FILE
        return in_private(TOO_MANY_PARTS) if self._ledger.mention.private else TOO_MANY_PARTS

    async def put(self, text: str) -> bool:
        """Make sure that the file stands where files are taken. False when it was refused: the notice is another then.

        An earlier answer's file goes once this one stands. Raises PlatformError when it should be tried again.
        """
        if self._uploads and self.offered and not self.file_id and not await self._upload(self._uploads, text):
            self._refused = True
            return False
        await self._drop_earlier()
        return True

    async def drop(self) -> None:
        """Make sure that no file stands. One that may not be removed is left, and the operator is told.

        Raises PlatformError when it should be tried again.
        """
        if self.file_id:
            await self._remove(self.file_id)
            del self._ledger.ids[FILE_PART]  # not before it is gone: a failed removal is tried again
        await self._drop_earlier()

    async def _drop_earlier(self) -> None:
        while self._earlier:
            await self._remove(self._earlier[0])
            del self._earlier[0]  # not before it is gone: a failed removal is tried again

    async def _remove(self, file_id: str) -> None:
        if self._uploads is None:
            return
        mention = self._ledger.mention
        self._ledger.guard()
        try:
            await self._uploads.remove(mention, file_id)
        except PlatformError as error:
            if error.retryable:
                raise
            log.warning("file_not_removed", extra={"event_id": mention.event_id, "error": str(error)})

    async def _upload(self, uploads: Uploads, text: str) -> bool:
        ledger = self._ledger
        ledger.guard()
        try:
            key = ledger.key(f"file/{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}")
            file_id = await uploads.upload(ledger.mention, text, name=_NAME, key=key, recover=ledger.recover)
        except Ambiguous:
            ledger.recover = True
            raise
        except (Forbidden, Rejected):
            return False
        await ledger.note(FILE_PART, file_id)
        return True
