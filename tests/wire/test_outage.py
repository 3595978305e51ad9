"""What a person at a shell reads where Redis is away: on real sockets, by servers that go wrong each in its own way."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis

from bot import doctor, operating, outage, store
from bot.errors import StoreError, Unreadable
from bot.settings import Settings, load
from tests.running import running, services

SECRET = "canary-password"


def of(url: str, **more: str) -> Settings:
    return load(env_file=Path("unused"), environ={"REDIS_URL": url, **more}).core


async def told(url: str, **more: str) -> str:
    with pytest.raises(StoreError) as caught:
        await operating.status(of(url, **more))
    return str(caught.value)


@asynccontextmanager
async def saying(reply: bytes | None, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """A server that says this to each thing it hears, and hangs up; None is silence. Gives its port."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reply is None:
            await over.wait()
        elif await reader.read(65_536):
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        over.set()


@pytest.mark.parametrize(
    ("reply", "did", "todo"),
    [
        (b"-NOAUTH Authentication required.\r\n", "wants a password, and none is set", "Set REDIS_PASSWORD."),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is still loading its data", "Wait for it."),
        (b"-READONLY You can't write against a replica.\r\n", "is a replica", "primary"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "is full", "Raise its maxmemory"),
        (b"-MISCONF canary-text\r\n", "answers with an error: MISCONF", "Look at its log"),
        (b"-oddly canary-text\r\n", "answers with an error.", "Look at its log"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers, but not as Redis does", "REDIS_URL"),
        (b"", "closes the connection", "rediss://"),
    ],
    ids=["no password", "loading", "replica", "full memory", "full disk", "odd", "web server", "closed"],
)
async def test_it_is_said_which_server_it_was_what_it_did_and_what_to_do(reply: bytes, did: str, todo: str) -> None:
    async with saying(reply) as port:
        said = await told(f"redis://127.0.0.1:{port}/0")
    first, second = said.splitlines()
    assert first.startswith(f"Redis at 127.0.0.1:{port} {did}")
    assert todo in second
    assert "canary" not in said


async def test_a_refused_connection_is_told_apart(unused_tcp_port: int) -> None:
    said = await told(f"redis://127.0.0.1:{unused_tcp_port}")
    assert said.startswith(f"Redis at 127.0.0.1:{unused_tcp_port} refuses the connection.\nSee that it runs")


async def test_a_silent_server_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ANSWER_WITHIN_S", 0.1)
    async with saying(None) as port:
        assert "does not answer within 3 s.\nSee that nothing" in await told(f"redis://127.0.0.1:{port}")


async def test_a_name_without_an_address_is_told_apart() -> None:
    assert await told("redis://nowhere.invalid") == (
        "Redis at nowhere.invalid:6379 cannot be found: its name has no address.\nCorrect the host in REDIS_URL."
    )


async def test_a_missing_socket_is_told_apart(tmp_path: Path) -> None:
    assert (await told(f"unix://{tmp_path}/s")).startswith(f"Redis at {tmp_path}/s is not there.\n")


@pytest.mark.parametrize("more", [{}, {"REDIS_PASSWORD": SECRET}], ids=["in the URL", "in a setting of its own"])
async def test_a_wrong_password_is_told_apart_and_not_repeated(
    valkey_url: str, redis: Redis, more: dict[str, str]
) -> None:
    path = valkey_url.removeprefix("unix://")
    said = await told(f"unix://nobody:{SECRET}@{path}" if not more else f"unix://nobody@{path}", **more)
    assert said.startswith(f"Redis at {path} refuses the user or the password.\nCorrect REDIS_PASSWORD")
    assert SECRET not in said


async def test_a_user_who_may_too_little_is_told_apart(valkey_url: str, redis: Redis) -> None:
    path = valkey_url.removeprefix("unix://")
    await redis.execute_command("ACL", "SETUSER", "weak", "on", f">{SECRET}", "+hello", "+client", "+ping")
    try:
        said = await told(f"unix://weak:{SECRET}@{path}")
    finally:
        await redis.execute_command("ACL", "DELUSER", "weak")
    assert said.startswith(f"Redis at {path} forbids a command.\n")
    assert "helm/README.md" in said


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's own, for localhost alone; its authority lies in `folder` as ca.crt."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    (folder / "ca.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key")
    return context


async def test_a_certificate_that_nobody_vouches_for_or_that_names_another_host_is_told_apart(tmp_path: Path) -> None:
    async with saying(None, tls=certificate(tmp_path)) as port:
        unknown = await told(f"rediss://127.0.0.1:{port}")
        another = await told(f"rediss://127.0.0.1:{port}", REDIS_CA_FILE=str(tmp_path / "ca.crt"))
    assert "shows a certificate that cannot be trusted: self-signed certificate.\nSet REDIS_CA_FILE" in unknown
    assert "certificate is not valid for '127.0.0.1'.\n" in another


async def test_a_server_that_speaks_no_tls_is_told_apart() -> None:
    async with saying(b"-ERR Protocol error\r\n") as port:
        said = await told(f"rediss://127.0.0.1:{port}")
    assert "does not speak TLS as asked.\nWhere it has no TLS, REDIS_URL begins with redis://" in said


async def test_doctor_says_the_same_in_one_finding(unused_tcp_port: int) -> None:
    settings = of(f"redis://127.0.0.1:{unused_tcp_port}")

    async def info() -> dict[str, object]:
        with outage.explained(settings):
            async with store.of(settings) as redis:
                return dict(await store.info(redis))

    [finding] = await doctor.redis_findings(info)
    assert f"{finding.what}\n{finding.todo}" == await told(f"redis://127.0.0.1:{unused_tcp_port}")


def test_an_error_that_is_not_the_connections_passes_as_it_is() -> None:
    with pytest.raises(Unreadable, match="another key"), outage.explained(of("redis://x")):
        raise Unreadable("another key")


async def test_sentinels_that_are_away_are_told_apart_from_the_server() -> None:
    said = await told("redis+sentinel://127.0.0.1:1/main/0")
    assert said.startswith(
        "Redis at 'main' by the Sentinels 127.0.0.1:1 cannot be found: no Sentinel answers and knows"
    )
    assert "REDIS_SENTINEL_PASSWORD" in said


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://ann:canary@h", "h:6379"),
        ("rediss://:canary@h:7000/1", "h:7000"),
        ("redis://[::1]", "[::1]:6379"),
        ("redis://[::1]:7000", "[::1]:7000"),
        ("unix://ann:canary@/run/s", "/run/s"),
        ("redis+sentinel://:canary@a,[::1]:7/m", "'m' by the Sentinels a:26379, [::1]:7"),
    ],
)
def test_where_it_was_looked_for_is_named_without_the_password(url: str, where: str) -> None:
    assert outage.server(of(url)) == where


def test_the_bots_own_is_named_by_its_folder() -> None:
    assert outage.server(of("", DATA_DIR="/data")) == "DATA_DIR /data (the bot's own)"


async def test_a_running_bot_says_which_server_is_away(unused_tcp_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    gone = f"redis://:{SECRET}@127.0.0.1:{unused_tcp_port}/0"
    async with services() as outside, running(outside, redis_url=gone, on=["slack"], awaited=()) as bot:
        code, body = await bot.get("/readyz")
    assert code == 503
    assert f"Redis at 127.0.0.1:{unused_tcp_port} refuses the connection" in body
    assert [one.__dict__["at"] for one in caplog.records if one.getMessage() == "store"] == [
        f"127.0.0.1:{unused_tcp_port}"
    ]
    assert SECRET not in body + caplog.text
