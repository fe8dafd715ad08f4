"""Grids of ids: places known by row and column, masked diffusion on them, and as the prior of a picture's codes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens, class_label
from morelike.families.masked import Masked
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.nets.attention import grid_turns, rotate, turns
from morelike.training.optimiser import Optimiser

TINY = Tokens((2, 2), vocab=3)
STRIPES = Tokens((4, 5), vocab=4)


def made(spec: Tokens, depth: int = 2) -> Any:
    nets = {"denoiser": {"depth": depth}}
    return build(Recipe(model="masked", size="xs", settings={"dropout": 0.0, "lr": 1e-2}, nets=nets), spec, {}).eval()


def scrambled(spec: Tokens) -> Masked:
    """With random weights, large enough to be far from even."""
    model: Masked = made(spec)
    draw = torch.Generator().manual_seed(5)
    for p in model.parameters():
        p.data.copy_(0.5 * torch.randn(p.shape, generator=draw))
    return model


def stripes(count: int, seed: int = 0) -> Tensor:
    """(count,4,5) ids: all of a column are the same, columns know nothing of each other."""
    return torch.randint(4, (count, 1, 5), generator=torch.Generator().manual_seed(seed)).expand(-1, 4, -1).contiguous()


def learnt(model: Any, x: Tensor, steps: int) -> Any:
    """What the trainer does, in a few lines."""
    (player,) = model.players()
    assert isinstance(player, Player)
    optimiser = Optimiser(player.params, player.optim)
    for step in range(steps):
        rows = torch.arange(64) + 64 * step
        model.zero_grad()
        player.loss(Batch(x[rows % len(x)], Noise(1, rows)))["loss"].mean().backward()
        torch.nn.utils.clip_grad_norm_(player.params, 1.0)
        optimiser.step(step / steps, 1.0)
    return model


@torch.no_grad()
def truth(model: Masked) -> tuple[Tensor, Tensor]:
    """(all grids (N,2,2), their probabilities (N,)) with one place a step, in every order of places equally often."""
    x = torch.cartesian_prod(*[torch.arange(3)] * 4)
    total = torch.zeros(len(x), dtype=torch.float64)
    for order in itertools.permutations(range(4)):
        known, nats = torch.zeros_like(x, dtype=torch.bool), torch.zeros(len(x), dtype=torch.float64)
        for place in order:
            logits = model.nets["denoiser"](torch.where(known, x, 3).view(-1, 2, 2), {}, {})[:, place]
            nats -= logits.log_softmax(1).gather(1, x[:, place : place + 1])[:, 0]
            known[:, place] = True
        total += (-nats).exp() / math.factorial(4)
    return x.view(-1, 2, 2), total


def test_attention_knows_how_far_apart_places_are_each_way_and_nothing_else() -> None:
    by = grid_turns(5, 6, 12, torch.device("cpu"))
    query, key = (Noise(0, 1).normal((1, 1, 12), name).expand(1, 30, 1, 12) for name in ("query", "key"))
    score = (rotate(query.contiguous(), by)[0, :, 0] @ rotate(key.contiguous(), by)[0, :, 0].T).view(5, 6, 5, 6)
    assert torch.allclose(score[:-1, :, :-1], score[1:, :, 1:], atol=1e-5)
    assert torch.allclose(score[:, :-1, :, :-1], score[:, 1:, :, 1:], atol=1e-5)
    # a row down is not a column right, nor the next place of a line
    assert not torch.allclose(score[0, 0, 1, 0], score[0, 0, 0, 1], atol=1e-3)
    assert not torch.allclose(by, turns(0, 30, 12, torch.device("cpu")), atol=1e-3)


def test_grids_are_drawn_as_often_as_the_model_says() -> None:
    model, count = scrambled(TINY), 6000
    x, mass = truth(model)
    assert float(mass.sum()) == pytest.approx(1.0, abs=1e-5)
    drawn = model.sample(noise=Noise(3, count), order="random", steps=4)
    assert drawn.shape == (count, 2, 2)
    own = (drawn.flatten(1) * torch.tensor([27, 9, 3, 1])).sum(1).bincount(minlength=81).double() / count
    assert bool(((own - mass).abs() < 5 * (mass * (1 - mass) / count).sqrt() + 1e-3).all())
    for place in range(4):
        margin = torch.stack([mass[x.flatten(1)[:, place] == value].sum() for value in range(3)])
        seen = drawn.flatten(1)[:, place].bincount(minlength=3).double() / count
        assert bool(((margin - seen).abs() < 0.035).all())


def test_what_is_filled_in_follows_what_is_known() -> None:
    """Given one place, the others are drawn as often as among all grids with it: of this model nearly, for its orders need not agree."""
    model, count = scrambled(TINY), 6000
    known = torch.tensor([[True, True], [True, False]]).expand(count, -1, -1)
    held = torch.tensor([[2, 0], [1, 77]]).expand(count, -1, -1)
    filled = model.infill(held, known, noise=Noise(4, count))
    assert torch.equal(filled[known], held[known])
    with torch.no_grad():
        logits = model.nets["denoiser"](torch.tensor([[[2, 0], [1, 3]]]), {}, {})[0, 3]
    seen = filled[:, 1, 1].bincount(minlength=3).float() / count
    assert torch.allclose(seen, logits.softmax(0), atol=0.03)


def test_columns_are_found_and_few_steps_keep_them() -> None:
    model = learnt(made(STRIPES), stripes(2000), 120)
    fresh = stripes(200, seed=1)
    known = torch.zeros_like(fresh, dtype=torch.bool)
    known[:, 1] = True
    filled = model.infill(torch.where(known, fresh, 9), known, noise=Noise(2, 200), steps=1)
    assert float((filled == fresh).float().mean()) > 0.95  # chance: 0.44
    drawn = model.sample(noise=Noise(2, 200), steps=8)
    assert float((drawn == drawn[:, :1]).float().mean()) > 0.9
    assert drawn[:, 0].flatten().bincount(minlength=4).min() > 150


def test_places_are_told_apart_where_nothing_is_known() -> None:
    """The upper row's ids are below 2, the lower row's above: one step draws them so."""
    model = learnt(made(Tokens((2, 4), vocab=4)), torch.randint(2, (2000, 2, 4)) + torch.tensor([[0], [2]]), 60)
    drawn = model.sample(noise=Noise(2, 200), steps=1)
    assert float(((drawn >= 2) == torch.tensor([[False], [True]])).float().mean()) > 0.95


def test_codes_of_a_picture_are_a_grid_for_masked_and_a_line_for_a_transformer() -> None:
    spec, labels = Array((1, 8, 8), 2 / 255), {"label": class_label(3)}
    grid = build(Recipe(model="maskgit", size="xs"), spec, labels)
    line = build(Recipe(model="vqvae", size="xs"), spec, labels)
    assert grid.latent.shape == line.latent.shape == grid.second.spec.shape == (4, 4)  # type: ignore[attr-defined, union-attr]
    assert line.second.spec.shape == (16,)  # type: ignore[union-attr]
    x = Noise(0, 3).normal((1, 8, 8)).tanh()
    for model in (grid, line):
        assert model.encode(x).shape == (3, 4, 4)  # type: ignore[operator]
        assert model.sample({"label": torch.ones(3, 1, dtype=torch.int64)}, noise=Noise(1, 3)).shape == (3, 1, 8, 8)  # type: ignore[operator]
    with pytest.raises(BadInput, match="shape"):
        grid.second.infill(torch.zeros(3, 16), torch.zeros(3, 16, dtype=torch.bool), noise=Noise(1, 3))  # type: ignore[union-attr, operator]
