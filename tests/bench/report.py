"""Readings of all rounds as a table: our figure, the reference's, how they compare, and what was aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from tests.bench.cases import Reading, Readings

HEAD = ("", "bot", "reference", "compared", "aim", "n")


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure is compared by and held against: `most` or `least` of the difference, the ratio or itself."""

    by: Literal["difference", "ratio", "itself"]
    most: float | None = None
    least: float | None = None


AIMS = {
    "event to request, ms": Aim("difference", most=3.0),
    "event to request, calls take 100 ms": Aim("difference", most=3.0),
    "first token to first write, ms": Aim("difference", most=3.0),
    "last token to final write, ms": Aim("difference", most=3.0),
    "instant model, mentions/s": Aim("ratio", least=0.6),
    "instant model, CPU ms a mention": Aim("ratio"),
    "200 tokens paced, CPU ms a mention": Aim("ratio", most=1.5),
    "burst, instant answers: answered %": Aim("itself", least=100.0),
    "burst, instant answers: wall s": Aim("ratio", most=1.5),
    "burst, 2 s answers: answered %": Aim("itself", least=100.0),
    "burst, 2 s answers: wall s": Aim("ratio", most=1.5),
    "burst, peak RSS MB": Aim("itself", most=120.0),
    "spawn to connected, ms": Aim("itself", most=700.0),
}


def table(title: str, bot: Sequence[Readings], reference: Sequence[Readings]) -> str:
    """One platform's table."""
    names = list(dict.fromkeys(name for readings in (*bot, *reference) for name in readings))
    rows = [_row(name, _joined(name, bot), _joined(name, reference)) for name in names]
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    lines = [_line(row, widths) for row in (HEAD, ["-" * width for width in widths], *rows)]
    return "\n".join((title, *lines))


def _joined(name: str, rounds: Sequence[Readings]) -> Reading | None:
    """The median of the rounds."""
    found = [readings[name] for readings in rounds if name in readings]
    if not found:
        return None
    tails = [one.p99 for one in found if one.p99 is not None]
    return Reading(median(one.value for one in found), sum(one.n for one in found), median(tails) if tails else None)


def _row(name: str, bot: Reading | None, reference: Reading | None) -> Sequence[str]:
    aim = AIMS.get(name)
    compared = _compared(aim, bot, reference) if aim and bot and reference else None
    shown = "" if compared is None or aim is None else _shown(aim, compared)
    counts = "/".join(str(one.n) if one else "-" for one in (bot, reference))
    return (name, _figure(bot), _figure(reference), shown, _aim(aim, compared), counts)


def _compared(aim: Aim, bot: Reading, reference: Reading) -> float:
    if aim.by == "difference":
        return bot.value - reference.value
    return bot.value / reference.value if aim.by == "ratio" and reference.value else bot.value


def _shown(aim: Aim, compared: float) -> str:
    return {"difference": f"{compared:+.1f}", "ratio": f"x{compared:.2f}", "itself": ""}[aim.by]


def _aim(aim: Aim | None, compared: float | None) -> str:
    if aim is None or (aim.most is None and aim.least is None):
        return ""
    sign = {"difference": "+", "ratio": "x", "itself": ""}[aim.by]
    bounds = [f"<= {sign}{aim.most:g}" if aim.most is not None else "", f">= {sign}{aim.least:g}" if aim.least else ""]
    verdict = "" if compared is None or _reached(aim, compared) else " MISSED"
    return "".join(bounds) + verdict


def _reached(aim: Aim, compared: float) -> bool:
    return (aim.most is None or compared <= aim.most) and (aim.least is None or compared >= aim.least)


def _figure(reading: Reading | None) -> str:
    if reading is None:
        return "-"
    return f"{reading.value:.1f}" + (f" ({reading.p99:.1f})" if reading.p99 is not None else "")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *rest = cells
    columns = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join((f"{name:<{widths[0]}}", *columns)).rstrip()
