"""The console as a platform: each line is a mention, each answer a message, threads live side by side.

It knows neither how lines are typed nor how text is drawn: that is the `Face`. A question is followed by the next
only when its answer stands or was stopped, so what the person reads is always in order.
"""

import asyncio
import getpass
import itertools
import random
import re
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.console.commands import HELP, Command, understood
from adapters.console.face import Face
from bot.errors import Gone, StoreError
from bot.events import Author, Mention, Message, Place, Stop
from bot.platform import Limits, Stage, Submit

_NOTICE = re.compile(r"\(id [0-9a-f]{8}\)\s*$")
"""How the core ends the sentence that stands in for an answer it could not give."""

_LIMITS = Limits(text_max=1_000_000, edit_every_s=0.08, parts_max=1, length=len)

CONSONANTS, VOWELS = "bdfghjklmnprstvz", "aeiou"

UNWANTED = "nobody waits for this answer"
"""What the core gets to read when it writes to a question that the person gave up."""

ANSWER_WITHIN_S = 660.0
"""Longer than the core's own deadline of 600 s, after which it answers with a notice."""

HINT_AFTER_S = 20.0
"""A model that has said nothing for so long may be one that never will (chosen)."""

HINT = "Nothing has come yet. Ctrl-C stops it; `routernesia-bot doctor` says how the model service stands."


@dataclass(slots=True)
class _Turn:
    """A question that was asked here, until its answer stands."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    shown: str | None = None
    stopped: bool = False

    def stop(self) -> None:
        """The person wants to see no more of it."""
        self.stopped = True
        self.over.set()


def login_name(look_up: Callable[[], str] = getpass.getuser) -> str:
    """The person's name on this machine; in a container there may be none."""
    try:
        return look_up()
    except (OSError, KeyError):
        return "you"


def at_terminal(data_dir: Path, *, answer_within_s: float = ANSWER_WITHIN_S) -> "ConsolePlatform":
    """A console on this process' own input and output: a screen for a person, or plain pipes."""
    author = Author("local", login_name())
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        from adapters.console.screen import Screen, history_at

        face: Face = Screen(history_at(data_dir / "chat_history"))
        return ConsolePlatform(face, author, greet=True, answer_within_s=answer_within_s)
    from adapters.console.pipe import Lines, Pipe

    fd = sys.stdin.fileno() if sys.stdin is not None else -1
    return ConsolePlatform(Pipe(Lines(fd)), author, answer_within_s=answer_within_s)


class ConsolePlatform:
    """Implements `bot.platform.Platform` for one person. `failed` says whether any question got no answer."""

    def __init__(
        self,
        face: Face,
        author: Author,
        *,
        greet: bool = False,
        answer_within_s: float = ANSWER_WITHIN_S,
        hint_after_s: float = HINT_AFTER_S,
        clock: Callable[[], float] = time.time,
        session: str | None = None,
    ) -> None:
        self._face = face
        self._author = author
        self._greet = greet
        self._answer_within_s = answer_within_s
        self._hint_after_s = hint_after_s
        self._clock = clock
        # Ids outlive the process in the store, so a later session must never make the same ones.
        self._session = session or secrets.token_hex(4)
        self._random = random.Random(self._session)
        self._numbers = itertools.count(1)
        self._counts: dict[str, int] = {}
        self._thread = self._fresh()
        self._counts[self._thread] = 0
        self._turns: dict[str, _Turn] = {}
        self._texts: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self.connected = False
        self.failed = False

    @property
    def name(self) -> str:
        """`console`."""
        return "console"

    def limits(self, mention: Mention) -> Limits:
        """One message without a practical end, redrawn 12 times a second: more than that the eye does not see."""
        return _LIMITS

    def remark(self, text: str) -> None:
        """Say something that is no answer, where it neither hides what is typed nor what is shown."""
        self._face.remark(text)

    async def open(self) -> None:
        """Nothing to log in to."""

    async def listen(self, submit: Submit) -> None:
        """Read lines and see each answered; returns at the end of the input or /quit."""
        self.connected = True
        if self._greet:
            self._face.remark(f"This is thread {self._thread}. Ctrl-C stops an answer, Ctrl-D leaves, /help says more.")
        try:
            while (line := await self._face.line(self._thread)) is not None:
                command = understood(line)
                if command.verb == "quit":
                    return
                if command.verb == "ask":
                    await self._ask(command.rest, submit)
                else:
                    self._obey(command)
        finally:
            self.connected = False

    async def post(
        self, mention: Mention, text: str, *, key: str, first: bool, recover: bool = False, stage: Stage = "last"
    ) -> str:
        """Show a new message; the same key again is an edit of the same one.

        Raises Gone where nobody waits for the answer: it was stopped, or asked in another session. The core then
        reads no more of it from the model.
        """
        self._turn(mention)
        message_id = self._keys.get(key) or self._id()
        self._keys[key] = message_id
        self._count(mention, 0 if message_id in self._texts else 1)
        self._draw(mention, message_id, text)
        return message_id

    async def edit(self, mention: Mention, message_id: str, text: str, *, stage: Stage = "last") -> None:
        """Show the newest text. Raises Gone like `post`."""
        self._draw(mention, message_id, text)

    async def delete(self, mention: Mention, message_id: str) -> None:
        """Forget a message; what is printed stays printed."""
        self._texts.pop(message_id, None)

    async def working(self, mention: Mention, *, on: bool) -> None:
        """Show that the bot thinks; off, with something shown, is the end of the turn.

        Off with nothing shown is a pause before the core's next try.
        """
        turn = self._turns.get(mention.event_id)
        if turn is None:
            return
        if on:
            self._face.thinking()
        elif turn.shown is not None and not turn.stopped:
            self._close(turn)

    async def backfill(self, mention: Mention, *, limit: int, since: str = "") -> Sequence[Message]:
        """Nothing: a terminal's threads have only what the core remembers."""
        return ()

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _ask(self, text: str, submit: Submit) -> None:
        message_id = self._id()
        place = Place("console", "local", "terminal", self._thread, "thread")
        event_id = f"console:{message_id}"
        mention = Mention(event_id, place, self._author, text, message_id, self._clock())
        turn = self._turns[event_id] = _Turn()
        self._count(mention, 1)
        self._face.thinking()
        hint = asyncio.get_running_loop().call_later(self._hint_after_s, self._hint, turn)
        try:
            with self._face.stoppable(turn.stop):
                await submit(mention)
                async with asyncio.timeout(self._answer_within_s):
                    await turn.over.wait()
            if turn.stopped:
                self._face.stand()
                self._face.remark("(stopped)")
                await self._stop(place, submit)
        except StoreError as error:
            self._face.stand()
            self._complain(f"The question was not taken: {error}")
        except TimeoutError:
            self._face.stand()
            self._complain("No answer came in time.")
        finally:
            hint.cancel()
            del self._turns[event_id]
            self._texts.clear()
            self._keys.clear()

    async def _stop(self, place: Place, submit: Submit) -> None:
        """End the request to the model now, not only with its next write."""
        try:
            await submit(Stop(place, self._author))
        except StoreError as error:
            self._face.remark(f"The answer may go on unseen: {error}")

    def _hint(self, turn: _Turn) -> None:
        if turn.shown is None:
            self._face.remark(HINT)

    def _complain(self, text: str) -> None:
        self.failed = True
        self._face.remark(text)

    def _turn(self, mention: Mention) -> _Turn:
        turn = self._turns.get(mention.event_id)
        if turn is None or turn.stopped:
            raise Gone(UNWANTED)
        return turn

    def _draw(self, mention: Mention, message_id: str, text: str) -> None:
        turn = self._turn(mention)
        self._texts[message_id] = text
        # Parts of one answer are one text here, in the order in which they were first posted.
        turn.shown = "\n\n".join(self._texts.values())
        self._face.show(turn.shown)

    def _close(self, turn: _Turn) -> None:
        self.failed = self.failed or bool(_NOTICE.search(turn.shown or ""))
        self._face.stand()
        turn.over.set()

    def _obey(self, command: Command) -> None:
        match command.verb:
            case "new" | "switch":
                self._go_to(command)
            case "threads":
                self._face.remark(self._listed())
            case "help":
                self._face.remark(HELP)
            case _:
                self._face.remark(command.rest)

    def _go_to(self, command: Command) -> None:
        name = command.rest or self._fresh()
        if command.verb == "new" and name in self._counts:
            self._face.remark(f"There is a thread {name} already; /switch {name} goes there.")
            return
        if command.verb == "switch" and name not in self._counts:
            self._face.remark(f"This is a new thread {name}, or one of an earlier day.")
        self._thread = name
        self._counts.setdefault(name, 0)

    def _listed(self) -> str:
        return "\n".join(
            f"{'*' if name == self._thread else ' '} {name}  {count} message{'' if count == 1 else 's'}"
            for name, count in self._counts.items()
        )

    def _count(self, mention: Mention, more: int) -> None:
        thread = mention.place.thread or ""
        self._counts[thread] = self._counts.get(thread, 0) + more

    def _fresh(self) -> str:
        """A word to say and type, one of 512,000: a thread of last week must not speak up in a new one."""
        words = ("".join(map(self._random.choice, (CONSONANTS, VOWELS) * 3)) for _ in itertools.count())
        return next(word for word in words if word not in self._counts)

    def _id(self) -> str:
        return f"{self._session}-{next(self._numbers)}"
