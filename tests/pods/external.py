"""A Redis that is not the chart's: with TLS, a certificate of its own authority, and a password."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.pods.podman import fresh, podman, tried

HOST = "redis.example.org"
URL = f"rediss://:a-password@{HOST}:6380/0"

SERVED = ["--port", "0", "--tls-port", "6380", "--tls-auth-clients", "no", "--requirepass", "a-password"]
FILES = ["--tls-cert-file", "/tls/crt", "--tls-key-file", "/tls/key", "--dir", "/tmp"]
DURABLE = ["--appendonly", "yes", "--save", "", "--appendfsync", "always"]


@asynccontextmanager
async def redis(*, image: str, network: str, folder: Path) -> AsyncGenerator[str]:
    """A server at `URL` as long as the context; gives the authority's certificate (PEM)."""
    tls, name = folder / "tls", fresh("redis")
    tls.mkdir()
    await _certificate(tls)
    words = ["--pull", "never", "--network", network, "--network-alias", HOST, "--volume", f"{tls}:/tls:ro"]
    # Debian's server in our stand-in: the one of the wheel speaks no TLS.
    words += ["--entrypoint", "/usr/bin/valkey-server", image, *SERVED, *FILES, *DURABLE]
    await podman("run", "--detach", "--name", name, *words)
    try:
        yield (tls / "crt").read_text()
    finally:
        await tried("rm", "--force", "--volumes", "--time", "0", name)


async def _certificate(folder: Path) -> None:
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    made = ["-keyout", str(folder / "key"), "-out", str(folder / "crt"), "-days", "2"]
    process = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *made, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
