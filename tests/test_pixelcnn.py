"""The gated PixelCNN: causal, without a blind spot, exact, and drawn with what is known kept."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import all_given
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, class_label
from morelike.families.pixelcnn import PixelCNN
from morelike.house.build import build
from morelike.house.recipe import Recipe

CLASSES: Conditions = {"label": class_label(3)}


def made(spec: Array, conditions: Conditions | None = None, **net: int) -> PixelCNN:
    """A model whose every weight is random: fresh ones end in zeros."""
    model = build(Recipe(model="pixelcnn", size="xs", nets={"causal": {"depth": 3, **net}}), spec, conditions or {})
    assert isinstance(model, PixelCNN)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * (0.7 * p.shape[-1] ** -0.5))
    return model.eval()


def place_order(spec: Array, patch: int) -> Tensor:
    """(C,H,W): which value comes when."""
    channels, height, width = spec.shape
    patches = itertools.product(range(-(-height // patch)), range(-(-width // patch)))
    inside = list(itertools.product(range(channels), range(patch), range(patch)))
    order = torch.full(spec.shape, -1)
    number = 0
    for (row, column), (channel, down, right) in itertools.product(patches, inside):
        if row * patch + down < height and column * patch + right < width:
            order[channel, row * patch + down, column * patch + right] = number
            number += 1
    return order


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 4, 3)])
def test_a_value_depends_on_all_before_it_and_on_nothing_after(shape: tuple[int, int, int], patch: int) -> None:
    spec = Array(shape, 2 / 255)
    model, order = made(spec, patch=patch).double(), place_order(spec, patch)
    x = torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    x.requires_grad_()
    out = model.nets["causal"](x, {}, {}).view(shape[0], -1, *shape[1:])
    for place in itertools.product(*map(range, shape)):
        (gradient,) = torch.autograd.grad(out[place[0], :, place[1], place[2]].square().sum(), x, retain_graph=True)
        reached = gradient[0] != 0
        assert not bool((reached & (order >= order[place])).any()), f"{place} sees what comes after it"
        near = torch.zeros(shape, dtype=torch.bool)
        near[:, max(0, place[1] - 3) : place[1] + 1, max(0, place[2] - 3) : place[2] + 4] = True
        unseen = near & (order < order[place]) & ~reached
        assert not bool(unseen.any()), f"{place} has a blind spot at {unseen.nonzero().tolist()}"


@pytest.mark.parametrize(("spec", "patch"), [(Array((1, 2, 2), 2.0), 1), (Array((1, 2, 3), 2.0), 2), (Array((2, 1, 3), 1.0), 1)])
def test_masses_sum_to_one(spec: Array, patch: int) -> None:
    model = made(spec, CLASSES, patch=patch)
    levels = torch.arange(model.levels) * spec.bin - 1
    x = torch.cartesian_prod(*[levels] * torch.Size(spec.shape).numel()).view(-1, *spec.shape)
    nats = model.log_prob(x, {"label": torch.full((len(x), 1), 2)})
    nats = nats.detach()
    assert float(nats.double().exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(nats.max() - nats.min()) > 0.5


def test_a_mixture_gives_its_levels_a_mass_of_one() -> None:
    model = made(Array((1, 1, 1), 2 / 255))
    x = (torch.arange(256) * (2 / 255) - 1).view(-1, 1, 1, 1)
    assert float(model.log_prob(x).detach().double().exp().sum()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("spec", "patch"), [(Array((1, 5, 7), 2.0), 1), (Array((1, 5, 7), 2.0), 2), (Array((3, 4, 3), 2 / 255), 2)])
def test_drawn_step_by_step_as_with_the_whole_net(spec: Array, patch: int) -> None:
    """What the caching sampler hands to `pick` is what the whole net says of the picture so far, and of the finished one."""
    model = made(spec, CLASSES, patch=patch)
    condition, given = all_given({"label": torch.tensor([[0], [2]])})
    net, handed, generator = model.nets["causal"], {}, torch.Generator().manual_seed(1)

    def pick(parameters: Tensor, place: tuple[int, int, int]) -> Tensor:
        handed[place] = parameters
        return (torch.randint(0, model.levels, (2,), generator=generator) * spec.bin - 1).float()

    with torch.no_grad():
        x = net.draw(condition, given, 2, pick)
        whole = net(x, condition, given).view(2, spec.shape[0], -1, *spec.shape[1:])
    order = place_order(spec, patch)
    assert [int(order[place]) for place in handed] == list(range(order.numel()))
    for place, parameters in handed.items():
        assert torch.allclose(parameters, whole[:, place[0], :, place[1], place[2]], atol=1e-5), f"other parameters at {place}"


def test_draws_have_the_frequencies_that_the_density_says() -> None:
    spec = Array((1, 2, 2), 2.0)
    model = made(spec)
    x = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4).view(-1, *spec.shape)
    drawn = model.sample(noise=Noise(0, 20_000))
    found = (drawn[:, None] == x[None]).flatten(2).all(2).float().mean(0)
    said = model.log_prob(x).detach().exp()
    assert float((found - said).abs().max()) < 4 * 0.5 / 20_000**0.5
    assert float(said.max() - said.min()) > 0.05


def test_draws_of_a_mixture_lie_on_the_grid_with_its_frequencies() -> None:
    model = made(Array((1, 1, 1), 2 / 255))
    x = (torch.arange(256) * (2 / 255) - 1).view(-1, 1, 1, 1)
    said = model.log_prob(x).detach().exp()
    level = ((model.sample(noise=Noise(0, 20_000)) + 1) * 127.5).flatten()
    assert torch.allclose(level, level.round(), atol=1e-3)
    found = torch.bincount(level.round().long(), minlength=256) / 20_000
    # total variation of so many draws from so many cells
    assert float((found - said).abs().sum()) / 2 < 0.06


def test_real_numbers_are_refused() -> None:
    assert "whole-number levels" in str(PixelCNN.refuses(Array((1, 8, 8)), {}))
    assert PixelCNN.refuses(Array((2,), 1.0), {}) is not None


@pytest.mark.parametrize("wish", [{"nets": {"causal": {"depth": 0}}}, {"settings": {"components": 0}}])
def test_nothing_to_build_from_is_said(wish: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"at least 1|from 1 to"):
        build(Recipe(model="pixelcnn", **wish), Array((1, 4, 4), 2 / 255), {})
