"""REDIS_URL taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings.redis_address import FORMS, RedisAddress, redis_address
from bot.settings.urls import password_in


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress(hosts=(("h", 6379),))),
        ("redis://h:7000/2", RedisAddress(hosts=(("h", 7000),), db=2)),
        ("rediss://h/", RedisAddress(hosts=(("h", 6379),), tls=True)),
        ("redis://[::1]:7000", RedisAddress(hosts=(("::1", 7000),))),
        ("unix:///run/a,b.sock", RedisAddress(socket="/run/a,b.sock")),
        ("redis+sentinel://a/main", RedisAddress(hosts=(("a", 26379),), monitored="main")),
        (
            "rediss+sentinel://a:1,[::1]:2,c/the%20main/3",
            RedisAddress(hosts=(("a", 1), ("::1", 2), ("c", 26379)), tls=True, db=3, monitored="the main"),
        ),
    ],
)
def test_an_address_is_read(url: str, address: RedisAddress) -> None:
    assert redis_address(url) == address


@pytest.mark.parametrize("hosts", ["h", "a:1,b:2"])
def test_a_login_is_no_part_of_where_the_server_is(hosts: str) -> None:
    scheme, path = ("redis+sentinel", "/main") if "," in hosts else ("redis", "")
    found = redis_address(f"{scheme}://bot:p%40ss,w:ord@{hosts}{path}")
    assert (found.user, found.password) == ("bot", "p@ss,w:ord")
    assert found == redis_address(f"{scheme}://{hosts}{path}")
    assert "p@ss" not in repr(found)
    assert password_in(f"{scheme}://bot:p%40ss@{hosts}{path}") == "p%40ss"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:h",
        "redis://a,b",
        "redis://h/main",
        "redis://h:0",
        "redis://h:x",
        "redis://h?db=1",
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel://a,,b/main",
        "redis+sentinel://a:70000,b/main",
        "redis+sentinel://a/main/zero",
        "unix+sentinel:///socket",
        "unix://",
        "valkey://h",
        "redis://h with space",
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(ValueError, match="must look like") as refusal:
        redis_address(url)
    assert str(refusal.value) == FORMS


@given(st.text(max_size=40), st.sampled_from(["redis", "rediss+sentinel", "unix", "http", ""]))
def test_no_text_makes_it_fail_otherwise(rest: str, scheme: str) -> None:
    try:
        redis_address(f"{scheme}://:canary77@{rest}")
    except ValueError as error:
        assert str(error) == FORMS  # noqa: PT017 - either outcome is right
