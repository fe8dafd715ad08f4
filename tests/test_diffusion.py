"""Diffusion: paths against their papers' formulas, orders of solvers, draws and densities of Gaussians, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import morelike
from morelike.core.contract import Batch
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.data.loader import Dataset, Order
from morelike.families.diffusion import Diffusion, DiffusionSettings
from morelike.house.build import build as build_model
from morelike.house.model import Model
from morelike.house.prepare import Feed
from morelike.house.recipe import Recipe
from morelike.house.steering import check_guidance
from morelike.maths.ode import change_of_variables
from morelike.maths.paths import PATHS
from morelike.maths.solvers import DRAWING, SOLVERS
from morelike.nets.build import build
from morelike.training.loop import Trainer
from morelike.training.plan import Plan

MEAN, DEVIATION = 0.4, 0.6
POINTS = Array((2,))


def gaussian_velocity(x: Tensor, t: float | Tensor) -> Tensor:
    """E[noise - x | x_t] of data N(MEAN, DEVIATION^2)."""
    variance = ((1 - t) * DEVIATION) ** 2 + t**2
    return (t - (1 - t) * DEVIATION**2) / variance * (x - (1 - t) * MEAN) - MEAN


class Ideal(nn.Module):
    """A net that knows the Gaussian: what a path's net would say, so that the family's formulas give the exact velocity."""

    def __init__(self, path: str, deviation: float) -> None:
        super().__init__()
        self.path, self.deviation, self.unused = PATHS[path], deviation, nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, time: Tensor, condition: Any, given: Any) -> Tensor:
        if self.path.told is None:
            return gaussian_velocity(x, time[:, None])
        # the straight time whose told time this is, by bisection; told times rise with it
        low, high = torch.zeros(len(x), dtype=torch.float64), torch.full((len(x),), self.path.most, dtype=torch.float64)
        for _ in range(60):
            middle = (low + high) / 2
            below = self.path.told(middle, self.deviation).time < time.double()
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        t = (low + high) / 2
        told = self.path.told(t, self.deviation)
        x_t = x.double() / told.scale[:, None]
        v = gaussian_velocity(x_t, t[:, None])
        return ((v - told.skip[:, None] * x_t) / told.out[:, None]).float()


def ideal(path: str, **settings: Any) -> Diffusion:
    return Diffusion(POINTS, {}, {"denoiser": Ideal(path, 1.0)}, settings=DiffusionSettings(path=path, **settings)).eval()


def random_model(path: str, conditions: Any = None, spec: Array = POINTS, **settings: Any) -> Diffusion:
    own, values = conditions or {}, DiffusionSettings(path=path, **settings)
    torch.manual_seed(0)
    nets = {name: build(net, own, "xs") for name, net in Diffusion.wants(spec, own, values).items()}
    model = Diffusion(spec, own, nets, settings=values)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape) / max(1, weight[0].numel()) ** 0.5)
    return model.eval()


def native(path: str, t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) of the path as its paper writes it, at the straight times t."""
    ratio = t / (1 - t)
    if path == "edm":
        return torch.ones_like(t), ratio
    if path == "flow":
        return 1 - t, t
    return 1 / (1 + ratio**2).sqrt(), ratio / (1 + ratio**2).sqrt()


@pytest.mark.parametrize("path", list(PATHS))
def test_what_a_net_says_is_what_the_paper_has_it_say(path: str) -> None:
    """From F, the clean x by the paper's own formula; noise, v and Karras' c_skip and c_out, at alpha x + sigma noise."""
    t, deviation = torch.linspace(0.05, 0.95, 7, dtype=torch.float64), 0.5
    alpha, sigma = native(path, t)
    x, said = torch.randn(7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    noisy = (alpha + sigma) * x
    square = sigma**2 + deviation**2
    expected, scale = {
        "flow": (noisy - sigma * said, torch.ones_like(t)),
        "linear": ((noisy - sigma * said) / alpha, torch.ones_like(t)),
        "cosine": (alpha * noisy - sigma * said, torch.ones_like(t)),
        "edm": (deviation**2 / square * noisy + sigma * deviation / square.sqrt() * said, 1 / square.sqrt()),
    }[path]
    told = PATHS[path].told
    if told is None:
        torch.testing.assert_close(x - t * said, expected)
        return
    found = told(t, deviation)
    torch.testing.assert_close(x - t * (found.skip * x + found.out * said), expected)
    torch.testing.assert_close(found.scale * x, scale * noisy)


def test_told_times_are_those_of_the_papers() -> None:
    time = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    log_alpha = -0.25 * time**2 * 19.9 - 0.05 * time
    linear = torch.exp(log_alpha), (1 - torch.exp(2 * log_alpha)).sqrt()
    cosine = torch.cos(time * math.pi / 2), torch.sin(time * math.pi / 2)
    for path, (alpha, sigma) in {"linear": linear, "cosine": cosine}.items():
        told = PATHS[path].told
        assert told is not None
        torch.testing.assert_close(told(sigma / (alpha + sigma), 1.0).time, time)
    sigma = torch.tensor([0.002, 1.0, 80.0], dtype=torch.float64)
    told = PATHS["edm"].told
    assert told is not None
    torch.testing.assert_close(told(sigma / (1 + sigma), 0.5).time, sigma.log() / 4)


def test_training_times_are_drawn_as_the_papers_draw_them() -> None:
    noise = Noise(0, 20_000)
    sigma = {name: (t := path.draw(noise, 0.0, 1.0).double()) / (1 - t) for name, path in PATHS.items()}
    assert float(sigma["edm"].log().mean()) == pytest.approx(-1.2, abs=0.03)
    assert float(sigma["edm"].log().std()) == pytest.approx(1.2, abs=0.03)
    assert float(sigma["flow"].log().std()) == pytest.approx(1.0, abs=0.03)
    # even in their own times: alpha^2 of "cosine" is cos^2, whose median is a half and whose quarter is cos^2(pi / 8)
    alpha = 1 / (1 + sigma["cosine"] ** 2)
    assert [float(alpha.quantile(q)) for q in (0.5, 0.75)] == pytest.approx([0.5, math.cos(math.pi / 8) ** 2], abs=0.02)
    alpha = (1 / (1 + sigma["linear"] ** 2)).sqrt()
    assert float(alpha.median().log()) == pytest.approx(-0.25 * 0.25 * 19.9 - 0.025, rel=0.03)
    shifted = PATHS["edm"].draw(noise, 1.0, 0.5)
    assert float(torch.logit(shifted).mean()) == pytest.approx(-0.2, abs=0.03)
    assert float(torch.logit(shifted).std()) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("path", list(PATHS))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_times_fall_from_noise_to_data(path: str, steps: int) -> None:
    times = PATHS[path].times(steps)
    assert len(times) == steps + 1
    assert times[0] == pytest.approx(PATHS[path].most)
    assert times[-1] == 0
    assert all(a > b for a, b in pairwise(times))


def test_edm_times_are_those_of_the_paper() -> None:
    sigma = [t / (1 - t) for t in PATHS["edm"].times(18)]
    expected = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    assert sigma == pytest.approx([*expected, 0.0])


def exact(noise: Tensor, start: float, stop: float) -> Tensor:
    """Where the probability-flow ODE of the Gaussian leads from x at `start`."""
    before, after = (math.hypot((1 - t) * DEVIATION, t) for t in (start, stop))
    return (1 - stop) * MEAN + after / before * (noise - (1 - start) * MEAN)


ORDERS = {"euler": 1, "ddim": 1, "heun": 2, "adams": 2, "dpm++": 2}


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_halving_the_step_divides_the_error_by_two_to_the_order(solver: str) -> None:
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    errors = []
    for steps in (64, 128):
        times = [0.9 - 0.8 * i / steps for i in range(steps + 1)]
        errors.append(float((SOLVERS[solver](gaussian_velocity, x, times) - exact(x, 0.9, 0.1)).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDERS[solver], abs=0.15)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_solvers_that_draw_nothing_invert(solver: str) -> None:
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    times = [i / 400 for i in range(401)]
    there = SOLVERS[solver](gaussian_velocity, x, times)
    torch.testing.assert_close(there, exact(x, 0.0, 1.0), atol=0.02, rtol=0)
    torch.testing.assert_close(SOLVERS[solver](gaussian_velocity, there, times[::-1]), x, atol=0.02, rtol=0)


def test_euler_is_ddim_and_ancestral_ddpm() -> None:
    """The papers' steps at alpha x + sigma noise: eq. 12 of DDIM with eta 0 and 1, and DDPM's posterior."""
    x, drawn = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    start, stop = 0.7, 0.4
    (a, s), (b, r) = ([float(v) for v in native("cosine", torch.tensor(t, dtype=torch.float64))] for t in (start, stop))
    clean = x - start * gaussian_velocity(x, start)
    noisy = (a + s) * x
    noise = (noisy - a * clean) / s
    new = r / s * math.sqrt(1 - (a / b) ** 2)
    for eta, found in ((0.0, SOLVERS["ddim"](gaussian_velocity, x, [start, stop])),
                       (1.0, DRAWING["ancestral"](gaussian_velocity, x, [start, stop], lambda step: drawn))):  # fmt: skip
        expected = b * clean + math.sqrt(r**2 - (eta * new) ** 2) * noise + eta * new * drawn
        torch.testing.assert_close((b + r) * found, expected)
    beta = 1 - (a / b) ** 2
    mean = b * beta / s**2 * clean + math.sqrt(1 - beta) * r**2 / s**2 * noisy
    torch.testing.assert_close((b + r) * found, mean + r / s * math.sqrt(beta) * drawn)


def test_dpm_solver_is_its_algorithm() -> None:
    """Algorithm 2 of Lu et al. 2022 at alpha x + sigma noise, by logarithms of signal to noise."""
    times = [0.8, 0.6, 0.45, 0.3]
    x = torch.randn(5, dtype=torch.float64)
    found = SOLVERS["dpm++"](gaussian_velocity, x, times)
    pairs = [[float(v) for v in native("cosine", torch.tensor(t, dtype=torch.float64))] for t in times]
    logs = [math.log(a / s) for a, s in pairs]
    noisy, before = sum(pairs[0]) * x, None
    for i in range(3):
        (a, s), (b, r), h = pairs[i], pairs[i + 1], logs[i + 1] - logs[i]
        own = noisy / (a + s)
        clean = own - times[i] * gaussian_velocity(own, times[i])
        ratio = math.inf if before is None else (logs[i] - logs[i - 1]) / h
        mixed = clean if before is None else (1 + 1 / (2 * ratio)) * clean - 1 / (2 * ratio) * before
        noisy, before = r / s * noisy - b * math.expm1(-h) * mixed, clean
    torch.testing.assert_close(noisy / sum(pairs[-1]), found)


@pytest.mark.parametrize("path", list(PATHS))
@pytest.mark.parametrize("solver", [*SOLVERS, *DRAWING])
def test_draws_of_a_gaussian_have_its_mean_and_deviation(path: str, solver: str) -> None:
    x = ideal(path).sample(noise=Noise(1, 1000), solver=solver, steps=40 if ORDERS.get(solver) == 2 else 200)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.05)
    assert float(x.std()) == pytest.approx(DEVIATION, abs=0.05)


@pytest.mark.parametrize("path", list(PATHS))
def test_denoise_is_the_posterior_mean_and_the_identity_of_data(path: str) -> None:
    model = ideal(path)
    x, t = torch.randn(5, 2), torch.tensor([0.1, 0.3, 0.5, 0.8, 0.95])
    expected = x - t[:, None] * gaussian_velocity(x, t[:, None])
    torch.testing.assert_close(model.denoise(x, t), expected, atol=1e-3, rtol=1e-3)
    random = random_model(path)
    torch.testing.assert_close(random.denoise(x, torch.zeros(5)), x)
    assert bool(torch.isfinite(random.denoise(x, torch.ones(5))).all())


@pytest.mark.parametrize("path", list(PATHS))
def test_a_net_that_says_the_target_has_no_loss(path: str) -> None:
    """What the family asks of the net and what it makes of the answer are inverse: data of one point, which leaves nothing to guess."""
    model = random_model(path)
    batch = Batch(torch.full((64, 2), 0.3), Noise(0, 64))
    seen: list[tuple[Tensor, Tensor]] = []

    class Knowing(nn.Module):
        def forward(self, x: Tensor, time: Tensor, condition: Any, given: Any) -> Tensor:
            seen.append((x, time))
            told, t = model.path.told, model.path.draw(batch.noise, 0.0, 1.0)
            if told is None:
                return (x - 0.3) / t[:, None]
            own = told(t, model.deviation)
            x_t = x / own.scale[:, None]
            return ((x_t - 0.3) / t[:, None] - own.skip[:, None] * x_t) / own.out[:, None]

    model.nets["denoiser"] = Knowing()
    assert float(model._loss(batch)["loss"].abs().max()) < 1e-3
    assert seen[0][0].shape == (64, 2)


@pytest.mark.parametrize("path", list(PATHS))
def test_a_tiny_net_learns_a_mean_and_a_deviation(path: str) -> None:
    x = (MEAN + DEVIATION * torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))).numpy()
    model = build_model(Recipe(model="diffusion", size="xs", settings={"path": path, "lr": 1e-2}), POINTS, {})
    trained = Trainer(model, Feed(Dataset(x), Order(2000, 256, 0), by_pass=False), Plan(steps=250, batch=256)).run()
    assert isinstance(trained, Diffusion)
    trained.eval()
    with torch.no_grad():
        drawn = trained.sample(noise=Noise(0, 2000), solver="heun", steps=20)
        nats = trained.log_prob(torch.from_numpy(x[:500]), noise=Noise(0, 500))
    torch.testing.assert_close(drawn.mean(0), torch.full((2,), MEAN), atol=0.1, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.full((2,), DEVIATION), atol=0.1, rtol=0)
    unit = (torch.from_numpy(x[:500]) - MEAN) / DEVIATION
    truth = (-0.5 * unit.square() - math.log(DEVIATION) - 0.5 * math.log(2 * math.pi)).sum(1)
    assert float(nats.mean()) == pytest.approx(float(truth.mean()), abs=0.1)


@pytest.mark.parametrize("path", list(PATHS))
def test_guidance_one_is_none(path: str) -> None:
    model = random_model(path, {"label": class_label(3)}, guided=(0.0, 1.0))
    noise, condition = Noise(0, 4), {"label": torch.tensor([[0], [1], [2], [0]])}
    plain = model.sample(condition, noise=noise, guidance=1.0)
    times = model.path.times(12)
    free = SOLVERS["adams"](lambda x, t: model._said(x, torch.full((4,), t), condition, {"label": torch.ones(4, dtype=torch.bool)}),
                            times[0] * noise.normal((2,), "start"), times)  # fmt: skip
    assert torch.equal(plain, free)
    assert not torch.equal(plain, model.sample(condition, noise=noise, guidance=2.0))


@pytest.mark.parametrize("path", list(PATHS))
def test_the_density_of_a_gaussian(path: str) -> None:
    """Through the family, each path; the net is linear in x, so autograd through it gives the exact divergence."""
    x = torch.tensor([[0.4, 0.4], [1.0, -0.5], [-1.5, 2.0]])
    expected = (-0.5 * ((x - MEAN) / DEVIATION) ** 2 - math.log(DEVIATION) - 0.5 * math.log(2 * math.pi)).sum(1)
    with torch.inference_mode():
        found = ideal(path, density_steps=24).log_prob(x, noise=Noise(0, 3))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_directions_estimate_the_divergence_and_few_elements_have_it_exactly() -> None:
    matrix = torch.randn(12, 12, generator=torch.Generator().manual_seed(0))

    def linear(count: int) -> Callable[[Tensor, float], Tensor]:
        return lambda x, t: x @ matrix[:count, :count].T / 10

    few = change_of_variables(linear(8), torch.randn(3, 8), [0.0, 1.0], torch.ones(3, 8))[1]
    torch.testing.assert_close(few, (matrix[:8, :8].trace() / 10).expand(3))
    signs = Noise(0, 20_000).uniform((12,)).lt(0.5).float() * 2 - 1
    many = change_of_variables(linear(12), torch.randn(20_000, 12), [0.0, 1.0], signs)[1]
    assert float(many.std()) > 0.1
    assert float(many.mean()) == pytest.approx(float(matrix.trace()) / 10, abs=4 * float(many.std()) / 20_000**0.5)


def test_quantised_values_are_spread_over_their_cells() -> None:
    """A mass, whatever the cells' width: with twice the width an item has twice the mass for each element."""
    model = random_model("flow", spec=Array((3,), bin=0.5), dequantise=True)
    x, noise = torch.zeros(2, 3), Noise(0, 2)
    fine = model.log_prob(x, noise=noise)
    at = model._spread(x, noise)
    assert float((at - x).abs().max()) <= 0.25
    model.spec = Array((3,))
    torch.testing.assert_close(fine, model.log_prob(at, noise=noise) + 3 * math.log(0.5))
    with pytest.raises(BadInput, match="pass `noise`"):
        model.log_prob(x)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'cosine'"):
        DiffusionSettings(path="cosin")
    with pytest.raises(UnknownName, match="did you mean 'heun'"):
        DiffusionSettings(solver="huen")
    with pytest.raises(BadInput, match="steps must be at least 1, not 0"):
        DiffusionSettings(steps=0)
    with pytest.raises(BadInput, match="steps must be at most 10,000, not 999,999,999"):
        DiffusionSettings(steps=999_999_999)
    with pytest.raises(BadInput, match="path=linear draws its training times evenly"):
        DiffusionSettings(path="linear", time_std=2.0)
    model = random_model("flow")
    with pytest.raises(UnknownName, match="did you mean 'ancestral'"):
        model.sample(noise=Noise(0, 2), solver="ancestrol")
    with pytest.raises(BadInput, match="steps must be at least 1, not 0"):
        model.sample(noise=Noise(0, 2), steps=0)


def test_guidance_needs_a_condition_that_was_hidden_now_and_then() -> None:
    for scale, conditions, drop, said in ((2.0, {}, 0.1, "this model has no condition"), (0.5, {"label": 0}, 0.0, "drop=0.1 and not with")):
        with pytest.raises(BadInput, match=said):
            check_guidance(scale, conditions, drop)
        check_guidance(1.0, conditions, drop)
    check_guidance(2.0, {"label": 0}, 0.1)


def test_guidance_is_refused_before_training_and_at_drawing(tmp_path: Path) -> None:
    values, labels = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8), np.arange(40) % 2
    given: Any = {"model": "diffusion", "steps": 2, "size": "xs", "batch": 8, "judge": False, "drop": 0.0}
    for data, said in ((values, "has no condition"), ((values, labels), "not with drop=0")):
        with pytest.raises(BadInput, match=said):
            morelike.train(data, out=tmp_path / "refused", guidance=2.0, **given)
        assert not (tmp_path / "refused").exists()
    model = morelike.train((values, labels), out=tmp_path / "run", **given)
    assert isinstance(model, Model)
    assert model.package.model.settings.guidance == 1.0, "no condition was hidden: there is nothing to choose"
    with pytest.raises(BadInput, match="not with drop=0"):
        model.sample(2, guidance=2.0)
    assert len(model.sample(2, guidance=1.0)) == 2
