"""What a line of CommonMark holds, in Discord's dialect; code, addresses and link targets stay as they are. Pure.

Each line is read once from left to right: code first, then `_MARK` on what is left.
"""

import re

from adapters.discord.text.latex import MATH, formula_of
from adapters.discord.text.links import LINK, label_of, link_shown
from bot.markdown import ticks_of

_NUL = "\ufffd"  # what CommonMark (2.3) takes it for; while a line is read it stands for code here
_ADDRESS = r"(?:[^()\s<>\0]|\([^()\s<>\0]*+\))"
_MARK = re.compile(
    rf"\0|{MATH}|\\[^0-9A-Za-z\s\0]"
    rf"|{LINK}"
    r"|(?P<break><[bB][rR][ \t]*+/?>)"
    r"|<[^\s<>\0]++>"  # mentions, emoji, times, addresses, HTML
    rf"|(?:https?://|www\.){_ADDRESS}*(?:[^()\s<>\0_*~|]|\([^()\s<>\0]*+\))"  # marks behind one belong to the text
    r"|(?P<bars>\|\|++)"
    r"|(?P<strong>\*\*)"
)
_LAST_BREAK = re.compile(r"<[bB][rR][ \t]*+/?>\s*+\Z")
_UNDERLINES = re.compile(r"(?<!_)__(?!_)")


def inline(line: str, *, newline: str = "\n") -> str:
    """A line with links as Discord shows them, formulas as code, `__bold__` as `**bold**`, and `newline` for `<br>`.

    Backticks that begin no code and bars that could hide text are escaped: Discord looks for their partner in all that
    follows, also in other lines.
    """
    return _Line(newline=newline, flat=False).shown(_LAST_BREAK.sub("", line))


def bold(line: str) -> str:
    """A line all in bold, as a heading is."""
    flat = _Line(newline=" ", flat=True).shown(line).strip()
    return f"**{flat}**" if flat else line


class _Line:
    """One line while it is read; `flat` drops what is bold in it."""

    def __init__(self, *, newline: str, flat: bool) -> None:
        self._newline, self._flat = newline, flat
        self._code: list[str] = []
        self._code_end = (-1, "")  # where, in which text

    def shown(self, line: str) -> str:
        masked = self._masked(line.replace("\0", _NUL))
        self._code.reverse()
        return self._marked(masked)

    def _masked(self, line: str) -> str:
        """The line with NUL for code, which is kept for later, and stray backticks escaped."""
        if "`" not in line:
            return line
        pieces: list[str] = []
        at = 0
        for ticks in ticks_of(line):
            span = line[ticks.start : ticks.end]
            if ticks.code:
                self._code.append(_code(span))
            pieces += [line[at : ticks.start], "\0" if ticks.code else _stray(span)]
            at = ticks.end
        return "".join([*pieces, line[at:]])

    def _marked(self, masked: str) -> str:
        return _MARK.sub(self._mark, _with_bold(masked) if "__" in masked else masked)

    def _mark(self, found: re.Match[str]) -> str:
        if found[0] == "\0":
            return self._apart(found, self._code.pop())
        if found["label"] is not None:
            return link_shown(found, self._marked(label_of(found)))
        if formula := formula_of(found):
            return self._apart(found, f"`{formula}`")
        if found["break"]:
            return self._newline
        if found["strong"]:
            return "" if self._flat else found[0]
        return "\\|" * len(found[0]) if found["bars"] else found[0]

    def _apart(self, found: re.Match[str], code: str) -> str:
        """Code, away from code that ends where it begins: its backticks would become one run with those."""
        beside = self._code_end == (found.start(), found.string)
        self._code_end = (found.end(), found.string)
        return f" {code}" if beside else code


def _stray(ticks: str) -> str:
    """Backticks that belong to nothing; a long run gets look-alikes, which take no more room than it."""
    return "\\`" * len(ticks) if len(ticks) < 3 else "ˋ" * len(ticks)


def _code(span: str) -> str:
    """Code within a line; Discord takes three backticks for a fence wherever they stand."""
    if not span.startswith("```"):
        run = len(span) - len(span.lstrip("`"))
        return span[:run] + span[run:-run].replace("```", "ˋˋˋ") + span[-run:]
    return f"``{span.strip('`').replace('``', 'ˋˋ')}``"


def _with_bold(masked: str) -> str:
    """`**` for each `__` that CommonMark takes for bold: Discord underlines those."""
    kept = _MARK.sub(lambda mark: "\ufffc" * len(mark[0]), masked)  # as long, so that places agree
    signs = list(masked)
    opened: int | None = None
    for run in _UNDERLINES.finditer(kept):
        start, end = run.span()
        before, after = kept[max(0, start - 1) : start], kept[end : end + 1]
        if opened is None:
            begins = after.strip() and not (before.isalnum() or before == "\\")
            opened = start if begins else None
        elif before.strip() and not after.isalnum():
            signs[opened : opened + 2] = signs[start:end] = "**"
            opened = None
    return "".join(signs)
