"""Records of `bot.sealing`: what opens, what does not, and what keys may look like."""

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.errors import StoreError, Unreadable
from bot.sealing import Seal, keys, new_key

ROOT = Path(__file__).parents[2]
OLD, NEW = (hashlib.sha256(name).digest() for name in (b"old", b"new"))
SEAL = Seal([OLD])
CLEAR = Seal()

texts = st.text(st.characters()) | st.text(st.characters(categories=["Cs"])) | st.sampled_from(["sealed:", "plain:"])
texts = texts | st.builds("{}{}".format, st.sampled_from(["sealed:1:", "plain:", "plain:sealed:"]), st.text())


def base64_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(text=texts, tenant=st.text(), purpose=st.text())
@pytest.mark.parametrize("seal", [SEAL, CLEAR], ids=["sealed", "clear"])
def test_any_text_comes_back_as_it_was(seal: Seal, text: str, tenant: str, purpose: str):
    record = seal.seal(text, tenant=tenant, purpose=purpose)
    assert seal.open(record, tenant=tenant, purpose=purpose) == text


@given(text=texts)
def test_a_record_is_plain_ascii_that_begins_with_its_key_and_hides_its_text(text: str):
    record = SEAL.seal(text, tenant="T1")
    assert record.isascii()
    assert record.startswith(f"sealed:1:{hashlib.sha256(OLD).hexdigest()[:8]}:")
    assert len(text) < 8 or text not in record.removeprefix("sealed:1:")


def test_one_text_gives_another_record_each_time():
    assert len({SEAL.seal("hello", tenant="T1") for _ in range(100)}) == 100


@given(data=st.data(), text=st.text(max_size=40))
def test_a_record_with_any_character_changed_does_not_open(data: st.DataObject, text: str):
    record = SEAL.seal(text, tenant="T1")
    at = data.draw(st.integers(len("sealed:"), len(record) - 1))
    other = data.draw(st.sampled_from("Aa0_-=: \n\u0660é"))
    # No filter: a record is another one each time, and what is drawn may not depend on it.
    assume(other != record[at])
    with pytest.raises(Unreadable):
        SEAL.open(record[:at] + other + record[at + 1 :], tenant="T1")


@pytest.mark.parametrize("text", ["", "a", "ab"])
def test_a_record_has_one_way_to_be_written(text: str):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    record = SEAL.seal(text, tenant="T1")
    # The last character of some lengths has bits that stand for nothing.
    for other in set(alphabet) - {record[-1]}:
        with pytest.raises(Unreadable):
            SEAL.open(record[:-1] + other, tenant="T1")


@given(data=st.data())
def test_a_record_that_was_cut_or_prolonged_does_not_open(data: st.DataObject):
    record = SEAL.seal("hello", tenant="T1")
    cut = record[: data.draw(st.integers(len("sealed:"), len(record) - 1))]
    longer = record + data.draw(st.text("Aa0_-=", min_size=1, max_size=4))
    for one in (cut, longer):
        with pytest.raises(Unreadable):
            SEAL.open(one, tenant="T1")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_a_record_opens_for_no_other_tenant_or_purpose(mine: tuple[str, str], theirs: tuple[str, str]):
    record = SEAL.seal("hello", tenant=mine[0], purpose=mine[1])
    if mine == theirs:
        assert SEAL.open(record, tenant=theirs[0], purpose=theirs[1]) == "hello"
    else:
        with pytest.raises(Unreadable, match="another workspace"):
            SEAL.open(record, tenant=theirs[0], purpose=theirs[1])


def test_tenant_and_purpose_cannot_be_shifted_into_each_other():
    record = SEAL.seal("hello", tenant='T1", "x', purpose="p")
    with pytest.raises(Unreadable):
        SEAL.open(record, tenant="T1", purpose='p", "x')


def test_a_new_first_key_seals_and_the_old_one_still_opens():
    both = Seal([NEW, OLD])
    before, after = SEAL.seal("hello", tenant="T1"), both.seal("hello", tenant="T1")
    assert both.open(before, tenant="T1") == both.open(after, tenant="T1") == "hello"
    assert Seal([NEW]).open(after, tenant="T1") == "hello"


def test_a_key_that_was_removed_too_early_is_named_with_what_to_do():
    record = SEAL.seal("canary", tenant="T1")
    for seal in (Seal([NEW]), CLEAR):
        with pytest.raises(StoreError, match=f"{hashlib.sha256(OLD).hexdigest()[:8]}.*ENCRYPTION_KEY") as caught:
            seal.open(record, tenant="T1")
        assert "canary" not in str(caught.value)


def test_text_from_before_there_was_a_key_is_still_read():
    assert SEAL.open("hello", tenant="T1") == "hello"
    assert SEAL.open(CLEAR.seal("sealed:1:x", tenant="T1"), tenant="T1") == "sealed:1:x"


def test_only_a_seal_with_a_key_is_enabled():
    assert (SEAL.enabled, CLEAR.enabled) == (True, False)
    assert CLEAR.seal("hello", tenant="T1") == "hello"


@pytest.mark.parametrize(
    "setting",
    [
        base64_of(NEW),
        base64_of(NEW).rstrip("="),
        base64.urlsafe_b64encode(NEW).decode(),
        NEW.hex(),
        NEW.hex().upper(),
        f" {NEW.hex()} ",
    ],
)
def test_a_key_is_read_in_every_common_way_to_write_it(setting: str):
    assert keys(setting) == (NEW,)


def test_keys_are_read_in_their_order():
    assert keys(f"{base64_of(NEW)}, {OLD.hex()}") == (NEW, OLD)
    assert keys("") == keys(" ") == ()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("canary canary", "must be written in base64 or hex"),
        ("canaryé", "must be written in base64 or hex"),
        (base64_of(NEW) + "===", "must be written in base64 or hex"),
        ("canary", "must be 32 bytes"),
        ("canar", "must be 32 bytes"),
        (base64_of(NEW[:31]), "must be 32 bytes"),
        (NEW.hex() + "00", "must be 32 bytes"),
        (NEW.hex()[:32], "must be 32 bytes"),
        ("00" * 32, "repeats itself"),
        (base64_of(b"a" * 32), "repeats itself"),
        ("0123456789abcdef" * 4, "repeats itself"),
        (f"{base64_of(NEW)},", "remove the comma"),
        (f"{base64_of(NEW)},,{base64_of(OLD)}", "remove the comma"),
        (f"{base64_of(NEW)},canary", "must be 32 bytes"),
    ],
)
def test_what_is_no_key_is_told_without_repeating_it(setting: str, sentence: str):
    with pytest.raises(ValueError, match=sentence) as caught:
        keys(setting)
    assert "ENCRYPTION_KEY" in str(caught.value)
    assert not any(part and part in str(caught.value) for part in setting.split(","))


def test_a_new_key_can_be_used_at_once():
    made = [new_key() for _ in range(50)]
    assert len(set(keys(",".join(made)))) == 50


def loads_cryptography(code: str) -> bool:
    code = f"import sys, bot.sealing; {code}; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip() == "True"


def test_without_a_key_cryptography_is_not_loaded():
    assert not loads_cryptography("bot.sealing.Seal().open(bot.sealing.Seal().seal('x', tenant=''), tenant='')")
    assert loads_cryptography("bot.sealing.Seal(bot.sealing.keys(bot.sealing.new_key()))")
