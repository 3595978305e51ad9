"""How much of a growing text can be shown where nothing that was shown can be taken back.

Knows what lines that are still to come may make of those before them; knows no messages and no limits of length.
Unlike `live`, which lets a mark through once it lags too far, nothing is shown here before it is decided: each mark is
bounded in itself (by its line, `CODE_MAX`, `TARGET_MAX`), and what is longer is no mark for anyone.
"""

import re

from bot.markdown.characters import UNSEEN, without_half_sign
from bot.markdown.deciding import LineReader
from bot.markdown.fences import Span, fences_of
from bot.markdown.lines import INK, line_start, past
from bot.markdown.tables import BAR_WITHIN, is_barred, may_delimit, tables_of

_CODE_LONG = 256  # characters of a line of code that are not waited for (the rule for flushing a stream)
_CODE_BREAK = 100  # characters before a place in such a line in which a space or `<` is looked for
_MENTION_BEGUN = re.compile(rf"<[{UNSEEN}]*\Z")
_NO_FENCE = re.compile(r"```+[^`\n]*`")
_LEAD = re.compile(r"(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+")


def appendable(text: str) -> str:
    """The longest leading part of a growing text that can be shown for good: whatever is appended, it stays as it is.

    Whole lines, but no fence without code, no header before the line under it, no row before its end. Within a line of
    words it ends behind a space or a sentence, outside of code, links, labels and emphasis (the latter two are waited
    for within 200 characters), and never within what could become a mention. For n < m, `appendable(text[:n])` is a
    prefix of `appendable(text[:m])`. Not for a finished text: that is shown whole.
    """
    whole = without_half_sign(text)
    fences = fences_of(whole, None, in_list=False, widest=len(whole))
    if fences and (fences[-1].open or _may_go_on(whole, fences[-1])):
        return whole[: _end_in_code(whole, fences[-1])]
    return whole[: _end_in_text(whole, fences)]


def _may_go_on(text: str, span: Span) -> bool:
    """Whether the fence has ended only with the line that is being written: by half a closing line, or half a quote."""
    line = line_start(text, len(text))
    return span.end == line < len(text) and span.fence.half.fullmatch(text, line) is not None


def _end_in_code(text: str, span: Span) -> int:
    """Where what is decided of an open fence ends; at its start while it holds no code."""
    line = max(line_start(text, len(text)), span.body)
    end = line
    if len(text) - line > _CODE_LONG and not span.fence.half.fullmatch(text, line):
        end = next((at for at in range(len(text), line + _CODE_LONG, -1) if _parts_code(text, at)), line)
    return end if INK.search(text, span.body, max(span.body, end)) else span.start


def _parts_code(text: str, at: int) -> bool:
    """Whether a long line of code can be cut at a place: behind a space, else within a word, away from any `<`."""
    near = text[at - _CODE_BREAK : at]
    if near.endswith(" "):
        return not _MENTION_BEGUN.search(near)
    return " " not in near and "<" not in near and text[at - 1].isalnum() and text[at : at + 1].isalnum()


def _end_in_text(text: str, fences: list[Span]) -> int:
    floor = fences[-1].after if fences else 0
    line = max(line_start(text, len(text)), floor)
    above = max(line_start(text, line - 1), floor) if line > floor else line
    if above < line and is_barred(text, above) and may_delimit(text[line:]):
        tables = tables_of(text[:line], fences)
        if not tables or tables[-1].end != line:
            return above
    return _end_in_line(text, line)


def _end_in_line(text: str, line: int) -> int:
    """Where what is decided of the last line ends; at its start while it can be a row or begin another block."""
    ink = past(_LEAD, text, line)
    # A line that would open a fence does not because of a later backtick: not before that has it been shown.
    least = max(ink + BAR_WITHIN, past(_NO_FENCE, text, ink)) + 1
    if len(text) <= least or is_barred(text, line):
        return line
    return LineReader(text, line).last_cut(least) or line
