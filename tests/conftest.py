"""What all tests share: a real Valkey per test process, empty at the start of each test."""

import gc
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import embedded, store
from tests.canary import canary, pytest_addoption

__all__ = ["canary", "pytest_addoption"]

# No example is judged by its time: the machine may be busy. `make fuzz` looks longer.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
settings.load_profile("quick")

# For each test and fixture asyncio.Runner sets a signal handler, and `signal` formats it with all that it is about. The
# pool of a Redis client holds the client, so that was an endless text: a tenth of what a test with Redis cost.
Redis.__repr__ = object.__repr__


# Neither while thousands of tests are collected, nor afterwards, need the collector look through them again and again.
gc.disable()


def pytest_collection_finish() -> None:
    """What stands now stays, the little garbage in it too: to look for that takes longer than it saves."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Have Hypothesis write which characters there are, which takes it 3 s: in a fresh clone each worker would do so.

    Where there are workers they are collecting tests meanwhile.
    """
    if not hasattr(session.config, "workerinput"):
        st.text().validate()


@pytest.fixture(scope="session")
def valkey_url() -> Generator[str]:
    """The URL of a Valkey of this test process's own, with the append-only file on."""
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        socket = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", "--appendonly", "yes"]
        options += ["--appendfsync", "always", "--logfile", str(Path(folder) / "log")]
        with subprocess.Popen([str(embedded.server_binary()), *options]) as server:
            client = BlockingRedis(unix_socket_path=str(socket))
            _await_answer(client)
            client.close()
            yield f"unix://{socket}"
            server.terminate()


def _await_answer(client: BlockingRedis) -> None:
    give_up_at = time.monotonic() + 10
    while True:
        try:
            client.execute_command("PING")
        except (RedisError, OSError):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
        else:
            return


@pytest.fixture
async def redis(valkey_url: str) -> AsyncGenerator[Redis]:
    """A client of the empty test server; afterwards every key must expire or be the queue itself."""
    async with store.connect(valkey_url, data_dir=Path("unused")) as client:
        await client.execute_command("FLUSHALL")
        yield client
        keys = cast(list[str], await client.keys())
        assert [key for key in keys if not _permanent(key) and await client.ttl(key) == -1] == []


def _permanent(key: str) -> bool:
    return key.removeprefix(store.PREFIX).split(":", 1)[0] in store.PERMANENT
