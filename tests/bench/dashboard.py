"""Draw the dashboard from a real run, the bot between fake platforms, scraped by Prometheus: docs/img/dashboard.svg.

    python -m tests.bench.dashboard [seconds]

It needs `prometheus` on the PATH (Debian: apt-get install prometheus). Half-way the model fails for a while, so that
there is something to see. Queries, titles and places are those of helm/monitoring/dashboard.json.
"""

import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import aiohttp

from bot import embedded
from tests.fakes.completions import Answer, Request, Text, status
from tests.fakes.slack import FakeSlack
from tests.running import Running, Services, running, services
from tests.unmetered import lift

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "helm/monitoring/dashboard.json"
PICTURE = ROOT / "docs/img/dashboard.svg"

SECONDS = 90.0
PER_S = 5
STEP_S = 2
WIDTH, COLUMNS, UNIT = 1200, 24, 18  # of the picture, of Grafana's grid, of a row of that grid
COLOURS = ("#2563eb", "#16a34a", "#d97706", "#dc2626", "#7c3aed", "#0891b2", "#65a30d", "#be185d")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel: its name, and what it was at which time (Unix seconds)."""

    name: str
    points: Sequence[tuple[float, float]]


async def main() -> None:
    """Run, ask, draw."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    lift()
    with tempfile.TemporaryDirectory() as folder:
        slack = FakeSlack(rates=False, echoes=False)
        async with (
            embedded.serving(Path(folder) / "data") as socket,
            services(slack=slack) as outside,
            running(outside, redis_url=f"unix://{socket}") as bot,
            _prometheus(bot.bot.port, Path(folder)) as url,
        ):
            outside.discord.limits = False
            began = time.time()
            await _talk(outside, bot, seconds)
            await asyncio.sleep(3 * STEP_S)
            PICTURE.write_text(await _drawn(url, began, time.time()))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} kB")


async def _talk(outside: Services, bot: Running, seconds: float) -> None:
    chance, loop = random.Random(1), asyncio.get_running_loop()
    began = loop.time()

    def model(_: Request) -> Answer:
        if 0.5 < (loop.time() - began) / seconds < 0.65:
            return status(503)
        words = " ".join(f"word{number}" for number in range(chance.randrange(20, 120)))
        return Text(
            words, tokens_per_s=60, usage={"prompt_tokens": chance.randrange(100, 900), "completion_tokens": 80}
        )

    outside.completions.default = model
    channels = [outside.discord.add_channel(f"room{number}") for number in range(20)]
    async with asyncio.TaskGroup() as people:
        for number in range(int(seconds * PER_S)):
            await asyncio.sleep(max(0.0, began + number / PER_S - loop.time()))
            if number % 2:
                outside.discord.mention(channels[number % 20], outside.discord.ann, "a question")
            else:
                people.create_task(outside.slack.mention(f"C{number % 20}", "U01", "a question"))
    while bot.settled < bot.accepted:  # noqa: ASYNC110 -- nothing signals it
        await asyncio.sleep(0.2)


@asynccontextmanager
async def _prometheus(port: int, folder: Path) -> AsyncGenerator[str]:
    config = folder / "prometheus.yml"
    target = {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "chat", "pod": "bot-0"}}
    job = {"job_name": "bot", "scrape_interval": "1s", "static_configs": [target]}
    config.write_text(json.dumps({"scrape_configs": [job]}))  # JSON is YAML
    listen = f"127.0.0.1:{19090 + port % 1000}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={listen}"]
    server = await asyncio.create_subprocess_exec("prometheus", *options, "--log.level=error")
    try:
        yield f"http://{listen}"
    finally:
        server.send_signal(signal.SIGTERM)
        await server.wait()


async def _drawn(url: str, began: float, ended: float) -> str:
    parts: list[str] = []
    height = 0
    async with aiohttp.ClientSession(url) as session:
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            at = panel["gridPos"]
            x, y, w = (at[name] * WIDTH / COLUMNS for name in ("x", "x", "w"))
            y, h = at["y"] * UNIT, at["h"] * UNIT
            height = max(height, y + h)
            if panel["type"] == "row":
                parts.append(
                    f'<text x="8" y="{y + 14}" font-weight="700" font-size="13">{escape(panel["title"])}</text>'
                )
                continue
            lines = [
                line for target in panel["targets"] for line in await _asked(session, target, began=began, ended=ended)
            ]
            unit = panel["fieldConfig"]["defaults"].get("unit", "")
            parts.append(_panel(panel["title"], unit, lines, box=(x, y, w, h), span=(began, ended)))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="10" role="img">'
        "<title>The dashboard, drawn from a run against fake platforms; the model fails half-way</title>"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


async def _asked(session: aiohttp.ClientSession, target: dict[str, Any], *, began: float, ended: float) -> list[Line]:
    query = target["expr"].replace("$namespace", "chat").replace("$job", ".*").replace("$__rate_interval", "15s")
    query = query.replace("[1h]", "[2m]")
    params = {"query": query, "start": str(began), "end": str(ended), "step": str(STEP_S)}
    async with session.get("/api/v1/query_range", params=params) as answer:
        found = await answer.json()
    if found["status"] != "success":
        raise RuntimeError(f"Prometheus refuses {query}: {found.get('error')}")
    lines: list[Line] = []
    for series in found["data"]["result"]:
        name = target["legendFormat"]
        for label, value in series["metric"].items():
            name = name.replace("{{" + label + "}}", value)
        values = [(float(at), float(value)) for at, value in series["values"] if value not in ("NaN", "+Inf", "-Inf")]
        lines.append(Line(name, values))
    return lines


def _panel(
    title: str,
    unit: str,
    lines: Sequence[Line],
    *,
    box: tuple[float, float, float, float],
    span: tuple[float, float],
) -> str:
    x, y, w, h = box
    left, top, wide, high = x + 40, y + 22, w - 56, h - 48
    values = [value for line in lines for _, value in line.points]
    low, most = min([0.0, *values]), max([*values, 0.0])
    most = most if most > low else low + 1
    parts = [
        f'<rect x="{x + 4:.0f}" y="{y + 2:.0f}" width="{w - 8:.0f}" height="{h - 4:.0f}" rx="4" fill="none" '
        'stroke="#d8dce2"/>',
        f'<text x="{x + 10:.0f}" y="{y + 15:.0f}" font-weight="600">{escape(title)} '
        f'<tspan fill="#8a8f98">{unit}</tspan></text>',
    ]
    for share in (0.0, 0.5, 1.0):
        at = top + high * (1 - share)
        parts.append(f'<path d="M{left:.0f} {at:.0f}h{wide:.0f}" stroke="#eef0f3"/>')
        label = f"{low + (most - low) * share:.3g}"
        parts.append(f'<text x="{left - 4:.0f}" y="{at + 3:.0f}" text-anchor="end" fill="#8a8f98">{label}</text>')
    legend = left
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        across, up = wide / (span[1] - span[0]), high / (most - low)
        path = " ".join(
            f"{left + (at - span[0]) * across:.0f},{top + high - (value - low) * up:.0f}" for at, value in line.points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if legend < x + w - 60:
            parts.append(f'<text x="{legend:.0f}" y="{y + h - 8:.0f}" fill="{colour}">{escape(line.name)}</text>')
        legend += 6.0 * len(line.name) + 10
    return "".join(parts)


if __name__ == "__main__":
    asyncio.run(main())
