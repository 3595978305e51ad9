"""The model's CommonMark as text for Slack's `markdown_text`: everything kept, nothing that acts on people. Pure.

Slack honours `<!channel>`, `<!subteam^S1>`, `<@U1>`, `<#C1>` and `<address|label>` also inside `markdown_text` and code
(measured by several public bots, November 2026). Only such a `<`, and that of HTML which fetches or links, is escaped:
`&` and other `<` would break addresses and code.

Every rule looks at a line, at the blocks before it, and no farther ahead than `bot.markdown.appendable` waits for: so
what a growing text was rendered to is the beginning of what it will be rendered to.
"""

import re
from collections.abc import Callable

from adapters.slack.text.links import TAG, defused, shown
from adapters.slack.text.tables import as_code, extra_length, is_wide
from bot.markdown import ELSEWHERE, TARGET, UNSEEN, Block, blocks, host_of, longest_told, utf8_length
from bot.platform import utf16_length

_NUL = "\ufffd"  # what CommonMark (2.3) takes it for; while a line is read it stands for code here
_LIVE = re.compile(rf"<(?=[{UNSEEN}]*[!@#])")
# What would be a mention without its line breaks; its `<` may be shown already.
_LIVE_LATER = re.compile(rf"(<[{UNSEEN}]*\n[{UNSEEN}\n]*)(?=[!@#])")
_MAY_ESCAPE = re.compile(rf"{_LIVE.pattern}|{TAG.pattern}|<(?=a)", re.IGNORECASE)
_PIPED = re.compile(rf"<[{UNSEEN}]*([a-z][a-z0-9+.-]*:[^<>|\s]*)\|", re.IGNORECASE)  # Slack's own form of a link
_TARGET = re.compile(rf"\]{TARGET.pattern}", re.IGNORECASE)


def rendered(text: str, *, growing: bool = False) -> str:
    """The text as it may be sent: no live mention, no image, and no label that hides where its link leads.

    With `growing` it is for a message that can only be appended to: for n < m, what `appendable(text[:n])` gives, with
    or without the white space at its end, is rendered to the beginning of what `appendable(text[:m])` and the whole
    text are. (Only wide tables are the less neat for it.)
    """
    text = text.replace("\0", _NUL)
    if any(sign in text for sign in "[]`<|~"):
        found = blocks(text)
        last = found[-1]
        text = "".join(_shown(block, ends=block is last, growing=growing) for block in found)
        text = _PIPED.sub(_told, text)
    return _LIVE_LATER.sub(r"\1\\", _LIVE.sub("&lt;", text)) if "<" in text else text


def length(text: str) -> int:
    """The length of the rendered text in UTF-16 units, never less, and never shrinking when text is appended.

    It counts without rendering, as if every mark were one (whether a backtick opens code is only known once the text is
    whole): each escape, what each label could get, and the spaces of a wide table.
    """
    return _bound(text, utf16_length)


def stream_length(text: str) -> int:
    """The same in bytes of UTF-8, which the cap of a streamed message is measured in (reference slack.md 0, 2.4)."""
    return _bound(text, utf8_length)


def _bound(text: str, units: Callable[[str], int]) -> int:
    text = text.replace("\0", _NUL)
    size = units(text) + text.count("`") + extra_length(text)
    if "<" in text:
        size += 3 * sum(1 for _ in _MAY_ESCAPE.finditer(text)) + sum(1 for _ in _LIVE_LATER.finditer(text))
        size += sum(len(_told(found)) - len(found[0]) for found in _PIPED.finditer(text))
    if "]" in text:
        size += text.count("](") + text.count("]:")
        size += sum(len(longest_told(found["plain"] or found["angled"])) for found in _TARGET.finditer(text))
    return size


def _shown(block: Block, *, ends: bool, growing: bool) -> str:
    if block.kind == "code":
        return block.text
    if block.kind == "table" and is_wide(block.text):
        return as_code(block.text, ends=ends, growing=growing)
    line_shown = defused if block.kind == "doubtful" else shown
    return "\n".join(line_shown(line) for line in block.text.split("\n"))


def _told(found: re.Match[str]) -> str:
    """Slack's own form of a link, its label led by its host: whatever the label says, that was read first."""
    host = host_of(found[1])
    return found[0] if host == "" else f"{found[0]}{host or ELSEWHERE}: "
