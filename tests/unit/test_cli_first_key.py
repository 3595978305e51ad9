import stat
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cli.call import on_terminal
from bot.cli.first_key import asked, keep
from bot.settings import Config, load

NOWHERE = Path("/nonexistent/.env")


def fresh() -> Config:
    return load(env_file=NOWHERE, environ={})


def chat(tmp_path: Path, *typed: str, keep: str = "n", env_file: Path | None = None) -> tuple[Config | None, list[str]]:
    said: list[str] = []
    keys = iter(typed)
    config = asked(
        fresh(), env_file or tmp_path / ".env", hidden=lambda _: next(keys), plain=lambda _: keep, say=said.append
    )
    return config, said


def test_enter_means_no_key(tmp_path: Path):
    config, said = chat(tmp_path, "  ")
    assert config is None
    assert "Enter" in said[1]


def test_a_key_that_cannot_be_one_is_asked_for_again(tmp_path: Path):
    config, said = chat(tmp_path, "two words", "good")
    assert config is not None
    assert config.secrets() == ("good",)
    assert said[2] == "COMPLETIONS_API_KEY must be the bare key: no spaces, no Bearer before it."
    assert not (tmp_path / ".env").exists()


def test_a_kept_key_stands_behind_the_old_lines_for_the_owner_only(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_bytes(b"# mine\r\nCOMPLETIONS_API_KEY=\nHTTP_PORT=1")
    path.chmod(0o644)
    _, said = chat(tmp_path, "secret-key", keep="Y")
    assert path.read_bytes() == b"# mine\r\nCOMPLETIONS_API_KEY=\nHTTP_PORT=1\nCOMPLETIONS_API_KEY='secret-key'\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert said[-1] == f"Kept in {path}; only you can read that file."
    assert not any("secret-key" in line for line in said)


def test_a_file_that_cannot_be_written_costs_only_the_keeping(tmp_path: Path):
    config, said = chat(tmp_path, "secret-key", keep="", env_file=tmp_path)
    assert config is not None
    assert said[-1] == f"{tmp_path} cannot be written (IsADirectoryError); the key is used for this time only."


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30))
def test_whatever_key_is_kept_is_read_back(tmp_path: Path, key: str):
    path = tmp_path / ".env"
    path.unlink(missing_ok=True)
    keep(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(env_file=path, environ={}).secrets() == (key,)


def test_under_test_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "input"
    path.write_text("")
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert not on_terminal()
