"""CommonMark as Discord shows it best. Pure; works on any cut of a text, so it never needs what came before.

What Discord does not know (Markdown Text 101 in its help centre, read November 2026): tables, LaTeX, images, headings
below the third level and underlined ones, indented code, `__bold__` (it underlines), rules, task lists, `~~~` fences,
links by reference, `<br>`, quotes in quotes (`>>>` quotes all that follows) and quotes without a space; and it hides
`||what stands between double bars||`. HTML, footnotes and escapes are shown as they are.

There is no cap on lines: within 2,000 characters one long block of code or list reads better whole than as the three
messages that a cap of 17 lines (openclaw's) makes of it, and each message more costs a fifth of 5 s (chosen).
"""

import re
from collections.abc import Iterator, Sequence

from adapters.discord.text.blocks import FENCE, ITEM, QUOTE, Block, blocks, closes, unquoted
from adapters.discord.text.inline import bold, inline
from adapters.discord.text.latex import formula_shown
from adapters.discord.text.length import indent, length
from adapters.discord.text.references import with_targets
from adapters.discord.text.tables import table_shown
from bot.platform import Limits

TEXT_MAX = 2_000
"""Characters of one message (Create Message). Counted in UTF-16 units, which are never fewer."""

EDIT_EVERY_S = 1.2
"""5 edits in 5 s for a channel are what everyone observes; 1.2 s leaves room for new parts."""

LIMITS = Limits(text_max=TEXT_MAX, edit_every_s=EDIT_EVERY_S, length=length)

_LEAD = re.compile(r"(?:[ \t]*>)*[ \t]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*")
_HEADING = re.compile(r"#{4,6}[ \t]+(.*)")
_RULE = re.compile(r"\s{0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_QUOTES = re.compile(r"^([ \t]*)>(?:[ \t]?>)* ?")
_PLUS = re.compile(r"^((?:[ \t]*> )?[ \t]*+)\+(?=[ \t])")
_TASK = re.compile(r"^((?:[ \t]*> )?[ \t]*+[-*][ \t]+)\[([ xX])\](?=[ \t])")
_SMALL_PRINT = re.compile(r"(?m)^((?:[^\S\n]*> )?[^\S\n]*+)-#(?=[ \t])")
# The language after a fence, and what only some sites show beside it: attributes, a title, lines to mark.
_INFO = re.compile(r"(?P<language>[\w.+#-]{1,30})(?:[\s,:{][^=:{]{0,20}[=:{,].*|\{.*)?")


def render(text: str) -> str:
    """The text in Discord's dialect; at most `length(text)` long, and not blank unless `text` is."""
    linked = with_targets(text)
    if length(linked) > length(text):  # one target in many links
        linked = text
    rendered = "\n".join(line for block in blocks(linked.split("\n")) for line in _rendered(block))
    return rendered if rendered.strip() else text.replace("`", "ˋ")


def _rendered(block: Block) -> Iterator[str]:
    if block.kind == "fence":
        yield from _fenced(block.lines)
    elif block.kind == "code":
        yield from _indented(block.lines)
    elif block.kind == "table":
        yield from _table(block.lines)
    elif block.kind == "formula":
        yield from formula_shown([_in_one_quote(line) for line in block.lines])
    elif block.kind == "heading":
        yield bold(block.lines[0].strip())
    else:
        yield _line(block.lines[0])


# --- code -----------------------------------------------------------------------------------------------------


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """A fence in the one form Discord knows; fences inside it would end it, so they get look-alikes.

    Discord looks for the end of a fence that is not closed in all that follows, so each is.
    """
    opening = FENCE.fullmatch(lines[0])
    if not opening:
        return
    depth = opening["lead"].count(">")
    last = FENCE.fullmatch(lines[-1]) if len(lines) > 1 and closes(opening, lines[-1]) else None
    body = [_flat(line.replace("```", "ˋˋˋ"), depth) for line in lines[1 : -1 if last else None]]
    language, rest = _language(opening["info"].strip())
    if rest:
        body.insert(0, ("> " if depth else "") + rest)
    elif not any(unquoted(line).strip() if depth else line.strip() for line in body):
        return  # Discord would take the closing line for code, and all that follows
    yield f"{_flat(opening['lead'], depth)}```{language}"
    yield from body
    yield f"{_flat(last['lead'], depth) if last else '> ' if depth else ''}```"


def _language(info: str) -> tuple[str, str]:
    """What Discord may be told of a fence's language, and what of the line is more likely code."""
    found = _INFO.fullmatch(info)
    return (found["language"], "") if found else ("", info.replace("```", "ˋˋˋ"))


def _flat(line: str, depth: int) -> str:
    """A line of a fence that stands in so many quotes, in one."""
    return re.sub(rf"^(?:[ \t]*>){{{depth}}} ?", "> ", line) if depth else line


def _indented(lines: Sequence[str]) -> Iterator[str]:
    """Indented code in a fence."""
    columns = min(indent(line) for line in lines if line.strip())
    yield "```"
    yield from (_dedented(line, columns).replace("```", "ˋˋˋ") for line in lines)
    yield "```"


def _dedented(line: str, columns: int) -> str:
    at = column = 0
    while at < len(line) and line[at] in " \t" and column < columns:
        column += 4 - column % 4 if line[at] == "\t" else 1
        at += 1
    return line[at:]


# --- tables and lines -----------------------------------------------------------------------------------------


def _table(lines: Sequence[str]) -> Iterator[str]:
    """A table within the room that `length` has set aside for its rows."""
    mark = "> " if QUOTE.match(lines[0]) else ""
    room = length("\n".join(lines)) - len("```\n\n```") - len(mark) * 2
    rows = [unquoted(line) for line in lines] if mark else list(lines)
    item = ITEM.match(rows[0])
    lead = item[0] if item else ""
    shown = lead + table_shown([rows[0][len(lead) :], *rows[1:]], room=room - len(lead))
    yield from (mark + line for line in shown.split("\n"))


def _line(line: str) -> str:
    if _RULE.fullmatch(line):
        return "---"
    line = _in_one_quote(line)
    lead = _LEAD.match(line)
    start = lead.end() if lead else 0
    heading = _HEADING.fullmatch(line, start)
    if heading and (words := heading[1].rstrip().rstrip("#").rstrip()):
        return line[:start] + bold(words)
    line = _PLUS.sub(r"\1-", line, count=1)
    line = _TASK.sub(lambda task: f"{task[1]}{'☐' if task[2] == ' ' else '☑'}", line, count=1).removesuffix("\\")
    shown = inline(line, newline={"#": " ", ">": "\n> "}.get(line.lstrip()[:1], "\n"))
    return _SMALL_PRINT.sub(r"\1\\-#", shown)  # now, since a break or an image may have stood before it


def _in_one_quote(line: str) -> str:
    """A line without quotes in quotes, and with the space that Discord wants behind the mark."""
    return _QUOTES.sub(r"\1> ", line, count=1) if line.lstrip(" \t").startswith(">") else line
