"""The client for a person who can mend what fails: the operator who tries the bot in a terminal.

In a chat people read a plain sentence and the log holds the reason; here there is nobody else to tell.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from bot.completions.client import ATTEMPTS, Completions, finding
from bot.completions.endpoint import ChatMessage
from bot.errors import CompletionError, Explained, TooLong, Unauthorized
from bot.events import Delta

log = logging.getLogger(__name__)


class ExplainingCompletions(Completions):
    """`Completions` whose failures say why, and what to do, in the answer's place, and are final."""

    async def stream(
        self, messages: Sequence[ChatMessage], *, deadline: float, attempts: int = ATTEMPTS
    ) -> AsyncGenerator[Delta, None]:
        """See `Completions.stream`. Raises Explained where nothing came, but TooLong as it is: it is asked again."""
        begun = False
        try:
            async with aclosing(super().stream(messages, deadline=deadline, attempts=attempts)) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
        except TooLong:
            raise
        except CompletionError as error:
            if begun:
                # The half answer stands and says that it was interrupted; why has no other place.
                log.error("answer_broke_off", extra={"error": str(error)})
                raise
            found = finding(error)
            todo = f"What to do: {found.todo}. `routernesia-bot doctor` checks all settings."
            raise Explained(f"No answer from the model service: {found.what}.\n\n{todo}") from error

    def _open_circuit(self, error: Unauthorized) -> None:
        """Stays closed: a person hammers nothing, and is told each time."""
