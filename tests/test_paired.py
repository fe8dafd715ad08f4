"""Pictures as conditions: what is found in folders and tables, what is made of the pictures, what nets do with it, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from morelike.core.contract import Net, all_given
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.data.derived import derived
from morelike.data.image import ImageCodec
from morelike.data.open import open_source
from morelike.data.split import make_split
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe
from morelike.nets.build import build
from morelike.nets.condition import PictureChannels

_COUNT = 24


def picture(number: int, side: int = 8) -> np.ndarray:
    """(side,side) uint8, another for each number."""
    return np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)


def written(path: Path, pixels: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path.name


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """a/NUMBER.png 4 x 4, b/NUMBER.png 8 x 8."""
    for number in range(_COUNT):
        large = picture(number)
        written(tmp_path / "b" / f"{number}.png", large)
        written(tmp_path / "a" / f"{number}.png", large[::2, ::2])
    return tmp_path


def test_folders_of_one_names_are_pairs(folders: Path) -> None:
    prepared = prepare(Recipe(data=str(folders)))
    assert prepared.source.conditions == ("a",)
    assert prepared.codec.spec == Array((1, 8, 8), 2 / 255)
    assert prepared.specs == {"a": Array((1, 4, 4), 2 / 255)}
    for part in (prepared.train, prepared.validation, prepared.holdout):
        assert np.array_equal(part.condition["a"], part.x[:, :, ::2, ::2]), "a picture has the partner of another"


def test_pairs_can_be_turned_round_and_be_unconditional(folders: Path) -> None:
    turned = prepare(Recipe(data=str(folders), condition=["b"]))
    assert (turned.codec.spec.shape, turned.specs["b"].shape) == ((1, 4, 4), (1, 4, 4))
    alone = prepare(Recipe(data=str(folders), condition=[]))
    assert (len(alone.source.items), alone.specs) == (_COUNT, {})


def test_pairs_keep_their_official_split(folders: Path) -> None:
    for number in range(4):
        for side in "ab":
            (folders / side / "test").mkdir(exist_ok=True)
            (folders / side / "train").mkdir(exist_ok=True)
            (folders / side / f"{number}.png").rename(folders / side / "test" / f"{number}.png")
    for side in "ab":
        for file in (folders / side).glob("*.png"):
            file.rename(folders / side / "train" / file.name)
    source = open_source(str(folders))
    assert source.split is not None
    assert len(source.split["holdout"]) == 4
    assert source.columns["a"].kind == "picture"


def test_classes_named_a_and_b_stay_classes(tmp_path: Path) -> None:
    for number in range(12):
        written(tmp_path / "a" / f"cat-{number}.png", picture(number))
        written(tmp_path / "b" / f"dog-{number}.png", picture(number + 50))
    source = open_source(str(tmp_path))
    assert source.columns["label"].categories == ("a", "b")


def test_a_picture_without_partner_is_named_with_it(folders: Path) -> None:
    (folders / "a" / "7.png").unlink()
    with pytest.raises(BadInput, match=r"b/7.png has no partner: there is no a/7, with any ending"):
        open_source(str(folders))


def test_pairs_of_other_proportions_are_refused(folders: Path) -> None:
    written(folders / "a" / "3.png", np.zeros((4, 9), np.uint8))
    with pytest.raises(BadInput, match=r"a/3.png is 9 x 4 pixels and b/3.png 8 x 8: the sides of both must be in one proportion"):
        open_source(str(folders))


def test_an_unreadable_partner_leaves_the_pair_out(folders: Path) -> None:
    (folders / "a" / "5.png").write_bytes(b"no picture at all")
    source = open_source(str(folders))
    assert len(source.items) == len(source.columns["a"].values) == _COUNT - 1
    [(file, why)] = source.skipped
    assert file == "a/5.png"
    assert why.endswith("and b/5.png is left out with it")
    for item, number in zip(source.items, source.columns["a"].values, strict=True):
        assert np.array_equal(item[::2, ::2], source.columns["a"].pictures[int(number)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """photo/NUMBER.png and sketch/NUMBER.png, told apart by pairs.csv."""
    lines = ["file,sketch"]
    for number in range(_COUNT):
        written(tmp_path / "photo" / f"{number}.png", picture(number))
        written(tmp_path / "sketch" / f"s{number}.png", 255 - picture(number))
        lines.append(f"photo/{number}.png,sketch/s{number}.png")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path


def test_a_column_of_file_names_is_a_picture_condition(table: Path) -> None:
    source = open_source(str(table))
    assert (len(source.items), source.conditions) == (_COUNT, ("sketch",))
    column = source.columns["sketch"]
    assert all(np.array_equal(255 - item, column.pictures[int(row)]) for item, row in zip(source.items, column.values, strict=True))


def test_pictures_that_share_a_partner_stay_in_one_part(table: Path) -> None:
    rows = [f"photo/{number}.png,sketch/s{number % 12}.png" for number in range(_COUNT)]
    (table / "pairs.csv").write_text("\n".join(["file,sketch", *rows]))
    for number in range(12, _COUNT):
        (table / "sketch" / f"s{number}.png").unlink()
    source = open_source(str(table))
    split = make_split(source, 0)
    parts = [set(source.columns["sketch"].values[rows].tolist()) for rows in (split.train, split.validation, split.holdout)]
    assert sum(map(len, parts)) == len(set.union(*parts)), "two parts share a partner"


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("", r"pairs.csv, line 4: 'sketch' of photo/2.png is empty, but every picture needs one"),
        ("sketch/gone.png", r"pairs.csv, line 4: the 'sketch' of photo/2.png is sketch/gone.png, which isn't there"),
    ],
)
def test_bad_cells_are_named(table: Path, cell: str, sentence: str) -> None:
    text = (table / "pairs.csv").read_text().replace("photo/2.png,sketch/s2.png", f"photo/2.png,{cell}")
    (table / "pairs.csv").write_text(text)
    with pytest.raises(BadInput, match=sentence):
        open_source(str(table), condition="sketch")


def test_arrays_beside_arrays_are_picture_conditions() -> None:
    x = np.stack([picture(number) for number in range(_COUNT)])
    source = open_source({"x": x, "low": x[:, ::2, ::2]}, condition="low")
    assert source.columns["low"].kind == "picture"
    with pytest.raises(BadInput, match="low is 9 x 4 pixels and the pictures 8 x 8"):
        open_source({"x": x, "low": np.zeros((_COUNT, 4, 9), np.uint8)}, condition="low")


def test_what_is_made_of_pictures() -> None:
    codec = ImageCodec((3, 4, 4), "uint8")
    x = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    pool, grey, edges = (derived(name) for name in ("pool2", "grey", "edges"))
    assert pool
    assert grey
    assert edges
    assert [made.codec(codec).spec.shape for made in (pool, grey, edges)] == [(3, 2, 2), (1, 4, 4), (1, 4, 4)]
    assert np.abs(pool(x, codec)[0, 0, 1] - x[0, :2, 2:].reshape(-1, 3).mean(0)).max() <= 0.5
    assert np.abs(grey(x, codec)[..., 0] - x @ np.array([0.299, 0.587, 0.114])).max() <= 0.5
    step = np.zeros((1, 4, 4, 3), np.uint8)
    step[:, :, 2:] = 255
    assert edges(step, codec)[0, :, :, 0].tolist() == [[0, 255, 255, 0]] * 4
    assert not edges(np.full((1, 4, 4, 3), 77, np.uint8), codec).any()
    assert derived("label") is None


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(BadInput, match=r"pool3 divides each side by 3, but the pictures are 8 x 8: pool2, pool4, pool8 would fit"):
        prepare(Recipe(data="digits", condition=["pool3"]))
    with pytest.raises(BadInput, match="grey already"):
        prepare(Recipe(data="digits", condition=["grey"]))
    with pytest.raises(BadInput, match=r"pool1 .* changes nothing"):
        open_source("digits", condition="pool1")
    with pytest.raises(UnknownName, match=r"gray.*grey"):
        open_source("digits", condition="gray")


def test_made_conditions_belong_to_their_pictures() -> None:
    prepared = prepare(Recipe(data="digits", condition=["pool4", "label"]))
    pooled = prepared.holdout.x.reshape(-1, 1, 2, 4, 2, 4).mean((3, 5))
    assert np.abs(prepared.holdout.condition["pool4"] - pooled).max() <= 1.0


def test_binarised_pictures_are_told_their_grey_levels() -> None:
    prepared = prepare(Recipe(data="digits", condition=["pool2"], codec={"binarise": True}))
    pooled = prepared.train.x.reshape(-1, 1, 4, 2, 4, 2).mean((3, 5))
    assert np.abs(prepared.train.condition["pool2"] - pooled).max() <= 1.0


def test_picture_channels_resize_and_hide() -> None:
    channels = PictureChannels({"low": Array((1, 2, 2)), "label": class_label(3), "high": Array((3, 8, 8))}, 2)
    with torch.no_grad():
        channels.null["high"].fill_(5.0)
    low, high = torch.arange(8.0).view(2, 1, 2, 2), torch.randn(2, 3, 8, 8)
    given = {"low": torch.tensor([True, True]), "high": torch.tensor([True, False])}
    out = channels(torch.zeros(2, 1, 4, 4), {"low": low, "high": high}, given)
    assert out.shape == (2, 1 + channels.count, 4, 4)
    assert channels.count == 4
    assert torch.equal(out[:, 4], low[:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert torch.allclose(out[0, 1:4], torch.nn.functional.avg_pool2d(high, 2)[0])
    assert torch.equal(out[1, 1:4], torch.full((3, 4, 4), 5.0))


@pytest.mark.parametrize(
    "net",
    [
        Net("denoiser", Array((1, 8, 8)), Array((1, 8, 8))),
        Net("denoiser", Array((1, 8, 8)), Array((1, 8, 8)), {"kind": "dit"}),
        Net("critic", Array((1, 8, 8)), Array((1,))),
        Net("decoder", Array((3,)), Array((1, 8, 8))),
        Net("encoder", Array((1, 8, 8)), Array((3,))),
    ],
)
def test_nets_see_the_places_of_a_picture(net: Net) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build(net, {"low": Array((1, 4, 4))}, "xs").eval()
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    noise = Noise(0, 2, path=("nets",))
    x, low = noise.normal(net.input.shape, "x"), noise.normal((1, 4, 4), "low")
    time = (torch.full((2,), 0.5),) if net.role == "denoiser" else ()
    condition, given = all_given({"low": low})
    out = made(x, *time, condition, given)
    assert not torch.allclose(out, made(x, *time, {"low": low + 1}, given), atol=1e-4), "the picture has no say"
    nothing = {"low": torch.zeros(2, dtype=torch.bool)}
    hidden = made(x, *time, condition, nothing)
    assert torch.allclose(hidden, made(x, *time, {}, {}), atol=1e-5), "what isn't given is read"
