"""Links whose target stands elsewhere in the text, like `[a][1]` and `[1]: https://...`: unknown to Discord. Pure."""

import re

from adapters.discord.text.blocks import Block, blocks
from bot.markdown import ticks_of

_DEFINITION = re.compile(r"""\s{0,3}\[([^\[\]^][^\[\]]*)\]:\s*<?(https?://[^\s<>]+)>?(?:\s+["'(].*)?\s*""")
_LINK = re.compile(r"\[(?P<text>[^\[\]]+)\](?:\[(?P<label>[^\[\]]*)\])?(?![\[(:])")


def with_targets(text: str) -> str:
    """The text with each target in its link. A definition that no link here uses stays: its link is in another part.

    Where that makes the text more than twice as long, because many links share a target, they stay where they are.
    """
    if "]:" not in text:
        return text
    found = list(blocks(text.split("\n")))
    targets = {one[1].lower(): one[2] for block in found if (one := _definition(block))}
    if not targets:
        return text
    links = _Links(targets, room=len(text))
    lines: list[tuple[str, str]] = []
    for block in found:
        definition = _definition(block)
        prose = block.kind not in ("fence", "code", "formula") and not definition
        key = definition[1].lower() if definition else ""
        lines += ((links.linked(line) if prose else line, key) for line in block.lines)
    if links.room < 0:
        return text
    return "\n".join(line for line, key in lines if not key or key not in links.used)


class _Links:
    """Puts targets into links; `room` is by how much the text may still grow."""

    def __init__(self, targets: dict[str, str], *, room: int) -> None:
        self.used: set[str] = set()
        self.room = room
        self._targets = targets

    def linked(self, line: str) -> str:
        if "[" not in line:
            return line
        pieces: list[str] = []
        at = 0
        for ticks in ticks_of(line):
            if ticks.code:
                pieces += [_LINK.sub(self._link, line[at : ticks.start]), line[ticks.start : ticks.end]]
                at = ticks.end
        return "".join([*pieces, _LINK.sub(self._link, line[at:])])

    def _link(self, link: re.Match[str]) -> str:
        label = (link["label"] or link["text"] or "").lower()
        if label not in self._targets or self.room < 0:
            return link[0]
        self.used.add(label)
        self.room -= len(self._targets[label])
        return f"[{link['text']}]({self._targets[label]})"


def _definition(block: Block) -> re.Match[str] | None:
    return _DEFINITION.fullmatch(block.lines[0]) if block.kind == "line" else None
