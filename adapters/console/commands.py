"""What a typed line means: a question, or a command of the terminal itself. Pure."""

import difflib
import re
from dataclasses import dataclass
from typing import Literal

Verb = Literal["ask", "new", "threads", "switch", "help", "quit", "unknown"]

HELP = """\
/new [NAME]     begin a new thread; it knows nothing of the others
/threads        list the threads with their messages
/switch NAME    go to a thread, also to one of an earlier day
/help           this list
/quit           leave (Ctrl-D does the same)
Ctrl-C          stop an answer; its question is forgotten
Alt+Enter begins a new line. A line that begins with // is sent with one slash."""

_COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)
_VERBS: dict[str, Verb] = {
    "new": "new",
    "threads": "threads",
    "switch": "switch",
    "help": "help",
    "quit": "quit",
}
_NAME = re.compile(r"[\w.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Command:
    """A line understood. `rest` is the question, the name, or for `unknown` what to tell the person."""

    verb: Verb
    rest: str = ""


def understood(line: str) -> Command:
    """What the line asks for. `/etc/hosts ...` and the like are questions: a command is one plain word."""
    text = line.strip()
    if text.startswith("//"):
        return Command("ask", text[1:])
    found = _COMMAND.fullmatch(text)
    if not found:
        return Command("ask", text)
    word, rest = found[1], (found[2] or "").strip()
    verb = _VERBS.get(word)
    if verb is None:
        close = difflib.get_close_matches(word, _VERBS, n=1)
        meant = f"Did you mean /{close[0]}?" if close else "/help lists the commands."
        return Command("unknown", f"There is no command /{word}. {meant}")
    return _named(verb, rest) if verb in ("new", "switch") else Command(verb)


def _named(verb: Verb, name: str) -> Command:
    if not name and verb == "new":
        return Command(verb)
    if not _NAME.fullmatch(name):
        return Command("unknown", f"/{verb} needs a short name of letters, digits, '.', '-' and '_'.")
    return Command(verb, name)
