"""Codes: quantisers, books that are used, and a prior that is trained inside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens, class_label, lift
from morelike.data.loader import Order
from morelike.families.vq import VQ, VQSettings
from morelike.house.build import build, learners
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.maths.quantise import ids_of_levels, levels_of_ids, nearest, rounded, straight_through
from morelike.testing import toy_dataset
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

SPEC = Array((1, 8, 8), 2 / 255)


@given(st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_every_id_is_a_point_of_the_grid_and_back(levels: list[int]) -> None:
    count = int(torch.tensor(levels).prod())
    ids = torch.arange(count)
    values = levels_of_ids(ids, levels)
    assert torch.equal(ids_of_levels(values, levels), ids)
    assert len(values.unique(dim=0)) == count
    assert values.abs().max() <= 1


def test_rounding_reaches_every_level_and_passes_the_gradient() -> None:
    levels = (5, 4)
    wide = (torch.arange(4000.0) / 200 - 10)[:, None].repeat(1, 2).requires_grad_()
    values = rounded(wide, levels)
    assert [len(values[:, place].unique()) for place in (0, 1)] == [5, 4]
    values[2000].sum().backward()
    assert wide.grad is not None
    assert wide.grad[2000].min() > 0


def test_the_nearest_code_and_a_gradient_past_it() -> None:
    book = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    vectors = torch.tensor([[0.2, 0.1], [0.9, 0.7]], requires_grad=True)
    ids = nearest(vectors, book)
    assert ids.tolist() == [0, 1]
    passed = straight_through(vectors, book[ids])
    assert torch.allclose(passed, book)
    passed.sum().backward()
    assert torch.equal(vectors.grad, torch.ones(2, 2))  # type: ignore[arg-type]


class Pass(torch.nn.Module):
    """What comes in goes out."""

    def forward(self, x: torch.Tensor, condition: Any, given: Any) -> torch.Tensor:
        return x


def test_a_book_that_follows_the_data_uses_all_its_codes() -> None:
    centres = Noise(1, 16).normal((4,), "centre") * 3
    model = VQ(Array((4, 32)), {}, {"encoder": Pass(), "decoder": Pass()}, settings=VQSettings(codes=64, size=4, halvings=1))
    for step in range(200):
        own = Noise(2, torch.arange(32) + 32 * step)
        x = centres[own.integers(16, (16,), "which")] + 0.1 * own.normal((16, 4), "x")
        model._follow(Batch(x.transpose(1, 2), own))
    apart = torch.cdist(centres, model.book)
    # each centre has a code near it, and none lies idle far from all
    assert float(apart.min(1).values.max()) < 0.3
    assert float((model.count > 0.1 * model.count.mean()).float().mean()) > 0.9
    assert float((apart.min(0).values < 0.5).float().mean()) > 0.9
    ids = apart.argmin(1)[None]
    assert torch.equal(model.encode(model.decode(ids)), ids)


def model_of(**settings: Any) -> Any:
    return build(Recipe(model="latent", size="xs", settings=settings), SPEC, {"label": class_label(3)})


def test_the_prior_learns_codes_under_conditions_and_the_first_stage_knows_none() -> None:
    model = model_of(first="vq-ae", prior="transformer")
    assert isinstance(model.latent, Tokens)
    assert model.first.conditions == {}
    assert list(model.second.conditions) == ["label"]
    assert model.second.spec == Tokens((16,), 256)  # a grid of 4 x 4, row after row
    names = {player.name: player.during for player in model.players()}
    assert names == {"first-autoencoder": (0.0, 0.4), next(name for name in names if name.startswith("prior")): (0.4, 1.0)}


def test_each_stage_changes_in_its_own_part_of_the_run_only() -> None:
    model = model_of(first="ae", prior="diffusion", share=0.5)
    data = toy_dataset(SPEC)
    trainer = Trainer(model, Feed(data, Order(len(data), 16, 0), False), Plan(steps=8, batch=16, averaging=0.0))

    def moved(part: str, before: dict[str, torch.Tensor]) -> bool:
        return any(not torch.equal(value, before[name]) for name, value in model.state_dict().items() if name.startswith(part))

    start = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(4):
        trainer.step_once(step)
    half = {name: value.clone() for name, value in model.state_dict().items()}
    assert moved("first", start)
    assert not moved("second", start)
    for step in range(4, 8):
        trainer.step_once(step)
    assert not moved("first", half)
    assert moved("second", half)


def test_a_player_outside_its_part_of_the_run_does_not_play() -> None:
    player = Player("late", [], lambda batch: {}, during=(0.25, 0.75))
    assert [player.share(progress) for progress in (0.0, 0.25, 0.5, 0.75)] == [None, 0.0, 0.5, None]


def test_stages_that_do_not_fit_are_refused_in_words() -> None:
    with pytest.raises(Refused, match="finds no codes"):
        model_of(first="dcgan")
    with pytest.raises(Refused, match="can't learn the codes"):
        model_of(first="vq-ae", prior="diffusion")
    with pytest.raises(UnknownName, match="vq-ae"):
        model_of(first="vq-as")
    with pytest.raises((BadInput, UnknownName), match="code"):
        model_of(first="vq-ae", prior="transformer", first_settings={"code": 3})
    with pytest.raises(BadInput, match="share"):
        model_of(share=1.5)
    for settings, words in (({"codes": "abc"}, "setting of vq-ae 'codes' must be a whole number"), ({"codes": 8.5}, "a whole number"),
                            ({"levels": 8}, "must be a list"), ({"levels": [4, 2.5]}, "each of setting of vq-ae 'levels'")):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            model_of(first="vq-ae", prior="transformer", first_settings=settings)


def test_codes_are_measured_without_dropout() -> None:
    model = model_of(first="ae", prior="diffusion")
    x = toy_dataset(SPEC)
    batch = Batch(x=lift(SPEC, torch.as_tensor(x.x[:16])), noise=Noise(0, 16))
    model.train()
    model._measure(batch)
    assert model.training
    assert torch.allclose(model.shift, model.eval().encode(batch.data).mean(0), atol=1e-5)


def test_data_that_a_family_cannot_learn_is_refused_before_any_net_naming_those_that_can() -> None:
    able = learners(Array((2,)), {})
    with pytest.raises(Refused) as refused:
        build(Recipe(model="pixelcnn"), Array((2,)), {})
    assert {"pca", "gmm"} <= set(able)
    assert "transformer" not in able
    shown = ", ".join(able[:12])
    assert str(refused.value).endswith(f"families that can: {shown} and {len(able) - 12} more (morelike models)")
    with pytest.raises(Refused, match=r"families that can: transformer, .*hmm$"):
        build(Recipe(model="vq-ae"), Tokens((8,), 4), {})
    assert "cvae" not in learners(SPEC, {})
    assert "cvae" in learners(SPEC, {"label": class_label(3)})


def test_a_number_of_two_levels_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 3"):
        VQSettings(quantiser="fsq", levels=(2, 4))
