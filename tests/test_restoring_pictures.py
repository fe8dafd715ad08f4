"""Restoring pictures: operators, draws of what is missing against exact posteriors, the known part kept, and the verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from conftest import Runner
from morelike.core.abilities import Denoises, Infills, Prior
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array
from morelike.data.image import ImageCodec
from morelike.data.text import TextCodec
from morelike.house.build import build
from morelike.house.model import Model, load
from morelike.house.package import Package
from morelike.house.recipe import Recipe
from morelike.maths.operators import Blur, Grey, Mask, Operator, Pool
from morelike.tasks.repairing import Known, by_denoising, by_search, conjugate, repair

# --- operators

COLOUR = (3, 8, 12)


def operators() -> dict[str, Operator]:
    known = torch.rand(8, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    return {
        "mask": Mask(known), "pool 2": Pool(2), "pool 4": Pool(4), "grey": Grey((0.299, 0.587, 0.114)),
        "blur 1": Blur(1.0, 8, 12), "blur 3": Blur(3.0, 8, 12),
    }  # fmt: skip


def drawn(seed: int, like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", operators())
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_adjoint_and_pseudo_inverse_are_what_they_are_called(name: str, seed: int) -> None:
    operator, x = operators()[name], drawn(seed, torch.empty(2, *COLOUR))
    seen = operator.apply(x)
    y = operator.apply(drawn(seed + 1, x))
    torch.testing.assert_close((seen * y).sum(), (x * operator.adjoint(y)).sum())
    # the four conditions of Moore and Penrose, with y in the range
    torch.testing.assert_close(operator.apply(operator.pinv(y)), y)
    part, other = operator.project(x), operator.project(drawn(seed + 2, x))
    torch.testing.assert_close(operator.project(part), part)
    torch.testing.assert_close((part * (x - part)).sum(), torch.zeros((), dtype=x.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close((part * drawn(seed + 2, x)).sum(), (x * other).sum())


def test_blur_is_that_of_a_mirrored_picture() -> None:
    from scipy.ndimage import gaussian_filter

    x = drawn(0, torch.empty(1, 1, 16, 20))
    blurred = Blur(1.5, 16, 20, least=0.0).apply(x)[0, 0].numpy()
    assert abs(blurred - gaussian_filter(x[0, 0].numpy(), 1.5, mode="reflect", truncate=8)).max() < 2e-3


def test_pool_is_the_mean_of_squares() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert Pool(2).apply(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


# --- draws given what is known


class Gaussian(Denoises):
    """A normal distribution of 4 x 4 pictures, of which E[x | x_t] is known in closed form."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(3)
        spread = torch.randn(16, 16, generator=rng, dtype=torch.float64)
        self.mean = 0.3 * torch.randn(16, generator=rng, dtype=torch.float64)
        self.covariance = 0.02 * spread @ spread.T + 0.05 * torch.eye(16, dtype=torch.float64)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        share, flat = t.double()[0], x_t.flatten(1).double()
        around = (1 - share) ** 2 * self.covariance + share**2 * torch.eye(16, dtype=torch.float64)
        gain = (1 - share) * torch.linalg.solve(around, self.covariance)
        return (self.mean + (flat - (1 - share) * self.mean) @ gain).view_as(x_t).to(x_t.dtype)

    def draw(self, count: int, seed: int) -> Tensor:
        noise = Noise(seed, count, path=("truth",)).normal((16,)).double()
        return (self.mean + noise @ torch.linalg.cholesky(self.covariance).T).float().view(count, 1, 4, 4)

    def posterior(self, operator: Operator, least: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (16,) and covariance (16,16) given A x = y, from the normal equations."""
        seen = operator.project(torch.eye(16, dtype=torch.float64).view(16, 1, 4, 4)).reshape(16, 16)
        gain = self.covariance @ seen @ torch.linalg.pinv(seen @ self.covariance @ seen, rtol=1e-9)
        mean = self.mean + gain @ (least.double().flatten() - seen @ self.mean)
        return mean, self.covariance - gain @ seen @ self.covariance


SMALL = {"mask": Mask(torch.rand(4, 4, generator=torch.Generator().manual_seed(1)) < 0.5), "pool": Pool(2), "blur": Blur(1.0, 4, 4)}
DRAWS = 3_000


@pytest.mark.parametrize("name", SMALL)
def test_draws_of_a_gaussian_follow_its_posterior(name: str) -> None:
    model, operator = Gaussian(), SMALL[name]
    least = operator.project(model.draw(1, 0))
    x = by_denoising(model, Known(operator, least.expand(DRAWS, -1, -1, -1)), noise=Noise(0, DRAWS), steps=60, turns=6)
    flat = x.flatten(1).double()
    mean, covariance = model.posterior(operator, least)
    deviation = covariance.diagonal().clamp(min=0).sqrt()
    assert ((flat.mean(0) - mean).abs() <= 5 * deviation / DRAWS**0.5 + 2e-3).all()
    error = (torch.cov(flat.T) - covariance).abs() / (deviation[:, None] * deviation + 1e-3)
    assert error.max() < 0.15
    torch.testing.assert_close(operator.project(x), least.expand_as(x), atol=1e-5, rtol=0)


def test_without_turns_the_known_part_holds_and_nothing_follows_from_it() -> None:
    """What the conjugate gradients are for: with V = 1 the unknown pixels hear of the known ones from the net alone."""
    model, operator = Gaussian(), SMALL["mask"]
    least = operator.project(model.draw(1, 0))
    x = by_denoising(model, Known(operator, least.expand(DRAWS, -1, -1, -1)), noise=Noise(0, DRAWS), steps=24, turns=0)
    mean, covariance = model.posterior(operator, least)
    torch.testing.assert_close(operator.project(x), least.expand_as(x), atol=1e-5, rtol=0)
    assert (x.flatten(1).double().mean(0) - mean).abs().max() > 0.2 * covariance.diagonal().max().sqrt()


def test_conjugate_gradients_solve_each_row_by_itself() -> None:
    rng = torch.Generator().manual_seed(0)
    spread = torch.randn(2, 6, 6, generator=rng, dtype=torch.float64)
    matrices = spread @ spread.mT + torch.eye(6, dtype=torch.float64)
    matrices[1] *= 1e6
    seen = torch.tensor([1.0, 1, 0, 1, 0, 1], dtype=torch.float64)
    wanted = torch.randn(2, 6, generator=rng, dtype=torch.float64) * seen
    moved = conjugate(lambda u: (matrices @ u[..., None])[..., 0], lambda v: v * seen, wanted, 12)
    torch.testing.assert_close(moved * seen, wanted)
    for row, matrix in enumerate(matrices):
        kept = seen.bool()
        inner = torch.linalg.solve(matrix[kept][:, kept], wanted[row, kept])
        torch.testing.assert_close(moved[row], matrix[:, kept] @ inner)


class Linear(Prior):
    """4 x 4 pictures of five latents, by a matrix."""

    latent = Array((5,))

    def __init__(self) -> None:
        self.matrix = 0.5 * torch.randn(5, 16, generator=torch.Generator().manual_seed(5))

    def prior(self, noise: Noise) -> Tensor:
        return noise.normal((5,), "prior")

    def decode(self, z: Tensor, condition: Any = None) -> Tensor:
        return (z @ self.matrix).view(-1, 1, 4, 4)


def test_search_in_latents_of_a_linear_decoder_draws_from_its_posterior() -> None:
    model, count, noise = Linear(), 1_500, 0.1
    operator = Mask(torch.tensor([[True] * 4, [False] * 4, [False] * 4, [False] * 4]))
    least = operator.project(model.decode(torch.full((1, 5), 0.5)))
    x = by_search(model, Known(operator, least.expand(count, -1, -1, -1)), noise=Noise(0, count), starts=1, climb=400)
    seen = model.matrix[:, :4].double()
    inner = torch.linalg.inv(torch.eye(5, dtype=torch.float64) + seen @ seen.T / noise**2)
    hidden = model.matrix[:, 4:].double()
    mean = (least.double().flatten()[:4] @ seen.T / noise**2) @ inner @ hidden
    covariance = hidden.T @ inner @ hidden
    got = x.flatten(1)[:, 4:].double()
    deviation = covariance.diagonal().sqrt()
    assert ((got.mean(0) - mean).abs() <= 5 * deviation / count**0.5 + 0.02).all()
    assert ((torch.cov(got.T) - covariance).abs() / (deviation[:, None] * deviation)).max() < 0.2
    assert torch.equal(operator.project(x), least.expand_as(x))


class Halves(Infills, Denoises):
    """Fills with what it is told: 1 natively, 0 by denoising."""

    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return torch.where(known, x, 1.0)

    def denoise(self, x_t: Tensor, t: Tensor, condition: Any = None) -> Tensor:
        return 0 * x_t


class Filler(Infills):
    infill = Halves.infill


def test_the_ability_decides_how() -> None:
    operator = Mask(torch.tensor([[True, False]]))
    known = Known(operator, torch.tensor([[[[0.5, 0.0]]]]), -1.0, 1.0)
    assert repair(Filler(), known, noise=Noise(0, 1)).flatten().tolist() == [0.5, 1.0]
    assert repair(Halves(), known, noise=Noise(0, 1)).flatten().tolist() == [0.5, 0.0]
    with pytest.raises(Refused, match="Filler can't"):
        repair(Filler(), Known(Pool(1), torch.zeros(1, 1, 1, 2)), noise=Noise(0, 1))
    with pytest.raises(BadInput, match="steps"):
        repair(Halves(), known, noise=Noise(0, 1), steps=0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["pool 2", "pool 4", "grey"]))
def test_what_is_fitted_lies_in_its_range_and_keeps_what_is_known(seed: int, name: str) -> None:
    operator = operators()[name]
    truth = (2 * drawn(seed, torch.empty(1, *COLOUR))).clamp(-1, 1)
    known = Known(operator, operator.project(truth), -1.0, 1.0)
    x = known.fitted(3 * drawn(seed + 1, truth))
    assert float(x.abs().max()) <= 1
    # half a level of a byte
    assert float((operator.apply(x) - operator.apply(truth)).abs().max()) < 1 / 255


# --- pictures and words


def picture(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


def digit(seed: int = 0) -> np.ndarray:
    """(8,8) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)


def test_missing_middle_is_drawn_and_the_rest_comes_back_as_it_was(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    known, out = picture(tmp_path / "known.png", digit()), tmp_path / "sheet.png"
    words = ("restore", trained, "--op", "mask", "--known", known, "--box", "2,2,4,4", "-n", 3, "--out", out, "--json", "steps=3")
    found = morelike_cli(*words)
    assert found.code == 0, found.err
    assert found.json["apart"] == 0
    made = [np.asarray(Image.open(path)) for path in found.json["paths"]]
    there = np.ones((8, 8), dtype=bool)
    there[2:6, 2:6] = False
    for item in made:
        assert (item[there] == digit()[there]).all()
    assert len({item.tobytes() for item in made}) == 3
    assert Image.open(out).width > 3 * Image.open(out).height
    again = morelike_cli(*words)
    assert again.out == found.out
    assert [np.asarray(Image.open(path)).tobytes() for path in again.json["paths"]] == [item.tobytes() for item in made]


def test_mask_box_and_place_say_the_same(trained: Path, tmp_path: Path) -> None:
    model, whole = load(trained), digit()
    mask = np.full((8, 8), 255, dtype=np.uint8)
    mask[:, :3] = 0
    by_mask = model.restore_picture(whole, 2, op="mask", mask=picture(tmp_path / "mask.png", mask), steps=2)
    by_box = model.restore(picture(tmp_path / "whole.png", whole), 2, op="mask", box=(0, 0, 3, 8), steps=2)
    by_place = model.restore_picture(whole[:, 3:], 2, op="mask", at=(3, 0), steps=2)
    assert (by_mask.items == by_box.items).all()
    assert (by_mask.items == by_place.items).all()
    assert (by_mask.items[:, :, 3:, 0] == whole[:, 3:]).all()
    assert (by_mask.shown[:, :3] == 128).all()
    other = model.restore_picture(whole, 2, op="mask", mask=mask, steps=2, seed=1)
    assert (other.items != by_mask.items).any()
    told = model.restore_picture(whole, 2, op="mask", mask=mask, steps=2, where={"label": 3})
    assert (told.items != by_mask.items).any()


def test_a_large_picture_pooled_is_the_small_one(trained: Path) -> None:
    small = digit()[:4, :4]
    found = load(trained).restore_picture(small, 3, op="pool", steps=3)
    pooled = found.items.reshape(3, 4, 2, 4, 2).mean((2, 4))
    assert (np.abs(pooled - small) <= 0.5).all()
    assert found.apart <= 0.5 / 255


def untrained(family: str, codec: ImageCodec) -> Model:
    recipe = Recipe(data="memory", model=family, size="xs")
    return Model(Package(build(recipe, codec.spec, {}).eval(), codec, {}, recipe, {}))


def test_colour_comes_to_a_grey_picture() -> None:
    model = untrained("vae", ImageCodec((3, 8, 8), "uint8"))
    found = model.restore_picture(digit(), 2, op="grey")
    grey = found.items @ np.array([0.299, 0.587, 0.114])
    assert found.items.shape == (2, 8, 8, 3)
    assert np.abs(grey - digit()).max() < 1


def test_a_sharp_picture_blurred_is_the_blurred_one() -> None:
    from scipy.ndimage import gaussian_filter

    model = untrained("diffusion", ImageCodec((1, 8, 8), "uint8"))
    blurred = np.rint(gaussian_filter(digit().astype(float), 1.0, mode="reflect")).astype(np.uint8)
    found = model.restore_picture(blurred, 2, op="blur", sigma=1.0, steps=2)
    again = gaussian_filter(found.items[0, :, :, 0].astype(float), 1.0, mode="reflect")
    assert np.abs(again - blurred).mean() < 4


BAD: list[tuple[tuple[object, ...], str]] = [
    (("--op", "mask", "--known", "whole.png", "--mask", "small.png"), "the mask is 4 x 4 pixels, and the known picture 8 x 8"),
    (("--op", "mask", "--known", "whole.png", "--mask", "black.png"), "nothing is known"),
    (("--op", "mask", "--known", "whole.png", "--mask", "white.png"), "nothing is missing"),
    (("--op", "mask", "--known", "whole.png"), "nothing is missing"),
    (("--op", "mask", "--known", "whole.png", "--box", "6,6,4,4"), "the box 6,6,4,4"),
    (("--op", "mask", "--known", "whole.png", "--box", "six"), "--box 'six' is not left,top,width,height"),
    (("--op", "mask", "--known", "odd.png"), "the known picture is 9 x 9 pixels"),
    (("--op", "mask", "--known", "small.png", "--at", "5,0"), "it can't lie at 5,0"),
    (("--op", "pool", "--known", "odd.png"), "a whole factor"),
    (("--op", "pool", "--known", "whole.png"), "a whole factor"),
    (("--op", "pool", "--known", "small.png", "--box", "0,0,1,1"), "--box goes with --op mask"),
    (("--op", "grey", "--known", "whole.png"), "grey already"),
    (("--op", "blur", "--known", "whole.png"), "how wide the blur is"),
    (("--op", "blur", "--known", "whole.png", "--sigma", "-1"), "can't be -1 pixels wide"),
    (("--op", "blur", "--known", "small.png", "--sigma", "1"), "scale it to that size"),
    (("--op", "poll", "--known", "small.png"), "pool"),
    (("--op", "mask", "--known", "text.png"), "text.png"),
    (("--op", "mask", "--known", "gone.png"), "gone.png"),
    (("--op", "mask"), "add --known FILE"),
    (("--known", "whole.png"), "add --op mask|pool|grey|blur"),
    (("a text with a ___",), "say what is known"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "-n", "0"), "the number of alternatives"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "steps=0"), "steps must be between"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "beam=4"), "the dial steps"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "--where", "label=x"), "label"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "--out", "x.jpg"), "must end in .png"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "--out", "whole.png"), "would be lost"),
    (("--op", "mask", "--known", "whole.png", "--box", "0,0,4,4", "--best"), "--best is for texts or tables"),
]  # fmt: skip


def test_bad_input_is_one_sentence(trained: Path, morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, array in {
        "whole": digit(), "small": digit()[:4, :4], "odd": np.zeros((9, 9), dtype=np.uint8),
        "black": np.zeros((8, 8), dtype=np.uint8), "white": np.full((8, 8), 255, dtype=np.uint8),
    }.items():  # fmt: skip
        picture(tmp_path / f"{name}.png", array)
    (tmp_path / "text.png").write_text("not a picture, but a sentence")
    before = sorted(path.name for path in tmp_path.iterdir())
    for words, said in BAD:
        ended = morelike_cli("restore", trained, *words)
        assert ended.code == 2, words
        assert said in ended.err, (words, ended.err)
        assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_models_that_can_not_are_refused_and_others_named() -> None:
    grey = ImageCodec((1, 8, 8), "uint8")
    with pytest.raises(Refused, match=r"hopfield can't restore a picture; families that can: diffusion, "):
        untrained("hopfield", grey).restore_picture(digit()[:4, :4], op="pool")
    with pytest.raises(Refused, match=r"pixelcnn can't fill in a part of a picture; families that can: diffusion, .* more"):
        untrained("pixelcnn", grey).restore_picture(digit(), op="mask", box=(0, 0, 4, 4))
    with pytest.raises(Refused, match="its latent is made of ids"):
        untrained("vqvae", grey).restore_picture(digit(), op="mask", box=(0, 0, 4, 4))
    binary = ImageCodec((1, 8, 8), "uint8", binarise=True)
    with pytest.raises(Refused, match="black and white"):
        untrained("vae", binary).restore_picture(digit()[:4, :4], op="pool")
    with pytest.raises(UnknownName, match="operation"):
        untrained("vae", grey).restore_picture(digit(), op="maks")
    codec = TextCodec.fit(["a b", "b a"] * 20)
    recipe = Recipe(data="memory", model="ngram")
    told = Model(Package(build(recipe, codec.spec, {}), codec, {}, recipe, {}))
    with pytest.raises(BadInput, match="--op is for models of pictures, and this one learnt the kind 'text'"):
        told.restore_picture(digit(), op="mask", box=(0, 0, 4, 4))


@pytest.mark.parametrize("family", ["rbm", "dcgan", "realnvp", "pca", "som"])
def test_every_way_keeps_the_known_part(family: str) -> None:
    codec = ImageCodec((1, 8, 8), "uint8", binarise=family == "rbm")
    whole = digit() if family != "rbm" else np.where(digit() > 127, 255, 0).astype(np.uint8)
    model = untrained(family, codec)
    found = model.restore_picture(whole, 2, op="mask", box=(0, 0, 8, 4))
    assert (found.items[:, 4:, :, 0] == whole[4:]).all()
