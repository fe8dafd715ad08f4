"""Text files: encodings, NUL bytes, binary files, gzip, files larger than memory, running text and lists, splits by position."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelike.core.errors import BadInput
from morelike.data import text_files, text_items
from morelike.data.files import FolderFiles
from morelike.data.loader import take
from morelike.data.open import open_source
from morelike.data.split import make_split
from morelike.data.text import TextCodec
from morelike.data.text_files import detect, lines, read_text
from morelike.data.text_items import Lines, Passages, Stored, passages

PROSE = "".join(f"Line {number} of a text: it says {number * 7919 % 1000}.\n\n" for number in range(400))
GERMAN = "Größe und Übermut führen zu häßlichen Köpfen, sagte der Bürgermeister von Köln.\n\n"
RUSSIAN = "Привет, мир! Это небольшой текст на русском языке.\n\n"
CHINESE = "这是一个中文文本，用来检查文件的编码。\n\n今天天气很好。\n\n"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path_factory.mktemp("cache")))


def written(path: Path, raw: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


def read(path: Path, limit: int = text_files.WHOLE) -> text_files.Read:
    return read_text(FolderFiles(path.parent, [path.name]), path.name, limit)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN * 9, RUSSIAN * 9, CHINESE * 9, PROSE], ids=["de", "ru", "zh", "en"])
def test_unicode_in_any_form_is_read(encoding: str, text: str, tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.txt", text.encode(encoding)))
    assert found.text == text
    assert bool(found.notes) == (encoding != "utf-8")


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1252", GERMAN), ("cp1251", RUSSIAN), ("koi8_r", RUSSIAN), ("gb18030", CHINESE), ("cp1252", "short café\n")]
)
def test_older_encodings_are_guessed_and_said(encoding: str, text: str, tmp_path: Path) -> None:
    pytest.importorskip("charset_normalizer")
    found = read(written(tmp_path / "a.txt", text.encode(encoding)))
    assert found.text == text
    assert "a.txt: it isn't UTF-8" in found.notes[0]


@pytest.mark.parametrize("encoding", ["cp1252", "cp850"])
def test_short_words_of_a_table_keep_their_umlauts(encoding: str) -> None:
    pytest.importorskip("charset_normalizer")
    signs = "" if encoding == "cp850" else " €"
    lines = [f"{n};Gefäß;{n}.000,00{signs};grün" for n in range(500)]
    raw = "\r\n".join(["Größe [cm];Station;Kosten;Rückkehr", *lines]).encode(encoding)
    assert raw.decode(detect(raw).name) == raw.decode(encoding)


def test_without_the_extra_the_commonest_encodings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "_guess", lambda sample: None)
    assert detect(GERMAN.encode("cp1252")).name == "cp1252"
    assert detect(b"caf\xe9 \x81").name == "latin-1"


def test_a_few_wrong_bytes_do_not_change_the_encoding(tmp_path: Path) -> None:
    raw = (GERMAN * 20).encode() + b"one \xe9 here\n" + GERMAN.encode()
    found = read(written(tmp_path / "a.txt", raw))
    assert isinstance(found.text, str)
    assert found.text.count("\ufffd") == 1
    assert found.notes == ["a.txt: 1 place that isn't UTF-8 was replaced by U+FFFD, the first in line 41"]
    own = read(written(tmp_path / "b.txt", "a mark \ufffd of its own ü\n" * 9))
    assert own.notes == []


def test_zero_bytes_in_a_text_are_left_out_and_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", PROSE.replace("Line 30 ", "Line\0 30\0 ").encode())
    found = read(path)
    assert found.text == PROSE
    assert found.notes == ["a.txt: 2 NUL bytes were left out, the first in line 61"]
    assert any("NUL" in note for note in open_source(path).notes)


def test_binary_files_are_refused_by_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    for name, raw in (("noise.txt", noise), ("small.txt", np.arange(5000, dtype="<i4").tobytes()), ("a.txt", b"\x89PNG\r\n\x1a\n" + noise)):
        with pytest.raises(BadInput, match=f"{name} isn't text"):
            open_source(written(tmp_path / name, raw))
    with pytest.raises(BadInput, match=r"isn't data of a kind.*music.*molecules.*levels"):
        open_source(written(tmp_path / "noise.bin", noise))
    with pytest.raises(BadInput, match="is empty"):
        open_source(written(tmp_path / "empty.txt", b""))
    with pytest.raises(BadInput, match=r"a\.txt\.gz can't be read"):
        open_source(written(tmp_path / "a.txt.gz", gzip.compress(PROSE.encode())[:200]))


def test_the_line_of_the_first_control_byte_is_said(tmp_path: Path) -> None:
    for name, ending, pack in (("a.txt", b"\n", bytes), ("b.txt.gz", b"\n", gzip.compress), ("c.txt", b"\r\n", bytes)):
        raw = (b"a line of text" + ending) * 100_000 + (b"and \0 one\1" + ending) * 60_000
        with pytest.raises(BadInput, match="control bytes that no text has, the first in line 100,001"):
            open_source(written(tmp_path / name, pack(raw)))


def test_gzip_is_read_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.txt.gz", gzip.compress(PROSE.encode()))
    assert "".join(open_source(path).items) == PROSE
    monkeypatch.setattr(text_files, "_UNPACKED_LIMIT", 1000)
    with pytest.raises(BadInput, match="unpacks to more than"):
        read(path)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "wide.txt", "nul.txt"])
def test_a_text_larger_than_memory_is_the_same_text(name: str, tmp_path: Path) -> None:
    text = (GERMAN + CHINESE + PROSE) * 30
    plain = text.encode()
    raw = {"a.txt": plain, "a.txt.gz": gzip.compress(plain), "wide.txt": text.encode("utf-16"), "nul.txt": b"\0" + plain}
    stored = read(written(tmp_path / name, raw[name]), limit=10_000).text
    assert isinstance(stored, Stored)
    assert isinstance(stored.place, Path) == (name == "a.txt")
    items, _ = passages("text", [stored])
    assert len(items) == 1000
    assert "".join(items) == text
    assert "\ufffd" not in "".join(items[:50])
    assert list(lines(stored)) == list(lines(text))
    assert list(Lines(stored)) == [line for line in text.split("\n") if line.strip()]
    assert items.characters(np.arange(1000)) == len(text)


def test_a_file_that_changes_under_our_hands_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", PROSE)
    stored = read(path, limit=100).text
    assert isinstance(stored, Stored)
    stored.read(0, 10)
    import os

    os.utime(path, ns=(1, 1))
    with pytest.raises(BadInput, match="has changed since it was opened"):
        stored.read(0, 10)


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=100, max_size=3000), cut=st.integers(1, 40))
def test_passages_join_to_the_text_and_are_cut_evenly(text: str, cut: int) -> None:
    raw = np.frombuffer(text.encode(), np.uint8)
    for whole in (text, Stored(raw, 0, len(raw))):
        items = passages("text", [whole])[0]
        assert "".join(items) == text
    exact = passages("text", [text])[0]
    count = len(exact)
    assert exact.cuts.tolist() == [number * len(text) // count for number in range(count + 1)]


def test_the_hold_out_is_the_last_tenth_of_the_characters() -> None:
    for length in (100, 1999, 2000, 19_999, 20_001, 54_321):
        text = "".join(chr(97 + number % 26) for number in range(length))
        source = open_source_of(text)
        split = make_split(source, 0)
        assert not split.official
        assert "".join(take(source.items, split.holdout)) == text[int(0.9 * length) :]
        first = "".join(take(source.items, split.validation))
        assert text.startswith(first)
        assert 0.01 * length <= len(first) <= 0.15 * length
        assert "".join(take(source.items, split.train)) == text[len(first) : int(0.9 * length)]
        assert len(split.train) + len(split.validation) + len(split.holdout) == len(source.items)


def open_source_of(text: str):  # type: ignore[no-untyped-def]
    from morelike.data.source import Source

    return Source("text", "text", passages("text", [text])[0], ordered=True)


def test_pieces_of_a_huge_text_stay_below_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_items, "_PIECE_LIMIT", 20)
    items = passages("text", ["abcdefghij" * 5000])[0]
    assert (len(items), max(map(len, items))) == (3000, 17)


def test_a_running_text_by_default_a_list_by_its_look(tmp_path: Path) -> None:
    prose = open_source(written(tmp_path / "prose.txt", PROSE))
    assert (prose.kind, prose.ordered, isinstance(prose.items, Passages)) == ("text", True, True)
    assert "line 2 is empty" in prose.why_kind
    names = [f"name {number}" for number in range(30)]
    listed = open_source(written(tmp_path / "names.txt", "\n".join(names)))
    assert (listed.ordered, list(listed.items)) == (False, names)
    assert "at least 10 lines, none empty, nine in ten distinct" in listed.why_kind
    assert open_source(tmp_path / "names.txt", kind="text").ordered
    by_line = open_source(tmp_path / "prose.txt", kind="lines")
    assert (by_line.kind, by_line.ordered, len(by_line.items)) == ("text", False, 400)
    assert by_line.notes == ("prose.txt: 400 empty lines were left out",)
    wrapped = "\n".join(f"{number:04d} " + "words of a wrapped paragraph that goes on and on " * 1 for number in range(50))
    assert "wrapped at about" in open_source(written(tmp_path / "wrapped.txt", wrapped)).why_kind
    assert "distinct" in open_source(written(tmp_path / "same.txt", "one\ntwo\nthree\n" * 50)).why_kind


def test_line_ends_of_every_system(tmp_path: Path) -> None:
    names = [f"name {number}" for number in range(30)]
    for end in ("\n", "\r\n", "\r"):
        assert list(open_source(written(tmp_path / "names.txt", end.join(names) + end), kind="lines").items) == names
    assert list(lines("a\u2028b\x85c\n\nd")) == ["a\u2028b\x85c", "", "d"]


def test_a_line_of_ten_megabytes_is_an_item_cut_at_the_window(tmp_path: Path) -> None:
    long = "word " * 2_000_000
    path = written(tmp_path / "lines.txt", "\n".join([long, *(f"name {number}" for number in range(20))]))
    source = open_source(path)
    assert len(source.items) == 21
    codec = TextCodec.fit(source.items)
    assert codec.decode(codec.encode(source.items[:2])) == [long[:1024], "name 0"]
    assert any("1 of 21 training items have more than 1,024" in said for said in codec.describe())


def test_texts_that_are_too_short_or_all_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a text of 5 characters; at least 100"):
        open_source(written(tmp_path / "a.txt", "hello"))
    with pytest.raises(BadInput, match="holds no line that isn't empty"):
        open_source(written(tmp_path / "b.txt", "\n \n\n" * 30), kind="lines")
    with pytest.raises(BadInput, match="identical"):
        open_source(written(tmp_path / "c.txt", "a" * 4000))
    with pytest.raises(BadInput, match="isn't data of a kind"):
        open_source(written(tmp_path / "d.txt", "0.5 1.25 -3\n" * 100))
    assert open_source(tmp_path / "d.txt", kind="text").ordered


def test_the_fingerprint_sees_every_character(tmp_path: Path) -> None:
    prints = set()
    for name, text in (("a", PROSE), ("b", PROSE[:-3] + "x\n\n"), ("c", PROSE + " ")):
        source = open_source(written(tmp_path / f"{name}.txt", text))
        prints.add(make_split(source, 0).fingerprint)
        assert make_split(source, 0).fingerprint == make_split(source, 0).fingerprint
    assert len(prints) == 3
