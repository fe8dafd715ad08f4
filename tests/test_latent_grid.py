"""Codes of an autoencoder on a grid, and diffusion inside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.families.autoencoder import Autoencoder, AutoencoderSettings, latent_of
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.house.sampling import checked
from morelike.nets.grid import GridEncoder
from morelike.nets.unet import UNet

LABEL = {"label": class_label(2)}


@pytest.mark.parametrize(
    ("shape", "own", "codes"),
    [
        ((3, 64, 64), {"grid": 16}, (4, 16, 16)),
        ((3, 64, 64), {"grid": 10, "latent": 6}, (6, 8, 8)),
        ((1, 8, 8), {"grid": 16}, (4, 4, 4)),  # at least one halving
        ((3, 50, 21), {"grid": 16}, (4, 13, 6)),
        ((2, 100), {"grid": 25}, (4, 25)),
        ((5,), {"grid": 4}, (5,)),
        ((3, 64, 64), {}, (32,)),
    ],
)
def test_the_grid_of_the_codes(shape: tuple[int, ...], own: dict[str, int], codes: tuple[int, ...]) -> None:
    assert latent_of(Array(shape), AutoencoderSettings(**own)).shape == codes


def test_a_grid_too_large_is_refused() -> None:
    with pytest.raises(BadInput, match="4 x 64 x 64 are more than 4,096 numbers"):
        latent_of(Array((3, 128, 128)), AutoencoderSettings(grid=64))


@pytest.mark.parametrize(("size", "patch"), [((64, 64), 4), ((50, 21), 2), ((9, 30), 1)])
def test_patches_change_the_work_but_no_shape(size: tuple[int, int], patch: int) -> None:
    nets = {name: {"patch": patch} for name in ("encoder", "decoder")}
    model: Any = build(Recipe(model="ae", size="xs", settings={"grid": 16}, nets=nets), Array((3, *size), 2 / 255), {}).eval()
    x = Noise(0, 2).normal((3, *size)).tanh()
    z = model.encode(x)
    assert z.shape == (2, *model.latent.shape)
    assert model.decode(z).shape == x.shape
    with pytest.raises(BadInput, match="a power of two of at most"):
        build(Recipe(model="ae", settings={"grid": 16}, nets={"encoder": {"patch": 8}}), Array((3, *size)), {})


def test_near_stays_near() -> None:
    """What changes in a corner of the picture changes the codes of that corner, not of the opposite one."""
    model: Any = build(Recipe(model="ae", size="xs", settings={"grid": 8}), Array((1, 64, 64), 2 / 255), {}).eval()
    assert isinstance(model.nets["encoder"], GridEncoder)
    x = Noise(0, 2).normal((1, 64, 64)).tanh()
    other = x.clone()
    other[..., :4, :4] = 1.0
    with torch.no_grad():
        moved = (model.encode(other) - model.encode(x)).abs().amax((0, 1))
    assert moved.shape == (8, 8)
    # group norm carries a little everywhere
    assert float(moved[-1, -1]) < 0.05 * float(moved[0, 0])


def test_codes_on_a_grid_are_drawn_from_their_gaussian() -> None:
    model: Any = build(Recipe(model="ae", size="xs", settings={"grid": 2, "latent": 1}), Array((1, 4, 4), 2 / 255), {})
    assert isinstance(model, Autoencoder)
    root = torch.tensor([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 0.5]])
    covariance, mean = root @ root.T, torch.tensor([0.0, 1.0, 2.0, 3.0])
    model.weight.fill_(1e6)
    model.total.copy_(1e6 * mean)
    model.products.copy_(1e6 * (covariance + mean[:, None] * mean))
    z = model._codes({}, Noise(1, 20_000))
    assert z.shape == (20_000, 1, 2, 2)
    assert torch.allclose(z.flatten(1).mean(0), mean, atol=0.05)
    assert torch.allclose(torch.cov(z.flatten(1).T), covariance, atol=0.1)


def test_latent_diffusion_is_a_unet_on_a_grid_and_one_setting_leaves_the_others() -> None:
    spec = Array((3, 64, 64), 2 / 255)
    model: Any = build(Recipe(model="latent-diffusion", size="xs"), spec, LABEL)
    assert model.latent.shape == model.second.spec.shape == (4, 16, 16)
    assert isinstance(model.second.nets["denoiser"], UNet)
    other: Any = build(Recipe(model="latent-diffusion", size="xs", settings={"first_settings": {"latent": 2}}), spec, LABEL)
    assert other.latent.shape == (2, 16, 16)
    drawn = model.sample({"label": torch.zeros(2, 1, dtype=torch.int64)}, noise=Noise(0, 2))
    assert drawn.shape == (2, 3, 64, 64)


def test_the_dials_of_a_latent_model_are_its_priors() -> None:
    model: Any = build(Recipe(model="latent-diffusion", size="xs"), Array((3, 64, 64), 2 / 255), LABEL)
    told = {"label": torch.ones(2, 1, dtype=torch.int64)}
    for number, parameter in enumerate(model.second.parameters()):
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    assert checked(model, {"guidance": 2, "steps": 3}) == {"guidance": 2.0, "steps": 3}
    with pytest.raises(UnknownName, match="gidance"):
        checked(model, {"gidance": 2})
    plain, guided = (model.sample(told, noise=Noise(0, 2), steps=3, guidance=own) for own in (1.0, 3.0))
    assert not torch.equal(plain, guided)
    model.set_dial("guidance", 3.0)
    assert torch.equal(model.sample(told, noise=Noise(0, 2), steps=3), guided)
    assert model.settings.prior_settings == {"guidance": 3.0}, "what is saved and built again"
