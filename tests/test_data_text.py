"""The text codec: round trips on every script, the three units, cuts, unseen characters, streams and windows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from morelike.core.errors import BadInput
from morelike.core.spec import Tokens, lift, live
from morelike.data.loader import Rows, Windows, encode_all, encode_stream, take
from morelike.data.text import TextCodec
from morelike.data.text_items import Passages, joined, passages
from morelike.data.text_shared import shared_pairs
from morelike.testing import check_codec

SCRIPTS = [
    "Grüße, Jürgen! €5", "日本語のテキスト。", "नमस्ते दुनिया", "مرحبا بالعالم", "שלום עולם", "Привет, мир", "สวัสดีชาวโลก", "한국어 텍스트",
    "ⵜⴰⵎⴰⵣⵉⵖⵜ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "👩‍👩‍👧 emoji\n\ttab\r\n", "e\u0301 \u00e9", "\x00 nul \x7f", "", "the same the same the same", "中文没有空格",
]  # fmt: skip
UNITS = ("characters", "bytes", "bpe")


def fitted(unit: str, items: list[str], **given: int | bool | None) -> TextCodec:
    more = {"vocab": 300} if unit == "bpe" else {}
    return TextCodec.fit(items, unit=unit, **more, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("window", [None, 3, 8])
def test_the_laws_of_codecs_hold(unit: str, window: int | None) -> None:
    codec = fitted(unit, SCRIPTS, window=window)
    check_codec(codec, SCRIPTS)
    back = codec.decode(codec.encode(SCRIPTS))
    assert all(item.startswith(cut) for item, cut in zip(SCRIPTS, back, strict=True))
    assert (back == SCRIPTS) == (window is None)
    if unit == "characters":
        assert back == [item[: window or 100] for item in SCRIPTS]
    if unit == "bytes":
        longer = [cut for item, cut in zip(SCRIPTS, back, strict=True) if len(item.encode()) > (window or 100)]
        assert all(len(cut.encode()) > (window or 0) - 4 for cut in longer)


_learned = {unit: fitted(unit, SCRIPTS, window=4000, **({"fallback": True} if unit == "characters" else {})) for unit in UNITS}
_learned = {unit: TextCodec.restore({**codec.state(), "window": 4000}) for unit, codec in _learned.items()}


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=60, deadline=None)
@given(items=st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_string_comes_back_exactly(unit: str, items: list[str]) -> None:
    codec = _learned[unit]
    stored = codec.encode(items)
    assert codec.decode(stored) == items
    assert stored.max() < codec.spec.vocab
    pieces = codec.pieces()
    assert b"".join(pieces[number] for number in stored[0]) == items[0].encode()
    assert int(live(codec.spec, lift(codec.spec, torch.from_numpy(stored)))[0].sum()) == len(codec.ids(items[:1])) + 1


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=25, deadline=None)
@given(x=st.lists(st.lists(st.integers(-5, 100_000), min_size=9, max_size=9), min_size=1, max_size=3))
def test_decoding_never_fails(unit: str, x: list[list[int]]) -> None:
    assert all(isinstance(item, str) for item in _learned[unit].decode(np.array(x)))


def test_half_a_character_decodes_as_replacement() -> None:
    codec = fitted("bytes", ["äöü", "abc"])
    assert codec.decode(np.array([[0xC3, 0xA4, 0xC3]])) == ["ä\ufffd"]


def test_characters_are_by_code_point_and_the_stop_comes_last() -> None:
    codec = TextCodec.fit(["cab", "d"])
    assert codec.spec == Tokens((4,), vocab=5, stop=4)
    assert codec.encode(["cab", "d"]).tolist() == [[2, 0, 1, 4], [3, 4, 4, 4]]
    assert codec.pieces() == [b"a", b"b", b"c", b"d", b""]
    assert codec.dtype == np.uint8


def test_a_longer_item_is_cut_and_said() -> None:
    long = "x y" * 4_000_000
    codec = TextCodec.fit([long, "short"])
    assert codec.spec.shape == (1024,)
    assert codec.decode(codec.encode([long, "short"])) == [long[:1024], "short"]
    assert any("1 of 2 training items have more than 1,024 characters" in said for said in codec.describe())
    assert fitted("bpe", ["word " * 400, "b"]).spec.shape == (256,)


def test_lone_surrogates_become_replacement_characters() -> None:
    for unit in UNITS:
        codec = fitted(unit, ["a\ud800b\ufffd", "ab"])
        assert codec.decode(codec.encode(["a\ud800b"])) == ["a\ufffdb"]


def test_characters_of_the_other_parts_bring_bytes_and_are_said() -> None:
    whole = ["abc", "bca", "añb", "cab"]
    without = TextCodec.fit(Rows(whole, np.array([0, 1, 3])))
    assert without.fallback
    assert without.decode(without.encode(whole)) == whole
    assert any("1 characters of the other parts never come in training ('ñ')" in said for said in without.describe())
    assert not TextCodec.fit(Rows(whole, np.array([0, 1, 2]))).fallback


def test_a_stranger_is_named_and_replaced_by_what_is_like_it() -> None:
    codec = TextCodec.fit(["abc e?", "E"], window=20)
    assert codec.strangers("aéжа€") == sorted("éжа€")
    assert codec.decode(codec.encode(["é C ж"])) == ["e c ?"]
    assert TextCodec.fit(["abc"], fallback=True).strangers("ж") == []


def test_rare_characters_beyond_the_limit_are_spelt_by_bytes() -> None:
    often, rare = "".join(map(chr, range(0x4E00, 0x4E00 + 5000))), "".join(map(chr, range(0xAC00, 0xAC00 + 100)))
    codec = TextCodec.fit([often * 2, rare], window=20_000)
    assert (len(codec.characters), codec.fallback, codec.spec.vocab) == (5000, True, 5257)
    assert codec.decode(codec.encode([rare, often])) == [rare, often]


def test_settings_that_make_no_sense_are_refused_in_a_sentence() -> None:
    for wrong, words in (
        ({"unit": "words"}, "characters, bytes, bpe"), ({"vocab": 500}, "unit bpe"), ({"unit": "bpe", "vocab": 10}, "257 to"),
        ({"window": 1}, "between 2 and"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            TextCodec.fit(["abc"], **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no text"):
        TextCodec.fit(["", ""])
    with pytest.raises(BadInput, match="must be str"):
        TextCodec.fit([1, 2])  # type: ignore[list-item]
    with pytest.raises(BadInput, match="list of texts"):
        TextCodec.fit(["abc"]).encode("abc")


def test_the_scripts_are_said() -> None:
    said = " ".join(TextCodec.fit(["Привет", "日本"]).describe())
    assert "Letters: Cyrillic 75%, CJK 25%." in said


def running(text: str) -> Passages:
    return passages("text", [text])[0]


@pytest.mark.parametrize("unit", UNITS)
def test_a_running_text_is_one_stream_without_a_stop(unit: str) -> None:
    text = "".join(f"Zeile {number}: ein Satz über Öl.\n\n" for number in range(2500))
    items = running(text)
    train = np.arange(850)
    codec = fitted(unit, take(items, train))
    assert codec.spec.stop is None
    assert codec.spec.shape == (256,)
    ids = encode_stream(codec, items, train)
    assert codec.decode(ids[None]) == ["".join(items[:850])]
    # Byte pairs are as if the text were one string: no border of a passage shows.
    assert len(ids) == len(codec.ids(["".join(items[:850])]))
    restored = TextCodec.restore(json.loads(json.dumps(codec.state())))
    assert np.array_equal(restored.ids(take(items, train)), ids)
    assert codec.windows(text) == len(codec.ids([text])) // 256
    assert codec.decode(codec.encode([text[:2000]]))[0] == codec.decode(codec.ids([text[:2000]])[None, :256])[0]
    with pytest.raises(BadInput, match="window of this running text has 256"):
        codec.encode(["short"])


def test_a_short_running_text_has_short_windows() -> None:
    windows = []
    for length in (100, 1_000, 5_000, 50_000):
        items = running("".join(chr(97 + number % 26) for number in range(length)))
        windows.append(fitted("characters", take(items, np.arange(len(items)))).window)
    assert windows == [8, 20, 100, 256]


def test_blocks_of_byte_pairs_do_not_change_the_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"word{number % 97}  and more;\n" for number in range(4000))
    items = running(text)
    codec = fitted("bpe", items)
    whole = codec._flat([text])[0]
    monkeypatch.setattr("morelike.data.text.joined", lambda source, words: joined(source, 1000, words))
    assert np.array_equal(codec.ids(items), whole)


def test_a_stream_above_the_limit_is_mapped_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path))
    items = running("abcd efgh\n" * 5000)
    codec = TextCodec.fit(items)
    plain, mapped = encode_stream(codec, items, np.arange(1000)), encode_stream(codec, items, np.arange(1000), limit=100)
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(plain, mapped)
    assert list(tmp_path.iterdir()) == []
    windows = Windows(mapped, 64)
    assert np.array_equal(windows.rows(np.array([3, 0]))[0].numpy(), plain[: 64 * 4].reshape(4, 64)[[3, 0]])


def test_windows_lie_side_by_side_and_a_shift_wraps_around() -> None:
    windows = Windows(np.arange(23, dtype=np.uint8), 5)
    assert len(windows) == 4
    assert windows.x.tolist() == np.arange(20).reshape(4, 5).tolist()
    assert windows.tail.tolist() == [20, 21, 22]
    assert windows.rows(np.array([3, 0]))[0].tolist() == [[15, 16, 17, 18, 19], [0, 1, 2, 3, 4]]
    assert windows.rows(np.array([3, 0]), 6)[0].tolist() == [[21, 22, 0, 1, 2], [6, 7, 8, 9, 10]]
    each = windows.rows(np.array([0, 1]), np.array([[1], [2]]))[0]
    assert each.tolist() == [[1, 2, 3, 4, 5], [7, 8, 9, 10, 11]]
    assert windows.rows(np.array([0]))[1] == {}
    with pytest.raises(BadInput, match="less than one window of 30"):
        Windows(np.arange(23), 30)


def test_items_encode_in_chunks_as_one_by_one() -> None:
    items = [f"line {number} " * (number % 5) for number in range(2500)]
    codec = TextCodec.fit(items)
    assert np.array_equal(encode_all(codec, items, np.arange(2500)), codec.encode(items))


def test_a_page_is_drawn_in_any_script(tmp_path: Path) -> None:
    codec = TextCodec.fit(SCRIPTS)
    codec.draw(SCRIPTS, tmp_path / "page.png", 2)
    page = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    assert page.min() < 100 < page.max()
    assert not list(tmp_path.glob("*.part"))


def test_texts_that_quote_their_sources_share_an_alphabet() -> None:
    names = [f"{a}{b}" for a in ("Alim", "Brin", "Cosm", "Delf") for b in ("entum", "dley", "oria", "ina")]
    sources = [f"name[{name}], area[river]" for name in names]
    told = shared_pairs([f"{name} lies by the river." for name in names], sources, 300)
    assert told is not None
    codecs = [TextCodec.fit(side, unit="bpe", pairs=told) for side in (sources, names)]
    assert codecs[0].spec.alphabet == codecs[1].spec.alphabet != fitted("bpe", names).spec.alphabet
    assert shared_pairs(["es regnet heute"] * 9, ["it rains today"] * 9) is None
