"""What the console adapter asks of the side that a person looks at, and what may be written there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

_CONTROL = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class Face(Protocol):
    """A screen with a keyboard, or a pair of pipes. Nothing here raises; a closed output ends the input instead."""

    async def line(self, thread: str) -> str | None:
        """The next line that is not empty, typed into that thread; None at the end."""
        ...

    def stoppable(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Inside it, a person's Ctrl-C calls `stop` instead of ending the program."""
        ...

    def remark(self, text: str) -> None:
        """Say something that is no answer."""
        ...

    def thinking(self) -> None:
        """Show that an answer is on its way; called again every few seconds."""
        ...

    def show(self, text: str) -> None:
        """Show the newest text of the answer under way, as a whole."""
        ...

    def stand(self) -> None:
        """Take what was shown last as the answer."""
        ...


def harmless(text: str) -> str:
    """The text without control characters: a model must not steer the terminal."""
    return text.translate(_CONTROL)
