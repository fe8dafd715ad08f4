"""Opening texts: folders, JSON lines, tables, aligned files, lists in memory; what is left out and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from morelike.core import registry
from morelike.core.errors import BadInput, UnknownName
from morelike.data.check import understood
from morelike.data.loader import take
from morelike.data.open import open_source
from morelike.data.source import Column
from morelike.data.split import make_split
from morelike.data.text import TextCodec
from morelike.data.text_aligned import language
from morelike.data.text_records import file_splits, stem_split

_GIVEN = os.environ.get("MORELIKE_DATA")
SHARED = Path(_GIVEN) if _GIVEN else Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "tinyshakespeare").is_dir(), reason="the shared data sets aren't here (MORELIKE_DATA)")
PROSE = "".join(f"Line {number} of a text: it says {number * 7919 % 1000}.\n\n" for number in range(60))
SENTENCES = [f"this is the sentence with the number {number}" for number in range(40)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def rows(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_both_kinds_of_text_are_in_the_registry() -> None:
    assert registry.kind("text").load() is registry.kind("lines").load() is TextCodec
    with pytest.raises(UnknownName, match="did you mean 'text'"):
        open_source("digits", kind="texts")
    with pytest.raises(BadInput, match="can't be read as 'lines'"):
        open_source("digits", kind="lines")


def test_a_column_says_what_it_holds() -> None:
    texts = np.array(["a", "b"], dtype=object)
    kinds = [Column("c", np.zeros(2, np.int64), ("x",)).kind, Column("n", np.zeros(2, np.float32)).kind, Column("t", texts).kind]
    assert kinds == ["category", "number", "text"]


def test_the_readme_of_a_folder_is_never_learnt(tmp_path: Path) -> None:
    write(tmp_path / "set" / "README.md", "# about\n" * 100)
    write(tmp_path / "set" / "input.txt", PROSE)
    assert "".join(open_source(tmp_path / "set").items) == PROSE
    assert "".join(open_source(write(tmp_path / "README.md", PROSE)).items) == PROSE


def test_files_named_by_splits_are_the_official_one(tmp_path: Path) -> None:
    for name, letter in (("train_1", "a"), ("train_2", "b"), ("valid", "c"), ("test", "d")):
        write(tmp_path / "set" / f"{name}.txt", PROSE.replace("text", letter)[:-2])
    source = open_source(tmp_path / "set")
    split = make_split(source, 0)
    assert split.official
    text = {part: "".join(take(source.items, getattr(split, part))) for part in ("train", "validation", "holdout")}
    assert text["train"] == PROSE.replace("text", "a")[:-1] + PROSE.replace("text", "b")[:-2]
    assert text["validation"] == PROSE.replace("text", "c")[:-2]
    assert text["holdout"] == PROSE.replace("text", "d")[:-2]
    (tmp_path / "set" / "valid.txt").unlink()
    source = open_source(tmp_path / "set")
    split = make_split(source, 0)
    # Validation is then the end of training, never a random part of a running text.
    assert split.validation.tolist() == list(range(split.train[-1] + 1, split.train[-1] + 1 + len(split.validation)))
    for name in ("train_1", "train_2", "test"):
        write(tmp_path / "lists" / f"{name}.txt", "\n".join(f"{name} {number}" for number in range(20)))
    lists = open_source(tmp_path / "lists")
    assert not lists.ordered
    assert [lists.items[number] for number in make_split(lists, 0).holdout] == [f"test {number}" for number in range(20)]


def test_sub_folders_are_classes_and_their_files_items(tmp_path: Path) -> None:
    for number, sentence in enumerate(SENTENCES):
        write(tmp_path / "set" / ("spam" if number % 4 else "ham") / f"{number}.txt", sentence + "\n")
    source = open_source(tmp_path / "set")
    assert sorted(source.items) == sorted(SENTENCES)
    assert source.columns["label"].categories == ("ham", "spam")
    assert np.bincount(source.columns["label"].values).tolist() == [10, 30]
    assert source.conditions == ("label",)
    assert open_source(tmp_path / "set", kind="text").ordered
    for number in range(3):
        write(tmp_path / "long" / f"author {number}" / "book.txt", PROSE * 2)
    long = open_source(tmp_path / "long")
    assert len(long.items) == 360
    assert "each line of a file an item" in long.why_kind


def test_many_small_files_are_items_few_are_one_text(tmp_path: Path) -> None:
    for number, sentence in enumerate(SENTENCES):
        write(tmp_path / "many" / f"{number}.txt", sentence)
    assert list(open_source(tmp_path / "many").items) == SENTENCES
    for number in range(3):
        write(tmp_path / "few" / f"chapter {number}.md", PROSE)
    few = open_source(tmp_path / "few")
    assert "".join(few.items) == PROSE * 3
    assert any("3 files were joined" in note for note in few.notes)
    write(tmp_path / "few" / "chapter 9.md", "")
    (tmp_path / "few" / "noise.md").write_bytes(bytes(range(256)) * 20)
    again = open_source(tmp_path / "few")
    assert {file for file, _ in again.skipped} == {"chapter 9.md", "noise.md"}
    archive = tmp_path / "few.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (tmp_path / "few").iterdir():
            packed.write(path, f"deep/{path.name}")
    assert list(open_source(archive).items) == list(again.items)
    write(tmp_path / "few" / "whole.txt", PROSE)
    assert any("left out" in note and "chapter 0.md" in note for note in open_source(tmp_path / "few").notes)


def test_names_of_files_that_speak_of_splits() -> None:
    words = {
        "train": "train", "devset": "validation", "testset_w_refs": "holdout", "test_2016_flickr": "holdout", "news.valid": "validation",
        "a_test_of_time": None, "trained": None, "set": None, "t10k-images": "holdout",
    }  # fmt: skip
    assert {stem: stem_split(stem) for stem in words} == words
    assert file_splits(["a.txt", "test.txt"])[0] == {"a.txt": "train", "test.txt": "holdout"}
    assert file_splits(["test.txt"])[0] == {"test.txt": None}
    found, notes = file_splits(["devset.csv.gz", "testset.csv"])
    assert found == {"devset.csv.gz": "train", "testset.csv": "holdout"}
    assert notes == ["there is no training file: devset.csv.gz is trained on"]


def test_json_lines_by_the_names_of_their_fields(tmp_path: Path) -> None:
    one = [{"id": f"x{n}", "source": SENTENCES[n], "targets": [f"short {n}"], "stars": n % 5, "part": "ab"[n % 2]} for n in range(30)]
    write(tmp_path / "set" / "train.jsonl.gz", rows(*one))
    write(tmp_path / "set" / "valid.jsonl", rows(*one[:3]) + "\n")
    write(tmp_path / "set" / "test.jsonl", rows({**one[0], "targets": ["first", "second", " "]}, {**one[1], "targets": []}))
    source = open_source(tmp_path / "set")
    split = make_split(source, 0)
    assert (len(split.train), len(split.validation), len(split.holdout)) == (30, 3, 2)
    assert [source.items[number] for number in split.holdout] == ["first", "second"]
    assert {name: column.kind for name, column in source.columns.items()} == {
        "source": "text", "id": "text", "stars": "number", "part": "category",
    }  # fmt: skip
    assert source.columns["source"].values[split.holdout[0]] == source.columns["source"].values[split.holdout[1]] == SENTENCES[0]
    assert source.conditions == ("source",)
    assert open_source(tmp_path / "set", condition="none").conditions == ()
    assert open_source(tmp_path / "set", condition="source,part").conditions == ("source", "part")
    assert "1 row has an empty target and was left out (test.jsonl, line 2)" in source.notes


def test_json_lines_of_single_texts_and_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", rows(*({"text": text, "label": len(text) % 2, "tags": ["x"]} for text in SENTENCES)))
    source = open_source(path)
    assert list(source.items) == SENTENCES
    assert source.conditions == ("label",)
    assert any("'tags' was left out" in note for note in source.notes)
    assert make_split(source, 0).train.shape == (28,)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", r"a\.jsonl, line 3: isn't JSON"), ("[1, 2]", r"a\.jsonl, line 3: holds list"), ("[" * 100_000, "line 3: isn't JSON"),
        ('{"text": "\\ud800 alone"}', ""),
    ],
)  # fmt: skip
def test_json_lines_that_are_damaged_name_the_line(line: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows({"text": "one"}) + "\n" + line + "\n" + rows({"text": "two"}))
    if words:
        with pytest.raises(BadInput, match=words):
            open_source(path)
    else:
        assert open_source(path).items == ["one", "\ufffd alone", "two"]


def test_fields_that_nobody_knows_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none of the fields a, b is known"):
        open_source(write(tmp_path / "a.jsonl", rows(*({"a": 1, "b": 2} for _ in range(20)))))
    named = open_source(write(tmp_path / "b.jsonl", rows(*({"german": text, "english": text.upper()} for text in SENTENCES))))
    assert named.items[0] == SENTENCES[0].upper()
    assert named.conditions == ("german",)


def test_a_number_among_texts_is_refused_with_its_line(tmp_path: Path) -> None:
    for key, place in (("text", 7), ("text", 150), ("source", 7)):
        values: list[dict[str, object]] = [{"source": text, "text": text.upper()} for text in SENTENCES * 10]
        values[place][key] = 5
        with pytest.raises(BadInput, match=rf"a\.jsonl, line {place + 1}: {key} is 5, but a text is expected"):
            open_source(write(tmp_path / "a.jsonl", rows(*values)))
    gaps = open_source(write(tmp_path / "b.jsonl", rows(*({"text": text} for text in SENTENCES), {"text": None})))
    assert len(gaps.items) == len(SENTENCES)


def test_a_table_read_as_plain_text_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "id\tcode\n" + "".join(f"{n}\tk{n % 7}\n" for n in range(60)))
    for kind in ("text", "lines"):
        assert any("read as plain text, as asked for" in note for note in open_source(path, kind=kind).notes)
    plain = open_source(write(tmp_path / "a.txt", "\n".join(SENTENCES)), kind="text")
    assert not any("plain text" in note for note in plain.notes)


def test_tables_of_pairs(tmp_path: Path) -> None:
    pairs = "".join(f"{text}\t{text.upper()}\n" for text in SENTENCES)
    bare = open_source(write(tmp_path / "a.tsv", pairs))
    assert (bare.items[3], bare.columns["source"].values[3], bare.conditions) == (SENTENCES[3].upper(), SENTENCES[3], ("source",))
    quoted = "prompt,answer\n" + "".join(f'"{text}, he ""said""\nand went","{text.upper()}"\n' for text in SENTENCES)
    named = open_source(write(tmp_path / "b.csv", quoted))
    assert named.columns["prompt"].values[0] == f'{SENTENCES[0]}, he "said"\nand went'
    assert open_source(write(tmp_path / "c.csv", quoted.replace(",", ";"))).items == named.items
    labelled = open_source(write(tmp_path / "d.csv", "text,label\n" + "".join(f"{text},{len(text) % 2}\n" for text in SENTENCES)))
    assert (labelled.items, labelled.conditions) == (SENTENCES, ("label",))
    with pytest.raises(BadInput, match=r"a\.tsv, line 41: has 3 fields, but there are 2 columns"):
        open_source(write(tmp_path / "a.tsv", pairs + "a\tb\tc\n"))
    head = 'prompt,answer\n"two\nlines","here they are now"\nalone\n'
    with pytest.raises(BadInput, match=r"e\.csv, line 4: has 1 field, but"):
        open_source(write(tmp_path / "e.csv", head + "".join(f"{text},{text}\n" for text in SENTENCES)))
    gap = open_source(write(tmp_path / "f.tsv", pairs + "no target\t\n\t \n"))
    assert "2 rows have an empty target and were left out (f.tsv, line 41; f.tsv, line 42)" in gap.notes
    assert open_source(write(tmp_path / "g.csv", "age,target\n" + "".join(f"{n},{n % 2}\n" for n in range(50)))).kind == "table"


def test_short_pairs_are_pairs_too(tmp_path: Path) -> None:
    words = "".join(f"haus{'en' * (n % 7)}\thouse{'s' * (n % 5)}{n}\n" for n in range(60))
    assert open_source(write(tmp_path / "words.tsv", words)).conditions == ("source",)
    named = open_source(write(tmp_path / "named.csv", "question,answer\n" + "".join(f"is it {n},it is {n}\n" for n in range(60))))
    assert named.conditions == ("question",)
    kana = "".join(f"猫が{'す' * (n % 9)}き{n}\tcats {n}\n" for n in range(60))
    assert open_source(write(tmp_path / "kana.tsv", kana)).items[3] == "cats 3"
    with pytest.raises(BadInput, match="has 3 columns and no header; call one target"):
        open_source(write(tmp_path / "three.tsv", "".join(f"{text}\t{text}\t{text}\n" for text in SENTENCES)))
    bank = "".join(f"TX{n},Johanna Meierhofer,johanna.meierhofer{n}@example.org,{n}.50,EUR\n" for n in range(60))
    assert open_source(write(tmp_path / "bank.csv", "txn id,Customer Name,E-mail,Amount,ccy\n" + bank)).kind == "table"
    assert open_source(write(tmp_path / "table.csv", "name,town\n" + "".join(f"Ann{n},Ulm{n % 3}\n" for n in range(60)))).kind == "table"


def test_a_text_is_no_path() -> None:
    with pytest.raises(BadInput, match="which is no path; give a text as a list of strings"):
        open_source("the sun is warm. " * 1000)
    with pytest.raises(BadInput, match="there is no file or folder"):
        open_source("the sun is warm. " * 20)
    with pytest.raises(BadInput, match="the list is empty"):
        open_source([])


def test_pairs_that_share_a_source_stay_in_one_part() -> None:
    source = open_source({"source": [f"s{number // 5}" for number in range(500)], "target": [f"t{number}" for number in range(500)]})
    split = make_split(source, 1)
    texts = [set(source.columns["source"].values[part]) for part in (split.train, split.validation, split.holdout)]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 100
    assert [len(split.train), len(split.validation), len(split.holdout)] == [350, 50, 100]


@pytest.fixture
def tongues(tmp_path: Path) -> Path:
    """Aligned German and English with a test part, and French in the test part alone."""
    for stem, count in (("train", 30), ("val", 12), ("test_2016", 11)):
        write(tmp_path / "set" / f"{stem}.de.gz", "".join(f"{stem} Satz {number}\n" for number in range(count)))
        write(tmp_path / "set" / f"{stem}.en", "".join(f"{stem} sentence {number}\n" for number in range(count)))
    write(tmp_path / "set" / "test_2016.fr", "".join(f"phrase {number}\n" for number in range(11)))
    write(tmp_path / "set" / "README.md", "about")
    return tmp_path / "set"


def test_aligned_files_are_pairs(tongues: Path) -> None:
    source = open_source(tongues)
    split = make_split(source, 0)
    assert (len(split.train), len(split.validation), len(split.holdout)) == (30, 12, 11)
    assert source.conditions == ("de",)
    first = int(split.train[0])
    assert (source.items[first], source.columns["de"].values[first]) == ("train sentence 0", "train Satz 0")
    assert "no training data in fr: ignored" in source.notes
    turned = open_source(tongues, condition="en")
    assert (turned.items[first], turned.columns["en"].values[first]) == ("train Satz 0", "train sentence 0")
    with pytest.raises(UnknownName, match=r"unknown condition 'fr'.*Known: de, en"):
        open_source(tongues, condition="fr")
    with zipfile.ZipFile(tongues.parent / "set.zip", "w") as packed:
        for path in tongues.iterdir():
            packed.write(path, path.name)
    assert open_source(tongues.parent / "set.zip").items == source.items


def test_aligned_files_of_unequal_length_are_refused_by_name(tongues: Path) -> None:
    write(tongues / "train.en", "one\ntwo\n")
    with pytest.raises(BadInput, match=r"train\.de\.gz has 30 lines and train\.en 2: aligned files need the same number"):
        open_source(tongues)


def test_an_empty_line_of_aligned_files_is_left_out_and_said(tongues: Path) -> None:
    write(tongues / "val.en", "".join("\n" if number in (2, 5) else f"val sentence {number}\n" for number in range(12)))
    source = open_source(tongues)
    assert len(make_split(source, 0).validation) == 10
    assert any("2 rows have an empty target and were left out (val.de.gz and val.en, line 3; " in note for note in source.notes)


def test_of_three_languages_two_are_taken_and_it_is_said(tongues: Path) -> None:
    write(tongues / "train.fr", "".join(f"phrase {number}\n" for number in range(30)))
    source = open_source(tongues, condition="en")
    assert source.conditions == ("en",)
    assert any("en is translated into fr; de left alone" in note for note in source.notes)
    assert any("val has no lines in both en and fr" in note for note in source.notes)


def test_endings_that_are_languages() -> None:
    known = {"a.de": "de", "a.en.gz": "en", "a.zh-CN": "zh-CN", "a.src": "src", "a.py": None, "a.md": None, "a.txt": None, "a.gz": None}
    assert {name: language(name) for name in known} == known


def test_texts_in_memory() -> None:
    assert open_source(SENTENCES).items == SENTENCES
    assert open_source(np.array(SENTENCES)).items == SENTENCES
    labels = ["ab"[len(text) % 2] for text in SENTENCES]
    for data in ((SENTENCES, labels), {"x": SENTENCES, "label": labels}, {"text": np.array(SENTENCES, dtype=object), "class": labels}):
        source = open_source(data)
        assert (source.items, source.columns["label"].categories, source.conditions) == (SENTENCES, ("a", "b"), ("label",))
    pairs = open_source({"source": SENTENCES, "target": labels})
    assert (pairs.items, pairs.conditions) == (labels, ("source",))
    parts = open_source({"train_text": SENTENCES, "test_text": labels})
    assert [parts.items[number] for number in make_split(parts, 0).holdout] == labels
    with pytest.raises(BadInput, match="lists of one length are needed, but there are 40 of source, 39 of target"):
        open_source({"source": SENTENCES, "target": labels[1:]})
    with pytest.raises(BadInput, match="item 3: x is int, but texts"):
        open_source([*SENTENCES[:3], 4])
    with pytest.raises(BadInput, match="there is no file or folder"):
        open_source("It was a dark and stormy night; the rain fell in torrents")
    with pytest.raises(BadInput, match="40 items of texts are identical"):
        open_source(["same"] * 40)


def test_the_fingerprint_sees_texts_and_their_columns() -> None:
    prints = set()
    for data in ({"source": SENTENCES, "target": SENTENCES[::-1]}, {"source": SENTENCES[::-1], "target": SENTENCES}, {"text": SENTENCES}):
        source = open_source(data)
        prints.add(make_split(source, 0).fingerprint)
    assert len(prints) == 3


def test_what_was_understood_is_json(tongues: Path) -> None:
    source = open_source(tongues)
    split = make_split(source, 0)
    codec = TextCodec.fit(take(source.items, split.train))
    told = TextCodec.fit(take(source.columns["de"].values, split.train))
    said = json.loads(json.dumps(understood(source, split, {"x": codec, "de": told}, {"bleu": 100})))
    assert said["conditions"] == [{"name": "de", "text": "test_2016 Satz 0", "longest": 17}]
    assert (said["shape"], said["dtype"], said["text"]["unit"]) == ([len("train sentence 29") + 1], str(codec.dtype), "characters")
    assert said["text"]["ids"] == codec.spec.vocab
    assert said["refused"] == [{"score": "bleu", "why": "needs 100 held-out items, and there are 11"}]
    write(tongues.parent / "a.txt", PROSE)
    running = open_source(tongues.parent / "a.txt")
    split = make_split(running, 0)
    codec = TextCodec.fit(take(running.items, split.train), window=32)
    parts = understood(running, split, {"x": codec})["splits"]
    assert sum(parts["characters"].values()) == len(PROSE)
    assert parts["characters"]["holdout"] == len(PROSE) - int(0.9 * len(PROSE))


@needs_shared
@pytest.mark.parametrize(
    ("name", "counts", "conditions", "official"),
    [
        ("tinyshakespeare", (880, 20, 100), (), False), ("multi30k_de_en", (29_000, 1014, 1000), ("de",), True),
        ("scitldr_abstract", (1992, 1453, 1967), ("source",), True), ("e2e_restaurants", (4222, 450, 4693), ("mr",), True),
    ],
)  # fmt: skip
def test_the_shared_texts_open_by_name_and_by_path(
    name: str, counts: tuple[int, ...], conditions: tuple[str, ...], official: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORELIKE_DATA", str(SHARED))
    source = open_source(name)
    split = make_split(source, 0)
    assert (len(split.train), len(split.validation), len(split.holdout)) == counts
    assert (source.kind, source.conditions, split.official) == ("text", conditions, official)
    assert make_split(open_source(SHARED / name), 0).fingerprint == split.fingerprint


@needs_shared
def test_tiny_shakespeare_has_its_65_characters_and_the_usual_hold_out() -> None:
    source = open_source(SHARED / "tinyshakespeare")
    split = make_split(source, 0)
    codec = TextCodec.fit(take(source.items, split.train))
    assert (codec.spec.vocab, codec.spec.stop, codec.fallback) == (65, None, False)
    text = (SHARED / "tinyshakespeare" / "input.txt").read_text()
    assert codec.decode(codec.ids(take(source.items, split.holdout))[None]) == [text[int(0.9 * len(text)) :]]


def test_a_field_called_like_a_text_that_holds_something_else_is_named_with_its_line(tmp_path: Path) -> None:
    for name, value in {"object": {"a": 1}, "number": 7, "list": ["a", 3]}.items():
        file = write(tmp_path / f"{name}.jsonl", rows(*[{"text": value} for _ in range(30)]))
        with pytest.raises(BadInput, match=rf"{name}\.jsonl, line 1: text is .*a text is expected"):
            open_source(file)
    stray = write(tmp_path / "stray.jsonl", rows(*[{"text": SENTENCES[row] if row != 12 else ["a", None]} for row in range(40)]))
    with pytest.raises(BadInput, match=r"line 13: text is \['a', None\]"):
        open_source(stray)


def test_what_rows_lack_is_said_by_kind(tmp_path: Path) -> None:
    whole = [{"source": text, "targets": [text[::-1]]} for text in SENTENCES]
    gaps = [{"source": "x"}, {"source": "x", "targets": None}, {"source": "x", "targets": []}, {"source": "z", "targets": ["", "ok"]}]
    notes = open_source(write(tmp_path / "f.jsonl", rows(*whole, *gaps, {"source": "half \ud800", "targets": ["y"]}))).notes
    assert "2 rows have no target and were left out (f.jsonl, line 41; f.jsonl, line 42)" in notes
    assert "1 row has an empty target and was left out (f.jsonl, line 43)" in notes
    assert "1 row has an empty text among the targets; only the others are learnt (f.jsonl, line 44)" in notes
    assert "1 row has half a character (a lone surrogate), which became U+FFFD (f.jsonl, line 45)" in notes


def test_a_first_line_of_single_words_is_said_to_be_names(tmp_path: Path) -> None:
    pairs = "".join(f"ich bin {number} hier\tI am {number} here\n" for number in range(40))
    source = open_source(write(tmp_path / "hallo.tsv", f"Hallo\tHello\n{pairs}"))
    assert any("hallo.tsv: the first line was read as the columns' names (Hallo, Hello)" in note for note in source.notes)
    named = open_source(write(tmp_path / "named.tsv", f"source\ttarget\n{pairs}"))
    assert not any("first line" in note for note in named.notes)


def test_a_file_of_mixed_encodings_is_suspected(tmp_path: Path) -> None:
    line = "Die schönen Bücher stehen über der Tür.\n"
    (tmp_path / "mixed.txt").write_bytes(line.encode() * 40 + line.encode("cp1252") * 40)
    (tmp_path / "plain.txt").write_bytes(line.encode("cp1252") * 80)
    assert any("40 of the 80 lines" in note and "mix encodings" in note for note in open_source(tmp_path / "mixed.txt").notes)
    assert not any("mix encodings" in note for note in open_source(tmp_path / "plain.txt").notes)
