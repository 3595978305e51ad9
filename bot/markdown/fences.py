"""Where code fences begin and end, in a text that may begin or end within one.

Knows CommonMark's rules for fences, also in block quotes and lists; knows no cuts and no limits, only the width from
which on an opening line is too wide to be repeated and so is read as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bot.markdown.lines import first_line_end, indented_by, stands_in_list

_RUN = re.compile(r"```+|~~~+")
_LEAD = re.compile(r"(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+")
_BULLET = re.compile(r"[-+*]|\d{1,9}[.)]")


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence: how its end looks in the text, and how to write one.

    `run` is the fence itself and `info` what follows it; `lead` stands before it, its bullets blanked. `depth` counts
    the quotes around it, `indent` its column (0 in a quote).
    """

    run: str
    lead: str
    info: str
    depth: int
    indent: int

    @property
    def closing(self) -> str:
        """The line that ends it, with the line break before."""
        return "\n" + self.lead + self.run

    @property
    def half(self) -> re.Pattern[str]:
        """A line that is, or may still become, the closing line or the beginning of a quoted one."""
        closing = rf"(?:[ \t]*>){{{self.depth}}}{indented_by(self.inner + 3)}{self.run[0]}*"
        return re.compile(rf"(?:{closing}|(?:[ \t]*>){{0,{self.depth}}})[ \t]*")

    @property
    def inner(self) -> int:
        """The column at which it stands within its quotes; the space behind their marks counts also where it is not."""
        return max(1, _inner(self.lead)) if self.depth else self.indent

    @property
    def quoted(self) -> re.Pattern[str]:
        """The beginning of a line that belongs to the same block quote."""
        return re.compile(rf"(?:[ \t]*>){{{self.depth}}}")

    def closed_by(self, lead: str, run: str) -> bool:
        """Whether a line of only this lead and this run ends the fence."""
        if lead.strip(" \t>") or lead.count(">") != self.depth:
            return False
        return _inner(lead) <= self.inner + 3 and run.startswith(self.run)


class Span(NamedTuple):
    """A fence within a text. `start` is -1 where it was opened before the text.

    `body` is where its code begins, `end` where its closing line (or the text after a block quote) begins, `after`
    where the text goes on. A phantom looked like a fence only while its line was read, up to `end`.
    """

    fence: Fence
    start: int
    body: int
    end: int
    after: int
    open: bool
    phantom: bool = False


def fences_of(
    text: str, first: Fence | None, *, in_list: bool, widest: int, within_line: bool = False, phantoms: bool = False
) -> list[Span]:
    """The fences of a text in order; `first` is open at its beginning. A wider opening than `widest` is text.

    `in_list` says what the text begins in, with `within_line` what the line does of which its first is the end.
    """
    spans: list[Span] = []
    at = 0
    if first:
        spans.append(_until_closed(text, first, start=-1, body=0))
        at = spans[0].after
    known = _Known(first_line_end(text) if within_line else 0, in_list)
    while opening := _next_opening(text, at, known=known, widest=widest):
        span, known = opening
        at = span.after
        if phantoms or not span.phantom:
            spans.append(span)
    return spans


class _Known(NamedTuple):
    """Whether the text at a line stands in a list: kept, so that no line is looked at twice."""

    line: int
    in_list: bool


def _next_opening(text: str, at: int, *, known: _Known, widest: int) -> tuple[Span, _Known] | None:
    """The next fence or phantom, and what is known of lists at it."""
    for line, run, end in _lines_with_run(text, at):
        lead = text[line : run.start()]
        if len(lead) + 3 > widest or not _LEAD.fullmatch(lead):
            continue
        if _indent(lead) > 3 and not _BULLET.search(lead):
            known = _Known(line, stands_in_list(text, line, floor=known.line, known=known.in_list))
            if not known.in_list:
                continue  # indented code
        return _opened(text, line, run, end=end, widest=widest), known
    return None


def _opened(text: str, line: int, run: re.Match[str], *, end: int, widest: int) -> Span:
    """The fence that the run on a line opens, or the phantom that it is."""
    lead = text[line : run.start()]
    fence = _fence(lead, run[0][: widest - len(lead)], info=text[run.end() : end])
    # A second backtick on the line makes it code within a line.
    stop = text.find("`", run.end(), end) if fence.run[0] == "`" else -1
    if len(lead) + len(run[0]) > widest:
        stop = line + widest
    if stop >= 0:
        return Span(fence, line, line, stop, end, open=False, phantom=True)
    return _until_closed(text, fence, start=line, body=min(end + 1, len(text)))


def _fence(lead: str, run: str, *, info: str) -> Fence:
    depth = lead.count(">")
    return Fence(run, _BULLET.sub(lambda mark: " " * len(mark[0]), lead), info.rstrip(), depth, _indent(lead))


def _inner(lead: str) -> int:
    return len(lead.rpartition(">")[2].expandtabs(4))


def _indent(lead: str) -> int:
    return 0 if ">" in lead else len(lead.expandtabs(4))


def _until_closed(text: str, fence: Fence, *, start: int, body: int) -> Span:
    lines = _quoted_lines_with_run(text, body, fence=fence) if fence.depth else _lines_with_run(text, body)
    for line, run, end in lines:
        if run is None:
            return Span(fence, start, body, line, line, open=False)
        if not text[run.end() : end].strip() and fence.closed_by(text[line : run.start()], run[0]):
            return Span(fence, start, body, line, min(end + 1, len(text)), open=False)
    return Span(fence, start, body, len(text), len(text), open=True)


def _lines_with_run(text: str, at: int) -> Iterator[tuple[int, re.Match[str], int]]:
    """Each line with a fence-like run: its start, its first run, and its end."""
    while run := _RUN.search(text, at):
        end = text.find("\n", run.end())
        at = len(text) if end < 0 else end
        yield text.rfind("\n", 0, run.start()) + 1, run, at


def _quoted_lines_with_run(text: str, at: int, *, fence: Fence) -> Iterator[tuple[int, re.Match[str] | None, int]]:
    """The same within a block quote; the line that is no longer in it comes without a run."""
    quoted = fence.quoted
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if at and not quoted.match(text, at):  # at 0 the part before it decided that the fence goes on
            yield at, None, end
        if run := _RUN.search(text, at, end):
            yield at, run, end
        at = end + 1
