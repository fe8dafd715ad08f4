"""Adversarial families: their losses by formula, what holds a critic back in closed form, and what mixes examples says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morelike.core import registry
from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, class_label
from morelike.data.image import ImageCodec
from morelike.data.loader import Dataset, Order
from morelike.families.ebgan import critic_loss
from morelike.families.gan import LOSSES, packed, with_deviation
from morelike.families.infogan import categorical_information, continuous_information
from morelike.house.build import build
from morelike.house.package import Package, load, save
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.maths.penalty import one_centred, pulling_away, zero_centred
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

PICTURE, POINT = Array((1, 8, 8), 2 / 255), Array((2,))
LABEL = {"label": class_label(3)}
REAL, MADE = torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.0, 0.4, 0.3])


def made(name: str, spec: Array = PICTURE, conditions: Conditions | None = None, **settings: Any) -> Any:
    return build(Recipe(model=name, size="xs", settings=settings), spec, conditions or {})


def batch_of(spec: Array = PICTURE, count: int = 8, sees: bool = True, label: bool = False) -> Batch:
    noise = Noise(0, count, path=("train",))
    told = {"label": torch.arange(count)[:, None] % 3} if label else {}
    given = {name: torch.ones(count, dtype=torch.bool) for name in told}
    return Batch(noise.uniform(spec.shape, "x") if sees else None, noise, told, given)


def players_of(model: Any) -> tuple[Player, Player]:
    critic, generator = model.players()
    return critic, generator


def turn(model: Any, player: Player, batch: Batch, rate: float = 1e-2) -> dict[str, Tensor]:
    """One step of a player, as the trainer takes it."""
    model.zero_grad()
    terms: dict[str, Tensor] = player.loss(batch)
    terms["loss"].mean().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in player.params:
            if parameter.grad is not None:
                parameter.sub_(rate * parameter.grad)
        if player.after is not None:
            player.after(batch)
    return terms


# losses

D_REAL, D_MADE = torch.sigmoid(REAL), torch.sigmoid(MADE)
FORMULAS = {
    "minimax": (-D_REAL.log() - (1 - D_MADE).log(), (1 - D_MADE).log()),
    "non-saturating": (-D_REAL.log() - (1 - D_MADE).log(), -D_MADE.log()),
    "least-squares": ((REAL - 1) ** 2 / 2 + MADE**2 / 2, (MADE - 1) ** 2 / 2),
    "hinge": ((1 - REAL).clamp(min=0) + (1 + MADE).clamp(min=0), -MADE),
    "wasserstein": (MADE - REAL, -MADE),
    "relativistic": ((1 + (MADE - REAL).exp()).log(), (1 + (REAL - MADE).exp()).log()),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_follow_their_formulas(name: str) -> None:
    loss, (critic, generator) = LOSSES[name], FORMULAS[name]
    torch.testing.assert_close(loss.critic(REAL, MADE), critic)
    torch.testing.assert_close(loss.generator(MADE - REAL if loss.relative else MADE), generator)


def test_where_nothing_is_told_apart_the_first_game_is_worth_log_four() -> None:
    even = torch.zeros(1)
    assert float(LOSSES["minimax"].critic(even, even)) == pytest.approx(math.log(4))


@pytest.mark.parametrize("name", ["relativistic", "wasserstein"])
def test_what_compares_does_not_see_a_constant(name: str) -> None:
    torch.testing.assert_close(LOSSES[name].critic(REAL + 5, MADE + 5), LOSSES[name].critic(REAL, MADE))


def test_the_relativistic_game_is_antisymmetric_and_its_players_blind_to_a_constant() -> None:
    loss = LOSSES["relativistic"]
    torch.testing.assert_close(loss.critic(REAL, MADE), loss.generator(REAL - MADE))
    model = made("r3gan")
    before = [player.loss(batch_of())["loss"] for player in players_of(model)]
    with torch.no_grad():
        model.nets["critic"].logit.bias.add_(3.0)
    for old, player in zip(before, players_of(model), strict=True):
        torch.testing.assert_close(player.loss(batch_of())["loss"], old, atol=1e-4, rtol=1e-4)


def test_a_generator_that_compares_says_that_it_sees_data() -> None:
    assert [players_of(made(name))[1].sees_data for name in ("r3gan", "dcgan")] == [True, False]
    assert players_of(made("dcgan", matching=1.0))[1].sees_data


# what holds the critic back


def test_penalties_of_a_linear_critic() -> None:
    weight, x = torch.tensor([3.0, -4.0]), torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(zero_centred(lambda x: x @ weight, x), torch.full((5,), 25.0))
    torch.testing.assert_close(one_centred(lambda x: x @ weight, x), torch.full((5,), 16.0))
    torch.testing.assert_close(one_centred(lambda x: x @ weight / 5, x), torch.zeros(5))


def test_a_penalty_on_a_flat_critic_has_a_finite_gradient() -> None:
    weight = torch.zeros(2, requires_grad=True)
    one_centred(lambda x: x @ weight, torch.ones(3, 2)).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bool(torch.isfinite(weight.grad).all())


def test_relativistic_critics_pay_at_made_examples_too() -> None:
    weight = torch.tensor([3.0, -4.0])
    for name, paid in (("dcgan", 25.0), ("r3gan", 50.0)):
        model = made(name, POINT, r1_share=1.0)
        model._judge = lambda shown, batch: shown @ weight
        terms = model.players()[0].loss(batch_of(POINT))
        torch.testing.assert_close(terms["gradient-penalty"], torch.full((8,), paid))


def test_clipping_keeps_weights_within_bounds() -> None:
    def largest() -> list[float]:
        """Each weight's largest, over what it may be: a layer sums `fan_in` of them."""
        layers = [layer for layer in model.nets["critic"].modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
        return [float(layer.weight.detach().abs().max()) * math.sqrt(layer.weight[0].numel()) / 0.2 for layer in layers]

    model = made("wgan", clip=0.2)
    critic, _ = players_of(model)
    assert min(largest()) > 1
    for _ in range(2):
        turn(model, critic, batch_of(), rate=1.0)
    torch.testing.assert_close(torch.tensor(largest()), torch.ones(len(largest())))
    assert max(float(p.detach().abs().max()) for p in critic.params) <= 0.2


def test_spectral_norms_become_one() -> None:
    model = made("hinge", POINT)
    critic, _ = players_of(model)
    model.train()
    with torch.no_grad():
        for _ in range(100):
            critic.loss(batch_of(POINT))
    layers = [layer for layer in model.nets["critic"].modules() if isinstance(layer, torch.nn.Linear)]
    assert len(layers) > 1
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight, 2).detach()) == pytest.approx(1.0, abs=0.02)


def test_the_critic_plays_more_often_where_it_is_asked_to() -> None:
    assert [player.every for player in players_of(made("wgan-gp", critic_steps=4))] == [1, 4]


# what the critic sees


def test_what_mixes_examples_is_declared() -> None:
    def coupled(**settings: Any) -> list[bool]:
        return [player.coupled for player in players_of(made("dcgan", **settings))]

    assert coupled() == [False, False]
    assert coupled(deviation=True) == coupled(pack=2) == [True, True]
    assert coupled(matching=1.0) == [False, True]
    assert [player.coupled for player in players_of(made("ebgan"))] == [False, True]


def test_deviation_is_one_channel_that_tells_a_collapsed_batch() -> None:
    x = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    seen = with_deviation(x)
    assert seen.shape == (2, 4, 4, 4)
    torch.testing.assert_close(seen[:, :3], x)
    torch.testing.assert_close(seen[:, 3], torch.ones(2, 4, 4))
    assert float(with_deviation(torch.zeros(5, 2))[:, 2].max()) < 1e-3


def test_packs_hold_every_example_side_by_side() -> None:
    x = torch.arange(5.0)[:, None].expand(5, 2)
    assert packed(x, 2).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 0, 0]]
    assert packed(torch.zeros(6, 3, 4, 4), 3).shape == (2, 9, 4, 4)


@pytest.mark.parametrize("settings", [{"pack": 3}, {"deviation": True}, {"pack": 2, "deviation": True, "penalty": 1.0}, {"matching": 1.0}])
@pytest.mark.parametrize("name", ["dcgan", "gan", "r3gan"])
def test_options_give_one_finite_loss_an_example(name: str, settings: dict[str, Any]) -> None:
    model = made(name, **settings)
    for player in players_of(model):
        terms = player.loss(batch_of(sees=player.sees_data))
        assert all(value.shape == (8,) and bool(torch.isfinite(value).all()) for value in terms.values())


@pytest.mark.parametrize(("logit", "rises"), [(5.0, True), (-5.0, False)])
def test_augmentation_follows_the_critics_overfitting(logit: float, rises: bool) -> None:
    model = made("dcgan", overfit=0.6, augment=0.3)
    model._judge = lambda shown, batch: torch.full((len(shown),), logit)
    critic, _ = players_of(model)
    assert critic.after is not None
    with torch.no_grad():
        critic.after(batch_of())
        assert (float(model.share) > 0.3) == rises
        model.share.fill_(0.8)
        critic.after(batch_of())
    assert 0.0 <= float(model.share) < 0.8001
    assert "share" in model.state_dict()
    assert "share" not in made("dcgan").state_dict()


def test_an_auxiliary_critic_learns_to_name_classes_that_it_is_not_told() -> None:
    model = made("cgan", POINT, LABEL, auxiliary=1.0)
    critic, _ = players_of(model)
    batch = batch_of(POINT, 60, label=True)
    x = torch.nn.functional.one_hot(batch.condition["label"][:, 0], 3).float()[:, :2] * 4
    batch = Batch(x, batch.noise, batch.condition, batch.given)
    other = Batch(x, batch.noise, {"label": (batch.condition["label"] + 1) % 3}, batch.given)
    torch.testing.assert_close(model._judge(x, batch), model._judge(x, other))
    before = float(model._misnamed(x, batch).mean().detach())
    for _ in range(40):
        turn(model, critic, batch, rate=0.1)
    assert float(model._misnamed(x, batch).mean().detach()) < 0.5 * before
    hidden = Batch(x, batch.noise, batch.condition, {"label": torch.zeros(60, dtype=torch.bool)})
    assert float(model._misnamed(x, hidden).abs().max().detach()) == 0


@pytest.mark.parametrize(
    ("settings", "conditions", "word"),
    [
        ({"pack": 2}, LABEL, "pack"), ({"pack": 0}, {}, "pack"), ({"auxiliary": 1.0}, {}, "class label"),
        ({"overfit": 0.6, "loss": "wasserstein"}, {}, "overfit"), ({"critic_steps": 0}, {}, "critic_steps"), ({"clip": -1.0}, {}, "clip"),
        ({"augment": 1.5}, {}, "augment"),
    ],
)  # fmt: skip
def test_settings_that_make_no_game_are_refused_in_a_sentence(settings: dict[str, Any], conditions: Conditions, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        made("dcgan", PICTURE, conditions, **settings)


# InfoGAN


def test_the_bound_on_information_is_the_entropy_where_q_is_perfect() -> None:
    category = torch.eye(10)
    torch.testing.assert_close(categorical_information(1e3 * category, category), torch.full((10,), math.log(10)))
    torch.testing.assert_close(categorical_information(torch.zeros(10, 10), category), torch.zeros(10))
    wrong = categorical_information(torch.randn(10, 10, generator=torch.Generator().manual_seed(0)), category)
    assert float(wrong.max()) < math.log(10)


def test_an_ignorant_gaussian_q_tells_nothing_of_a_continuous_code() -> None:
    codes = 2 * Noise(0, 20_000).uniform((1,), "codes") - 1
    blind = continuous_information(torch.zeros(20_000, 1), torch.full((20_000, 1), math.log(1 / 3)), codes)
    # the best Gaussian for an even code misses its entropy by KL = log(sqrt(2 pi e / 3) / 2)
    assert float(blind.mean()) == pytest.approx(-0.5 * math.log(2 * math.pi * math.e / 12), abs=0.01)
    sharp = continuous_information(codes, torch.full((20_000, 1), -6.0), codes)
    # log 2 and, of a Gaussian at its mean, 3 - log(2 pi) / 2
    assert float(sharp.mean()) == pytest.approx(math.log(2) + 3 - 0.5 * math.log(2 * math.pi))


def test_infogans_prior_holds_its_codes_and_both_players_pay_for_them() -> None:
    model = made("infogan", categories=4, continuous=3, latent=5)
    z = model.prior(Noise(0, 500))
    assert z.shape == (500, 12)
    assert bool((z[:, 5:9].sum(1) == 1).all())
    assert z[:, 5:9].mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.08)
    assert 0.9 < float(z[:, 9:].abs().max()) <= 1
    critic, generator = players_of(model)
    owned = {id(p) for p in critic.params}
    assert all(id(p) in owned for net in (model.nets["critic"], model.reader) for p in net.parameters())
    for player in (critic, generator):
        batch = batch_of(sees=player.sees_data)
        free = made("infogan", categories=4, continuous=3, latent=5, weight=0.0, continuous_weight=0.0)
        free.load_state_dict(model.state_dict())
        plain = next(own for own in free.players() if own.name == player.name).loss(batch)["loss"]
        nats = critic.loss(batch_of())
        if player is critic:
            torch.testing.assert_close(plain - player.loss(batch)["loss"], nats["category-nats"] + 0.1 * nats["continuous-nats"])
        else:
            assert not torch.allclose(plain, player.loss(batch)["loss"])
    logits, means = model.codes(torch.zeros(2, 1, 8, 8))
    assert (logits.shape, means.shape) == ((2, 4), (2, 3))


@pytest.mark.parametrize("settings", [{"categories": 1}, {"categories": 0, "continuous": 0}])
def test_infogan_needs_a_code(settings: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="code"):
        made("infogan", **settings)


# EBGAN


def test_pulling_away_of_orthogonal_and_of_equal_codes() -> None:
    torch.testing.assert_close(pulling_away(3 * torch.eye(4)), torch.zeros(4))
    torch.testing.assert_close(pulling_away(torch.ones(5, 3)), torch.ones(5))
    torch.testing.assert_close(pulling_away(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])), torch.ones(2))
    assert pulling_away(torch.ones(1, 3)).tolist() == [0.0]


def test_ebgans_critic_leaves_energies_above_the_margin_alone() -> None:
    made_energy = torch.tensor([0.1, 0.5], requires_grad=True)
    loss = critic_loss(torch.tensor([0.2, 0.2]), made_energy, 0.3)
    assert loss.tolist() == pytest.approx([0.4, 0.2])
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert made_energy.grad is not None
    assert made_energy.grad.tolist() == [-1.0, 0.0]


# learning


@pytest.mark.parametrize("name", ["r3gan", "ebgan"])
def test_they_learn_a_shifted_gaussian(name: str) -> None:
    draws = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    x = draws * torch.tensor([0.5, 0.1]) + torch.tensor([1.0, -1.0])
    model = made(name, POINT)
    kept = Trainer(model, Feed(Dataset(x.numpy(), {}), Order(2000, 64, 0), by_pass=False), Plan(steps=200, batch=64)).run()
    with torch.no_grad():
        drawn = kept.sample(noise=Noise(4, 1000))  # type: ignore[operator]
    assert drawn.mean(0).tolist() == pytest.approx([1.0, -1.0], abs=0.35)
    assert float(drawn[:, 1].std()) < 0.5


def test_every_line_names_a_paper_that_can_be_found() -> None:
    lines = [line for line in registry.FAMILIES.values() if line.target.split(":")[0].endswith(("families.gan", "infogan", "ebgan"))]
    assert {"gan", "dcgan", "cgan", "lsgan", "hinge", "wgan", "wgan-gp", "r3gan", "infogan", "ebgan"} <= {line.name for line in lines}
    assert all("arXiv:" in line.paper for line in lines)


@pytest.mark.parametrize("sizes", [(28, 28), (33, 17)])
def test_games_of_larger_pictures_work_on_blocks_of_pixels(sizes: tuple[int, int]) -> None:
    spec = Array((3, *sizes), 2 / 255)
    model = made("dcgan", spec)
    critic, generator = model.nets["critic"], model.nets["generator"]
    assert (critic.patch, generator.patch) == (2, 2)
    assert critic.features[0].in_channels == 12
    picture = model.sample(noise=Noise(0, 2))
    assert picture.shape == (2, *spec.shape)
    assert made("dcgan").nets["critic"].patch == 1
    # every pixel is heard, those at the cropped edge too
    picture = picture.detach().requires_grad_(True)
    critic(picture, {}, {}).sum().backward()
    assert bool((picture.grad != 0).flatten(2).all(2).all())
    plain = build(Recipe(model="dcgan", size="xs", nets={"critic": {"kind": "mlp"}}), spec, {})
    assert not any(isinstance(layer, nn.Conv2d) for layer in plain.nets["critic"].modules())


def test_a_model_from_before_blocks_of_pixels_loads_as_it_was(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (4, 20, 20, 1), dtype=torch.uint8).numpy()
    codec = ImageCodec.fit(pixels)
    model = build(Recipe(model="dcgan", size="xs", nets={"critic": {"patch": 1}, "generator": {"patch": 1}}), codec.spec, {})
    save(Package(model.eval(), codec, {}, Recipe(model="dcgan", size="xs")), tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    for net in card["nets"].values():
        del net["patch"]
    (tmp_path / "card.json").write_text(json.dumps(card))
    found = load(tmp_path).model
    assert torch.equal(found.sample(noise=Noise(0, 2)), model.sample(noise=Noise(0, 2)))
