"""The whole answer as a file, where it is too long for messages.

Knows what the last message then says, and that there is one file however often it is tried; knows no messages.
"""

from bot.answer.ledger import FILE_PART, Ledger
from bot.errors import Ambiguous, Forbidden, Rejected
from bot.platform import Platform, Uploads

TOO_MANY_PARTS = "*(The answer is longer than I may post here. Ask me to go on.)*"
IN_FILE = "*(The answer is longer than I may post here. The file below holds all of it.)*"

FILE_MAX = 1_000_000
"""Characters of an answer that may become a file: some 250,000 tokens, more than models write at once (chosen)."""

_NAME = "answer.md"


class Attached:
    """The file of one answer."""

    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        private = ledger.mention.private  # a file would stand where everybody reads
        self._uploads = platform if isinstance(platform, Uploads) and not private else None
        self._ledger = ledger

    @property
    def offered(self) -> bool:
        """Whether the platform takes files here, as far as is known."""
        return self._uploads is not None

    @property
    def notice(self) -> str:
        """The last message of an answer that is too long."""
        return IN_FILE if self.offered else TOO_MANY_PARTS

    async def put(self, text: str) -> bool:
        """Make sure that the file stands where files are taken. False when it was refused: the notice is another then.

        Raises PlatformError when it should be tried again.
        """
        if self._uploads is None or FILE_PART in self._ledger.ids:
            return True
        ledger = self._ledger
        ledger.guard()
        try:
            key = ledger.key("file")
            file_id = await self._uploads.upload(ledger.mention, text, name=_NAME, key=key, recover=ledger.recover)
        except Ambiguous:
            ledger.recover = True
            raise
        except (Forbidden, Rejected):
            self._uploads = None
            return False
        await ledger.note(FILE_PART, file_id)
        return True
