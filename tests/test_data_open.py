"""Opening folders, zips and names: what is understood, what is skipped, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelike.core.errors import BadInput, UnknownName
from morelike.data.category import CategoryCodec
from morelike.data.check import understood
from morelike.data.image import ImageCodec
from morelike.data.loader import encode_all, take
from morelike.data.open import open_source
from morelike.data.pictures import Pictures
from morelike.data.split import make_split

_GIVEN = os.environ.get("MORELIKE_DATA")
SHARED = Path(_GIVEN) if _GIVEN else Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="the shared data sets aren't here (MORELIKE_DATA)")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path / "cache"))


def paint(path: Path, number: int, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty-four pictures in two classes."""
    for number in range(24):
        paint(tmp_path / "pets" / ("cat" if number % 2 else "dog 10") / f"p{number}.png", number)
    return tmp_path / "pets"


def zipped(source: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(source).as_posix())
    return target


def test_sub_folders_are_classes(folder: Path) -> None:
    source = open_source(folder)
    assert (source.name, source.kind, len(source.items)) == ("pets", "image", 24)
    assert source.columns["label"].categories == ("cat", "dog 10")
    assert np.bincount(source.columns["label"].values).tolist() == [12, 12]
    assert source.conditions == ("label",)
    assert source.names is not None
    assert source.names[0].startswith("p")
    assert open_source(folder, condition="none").conditions == ()
    with pytest.raises(UnknownName, match="did you mean 'label'"):
        open_source(folder, condition="labels")


def test_a_zip_reads_like_its_folder_and_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    plain = open_source(folder)
    for prefix in ("", "wrapped/deep/"):
        archive = zipped(folder, tmp_path / "pets.zip", prefix)
        before = sorted(tmp_path.rglob("*"))
        source = open_source(archive)
        assert all(np.array_equal(one, other) for one, other in zip(source.items, plain.items, strict=True))
        assert np.array_equal(source.columns["label"].values, plain.columns["label"].values)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_may_hold_a_zip_beside_a_readme(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    zipped(folder, tmp_path / "set" / "pictures.zip")
    (tmp_path / "set" / "README.md").write_text("# Pets")
    assert len(open_source(tmp_path / "set").items) == 24
    shutil.copytree(folder, tmp_path / "set" / "pictures")
    again = open_source(tmp_path / "set")
    assert len(again.items) == 24
    assert "counted once" in " ".join(again.notes)


def test_top_folders_train_and_test_are_the_official_split(tmp_path: Path) -> None:
    for number in range(30):
        part = ("train", "val", "test")[number % 3]
        paint(tmp_path / "set" / part / str(number % 2) / f"{number}.png", number)
        paint(tmp_path / "flat" / part / f"{number}.png", number)
    source = open_source(tmp_path / "set")
    assert source.split is not None
    assert {name: len(index) for name, index in source.split.items()} == {"train": 10, "validation": 10, "holdout": 10}
    assert source.columns["label"].categories == ("0", "1")
    assert make_split(source, 0).official
    flat = open_source(tmp_path / "flat")
    assert flat.split is not None
    assert flat.columns == {}


def test_a_csv_beside_gives_split_and_labels(tmp_path: Path) -> None:
    rows = ["file,split,species,caption"]
    for number in range(20):
        paint(tmp_path / "set" / f"{number}.png", number)
        rows.append(f"{number}.png,{'test' if number > 15 else 'train'},{'cat' if number % 2 else 'dog'},picture {number}")
    (tmp_path / "set" / "captions.csv").write_text("\n".join(rows))
    source = open_source(tmp_path / "set")
    assert source.split is not None
    assert len(source.split["holdout"]) == 4
    assert source.columns["species"].categories == ("cat", "dog")
    assert "caption" not in source.columns


def test_bad_files_are_skipped_by_name_with_their_reasons(folder: Path) -> None:
    (folder / "cat" / "lies.png").write_text("I am a poem, and no picture at all.")
    (folder / "cat" / "empty.jpg").touch()
    (folder / "cat" / "notes.txt").write_text("text")
    (folder / "README.txt").write_text("text")
    (folder / ".hidden.png").write_text("text")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "p1.png").write_text("text")
    source = open_source(folder)
    assert len(source.items) == 24
    assert dict(source.skipped).keys() == {"cat/lies.png", "cat/empty.jpg", "cat/notes.txt"}
    assert dict(source.skipped)["cat/lies.png"] == "is text, not a picture"
    whole = (folder / "cat" / "p1.png").read_bytes()
    (folder / "cat" / "p1.png").write_bytes(whole[:60])
    with pytest.raises(BadInput, match="3 of 26 picture files can't be read, more than a tenth"):
        open_source(folder)


def test_each_picture_is_decoded_at_most_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from morelike.data import pictures

    reads: list[str] = []
    read = pictures.read_image
    monkeypatch.setattr(pictures, "read_image", lambda source, *more: (reads.append(str(source)), read(source, *more))[1])
    monkeypatch.setattr(pictures, "CACHE_LIMIT", 0)
    source = open_source(folder)
    split = make_split(source, 0)
    codec = ImageCodec.fit(take(source.items, split.train))
    for part in (split.train, split.validation, split.holdout):
        encode_all(codec, source.items, part)
    assert sorted(reads) == sorted(2 * [str(path) for path in folder.rglob("*.png")])
    reads.clear()
    monkeypatch.setattr(pictures, "CACHE_LIMIT", 3 * 8 * 8 * 10)
    source = open_source(folder)
    assert len(source.items) == len(list(source.items))
    assert len(reads) == 24 + 14, "ten pictures fit in the cache"


def test_a_slice_of_pictures_stays_lazy(folder: Path) -> None:
    items = open_source(folder).items
    assert isinstance(items[2:5], Pictures)
    assert np.array_equal(items[2:5][1], items[3])
    assert items.facts.shapes.tolist() == [[8, 8, 3]] * 24


def test_what_holds_no_data_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("text")
    (tmp_path / "zero.npy").touch()
    (tmp_path / "fake.zip").write_text("text")
    cases = {
        "empty": "is empty",
        "words": "a text of 4 characters; at least 100",
        "zero.npy": "is empty",
        "fake.zip": "can't be opened as a zip",
        "words/a.txt": "a text of 4 characters; at least 100",
        "pet": "did you mean '.*pets'",
    }
    for name, words in cases.items():
        with pytest.raises(BadInput, match=words):
            open_source(tmp_path / name)
    with pytest.raises(BadInput, match="no data was named"):
        open_source("")
    with pytest.raises(BadInput, match="did you mean 'digits'"):
        open_source("digts")


def test_two_data_sets_in_one_folder_are_refused_by_name(tmp_path: Path, folder: Path) -> None:
    np.save(tmp_path / "pets" / "one.npy", np.zeros((4, 3)))
    with pytest.raises(BadInput, match=r"2 data sets \(one.npy, 24 pictures\)"):
        open_source(folder)


def test_a_single_class_is_no_condition_and_said(tmp_path: Path) -> None:
    for number in range(12):
        paint(tmp_path / "set" / "cats" / f"{number}.png", number)
    source = open_source(tmp_path / "set")
    assert source.columns == {}
    assert "nothing to condition on" in " ".join(source.notes)
    labelled = open_source((np.random.default_rng(0).random((12, 4, 4)), np.ones(12, dtype=int)))
    assert labelled.columns == {}
    assert "every item has the same label, '1'" in " ".join(labelled.notes)


def test_identical_items_are_refused_and_constant_ones_said(tmp_path: Path) -> None:
    for number in range(12):
        paint(tmp_path / "same" / f"{number}.png", 0)
        (tmp_path / "flat").mkdir(exist_ok=True)
        Image.new("L", (4, 4), number).save(tmp_path / "flat" / f"{number}.png")
    with pytest.raises(BadInput, match="all 12 items of same are identical"):
        open_source(tmp_path / "same")
    with pytest.raises(BadInput, match="identical"):
        open_source(np.ones((5, 3)))
    assert "12 pictures are of one colour" in " ".join(open_source(tmp_path / "flat").notes)


def test_a_zip_that_lies_about_sizes_is_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for number in range(20):
            paint(tmp_path / "p.png", number)
            target.write(tmp_path / "p.png", f"{number}.png")
        target.writestr("big.png", b"x")
    content = bytearray(archive.read_bytes())
    entry = content.rindex(b"big.png") - 46
    content[entry + 24 : entry + 28] = (200_000_000).to_bytes(4, "little")
    archive.write_bytes(content)
    skipped = dict(open_source(archive).skipped)
    assert "lies about its size" in skipped["big.png"]


def test_check_says_what_was_understood(folder: Path) -> None:
    source = open_source(folder)
    split = make_split(source, 0)
    codecs = {"x": ImageCodec.fit(take(source.items, split.train)), "label": CategoryCodec(source.columns["label"].categories)}
    said = json.loads(json.dumps(understood(source, split, codecs, {"frechet": 500, "copies": 2})))
    assert said["kind"] == "image"
    assert said["shape"] == [3, 8, 8]
    assert said["items"] == 24
    assert said["dtype"] == "uint8"
    assert (said["splits"]["train"], said["splits"]["validation"], said["splits"]["holdout"]) == (17, 2, 5)
    assert len(said["splits"]["fingerprint"]) == 64
    assert said["conditions"] == [{"name": "label", "categories": ["cat", "dog 10"], "counts": [12, 12]}]
    assert [line["score"] for line in said["refused"]] == ["frechet"]


def test_reading_says_how_far_it_is(folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    open_source(folder, progress=lambda *report: seen.append(report))
    assert seen[-1] == ("reading pets", 24, 24)


@needs_shared
@pytest.mark.parametrize(
    ("name", "count", "shape"), [("mnist", 70_000, (28, 28, 1)), ("omniglot", 2_720, (105, 105, 1)), ("emoji72", 3_403, (72, 72, 4))]
)
def test_shared_sets_open_by_name(name: str, count: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELIKE_DATA", str(SHARED))
    source = open_source(name, offline=True)
    assert len(source.items) == count
    assert source.items[0].shape == shape
    if name == "mnist":
        assert source.split is not None
        assert source.split["holdout"].tolist() == list(range(60_000, 70_000))
        assert np.bincount(source.columns["label"].values[:60_000]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    if name == "emoji72":
        assert source.split is not None
        assert [len(source.split[part]) for part in ("train", "validation", "holdout")] == [3014, 175, 214]


