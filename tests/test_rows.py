"""Grids of ids row by row, and by a GAN: against enumeration, against entropies that are known, and under rules.

The contract's laws over both families are in `test_laws.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from morelike.core.abilities import Away
from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Array, Spec, Tokens, class_label, live
from morelike.data.loader import Dataset, Order
from morelike.families.musegan import MuseGAN
from morelike.families.rnn_nade import RNNNADE
from morelike.house.build import build
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.testing import check_generator
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

ENDING = Tokens((3, 2), vocab=3, stop=2)
"""Grids of up to three rows; there are 1 + 4 + 16 + 64 whole ones."""
ROLL = Tokens((4, 6), vocab=2)
N = 10_000


def family(spec: Spec, name: str = "rnn-nade", **settings: Any) -> Any:
    torch.manual_seed(0)
    return build(Recipe(model=name, size="xs", settings=settings), spec, {}).eval()


def trained(name: str, spec: Tokens, x: np.ndarray, steps: int, **settings: Any) -> Any:
    feed = Feed(Dataset(x.astype(np.uint8)), Order(len(x), 32, 0), by_pass=False)
    return Trainer(build(Recipe(model=name, size="xs", settings=settings), spec, {}), feed, Plan(steps=steps, batch=32)).run()


def every_grid(spec: Tokens) -> Tensor:
    ids = torch.cartesian_prod(*[torch.arange(spec.vocab)] * (spec.shape[0] * spec.shape[1]))
    ids = ids if spec.stop is None else torch.unique(torch.where(live(spec, ids), ids, spec.stop), dim=0)
    return ids.view(-1, *spec.shape)


def numbers(x: Tensor) -> Tensor:
    """(N,) of grids of ids below 3."""
    flat = x.flatten(1)
    return (flat * 3 ** torch.arange(flat.shape[1])).sum(1)


def off(drawn: Tensor, grids: Tensor, log_prob: Tensor) -> float:
    """Total variation between draws and probabilities of all grids, in proportion to these."""
    shares = torch.zeros(3 ** grids[0].numel(), dtype=torch.float64)
    told = shares.index_add(0, numbers(grids), log_prob.double().softmax(0))
    found = shares.index_add(0, numbers(drawn), torch.full((len(drawn),), 1 / len(drawn), dtype=torch.float64))
    return float((found - told).abs().sum() / 2)


def apart(above: Tensor, left: Tensor) -> Tensor:
    """No 1 beside or under another, and a grid ends after a row of zeros alone."""
    allowed = torch.ones(len(left), 3, dtype=torch.bool)
    place = left.shape[1]
    if place:
        allowed[:, 1] &= left[:, -1] != 1
    if above.shape[1]:
        allowed[:, 1] &= above[:, -1, place] != 1
        allowed[:, 2] = (above[:, -1] == 0).all(1)
    else:
        allowed[:, 2] = False
    return allowed


def anything(above: Tensor, left: Tensor) -> Tensor:
    return torch.ones(len(left), 3, dtype=torch.bool)


@torch.inference_mode()
def test_grids_that_end_sum_to_one_and_half_rows_have_no_mass() -> None:
    model, grids = family(ENDING), every_grid(ENDING)
    log_prob = model.log_prob(grids)
    assert log_prob.double().exp().sum() == pytest.approx(1, abs=1e-5)
    assert int(log_prob.isfinite().sum()) == 1 + 4 + 16 + 64
    notes, ending = model.row_nats(grids)
    assert torch.allclose(-(notes + ending).sum(1), log_prob)
    assert bool((ending[grids[:, 0, 0] == 2, 1:] == 0).all())


@torch.inference_mode()
def test_draws_have_the_model_s_own_frequencies() -> None:
    model, grids = family(ENDING), every_grid(ENDING)
    assert off(model.sample(noise=Noise(0, N)), grids, model.log_prob(grids)) < 0.05


@torch.inference_mode()
def test_a_rule_is_kept_and_its_likelihood_sums_to_one() -> None:
    model, grids = family(ENDING), every_grid(ENDING)
    ruled = model.ruled_log_prob(grids, apart)
    assert ruled.double().exp().sum() == pytest.approx(1, abs=1e-5)
    drawn = model.sample(noise=Noise(0, N), rule=apart)
    assert bool(model.ruled_log_prob(drawn[:500], apart).isfinite().all())
    ones = (drawn == 1).int()
    assert int((ones[:, :, 1:] * ones[:, :, :-1]).sum() + (ones[:, 1:] * ones[:, :-1]).sum()) == 0
    assert off(drawn, grids, ruled) < 0.05
    assert off(model.sample(noise=Noise(0, N)), grids, ruled) > 0.1
    free, plain = model.ruled_log_prob(grids, anything), model.log_prob(grids)
    assert torch.allclose(free.exp(), plain.exp(), atol=1e-6)


def test_a_rule_that_allows_nothing_is_refused() -> None:
    def nothing(above: Tensor, left: Tensor) -> Tensor:
        return torch.full((len(left), 2), left.shape[1] != 1)

    with pytest.raises(Refused, match="nothing at place 2 of row 1"):
        family(ROLL).sample(noise=Noise(0, 2), rule=nothing)


@torch.inference_mode()
@pytest.mark.parametrize("known", [((0, 0), (0, 1)), ((2, 1),), ((1, 0), (2, 0))])
def test_filling_in_follows_the_model_given_what_is_known(known: tuple[tuple[int, int], ...]) -> None:
    model, grids = family(ENDING), every_grid(ENDING)
    there, fits = torch.zeros(N, *ENDING.shape, dtype=torch.bool), torch.ones(len(grids), dtype=torch.bool)
    for row, place in known:
        there[:, row, place] = True
        fits &= grids[:, row, place] == 1
    told = torch.ones(N, *ENDING.shape, dtype=torch.int64)
    drawn = model.infill(told, there, noise=Noise(3, N), particles=16)
    assert bool((drawn[there] == 1).all())
    assert off(drawn, grids[fits], model.log_prob(grids[fits])) < 0.05


@torch.inference_mode()
def test_what_is_drawn_leans_away_from_another_condition_by_the_ratio_of_both() -> None:
    spec, kinds = Tokens((1, 2), vocab=3), {"kind": class_label(2)}
    torch.manual_seed(3)
    model: Any = build(Recipe(model="rnn-nade", size="xs"), spec, kinds).eval()
    with torch.no_grad():
        for value in model.parameters():
            value += 0.2 * torch.randn_like(value)
        grids = every_grid(spec)
        own, other = ({"kind": torch.full((len(grids), 1), number)} for number in (0, 1))
        first, second = (model.log_prob(grids, told).double() for told in (own, other))
        away = Away({"kind": torch.ones(8000, 1, dtype=torch.int64)}, 2.0)
        told = {"kind": torch.zeros(8000, 1, dtype=torch.int64)}
        nothing = torch.zeros(8000, *spec.shape, dtype=torch.int64)
        drawn = model.infill(nothing, nothing > 0, told, noise=Noise(0, 8000), away=away, particles=1)
    # each place by itself leans: the first by the ratio of its own chances, the second by that of those given it
    pairs = [one.exp().view(3, 3) for one in (first, second)]
    places = [(pair.sum(1), pair / pair.sum(1, keepdim=True)) for pair in pairs]
    lead, follow = (a**3 / b**2 for a, b in zip(*places, strict=True))
    wanted = (lead / lead.sum())[:, None] * follow / follow.sum(1, keepdim=True)
    found = torch.bincount(drawn[:, 0, 0] * 3 + drawn[:, 0, 1], minlength=9).view(3, 3) / 8000
    assert float((found - wanted).abs().max()) < 0.02
    assert float((found - pairs[0]).abs().max()) > 0.05


def test_a_known_end_ends_the_grid() -> None:
    model = family(ENDING)
    there = torch.zeros(50, *ENDING.shape, dtype=torch.bool)
    there[:, 1, 0] = True
    drawn = model.infill(torch.full((50, *ENDING.shape), 2), there, noise=Noise(0, 50))
    assert bool((drawn[:, 1:] == 2).all())
    assert bool((drawn[:, 0] != 2).any())


def no_neighbours(x: Tensor, known: Tensor) -> Tensor:
    """No 1 beside a known 1 in its row (`core.abilities.Obeys`)."""
    ones = ((x == 1) & known).int()
    beside = torch.zeros_like(ones)
    beside[..., 1:] += ones[..., :-1]
    beside[..., :-1] += ones[..., 1:]
    allowed = torch.ones(*x.shape, 3, dtype=torch.bool)
    allowed[..., 1] = beside == 0
    return allowed


def keeps(x: Tensor) -> Tensor:
    return (((x[..., 1:] == 1) & (x[..., :-1] == 1)).flatten(1)).sum(1) == 0


@torch.inference_mode()
@pytest.mark.parametrize("known", [((0, 1),), ((2, 1),), ((1, 0), (2, 1))])
def test_filling_in_by_a_rule_follows_the_model_given_both(known: tuple[tuple[int, int], ...]) -> None:
    model, grids = family(ENDING), every_grid(ENDING)
    there, fits = torch.zeros(N, *ENDING.shape, dtype=torch.bool), keeps(grids)
    for row, place in known:
        there[:, row, place] = True
        fits &= grids[:, row, place] == 1
    told = torch.ones(N, *ENDING.shape, dtype=torch.int64)
    drawn = model.infill_by(told, there, no_neighbours, noise=Noise(3, N), particles=16)
    assert bool((drawn[there] == 1).all())
    assert bool(keeps(drawn).all())
    assert off(drawn, grids[fits], model.log_prob(grids[fits])) < 0.05


@torch.inference_mode()
def test_whole_grids_by_a_rule_have_odds_among_what_is_allowed() -> None:
    def by_rows(above: Tensor, left: Tensor) -> Tensor:
        allowed = torch.ones(len(left), 3, dtype=torch.bool)
        if left.shape[1]:
            allowed[:, 1] = left[:, -1] != 1
        return allowed

    model, grids = family(ENDING), every_grid(ENDING)
    nothing = torch.zeros(N, *ENDING.shape, dtype=torch.bool)
    drawn = model.infill_by(torch.ones(N, *ENDING.shape, dtype=torch.int64), nothing, no_neighbours, noise=Noise(4, N))
    assert bool(keeps(drawn).all())
    assert off(drawn, grids, model.ruled_log_prob(grids, by_rows)) < 0.05


@torch.inference_mode()
def test_what_is_given_stays_though_it_breaks_the_rule() -> None:
    there = torch.zeros(20, *ENDING.shape, dtype=torch.bool)
    there[:, 1] = True
    drawn = family(ENDING).infill_by(torch.ones(20, *ENDING.shape, dtype=torch.int64), there, no_neighbours, noise=Noise(5, 20))
    assert bool((drawn[:, 1] == 1).all())
    assert bool(keeps(drawn[:, :1]).all() & keeps(drawn[:, 2:]).all())


def test_known_ids_out_of_the_vocabulary_are_refused() -> None:
    x, known = torch.full((2, *ROLL.shape), 5), torch.ones(2, *ROLL.shape, dtype=torch.bool)
    with pytest.raises(BadInput, match=r"ids of 0\.\.1"):
        family(ROLL).infill(x, known, noise=Noise(0, 2))
    with pytest.raises(BadInput, match="shape"):
        family(ROLL).infill(x[:, :2], known[:, :2], noise=Noise(0, 2))


def falling(n: int) -> np.ndarray:
    """(n,4,6) a note that goes one place up at every step, round the edge: log 6 nats a grid."""
    grids = np.zeros((n, *ROLL.shape), np.int64)
    first = np.random.default_rng(0).integers(ROLL.shape[1], size=n)
    for step in range(ROLL.shape[0]):
        grids[np.arange(n), step, (first + step) % ROLL.shape[1]] = 1
    return grids


def test_it_learns_a_toy_whose_entropy_is_known() -> None:
    x = falling(400)
    model = trained("rnn-nade", ROLL, x, 150)
    with torch.inference_mode():
        nats = -float(model.log_prob(torch.from_numpy(x)).mean())
        assert -float(family(ROLL).log_prob(torch.from_numpy(x[:50])).mean()) > 10
    assert math.log(6) - 0.01 < nats < math.log(6) + 0.2


def test_notes_of_a_chord_know_each_other() -> None:
    """Two places of a row are both 0 or both 1: log 2 nats a row, 2 log 2 for a model without a head."""
    bits = np.random.default_rng(0).integers(2, size=(400, 3, 1))
    spec, x = Tokens((3, 2), vocab=2), np.repeat(bits, 2, 2)
    model = trained("rnn-nade", spec, x, 120)
    with torch.inference_mode():
        nats = -float(model.log_prob(torch.from_numpy(x)).mean()) / 3
    assert nats == pytest.approx(math.log(2), abs=0.06)


def test_each_voice_has_a_generator_and_rolls_have_one() -> None:
    voices, roll = family(Tokens((8, 4), vocab=20), "musegan", latent=5), family(ROLL, "musegan", latent=5)
    assert voices.makers == ["track0", "track1", "track2", "track3"]
    assert voices.latent == Array((25,))
    assert roll.makers == ["generator"]
    assert roll.latent == Array((5,))
    with torch.inference_mode():
        z = voices.prior(Noise(0, 8))
        before, z[:, 10:15] = voices.decode(z), 3.0
        changed = (voices.decode(z) != before).flatten(0, 1).any(0)
    assert changed.tolist() == [False, True, False, False]


@pytest.mark.parametrize("spec", [Tokens((4, 3), vocab=5), Tokens((4, 2), vocab=4, stop=3)])
def test_musegan_keeps_the_laws_on_voices(spec: Tokens) -> None:
    check_generator("musegan", spec)


def test_musegan_comes_near_a_toy() -> None:
    """Voices that all sing one of four ids throughout: of ids drawn apart, one grid in four million would."""
    spec = Tokens((4, 3), vocab=4)
    x = np.broadcast_to(np.arange(400)[:, None, None] % 4, (400, 4, 3))
    model = trained("musegan", spec, x, 300)
    assert isinstance(model, MuseGAN)
    with torch.inference_mode():
        drawn = model.sample(noise=Noise(0, 400)).flatten(1)
    alike = (drawn == drawn[:, :1]).all(1)
    assert float(alike.float().mean()) > 0.3
    assert len(drawn[alike].unique()) >= 3


def test_grids_too_large_for_planes_are_refused() -> None:
    assert "shorter" in str(MuseGAN.refuses(Tokens((256, 88), vocab=60), {}))
    assert RNNNADE.refuses(Tokens((5,), vocab=4), {}) is not None
