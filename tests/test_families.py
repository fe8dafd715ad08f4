"""Families: laws of their losses and densities, known optima on toy data, and samples of the right shape for every Spec."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.abilities import Density
from morelike.core.contract import Batch, Generator, Learner, Player, Trainable
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Spec, Tokens, class_label, elements
from morelike.families.baseline import CopyNoise, Independent
from morelike.families.classical import GMM, PCA
from morelike.families.features import FeatureNet
from morelike.families.gan import GAN
from morelike.families.vae import VAE
from morelike.nets.build import build

LABEL = {"label": class_label(3)}
PICTURES = [Array((1, 8, 8), 2 / 255), Array((3, 12, 10), 2 / 255)]
SPECS = [*PICTURES, Array((2,))]
GENERATORS: list[type[Generator]] = [VAE, GAN, PCA, GMM, Independent, CopyNoise]


def make(family: type[Any], spec: Spec, conditions: Conditions | None = None, size: str = "xs", **settings: Any) -> Any:
    torch.manual_seed(0)
    conditions = conditions or {}
    values = family.Settings(**settings)
    seen = {} if getattr(family, "blind", False) else conditions
    nets = {name: build(net, seen, size) for name, net in family.wants(spec, conditions, values).items()}
    return family(spec, conditions, nets, None, values)


def batch_of(x: Tensor, label: Tensor | None = None, start: int = 0, progress: float = 1.0, sees: bool = True) -> Batch:
    condition = {} if label is None else {"label": label.view(-1, 1)}
    given = {name: torch.ones(len(x), dtype=torch.bool) for name in condition}
    return Batch(x if sees else None, Noise(0, torch.arange(len(x)) + start, path=("train",)), condition, given, progress)


def play(model: Trainable, x: Tensor, label: Tensor | None = None, *, steps: int = 100, size: int = 64) -> Trainable:
    """What the trainer does, in a few lines: freeze the others, backward, step."""
    players = [player for player in model.players() if isinstance(player, Player)]
    optimisers = [torch.optim.Adam(p.params, lr=p.optim.lr, betas=p.optim.betas) for p in players]
    rows_of = torch.Generator().manual_seed(0)
    for step in range(steps):
        rows = torch.randint(len(x), (size,), generator=rows_of)
        batch = batch_of(x[rows], None if label is None else label[rows], step * size, step / steps)
        for player, optimiser in zip(players, optimisers, strict=True):
            freeze_all_but(model, player)
            optimiser.param_groups[0]["lr"] = player.optim.lr * (1 - step / steps)
            optimiser.zero_grad()
            seen = batch.x if player.sees_data else None
            turn = Batch(seen, batch.noise.under(player.name), batch.condition, batch.given, batch.progress)
            player.loss(turn)["loss"].mean().backward()
            optimiser.step()
    return model.requires_grad_(True).eval()


def freeze_all_but(model: Trainable, player: Player) -> None:
    own = {id(p) for p in player.params}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in own)


def look(model: Trainable, x: Tensor, label: Tensor | None = None, size: int = 256) -> Trainable:
    """All passes of the model's learners."""
    for learner in model.players():
        assert isinstance(learner, Learner)
        for turn in range(learner.passes):
            for start in range(0, len(x), size):
                rows = slice(start, start + size)
                learner.see(batch_of(x[rows], None if label is None else label[rows], turn * len(x) + start))
            if learner.settle is None or learner.settle():
                break
    return model


def toy(spec: Spec, count: int = 90) -> tuple[Tensor, Tensor]:
    """Quantised noise around a level that depends on the label."""
    label = torch.arange(count) % 3
    x = 0.2 * torch.randn(count, *spec.shape, generator=torch.Generator().manual_seed(1))
    x = x + (label.float() - 1).view(-1, *[1] * len(spec.shape)) / 2
    if isinstance(spec, Array) and spec.bin:
        x = torch.round((x.clamp(-1, 1) + 1) / spec.bin) * spec.bin - 1
    return x, label


def trained(family: type[Any], spec: Spec, conditions: Conditions) -> Any:
    x, label = toy(spec)
    given = label if conditions else None
    settings = {"components": 4} if family is GMM else {}
    model = make(family, spec, conditions, **settings)
    return look(model, x, given) if isinstance(model.players()[0], Learner) else play(model, x, given, steps=2, size=16)


def ring(count: int, spread: float = 0.1) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    angle = torch.randint(8, (count,), generator=draw) * (math.pi / 4)
    return torch.stack((angle.cos(), angle.sin()), 1) + spread * torch.randn(count, 2, generator=draw)


# every generator


@pytest.mark.parametrize("conditions", [{}, LABEL], ids=["free", "label"])
@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("family", GENERATORS)
def test_samples_have_the_shape_and_do_not_depend_on_the_batch(family: type[Any], spec: Array, conditions: Mapping[str, Spec]) -> None:
    assert family.refuses(spec, conditions) is None
    model = trained(family, spec, conditions).eval()
    condition = {"label": torch.tensor([[0], [1], [2], [0], [1]])} if conditions else None
    with torch.no_grad():
        x = model.sample(condition, noise=Noise(5, 5))
        alone = model.sample({"label": condition["label"][3:4]} if condition else None, noise=Noise(5, torch.tensor([3])))
        left_out = model.sample(noise=Noise(5, 2))
    assert x.shape == (5, *spec.shape)
    assert left_out.shape == (2, *spec.shape)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()
    torch.testing.assert_close(alone[0], x[3], atol=1e-4, rtol=0)
    assert not torch.equal(x[0], x[3])
    if isinstance(model, Density):
        value = model.log_prob(toy(spec)[0][:5], condition, noise=Noise(0, 5))
        assert value.shape == (5,)
        assert torch.isfinite(value).all()


@pytest.mark.parametrize("family", [VAE, PCA, GMM, Independent, CopyNoise])
def test_labels_move_the_samples(family: type[Any]) -> None:
    spec = Array((2,)) if family is VAE else PICTURES[0]
    x, label = toy(spec, 600)
    model = make(family, spec, LABEL, **({"components": 6} if family is GMM else {}))
    model = play(model, x, label, steps=250) if family is VAE else look(model, x, label)
    with torch.no_grad():
        means = [float(model.sample({"label": torch.full((200, 1), one)}, noise=Noise(0, 200)).mean()) for one in range(3)]
    assert means == pytest.approx([-0.5, 0.0, 0.5], abs=0.1)


@pytest.mark.parametrize("family", [VAE, GAN, FeatureNet])
@pytest.mark.parametrize("conditions", [{}, LABEL], ids=["free", "label"])
def test_a_loss_reaches_its_player_only_and_every_parameter_of_it(family: type[Any], conditions: Mapping[str, Spec]) -> None:
    spec = PICTURES[0]
    x, label = toy(spec, 16)
    settings = {"r1_share": 1.0} if family is GAN else {}
    model = make(family, spec, conditions, **settings)
    for player in model.players():
        freeze_all_but(model, player)
        model.zero_grad()
        batch = batch_of(x, label if conditions else None, sees=player.sees_data)
        for flag in batch.given.values():
            flag[::2] = False
        with torch.autocast("cpu", torch.bfloat16):
            terms = player.loss(batch)
        assert all(value.shape == (16,) and value.dtype == torch.float32 for value in terms.values())
        terms["loss"].mean().backward()
        own = {id(p) for p in player.params}
        reached = {id(p) for p in model.parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
        assert reached == own
    assert sum(len(p.params) for p in model.players()) == len(list(model.parameters()))


@pytest.mark.parametrize("family", [VAE, GAN])
def test_an_example_does_not_depend_on_its_neighbours(family: type[Any]) -> None:
    x, label = toy(PICTURES[1], 6)
    model = make(family, PICTURES[1], LABEL).eval()  # dropout is the one exception
    for player in model.players():
        batch = batch_of(x, label, sees=player.sees_data)
        whole, part = player.loss(batch), player.loss(batch[2:5])
        for name, value in whole.items():
            torch.testing.assert_close(part[name], value[2:5], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", [*GENERATORS, FeatureNet])
def test_tokens_are_refused_in_a_sentence_or_served(family: type[Any]) -> None:
    spec = Tokens((5,), vocab=4, stop=3)
    why = family.refuses(spec, {})
    if family not in (Independent, CopyNoise):
        assert why
        return
    ids = torch.tensor([[0, 1, 2, 3, 3], [2, 2, 3, 3, 3], [1, 0, 0, 2, 1]]).repeat(20, 1)
    out = look(make(family, spec), ids).sample(noise=Noise(0, 50))
    assert why is None
    assert out.dtype == torch.int64
    ended = (out == 3).cumsum(1) > 0
    assert bool((out[ended] == 3).all())


@pytest.mark.parametrize("family", [PCA, GMM, Independent, CopyNoise])
def test_more_than_one_label_is_refused(family: type[Any]) -> None:
    assert family.refuses(Array((2,)), {"a": class_label(2), "b": class_label(2)})
    assert family.refuses(Array((2,)), {"a": Array((3,))})


# VAE


def test_vae_bound_comes_near_the_entropy_of_a_gaussian() -> None:
    spread = torch.tensor([1.0, 0.3])
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) * spread
    model = play(make(VAE, Array((2,)), size="s", lr=5e-3), x[:3000], steps=400, size=128)
    entropy = math.log(2 * math.pi * math.e) + float(spread.log().sum())
    with torch.no_grad():
        bound = -float(model.log_prob(x[3000:], noise=Noise(9, 1000)).mean())  # type: ignore[operator]
    assert entropy - 0.1 < bound < entropy + 0.15


def test_vae_bound_rises_with_the_number_of_draws() -> None:
    x, _ = toy(PICTURES[0], 200)
    one = play(make(VAE, PICTURES[0], draws=1), x, steps=30)
    many = make(VAE, PICTURES[0], draws=32)
    many.load_state_dict(one.state_dict())
    with torch.no_grad():
        loose = one.log_prob(x, noise=Noise(1, 200)).mean()  # type: ignore[operator]
        assert float(many.log_prob(x, noise=Noise(1, 200)).mean()) > float(loose) + 0.1
        terms = one.players()[0].loss(batch_of(x))  # type: ignore[union-attr]
    # one draw of z estimates the plain bound
    assert float(loose) == pytest.approx(-float(terms["reconstruction"].mean() + terms["kl"].mean()), rel=0.01)


def test_vae_samples_lie_on_the_grid_and_need_noise_for_their_likelihood() -> None:
    model = trained(VAE, PICTURES[0], {}).eval()
    with torch.no_grad():
        for temperature in (0.0, 1.0):
            level = (model.sample(noise=Noise(0, 4), temperature=temperature) + 1) / PICTURES[0].bin
            torch.testing.assert_close(level, level.round(), atol=1e-3, rtol=0)
            assert 0 <= float(level.min()) <= float(level.max()) < 255.001
    with pytest.raises(BadInput, match="noise"):
        model.log_prob(torch.zeros(1, 1, 8, 8))
    assert model.encode(torch.zeros(3, 1, 8, 8)).shape == (3, *model.latent.shape)


def test_vae_divergence_comes_in_with_progress() -> None:
    x, _ = toy(PICTURES[0], 8)
    model = make(VAE, PICTURES[0], warmup=0.5)
    (player,) = model.players()
    for progress, weight in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 1.0)):
        terms = player.loss(batch_of(x, progress=progress))
        torch.testing.assert_close(terms["loss"] * elements(PICTURES[0]), terms["reconstruction"] + weight * terms["kl"])


# GAN


def test_the_players_pull_the_critic_apart_and_the_generator_up() -> None:
    x, label = toy(PICTURES[0], 64)
    model = make(GAN, PICTURES[0], LABEL, r1=0.0, augment=0.0)
    critic, generator = model.players()
    batch = batch_of(x, label)
    for player, better in ((critic, -1), (generator, 1)):
        freeze_all_but(model, player)
        before = made_logit(model, batch)
        optimiser = torch.optim.SGD(player.params, lr=1e-2)
        player.loss(batch)["loss"].mean().backward()
        optimiser.step()
        model.zero_grad()
        # the critic learns to call made examples made; the generator to make ones that it doesn't
        assert better * (made_logit(model, batch) - before) > 0


def made_logit(model: GAN, batch: Batch) -> float:
    with torch.no_grad():
        made = model.decode(model.prior(batch.noise), batch.condition)
        return float(model.nets["critic"](made, batch.condition, batch.given).mean())


class LinearCritic(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([3.0, -4.0]))

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return x @ self.weight


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_gradient_penalty_of_a_linear_critic(share: float) -> None:
    nets = {"critic": LinearCritic(), "generator": build(GAN.wants(Array((2,)), {}, GAN.Settings())["generator"], {}, "xs")}
    model = GAN(Array((2,)), {}, nets, None, GAN.Settings(r1=2.0, r1_share=share))
    critic = model.players()[0]
    assert isinstance(critic, Player)
    with torch.autocast("cpu", torch.bfloat16):
        terms = critic.loss(batch_of(torch.zeros(4000, 2)))
    penalty = terms["gradient-penalty"]
    # |w|^2 = 25 for every row that pays, over the share of rows that do
    assert set(penalty.unique().tolist()) <= {0.0, 25.0 / share}
    assert float(penalty.mean()) == pytest.approx(25.0, rel=0.06)
    (gradient,) = torch.autograd.grad(terms["loss"].mean(), [nets["critic"].weight])
    plain = 0.5 * (terms["fake-logit"].sigmoid()[:, None] * model.decode(model.prior(Noise(0, 4000, path=("train",))))).mean(0)
    torch.testing.assert_close(gradient - 2 * plain.detach(), 2.0 * nets["critic"].weight.detach(), rtol=0.06, atol=0.1)


def test_gan_learns_a_shifted_gaussian() -> None:
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.5, 0.1]) + torch.tensor([1.0, -1.0])
    model = play(make(GAN, Array((2,))), x, steps=500, size=128)
    with torch.no_grad():
        made = model.sample(noise=Noise(4, 2000))  # type: ignore[operator]
    assert made.mean(0).tolist() == pytest.approx([1.0, -1.0], abs=0.2)
    assert 0.25 < float(made[:, 0].std()) < 0.75
    assert float(made[:, 1].std()) < 0.3


def test_quantised_pictures_stay_in_range_and_losses_have_names() -> None:
    with torch.no_grad():
        assert float(make(GAN, PICTURES[0]).sample(noise=Noise(0, 50)).abs().max()) <= 1.0
    with pytest.raises(UnknownName, match="non-saturating"):
        make(GAN, PICTURES[0], loss="non-saturatin")


# classical


def test_pca_is_the_closed_form_gaussian() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=draw) @ torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.6, 0.3], [0.0, 0.0, 0.2]]) + 0.5
    model = look(make(PCA, Array((3,)), rank=2), x)
    covariance = torch.cov(x.double().T, correction=0)
    # with rank D - 1 nothing is lost: the Gaussian of the data's own moments
    law = torch.distributions.MultivariateNormal(x.double().mean(0), covariance)
    torch.testing.assert_close(model.log_prob(x[:20]).double(), law.log_prob(x[:20].double()), atol=1e-3, rtol=0)  # type: ignore[operator]
    made = model.sample(noise=Noise(0, 40_000)).double()  # type: ignore[operator]
    torch.testing.assert_close(torch.cov(made.T), covariance, atol=0.02, rtol=0)
    # the posterior mean is shrunk towards zero: unit variance less what the noise hides
    z = model.encode(x)  # type: ignore[operator]
    assert bool((z.var(0) < 1).all())
    torch.testing.assert_close(model.decode(z)[:, 0], x[:, 0], atol=0.3, rtol=0)  # type: ignore[operator]


def test_pca_of_low_rank_averages_the_rest() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 5, generator=draw) * torch.tensor([2.0, 1.0, 0.3, 0.2, 0.1])
    model = look(make(PCA, Array((5,)), rank=2), x)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))
    assert float(model.rest[0]) == pytest.approx(float(values[:3].mean()), rel=1e-3)
    torch.testing.assert_close(model.variances[0], values.flip(0)[:2], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", [PCA, GMM])
def test_densities_integrate_to_one(family: type[Any]) -> None:
    x = ring(600, 0.3)
    label = (x[:, 0] > 0).long()
    model = look(make(family, Array((2,)), LABEL, **({"components": 5, "passes": 5} if family is GMM else {})), x, label)
    axis = torch.linspace(-6, 6, 301)
    grid = torch.cartesian_prod(axis, axis)
    for condition in (None, {"label": torch.zeros(len(grid), 1, dtype=torch.int64)}, {"label": torch.full((len(grid), 1), 2)}):
        total = model.log_prob(grid, condition).double().exp().sum() * (12 / 300) ** 2
        assert float(total) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("family", [PCA, GMM])
def test_masses_of_quantised_data_sum_to_one_even_at_the_floor(family: type[Any]) -> None:
    spec = Array((2,), 0.1)
    x = torch.zeros(300, 2)
    x[:, 0] = torch.arange(300) % 3 * 0.1
    model = look(make(family, spec, **({"components": 2} if family is GMM else {})), x)
    axis = torch.arange(-40, 41) * 0.1
    total = model.log_prob(torch.cartesian_prod(axis, axis)).double().exp().sum()
    # the second element is constant: its variance is the floor, where the midpoint rule is off by up to 1.5 %
    assert float(total) == pytest.approx(1.0, abs=0.03)
    assert model.tight == "estimate"


def test_pca_shares_one_covariance_where_classes_are_small() -> None:
    x, label = toy(Array((6,)), 300)
    few = torch.cat((torch.arange(200)[label[:200] != 2], torch.tensor([2, 5])))
    model = look(make(PCA, Array((6,)), LABEL, rank=3), x[few], label[few])
    assert torch.equal(label[few].bincount(), model.count[:3].long())
    # two examples span no covariance: they take the one within classes, around their own mean
    torch.testing.assert_close(model.mean[2], x[[2, 5]].mean(0))
    within = torch.stack([x[few][label[few] == one] - x[few][label[few] == one].mean(0) for one in (0, 1)]).flatten(0, 1)
    assert float(model.variances[2].sum()) == pytest.approx(float(torch.linalg.eigvalsh(torch.cov(within.T))[-3:].sum()), rel=0.05)


def test_gmm_comes_near_the_entropy_of_a_ring() -> None:
    x, fresh, spread = ring(4000), ring(4000)[2000:], 0.1
    model = look(make(GMM, Array((2,)), components=8), x)
    # eight well-separated Gaussians: log 8 plus the entropy of one
    entropy = math.log(8) + math.log(2 * math.pi * math.e) + 2 * math.log(spread)
    assert float(-model.log_prob(fresh).mean()) == pytest.approx(entropy, abs=0.05)  # type: ignore[operator]


def test_gmm_gains_in_every_pass_and_stops() -> None:
    model = make(GMM, Array((2,)), components=12)
    (learner,) = model.players()
    x, scores = ring(1000), []
    for turn in range(60):
        losses = [learner.see(batch_of(part, start=turn * 1000 + i * 300)).get("loss") for i, part in enumerate(x.split(300))]
        if turn:
            scores.append(float(torch.cat(losses).mean()))
        if learner.settle():
            break
    assert 3 < len(scores) < 59
    # the penalised likelihood never falls; the plain one may, by less than the prior of one example is worth
    assert all(late < early + 5e-3 for early, late in pairwise(scores))
    assert scores[-1] < scores[0]


@pytest.mark.parametrize("family", [PCA, GMM, Independent])
def test_a_learner_resumes_in_mid_pass(family: type[Any]) -> None:
    x, label = toy(Array((3,)), 120)
    settings = {"components": 3, "passes": 3} if family is GMM else {}
    whole = look(make(family, Array((3,)), LABEL, **settings), x, label, size=40)
    first, second = (make(family, Array((3,)), LABEL, **settings) for _ in range(2))
    (learner,) = first.players()
    learner.see(batch_of(x[:40], label[:40]))
    second.load_state_dict(first.state_dict())
    (learner,) = second.players()
    for turn in range(learner.passes):
        for start in range(0 if turn else 40, 120, 40):
            learner.see(batch_of(x[start : start + 40], label[start : start + 40], turn * 120 + start))
        if learner.settle():
            break
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


# baselines


def test_independent_keeps_marginals_and_nothing_else() -> None:
    a = torch.randint(0, 4, (3000,), generator=torch.Generator().manual_seed(0)).square().float()
    spec = Array((2,), 2 / 255)
    x = torch.stack((a, a), 1) * spec.bin - 1
    made = look(make(Independent, spec), x).sample(noise=Noise(0, 20_000))  # type: ignore[operator]
    for value in x[:, 0].unique():
        share = (x[:, 0] == value).float().mean()
        torch.testing.assert_close((made == value).float().mean(0), share.expand(2), atol=0.015, rtol=0)
    assert abs(float(torch.corrcoef(made.T)[0, 1])) < 0.03


def test_copy_noise_copies_the_right_class() -> None:
    x, label = toy(PICTURES[0], 90)
    model = look(make(CopyNoise, PICTURES[0], LABEL, keep=50), x, label)
    wanted = torch.arange(60) % 3
    made = model.sample({"label": wanted.view(-1, 1)}, noise=Noise(0, 60))  # type: ignore[operator]
    distance = torch.cdist(made.flatten(1), x.flatten(1))
    assert torch.equal(label[distance.argmin(1)], wanted)
    assert float((distance.min(1).values / 8).mean()) == pytest.approx(0.05, rel=0.1)
    assert len(distance.argmin(1).unique()) > 20


# features


def digits() -> tuple[Tensor, Tensor]:
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    return (torch.tensor(found.images)[order, None].float() / 8 - 1), torch.tensor(found.target)[order]


def test_features_name_digits_they_have_not_seen() -> None:
    x, label = digits()
    conditions = {"label": class_label(10)}
    model = play(make(FeatureNet, Array((1, 8, 8), 2 / 16), conditions, size="s"), x[400:], label[400:], steps=150)
    with torch.no_grad():
        right = (model.classify(x[:400]).argmax(1) == label[:400]).float().mean()  # type: ignore[operator]
        assert model.embed(x[:3]).shape == (3, 64)  # type: ignore[operator]
    assert float(right) > 0.95


def test_features_without_labels_bring_views_together_and_stay_spread() -> None:
    x, label = digits()
    model = play(make(FeatureNet, Array((1, 8, 8), 2 / 16)), x[:1400], steps=80)
    with torch.no_grad():
        features = model.embed(x[:1400])  # type: ignore[operator]
        nearest = torch.cdist(model.embed(x[1400:]), features).argmin(1)  # type: ignore[operator]
    assert float((label[:1400][nearest] == label[1400:]).float().mean()) > 0.75
    assert int(torch.linalg.matrix_rank(torch.cov(features.T), rtol=1e-3)) > 8
    with pytest.raises(Refused, match="without class labels"):
        model.classify(x[:1])  # type: ignore[operator]
    assert model.players()[0].coupled  # type: ignore[union-attr]
