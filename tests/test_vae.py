"""Variational autoencoders: the bound against a closed form, objectives against their definitions, decoders, refusals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morelike.core.contract import Batch, Player, Terms
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Spec, class_label
from morelike.families import vae
from morelike.families.vae import VAE, VAESettings
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.maths.likelihood import bernoulli, gaussian, gaussian_mass

GREY, POINT, BINARY = Array((1, 4, 4), 2 / 255), Array((3,)), Array((1, 4, 4), 2.0, 255)
LATENT, SCALE = 2, 0.4


class Linear(nn.Module):
    """x -> x weight + shift, whatever is given."""

    def __init__(self, weight: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.weight, self.shift = nn.Parameter(weight), nn.Parameter(shift)

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        return x @ self.weight + self.shift


def linear_gaussian(spread: float, shift: float, **settings: Any) -> VAE:
    """x = z W + b + s e, with its exact posterior, whose standard deviation is multiplied by `spread` and whose mean is moved."""
    weight, bias = torch.tensor([[0.8, -0.3, 0.5], [0.2, 0.9, -0.4]]), torch.tensor([0.1, -0.2, 0.3])
    # a diagonal posterior is exact where the rows of W are orthogonal
    weight[1] -= (weight[1] @ weight[0]) / weight[0].square().sum() * weight[0]
    precision = 1 + weight.square().sum(1) / SCALE**2
    back = weight.T / (SCALE**2 * precision)
    away = torch.cat((-bias @ back + shift, 2 * math.log(spread) - precision.log()))
    encoder = Linear(torch.cat((back, torch.zeros(3, LATENT)), 1), away)
    nets = {"encoder": encoder, "decoder": Linear(weight, bias)}
    model = VAE(POINT, {}, nets, None, VAESettings(latent=LATENT, warmup=0.0, **settings))
    assert model.log_scale is not None
    model.log_scale.data.fill_(math.log(SCALE) / vae._SPEED)
    return model


def drawn(model: VAE, n: int) -> tuple[Tensor, Tensor]:
    """(x (n,3) of the model, log p(x) in closed form (n,))."""
    decoder = model.nets["decoder"]
    x = model.sample(noise=Noise(5, n), temperature=1.0)
    covariance = decoder.weight.T @ decoder.weight + SCALE**2 * torch.eye(3)
    return x.detach(), torch.distributions.MultivariateNormal(decoder.shift, covariance).log_prob(x).detach()


def test_the_bound_rises_with_its_draws_to_the_closed_form() -> None:
    model = linear_gaussian(spread=1.6, shift=0.3)
    x, exact = drawn(model, 400)
    bounds = []
    with torch.no_grad():
        for draws in (1, 3, 20, 1_000):
            bounds.append(float((model.log_prob(x, noise=Noise(6, 400), draws=draws) - exact).mean()))
    assert bounds == sorted(bounds)
    assert bounds[0] < -0.5
    assert bounds[-1] == pytest.approx(0.0, abs=0.01)


def test_one_draw_of_the_exact_posterior_is_the_exact_likelihood() -> None:
    model = linear_gaussian(spread=1.0, shift=0.0)
    x, exact = drawn(model, 50)
    torch.testing.assert_close(model.log_prob(x, noise=Noise(1, 50), draws=1), exact, atol=1e-4, rtol=1e-4)


def test_draws_taken_some_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = linear_gaussian(spread=1.6, shift=0.3)
    x, _ = drawn(model, 6)
    whole = model.log_prob(x, noise=Noise(2, 6), draws=50)
    monkeypatch.setattr(vae, "_AT_ONCE", 7 * x.numel())
    torch.testing.assert_close(model.log_prob(x, noise=Noise(2, 6), draws=50), whole)
    torch.testing.assert_close(model.log_prob(x[2:4], noise=Noise(2, 6)[2:4], draws=50), whole[2:4])


def small(spec: Spec, **settings: Any) -> VAE:
    net = {"kind": "mlp", "activation": "tanh", "width": 8, "depth": 2, "dropout": 0.0}
    recipe = Recipe(model="vae", settings={"latent": LATENT, "warmup": 0.0, **settings}, nets={"encoder": net, "decoder": dict(net)})
    model = build(recipe, spec, {})
    assert isinstance(model, VAE)
    return model


def gradients(model: VAE, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


def black_and_white(n: int) -> Batch:
    return Batch((Noise(3, n).uniform(BINARY.shape) < 0.3).float() * 2 - 1, Noise(4, n), progress=0.5)


def loss_of(model: VAE, batch: Batch) -> Terms:
    *_, last = model.players()
    assert isinstance(last, Player)
    return last.loss(batch)


def test_the_bound_of_one_sample_may_come_first() -> None:
    batch, alone = black_and_white(5), small(BINARY)
    first, second = small(BINARY, samples=5, plain=0.75).players()
    assert isinstance(first, Player)
    assert isinstance(second, Player)
    assert (first.during, second.during) == ((0.0, 0.75), (0.75, 1.0))
    torch.testing.assert_close(first.loss(batch)["loss"], loss_of(alone, batch)["loss"])
    torch.testing.assert_close(second.loss(batch)["loss"], loss_of(small(BINARY, samples=5), batch)["loss"])
    assert [len(small(BINARY, samples=5, plain=share).players()) for share in (0.0, 1.0)] == [1, 1]


@pytest.mark.parametrize("samples", [2, 5])
def test_the_gradient_of_iwae_is_that_of_its_definition(samples: int) -> None:
    model, batch = small(BINARY, samples=samples), black_and_white(7)
    model._count(batch)
    mean, log_variance = model.nets["encoder"](batch.data - batch.data.mean(0), {}, {}).chunk(2, 1)
    unit, zero = batch.noise.normal((samples, LATENT), "posterior"), torch.zeros(())
    terms = []
    for k in range(samples):
        z = mean + (log_variance / 2).exp() * unit[:, k]
        fit = bernoulli(batch.data, model.nets["decoder"](z, {}, {}) + 2 * torch.atanh(model.centre)).sum((1, 2, 3))
        terms.append(fit + gaussian(z, zero, zero).sum(1) - gaussian(z, mean, log_variance / 2).sum(1))
    loss = math.log(samples) - torch.stack(terms).logsumexp(0)
    told = loss_of(model, batch)["loss"]
    torch.testing.assert_close(told * 16, loss)
    for own, other in zip(gradients(model, told.mean() * 16), gradients(model, loss.mean()), strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4)


def test_beta_weighs_the_divergence() -> None:
    batch = black_and_white(5)
    plain, pressed = loss_of(small(BINARY), batch), loss_of(small(BINARY, beta=4.0), batch)
    torch.testing.assert_close(pressed["loss"] - plain["loss"], 3 * plain["kl"] / 16)
    # the same holds where the bound has several samples, though not in the mean of the logarithm
    several = loss_of(small(BINARY, beta=0.0, samples=3), batch)
    assert bool((several["loss"] * 16 <= several["reconstruction"] + 1e-5).all())


def test_a_bernoulli_decoder_is_a_mass_and_draws_by_it() -> None:
    logit = torch.tensor([-3.0, 0.0, 0.7, 40.0, -200.0])
    both = bernoulli(torch.tensor([[-1.0], [1.0]]), logit)
    torch.testing.assert_close(both.logsumexp(0), torch.zeros(5))
    torch.testing.assert_close(both[1], logit - torch.nn.functional.softplus(logit))
    model, n = small(BINARY).requires_grad_(False), 4_000
    x = model.sample(noise=Noise(0, n), temperature=1.0)
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    mean = model.decode(model.prior(Noise(0, n)))
    assert float((x - mean).mean().abs()) < 4 / math.sqrt(n * 16)
    assert float((x * mean).mean()) == pytest.approx(float(mean.square().mean()), abs=0.01)


def test_the_bernoulli_likelihood_and_its_gradient_hold_far_out() -> None:
    logit = torch.cat((torch.linspace(-120, 120, 481), torch.tensor([-1e4, 1e4]))).requires_grad_()
    own, plain = bernoulli(torch.tensor(1.0), logit), torch.nn.functional.logsigmoid(logit)
    torch.testing.assert_close(own, plain, atol=1e-6, rtol=1e-6)
    slopes = [torch.autograd.grad(value.sum(), logit)[0] for value in (own, plain)]
    torch.testing.assert_close(slopes[0], slopes[1], atol=1e-6, rtol=0)


def test_a_gaussian_bounds_the_mass_of_its_cells_from_below() -> None:
    step = 2 / 15
    levels, mean = torch.arange(-200, 201).double() * step, torch.tensor([[0.0], [0.3]]).double()
    for scale, gap in ((0.05, 0.4), (0.2, 0.03)):
        log_scale = torch.tensor(math.log(scale)).double()
        normal = torch.distributions.Normal(mean, scale)
        exact = normal.cdf(levels + step / 2) - normal.cdf(levels - step / 2)
        bound = gaussian_mass(levels, mean, log_scale, step).exp()
        assert bool((bound <= exact + 1e-12).all())
        assert bool((bound.sum(1) > 1 - gap).all())


@pytest.mark.parametrize(("spec", "decoder"), [
    (GREY, "logistic"), (GREY, "gaussian"), (BINARY, "bernoulli"), (BINARY, "logistic"), (POINT, "gaussian"),
])  # fmt: skip
def test_every_decoder_learns_and_draws_what_it_may(spec: Array, decoder: str) -> None:
    model = small(spec, decoder=decoder)
    batch = Batch(model.sample(noise=Noise(0, 64)).detach(), Noise(1, 64), progress=1.0)
    x = batch.data
    assert x.shape == (64, *spec.shape)
    if spec.bin:
        assert torch.allclose((x + 1) / spec.bin, torch.round((x + 1) / spec.bin), atol=1e-4)
    before = float(loss_of(model, batch)["loss"].mean().detach())
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(80):
        optimiser.zero_grad()
        loss = loss_of(model, Batch(x, Noise(1, 64).under(step), progress=1.0))["loss"].mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < before - 0.01
    assert bool(torch.isfinite(model.log_prob(x, noise=Noise(2, 64))).all())


def test_the_mean_of_the_data_is_counted() -> None:
    model, batch = small(BINARY), black_and_white(9)
    model._count(batch[torch.arange(4)])
    model._count(batch[torch.arange(4, 9)])
    torch.testing.assert_close(model.centre, batch.data.mean(0))


def test_the_kind_of_decoder_follows_the_data() -> None:
    assert [small(spec).decoder for spec in (GREY, POINT, BINARY)] == ["logistic", "gaussian", "bernoulli"]


@pytest.mark.parametrize(("spec", "settings", "words"), [
    (GREY, {"decoder": "bernoulli"}, "codec.binarise=true"),
    (POINT, {"decoder": "bernoulli"}, "codec.binarise=true"),
    (POINT, {"decoder": "logistic"}, "decoder=gaussian"),
    (BINARY, {"decoder": "bernouli"}, "bernoulli"),
    (BINARY, {"samples": 0}, "at least one sample"),
    (BINARY, {"draws": 0}, "at least one sample"),
    (BINARY, {"beta": -1.0}, "beta must be from 0"),
    (BINARY, {"warmup": 2.0}, "warmup must be from 0"),
    (BINARY, {"temperature": -1.0}, "temperature must be from 0"),
])  # fmt: skip
def test_what_no_bound_can_be_made_of_is_refused(spec: Spec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises((BadInput, Refused, UnknownName), match=words):
        small(spec, **settings)


def test_no_draws_are_refused_in_a_sentence() -> None:
    model, batch = small(BINARY), black_and_white(2)
    with pytest.raises(BadInput, match="at least one draw"):
        model.log_prob(batch.data, noise=batch.noise, draws=0)
    with pytest.raises(BadInput, match="pass `noise`"):
        model.log_prob(batch.data)


def test_cvae_wants_a_condition() -> None:
    with pytest.raises(Refused, match="--condition"):
        build(Recipe(model="cvae", size="xs"), BINARY, {})
    model = build(Recipe(model="cvae", size="xs"), BINARY, {"label": class_label(3)})
    assert isinstance(model, VAE)
    assert asdict(model.settings) == asdict(VAESettings())
