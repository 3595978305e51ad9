"""The lines that the core adds below an answer, in CommonMark; each stands alone in its paragraph."""

import re
from collections.abc import Collection

from bot import markdown
from bot.events import Author

GO_ON = " Ask me to go on."

INTERRUPTED = f"*(Interrupted: the model service stopped in the middle.{GO_ON})*"

OF_FINISH = {
    "length": f"*(Cut off: the answer reached its length limit.{GO_ON})*",
    "filter": "*(Stopped by the model service's content filter.)*",
}
"""Why the model ended where it had not said everything."""

STOPPED = "*(Stopped.)*"

UNREAD = "*(I could not read what was said in this thread before.)*"
"""It never comes into the history: it would tell the model of every later question the same."""

TOO_MANY_PARTS = f"*(The answer is longer than I may post here.{GO_ON})*"

NAME_MAX = 40


def in_private(mark: str) -> str:
    """The line as it stands below a private answer: no conversation remembers that, so it cannot go on."""
    return mark.replace(GO_ON, "")


def stopped(by: Author | None, people: Collection[str]) -> str:
    """Says that a person ended the answer; who, where more than one of `people` (their ids) could have."""
    if by is None or len({*people, by.id} - {""}) < 2 or by.name in ("", by.id):
        return STOPPED
    # A name is chosen by its bearer: what could be markup or a mention is left out.
    name = " ".join(re.sub(r"[^\w .'-]", "", by.name).split())[:NAME_MAX].strip()
    return f"*(Stopped by {name}.)*" if name else STOPPED


def below(text: str, *marks: str) -> str:
    """The text with lines below it, also where it ended within code; an empty one alone."""
    lines = [mark for mark in marks if mark]
    ended = text + markdown.closing(text) if lines else text
    return "\n\n".join(part for part in (ended, *lines) if part)
