"""`compose.yaml` runs as it stands, by podman-compose: up, healthy, asked, down, and up again with all that it knew.

Podman lets systemd time health checks; here each is run by hand. What `depends_on` says of health is left to the bot,
which waits for its store: podman 4 does not know it.
"""

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.chaos.rolling import WORDS
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.manifests import ROOT
from tests.pods.podman import eventually, fresh, outside_address, podman, tried
from tests.pods.release import answers
from tests.running import Services, always, services
from tests.subprocesses import environment
from tests.until import until

pytestmark = pytest.mark.timeout(600)

COMPOSE_WAITS_S = 10.0
"""Before SIGKILL, where a service names no stop_grace_period (Compose specification, read November 2026)."""

PORT = "127.0.0.1:8080:8080"


class Project:
    """The services of a copy of compose.yaml, with any free port."""

    def __init__(self, folder: Path) -> None:
        self.name = fresh("compose")
        self._folder = folder
        text = (ROOT / "compose.yaml").read_text()
        assert PORT in text
        (folder / "compose.yaml").write_text(text.replace(PORT, "127.0.0.1::8080"))

    def container(self, service: str) -> str:
        return f"{self.name}_{service}_1"

    async def compose(self, *words: str) -> str:
        """What the command prints; fails with it."""
        command = ["podman-compose", "--project-name", self.name, *words]
        process = await asyncio.create_subprocess_exec(*command, cwd=self._folder, stdout=PIPE, stderr=STDOUT)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def up(self) -> None:
        """Up, and healthy, and ready."""
        await self.compose("up", "--detach")
        for service in ("store", "bot"):
            await eventually(lambda service=service: self._healthy(service))
        await eventually(self._ready)

    async def says(self, status: str) -> bool:
        """Whether the bot says so of itself."""
        return status in await self.compose("exec", "-T", "bot", "routernesia-bot", "status")

    async def _healthy(self, service: str) -> bool:
        code, _ = await tried("healthcheck", "run", self.container(service))
        return code == 0

    async def _ready(self) -> bool:
        published = await podman("port", self.container("bot"), "8080/tcp")
        async with aiohttp.ClientSession() as session, session.get(f"http://{published}/readyz") as response:
            return response.status == 200


@asynccontextmanager
async def project(outside: Services, folder: Path) -> AsyncGenerator[Project]:
    """Gone at the end, with its volumes."""
    ours = {"PATH", "HOME", "LANG", "PYTHONPATH", "HTTP_HOST", "HTTP_PORT", "LOG_FORMAT"}
    settings = {name: value for name, value in environment(outside).items() if name not in ours}
    (folder / ".env").write_text("REDIS_URL=\n" + "".join(f'{name}="{value}"\n' for name, value in settings.items()))
    made = Project(folder)
    await podman("tag", "localhost/routernesia-bot", f"localhost/{made.name}_bot")
    try:
        yield made
    finally:
        await made.compose("down", "--volumes")
        await podman("rmi", f"localhost/{made.name}_bot")


@pytest.mark.skipif(not shutil.which("podman-compose"), reason="there is no podman-compose: scripts/pods brings it")
async def test_compose_brings_a_bot_up_that_remembers_over_down_and_up(tmp_path: Path) -> None:
    async with (
        services(host=outside_address(), slack=FakeSlack(rates=False, echoes=False)) as outside,
        project(outside, tmp_path) as composed,
    ):
        outside.completions.default = always(Text(WORDS, tokens_per_s=100))
        await composed.up()
        mounted = await podman("inspect", "--format", "{{range .Mounts}}{{.Name}}{{end}}", composed.container("bot"))
        assert mounted == f"{composed.name}_data"
        outside.completions.may_end.clear()
        thread = await outside.slack.mention("C1", "U01", "my word is marmalade")
        await until(lambda: outside.completions.open_now == 1)
        down = asyncio.create_task(composed.compose("down"))
        await asyncio.sleep(COMPOSE_WAITS_S + 2)
        assert not down.done()
        outside.completions.may_end.set()
        await down
        assert answers(outside)[thread] == 1
        await composed.up()
        # podman-compose stops the store without waiting for the bot: what was posted may have to be settled now.
        await eventually(lambda: composed.says("1 taken; 1 answered"))
        assert answers(outside)[thread] == 1
        await outside.slack.mention("C1", "U01", "what was it?", thread_ts=thread)
        await until(lambda: answers(outside)[thread] == 2)
        assert "marmalade" in str(outside.completions.requests[-1].body["messages"])
