"""Captions and other columns beside pictures: every form of table, what is wrong with one, and what a model makes of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import morelike
from conftest import Runner
from morelike.core.contract import Batch
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens
from morelike.data.caption import LONGEST, CaptionCodec, words_of
from morelike.data.open import open_source
from morelike.families.gan import mismatched
from morelike.house.build import build
from morelike.house.prepare import prepare
from morelike.house.recast import Codecs
from morelike.house.recipe import Recipe
from morelike.nets.condition import ConditionEncoder

COUNT = 30
WORDS = ["red cat", "red dog", "blue cat", "blue dog", "green bird"]


def caption(number: int) -> str:
    return f"{WORDS[number % 5]} {number}"


def paint(folder: Path, count: int = COUNT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """The rows, the first of which is the header, in the form that the ending says."""
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
    else:
        lines = [{".csv": ",", ".tsv": "\t"}[path.suffix].join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def full(key: str = "file", count: int = COUNT) -> list[list[str]]:
    header = [key, "caption", "kind", "weight"]
    return [header, *([f"{n}.png", caption(n), "ab"[n % 2], f"{n / 7:.4f}"] for n in range(count))]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return paint(tmp_path / "set")


# reading


@pytest.mark.parametrize("file", ["captions.csv", "captions.tsv", "metadata.csv", "metadata.jsonl"])
@pytest.mark.parametrize("key", ["file", "file_name"])
def test_any_column_of_any_form_is_a_condition(pictures: Path, file: str, key: str) -> None:
    table(pictures / file, full(key)[:1] + full(key)[:0:-1])
    source = open_source(pictures, condition="caption,kind,weight")
    assert source.conditions == ("caption", "kind", "weight")
    assert [source.columns[name].kind for name in source.conditions] == ["text", "category", "number"]
    assert source.names is not None
    for row, name in enumerate(source.names):
        number = int(name.removesuffix(".png"))
        assert source.columns["caption"].values[row] == caption(number)
        assert source.columns["kind"].values[row] == number % 2
        assert source.columns["weight"].values[row] == pytest.approx(number / 7, abs=1e-4)


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def test_a_table_counts_inside_a_zip_beside_it_in_a_folder_and_beside_it_alone(pictures: Path, tmp_path: Path) -> None:
    bare = zipped(pictures, tmp_path / "bare" / "set.zip") if (tmp_path / "bare").mkdir() is None else pictures
    table(bare.parent / "captions.csv", full())
    table(pictures / "captions.csv", full())
    inside = zipped(pictures, tmp_path / "inside.zip")
    for place in (inside, bare, bare.parent):
        assert open_source(place, condition="caption").columns["caption"].values[3] == caption(3)
    with pytest.raises(UnknownName, match="did you mean 'caption'"):
        open_source(bare.parent, condition="captions")


def test_tables_of_one_name_in_the_folders_of_a_split_are_one(tmp_path: Path) -> None:
    for part, start in (("train", 0), ("test", 100)):
        folder = paint(tmp_path / "set" / part, 12)
        table(folder / "metadata.jsonl", [["file_name", "text"], *([f"{n}.png", f"picture {start + n}"] for n in range(12))])
    source = open_source(tmp_path / "set", condition="text")
    assert source.split is not None
    texts = source.columns["text"].values
    assert sorted(texts[source.split["train"]]) == sorted(f"picture {n}" for n in range(12))
    assert sorted(texts[source.split["holdout"]]) == sorted(f"picture {100 + n}" for n in range(12))


def test_columns_that_nobody_asked_for_are_named_and_leave_the_fingerprint(pictures: Path) -> None:
    table(pictures / "captions.csv", full())
    plain = open_source(pictures)
    assert list(plain.columns) == ["kind"]
    assert plain.conditions == ()
    assert "more columns lie beside the pictures: caption, weight (--condition NAME learns one as a condition)" in plain.notes


def test_a_spreadsheet_may_separate_by_semicolons(pictures: Path) -> None:
    rows = "\n".join(";".join(row) for row in full())
    (pictures / "captions.csv").write_text(rows.replace(", ", " "), encoding="utf-8")
    source = open_source(pictures, condition="caption,kind")
    assert source.columns["caption"].values[3] == caption(3).replace(", ", " ")
    assert source.columns["kind"].kind == "category"


def test_captions_of_which_few_differ_are_captions(pictures: Path) -> None:
    header, *rows = full()
    table(pictures / "captions.csv", [header, *([row[0], ("a red one", "a blue one")[n % 2], *row[2:]] for n, row in enumerate(rows))])
    assert "caption" not in open_source(pictures).columns
    assert open_source(pictures, condition="caption").columns["caption"].kind != "category"


# what is wrong with a table


@pytest.mark.parametrize(
    ("file", "held"),
    [
        ("captions.jsonl", b'{"file": "0.png", "caption": "one"}\n{"file": "1.png", "capt'),
        ("captions.jsonl", b'{"file": "0.png", "caption": "one"}\n["1.png", "two"]'),
        ("captions.csv", "file,caption\n0.png,un carr\u00e9".encode("latin-1")),
    ],
)
def test_a_table_that_cannot_be_read_is_named_where_its_column_is_asked_for(pictures: Path, file: str, held: bytes) -> None:
    (pictures / file).write_bytes(held)
    with pytest.raises(BadInput, match=rf"no table .* has a column 'caption', but {file} isn't .* in UTF-8"):
        open_source(pictures, condition="caption")
    assert any(file in note for note in open_source(pictures).notes)


def edited(change: Callable[[list[list[str]]], Any]) -> list[list[str]]:
    rows = full()
    change(rows)
    return rows


def test_pictures_may_lack_a_caption_and_it_is_said(pictures: Path) -> None:
    table(pictures / "captions.csv", edited(lambda rows: (rows[3].__setitem__(1, " "), rows.pop(8))))
    source = open_source(pictures, condition="caption")
    assert source.columns["caption"].values[2] == source.columns["caption"].values[7] == ""
    assert "captions.csv: 2 of 30 pictures have no caption (first 2.png: 'caption' is empty)" in source.notes


@pytest.mark.parametrize(
    ("change", "asked", "sentence"),
    [
        (lambda rows: rows.append(["3.png", "another", "b", "0.4286"]), "caption",
         "captions.csv, line 32: 3.png has another 'caption' than in captions.csv, line 5; keep one row a picture."),
        (lambda rows: rows[4].__setitem__(3, ""), "weight",
         "captions.csv, line 5: 'weight' is empty, but a finite number is expected for every picture."),
        (lambda rows: rows[4].__setitem__(3, "nan"), "weight",
         "captions.csv, line 5: 'weight' is nan, but a finite number is expected for every picture."),
        (lambda rows: rows.pop(4), "weight",
         "captions.csv has no row for 3.png, so that it has no 'weight'; add one, or remove the picture."),
        (lambda rows: [row.__setitem__(1, "") for row in rows[1:]], "caption",
         "captions.csv: the column 'caption' is empty for every picture."),
    ],
)  # fmt: skip
def test_bad_rows_are_named(pictures: Path, change: Callable[[list[list[str]]], Any], asked: str, sentence: str) -> None:
    table(pictures / "captions.csv", edited(change))
    with pytest.raises(BadInput) as error:
        open_source(pictures, condition=asked)
    assert str(error.value) == sentence


def test_rows_without_a_picture_and_rows_that_come_twice_are_said(pictures: Path) -> None:
    more = [["gone.png", "a", "b", "1"], ["also.png", "a", "b", "1"], full()[6]]
    table(pictures / "captions.csv", full() + more)
    notes = open_source(pictures, condition="caption").notes
    assert "captions.csv, line 32 names no picture that is there (gone.png), and 1 more rows: left out" in notes
    assert "captions.csv, line 34 names a picture that has a row before (5.png): left out" in notes


def test_a_damaged_line_is_named(pictures: Path) -> None:
    table(pictures / "metadata.jsonl", full())
    text = (pictures / "metadata.jsonl").read_text().split("\n")
    text[4] = text[4][:-3]
    (pictures / "metadata.jsonl").write_text("\n".join(text))
    assert any("isn't JSON lines in UTF-8 and was left alone (line 5" in note for note in open_source(pictures).notes)


# captions as ids


def test_words_of_two_captions_are_ids_and_others_are_spelt() -> None:
    codec = CaptionCodec.fit(["Red cat", "red dog", "a zebra"])
    assert codec.words == ("red",)
    ids = codec.encode(["red", "RED cat", "cat", "tac", "", "żebra"])
    assert list((ids != codec.stop).sum(1)) == [1, 4, 3, 3, 0, 5]
    assert codec.decode(ids) == ["red", "red cat", "cat", "tac", "", "\ufffdebra"]
    assert codec.strange(["red cat", "a cat"]) == ["cat", "a"]


def test_order_and_signs_come_back() -> None:
    texts = ["person: dark skin tone", "man, woman (two)", "dog-cat", "cat's dog"]
    codec = CaptionCodec.fit(texts * 2)
    assert codec.decode(codec.encode(texts)) == texts
    assert words_of("Don’t  STOP") == ["don", "'", "t", "stop"]


def test_long_captions_are_cut_and_it_is_said() -> None:
    codec = CaptionCodec.fit(["word " * 100, "word", ""])
    assert codec.spec.shape == (LONGEST,)
    assert "1 of 3 training captions have more than 64 ids and are cut there." in codec.describe()
    assert "1 of 3 training items have no caption, and are learnt without." in codec.describe()
    assert codec.cut(["word " * 65, "word " * 64]) == 1


def test_the_vocabulary_is_that_of_the_training_part(pictures: Path) -> None:
    rows = [["file", "split", "caption"]]
    rows += [[f"{n}.png", "test" if n >= 20 else "train", f"{'unicorn' if n >= 20 else 'horse'} {n}"] for n in range(COUNT)]
    table(pictures / "captions.csv", rows)
    data = prepare(Recipe(data=str(pictures), condition=["caption"]))
    codec = data.conditions["caption"]
    assert isinstance(codec, CaptionCodec)
    assert codec.words == ("horse",)
    assert "n" not in codec.letters
    assert any("'unicorn'" in sentence and "spelt by letters" in sentence for sentence in data.said)


@pytest.mark.parametrize("name", ["caption", "weight", "kind"])
def test_the_same_columns_are_read_again_for_a_model_that_exists(pictures: Path, tmp_path: Path, name: str) -> None:
    path = zipped(pictures, tmp_path / "bare.zip")
    table(tmp_path / "captions.csv", full())
    recipe = Recipe(data=str(path), condition=[name])
    first = prepare(recipe)
    again = prepare(recipe, codecs=Codecs("it", first.codec, first.conditions))
    assert again.split.fingerprint == first.split.fingerprint
    assert np.array_equal(again.holdout.condition[name], first.holdout.condition[name])


# what nets make of them


def test_a_caption_is_read_in_order_and_an_empty_one_is_no_condition() -> None:
    spec = Tokens((5,), 9, 8)
    torch.manual_seed(0)
    net = ConditionEncoder({"caption": spec}, 16)
    torch.nn.init.normal_(net.null["caption"])
    ids = torch.tensor([[1, 2, 8, 8, 8], [2, 1, 8, 8, 8], [8] * 5, [1, 2, 8, 8, 8]])
    out = net({"caption": ids}, {"caption": torch.tensor([True, True, True, False])}, 4)
    assert out is not None
    assert not torch.allclose(out[0], out[1], atol=1e-4)
    assert torch.equal(out[2], net.null["caption"])
    assert torch.equal(out[3], net.null["caption"])
    longer = ConditionEncoder({"caption": Tokens((7,), 9, 8)}, 16)
    longer.load_state_dict(net.state_dict())
    padded = longer({"caption": torch.nn.functional.pad(ids, (0, 2), value=8)}, {"caption": torch.ones(4, dtype=torch.bool)}, 4)
    assert padded is not None
    assert torch.allclose(padded[0], out[0], atol=1e-6)


def test_a_mismatched_pair_has_another_condition_that_is_given() -> None:
    ids = torch.tensor([[1, 8], [1, 8], [2, 8], [3, 8]])
    batch = Batch(torch.zeros(4, 1), Noise(0, 4), {"caption": ids}, {"caption": torch.tensor([True, True, False, True])})
    other, wrong = mismatched(batch)
    assert other.condition["caption"].tolist() == [[3, 8], [1, 8], [1, 8], [2, 8]]
    # the second has the same caption, the last would get one that is hidden
    assert wrong.tolist() == [True, False, True, False]


def test_the_critic_pays_for_mismatched_pairs_as_in_the_paper() -> None:
    spec, words = Array((1, 8, 8), 2 / 255), {"caption": Tokens((2,), 9, 8)}
    model: Any = build(Recipe(model="text-gan", size="xs", settings={"r1": 0.0}), spec, words)
    noise = Noise(0, 3)
    batch = Batch(
        noise.uniform(spec.shape, "x"), noise, {"caption": torch.tensor([[1, 8], [2, 8], [3, 8]])}, {"caption": torch.ones(3).bool()}
    )
    critic = model.players()[0]
    assert critic.coupled
    found = critic.loss(batch)["loss"]
    with torch.no_grad():
        made = model.make(model.prior(noise), batch.condition, batch.given)
        judge = model.nets["critic"]
        right = judge(batch.data, batch.condition, batch.given)
        wrong = judge(batch.data, {"caption": batch.condition["caption"][[2, 0, 1]]}, batch.given)
        fake = judge(made, batch.condition, batch.given)
    log = torch.nn.functional.logsigmoid
    # Reed et al. 2016, algorithm 1, line 9: L_D = log s_r + (log(1 - s_w) + log(1 - s_f)) / 2, here to be minimised
    torch.testing.assert_close(found, -(log(right) + (log(-wrong) + log(-fake)) / 2))


def test_text_gan_wants_a_condition() -> None:
    with pytest.raises(Refused, match="name one with --condition"):
        build(Recipe(model="text-gan", size="xs"), Array((1, 8, 8), 2 / 255), {})


# the whole way


@pytest.mark.parametrize("name", ["text-gan", "diffusion", "vae"])
def test_a_model_is_trained_saved_loaded_and_asked_by_caption(pictures: Path, tmp_path: Path, morelike_cli: Runner, name: str) -> None:
    table(pictures / "captions.csv", full())
    out = tmp_path / "model"
    words = ("--condition", "caption", "--model", name, "--size", "xs", "--steps", "3", "batch=8", "--no-judge", "--out", out)
    ended = morelike_cli("train", pictures, *words)
    assert ended.code == 0, ended.err
    model = morelike.load(out)
    red, blue = (model.sample(2, {"caption": text}, seed=1) for text in ("red cat", "blue dog"))
    assert np.array_equal(red, morelike.load(out).sample(2, {"caption": "red cat"}, seed=1))
    turns = model.sample(4, {"caption": ["red cat", "blue dog"]}, seed=1)
    assert np.array_equal(turns, model.sample(4, {"caption": "red cat|blue dog"}, seed=1))
    assert np.array_equal(turns[0], red[0])
    assert np.array_equal(turns[1], blue[1])
    assert model.sample(3).shape == (3, 8, 8, 3)
    # shown to the nets: the caption alone changes the picture
    x = [model.draw(1, {"caption": text}, 1)[0] for text in ("red cat", "blue dog")]
    assert not torch.equal(*x)
    ended = morelike_cli("sample", out, "-n", "2", "--where", "caption=red wombat", "--out", tmp_path / "drawn.npz")
    assert ended.code == 0, ended.err
    assert "caption: 1 word was in no two training captions ('wombat') and is spelt by letters" in ended.out + ended.err
    kept = np.load(tmp_path / "drawn.npz")
    # no training caption holds w, m
    assert kept["caption"].tolist() == ["red \ufffdo\ufffdbat"] * 2


def test_the_report_shows_captions_below_pictures(pictures: Path, tmp_path: Path, morelike_cli: Runner) -> None:
    table(pictures / "captions.csv", full())
    out = tmp_path / "model"
    ended = morelike_cli("train", pictures, "--condition", "caption", "--model", "text-gan", "--size", "xs", "--steps", "2", "--out", out)
    assert ended.code == 0, ended.err
    page = (out / "report.html").read_text(encoding="utf-8")
    held = prepare(Recipe.read(out / "recipe.toml")).source.columns["caption"].values
    shown = [text for text in held if f'<figcaption dir="auto">{text}</figcaption>' in page]
    assert shown
