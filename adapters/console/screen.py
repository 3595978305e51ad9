"""A person at a terminal: an input line with history and editing, answers as rendered Markdown while they grow.

Finished blocks of an answer are printed for good; only the unfinished end is redrawn, never more of it than the
screen holds. So long answers neither flicker nor lose text. Everything runs on the event loop's thread.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.application.current import set_app
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.text import Text

from adapters.console.blocks import glimpse, settled_length
from adapters.console.face import harmless

LIVE_WIDTH_MIN = 20
"""Columns; in a narrower window redrawing wraps and smears, so only finished blocks are printed."""


class _Interrupted(Exception):
    """Ctrl-C at the prompt."""


def history_at(path: Path) -> History:
    """What was typed before, in a file that only its owner can read; forgotten at exit where there can be none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(handle, 0o600)
        os.close(handle)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class Screen:
    """The face with a person: implements `Face`."""

    def __init__(
        self,
        history: History,
        *,
        console: Console | None = None,
        keyboard: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._console = console or Console()
        self._session: PromptSession[str] = PromptSession(
            history=history,
            key_bindings=_keys(),
            prompt_continuation="… ",
            interrupt_exception=_Interrupted,
            eof_exception=EOFError,
            input=keyboard,
            output=output,
        )
        self._live: Live | None = None
        self._text = ""
        self._printed = ""

    async def line(self, thread: str) -> str | None:
        """The next line that is not empty. Ctrl-C drops what is typed, and leaves where nothing is."""
        message = FormattedText([("ansicyan", thread), ("", " > ")])
        while True:
            try:
                line = await self._session.prompt_async(message, handle_sigint=False)
            except EOFError:
                return None
            except _Interrupted:
                if not self._session.default_buffer.text:
                    return None
            else:
                if line.strip():
                    return line

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Generator[None]:
        """Ctrl-C calls `stop`; what else is typed shows at the next prompt, not inside the answer."""
        keyboard = self._session.app.input

        def typed() -> None:
            keys = keyboard.read_keys()
            ahead = [one for one in keys if one.key != Keys.ControlC]
            store_typeahead(keyboard, ahead)
            if len(ahead) < len(keys):
                stop()

        # A key, not a signal: that would reach `make run` too, which then calls a chat that went on interrupted.
        with keyboard.raw_mode(), keyboard.attach(typed):
            yield

    def remark(self, text: str) -> None:
        """Print dimmed, above the input line if there is one."""
        app = self._session.app
        if app.is_running:
            with set_app(app):
                run_in_terminal(lambda: self._dim(text))
        else:
            self._dim(text)

    def _dim(self, text: str) -> None:
        # Log lines come here: that the terminal has gone must not be one more of them.
        with suppress(OSError, ValueError):
            self._console.print(Text(harmless(text), style="dim"))

    def thinking(self) -> None:
        """Show a word where the answer will stand."""
        if not self._text:
            self._redraw(Text("thinking…", style="dim"))

    def show(self, text: str) -> None:
        """Print what is finished, redraw the rest."""
        self._text = harmless(text)
        if not self._text.startswith(self._printed):
            self._end_live()
            self._dim("(the answer was written anew)")
            self._printed = ""
        rest = self._text[len(self._printed) :]
        settled = settled_length(rest)
        if settled:
            self._redraw(Text(""))
            self._print(rest[:settled])
        self._redraw(self._tail(rest[settled:]))

    def stand(self) -> None:
        """Print the rest for good."""
        self._end_live()
        rest = self._text[len(self._printed) :]
        if rest.strip():
            self._print(rest)
        self._console.print()
        self._text = self._printed = ""

    def _print(self, block: str) -> None:
        if self._printed:
            self._console.print()
        self._console.print(Markdown(block.strip("\n")))
        self._printed += block

    def _tail(self, text: str) -> Segments:
        room = max(1, self._console.size.height - 2)
        # What scrolled away need not be rendered: the cost of a redraw stays the same however long a block grows.
        markdown = Markdown(glimpse(text.strip("\n"), room))
        lines = self._console.render_lines(markdown, pad=False, new_lines=True)
        gap = 1 if self._printed else 0
        shown = [segment for line in lines[-(room - gap) :] for segment in line] if room > gap else []
        return Segments([*([Segment.line()] if gap else []), *shown])

    def _redraw(self, what: Text | Segments) -> None:
        if self._console.is_dumb_terminal or self._console.size.width < LIVE_WIDTH_MIN:
            return
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(what, refresh=True)

    def _end_live(self) -> None:
        if self._live:
            self._live.update(Text(""), refresh=True)
            self._live.stop()
            self._live = None


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
