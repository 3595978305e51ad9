"""How much of a line of words is decided while the line is still being written.

Knows the marks within a line and what may still become of them; knows no blocks and no messages.
"""

import re

from bot.markdown.characters import UNSEEN, splits_sign
from bot.markdown.emphasis import Emphasis
from bot.markdown.ticks import CODE_MAX, ticks_of

TARGET_MAX = 2_000
"""Characters of a link's target with its title (chosen; a longer address is no link)."""

TARGET = re.compile(
    r"\([ \t]*+(?:<(?P<angled>[^<>\n\[\]`\0]*+)>|(?P<plain>(?:[^()\s<>\[\]`\0]++|\([^()\s<>\[\]`\0]*+\))++))"
    r"(?:[ \t]++(?:\"[^\"\[\]\n`\0]*+\"|'[^'\[\]\n`\0]*+'|\([^()\[\]\n`\0]*+\)))?+[ \t]*+\)"
)
"""The target of an inline link, for `match` at its bracket. It holds nothing that could begin another mark."""

_HELD_MAX = 200  # characters that words wait for the end of the emphasis or the label they are in
_WORD_MAX = 256  # characters without a space that are not waited for (the rule for flushing a stream)
_OPENED_MAX = 32  # runs of emphasis open at once: beyond it is noise
_UNSEEN = re.compile(rf"[{UNSEEN}]*+")
_TOKEN = re.compile(r"\\[\\`]|`+|[\[\]<]|\*+|_+|~~+|[^\S\n]+|[。！？，、；：]")


class LineReader:
    """Reads the last line of a growing text from left to right, as far as more text cannot change what it means."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._ticks = {line + ticks.start: (line + ticks.end, ticks.code) for ticks in ticks_of(text[line:])}
        self._emphasis = Emphasis()
        self._label = -_HELD_MAX
        self._place = line  # where the last space, sign or mark ended
        self._cut: int | None = None

    def last_cut(self, least: int) -> int | None:
        """The last place from `least` on where the line can be cut for good: behind a space or sentence, if any."""
        at = self._place
        while token := _TOKEN.search(self._text, at):
            self._offer_within_word(token.start(), least)
            after = self._after(token)
            if after is None:
                return self._cut
            if token[0].isspace() or token[0] in "。！？，、；：":
                self._offer(after, least)
            at = self._place = after
        self._offer_within_word(len(self._text), least)
        return self._cut

    # --- where it can be cut ---

    def _offer(self, at: int, least: int) -> None:
        opened = self._emphasis.open[-1].at if self._emphasis.open else -_HELD_MAX
        if at >= least and at - max(opened, self._label) > _HELD_MAX:
            self._cut = at

    def _offer_within_word(self, end: int, least: int) -> None:
        """Cut a word of more than `_WORD_MAX` characters that has not ended before `end`, between two of its own."""
        for at in range(end - 1, self._place + _WORD_MAX, -1):
            if self._text[at - 1].isalnum() and self._text[at].isalnum() and not splits_sign(self._text, at):
                self._offer(at, least)
                return

    # --- what a mark means ---

    def _after(self, token: re.Match[str]) -> int | None:
        """Where reading goes on behind a mark; None where it is not decided."""
        start, end = token.span()
        sign = token[0][0]
        if sign == "`":
            return self._after_ticks(start)
        if sign == "<":
            return self._after_angle(end)
        if sign == "]":
            self._label = -_HELD_MAX
            return self._after_bracket(end)
        if sign == "[":
            self._label = start
        elif sign in "*_~":
            self._read_emphasis(token)
        return end

    def _after_ticks(self, start: int) -> int | None:
        end, code = self._ticks[start]
        if code:
            return end if end < len(self._text) else None
        return end if len(self._text) - start > CODE_MAX + (end - start) else None

    def _after_angle(self, at: int) -> int | None:
        unseen = _UNSEEN.match(self._text, at)
        end = unseen.end() if unseen else at
        if end == len(self._text):
            return None
        return end + 1 if self._text[end] in "!@#" else at

    def _after_bracket(self, at: int) -> int | None:
        if self._text[at : at + 1] != "(":
            return at
        target = TARGET.match(self._text, at)
        if target and target.end() - at <= TARGET_MAX:
            return target.end()
        return at if len(self._text) - at > TARGET_MAX else None

    def _read_emphasis(self, run: re.Match[str]) -> None:
        if len(self._emphasis.open) > _OPENED_MAX:
            self._emphasis = Emphasis()
        before, after = self._text[max(0, run.start() - 1) : run.start()], self._text[run.end() : run.end() + 1]
        self._emphasis.read(run[0], run.start(), before=before, after=after)
