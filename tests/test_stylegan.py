"""`progressive` and `stylegan2`: what styles do to a convolution, growing without a jump, truncation, mixing, path lengths."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from morelike.core.contract import Batch, Optim, Player
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Tokens, class_label
from morelike.families.picture_game import first_rows, weighted_up
from morelike.families.progressive import lit
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.maths.penalty import path_lengths, zero_centred
from morelike.nets.equal import EqualConv, EqualLinear, grids, with_group_deviation
from morelike.nets.growing import enlarged, shrunk
from morelike.nets.style import ModulatedConv
from morelike.training.optimiser import Optimiser
from morelike.training.plan import Plan
from morelike.training.probe import seconds_per_step

SIXTEEN, SMALL = Array((2, 16, 16), 2 / 255), Array((1, 8, 8), 2 / 255)
LABEL = {"label": class_label(3)}


def made(name: str, spec: Array = SIXTEEN, conditions: Conditions | None = None, size: str = "xs", **settings: Any) -> Any:
    return build(Recipe(model=name, size=size, settings=settings), spec, conditions or {}).eval()


def batch_of(spec: Array = SIXTEEN, count: int = 8, label: bool = False, progress: float = 1.0) -> Batch:
    noise = Noise(0, count, path=("train",))
    told = {"label": torch.arange(count)[:, None] % 3} if label else {}
    given = {name: torch.ones(count, dtype=torch.bool) for name in told}
    return Batch(noise.uniform(spec.shape, "x").mul(2).sub(1), noise, told, given, progress)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shaken(model: Any) -> Any:
    """With strengths of noise that are not zero, as after training."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
    return model


# layers


def per_example(layer: ModulatedConv, x: Tensor, w: Tensor) -> Tensor:
    """The paper's way (eq. 1 to 3): every example has weights of its own."""
    out = []
    for own, style in zip(x, w, strict=True):
        weight = layer.weight * layer.scale * layer.style(style[None])[0][None, :, None, None]
        if layer.demodulates:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        out.append(F.conv2d(own[None], weight, padding=layer.padding))
    return torch.cat(out)


@pytest.mark.parametrize("demodulates", [True, False])
def test_scaling_inputs_and_outputs_is_scaling_weights(demodulates: bool) -> None:
    torch.manual_seed(7)
    layer, x, w = ModulatedConv(6, 5, 7, demodulates=demodulates), normal(3, 5, 9, 8), 3 * normal(3, 6, seed=1)
    torch.testing.assert_close(layer(x, w), per_example(layer, x, w), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_demodulated_features_of_a_gaussian_have_unit_variance(precision: torch.dtype) -> None:
    torch.manual_seed(7)
    layer, w = ModulatedConv(6, 16, 4), 20 * normal(2, 6, seed=1)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        out = layer(normal(2, 16, 128, 128), w)
    # without the edge, where the window is cut off
    inside = out[:, :, 1:-1, 1:-1].float()
    torch.testing.assert_close(inside.var((2, 3)), torch.ones(2, 4), atol=0.05, rtol=0)


def test_all_layers_begin_at_the_scale_of_their_input() -> None:
    torch.manual_seed(7)
    for layer, x in ((EqualLinear(400, 900), normal(500, 400)), (EqualConv(64, 64), normal(4, 64, 32, 32))):
        out = layer(x).detach()
        inside = out if out.dim() == 2 else out[:, :, 1:-1, 1:-1]
        assert float(layer.weight.detach().std()) == pytest.approx(1.0, abs=0.02)
        assert float(inside.std()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_an_adam_step_moves_the_weights_in_use_by_he_constant_times_the_rate(rate: float) -> None:
    torch.manual_seed(7)
    layer = EqualLinear(16, 3, rate=rate)
    before = layer.weight.detach() * layer.scale
    assert float(before.std()) == pytest.approx(0.25, rel=0.3)
    optimiser = Optimiser(list(layer.parameters()), Optim("adam", lr=1e-3, betas=(0.0, 0.99), schedule="constant", warmup=0.0))
    layer(normal(5, 16)).square().sum().backward()
    optimiser.step(0.5)
    moved = (layer.weight.detach() * layer.scale - before).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3 * rate * 0.25), rtol=0.02, atol=0)


def test_deviation_is_of_groups_and_groups_do_not_mix() -> None:
    x = torch.cat((torch.full((2, 1, 3, 3), 1.0), torch.full((2, 1, 3, 3), 3.0), torch.full((4, 1, 3, 3), 7.0)))
    seen = with_group_deviation(x)
    assert seen.shape == (8, 2, 3, 3)
    torch.testing.assert_close(seen[:4, 1], torch.ones(4, 3, 3))
    torch.testing.assert_close(seen[4:, 1], torch.full((4, 3, 3), 1e-4))
    assert with_group_deviation(x[:7]).shape == (7, 2, 3, 3)


@pytest.mark.parametrize(
    ("sizes", "count", "first"),
    [
        ((8, 8), 1, (4, 4)), ((28, 28), 2, (7, 7)), ((64, 64), 4, (4, 4)), ((256, 256), 6, (4, 4)), ((9, 33), 1, (5, 17)),
        ((17, 40), 2, (5, 10)),
    ],
)  # fmt: skip
def test_first_grids(sizes: tuple[int, int], count: int, first: tuple[int, int]) -> None:
    assert grids(sizes) == (count, first)
    assert all(side * 2**count >= size > (side - 1) * 2**count for side, size in zip(first, sizes, strict=True))


# the game


def test_rows_that_pay_are_whole_groups_and_their_mean_stays() -> None:
    for count, share, rows in ((32, 0.25, 8), (32, 0.01, 4), (6, 0.25, 4), (3, 0.5, 3), (30, 1.0, 30)):
        assert first_rows(count, share).tolist() == list(range(rows))
        paid = weighted_up(torch.ones(rows), count)
        assert paid.shape == (count,)
        assert float(paid.mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["progressive", "stylegan2"])
def test_the_critic_pays_the_house_penalty(name: str) -> None:
    model, batch = made(name, SMALL, r1=0.7, paying=1.0), batch_of(SMALL)
    terms = model.players()[0].loss(batch)
    paid = 0.7 / 2 * zero_centred(lambda x: model.judge(x, batch), batch.data)
    assert float(paid.detach().mean()) > 1e-4
    torch.testing.assert_close(terms["gradient-penalty"], paid.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["progressive", "stylegan2"])
@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_losses_by_name_and_what_compares_sees_data(name: str, loss: str) -> None:
    model = made(name, SMALL, LABEL, loss=loss, penalty=10.0, drift=0.001, augment=0.5)
    critic, generator = model.players()
    assert generator.sees_data == (loss == "relativistic")
    for player in (critic, generator):
        value = player.loss(batch_of(SMALL, label=True))["loss"]
        assert value.shape == (8,)
        assert bool(torch.isfinite(value).all())


@pytest.mark.parametrize("name", ["progressive", "stylegan2"])
def test_short_numbers_give_about_the_same_game(name: str) -> None:
    model = shaken(made(name, conditions=LABEL))
    batch = batch_of(label=True)
    for player in model.players():
        exact = player.loss(batch)["loss"].mean()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = player.loss(batch)["loss"].mean()
        assert float(rounded.detach()) == pytest.approx(float(exact.detach()), rel=0.05, abs=0.02)
        rounded.backward()
        assert all(bool(torch.isfinite(p.grad).all()) for p in player.params if p.grad is not None)


@pytest.mark.parametrize("name", ["progressive", "stylegan2"])
@pytest.mark.parametrize("spec", [Array((1, 28, 28), 2 / 255), Array((5, 9, 11)), Array((3, 8, 40), 2 / 255)])
def test_any_sides_and_channels(name: str, spec: Array) -> None:
    model = made(name, spec, {"label": class_label(3), "size": Array((1,)), "caption": Tokens((6,), 9, stop=0)})
    assert model.sample(noise=Noise(0, 3)).shape == (3, *spec.shape)
    for progress in (0.0, 1.0):
        for player in model.players():
            assert bool(torch.isfinite(player.loss(batch_of(spec, progress=progress))["loss"]).all())


@pytest.mark.parametrize("name", ["progressive", "stylegan2"])
@pytest.mark.parametrize(
    ("spec", "why"), [(Array((1, 7, 20)), "at least 8 pixels, not 7 x 20"), (Array((4,)), "pictures"), (Array((3, 50)), "pictures")]
)
def test_what_is_too_small_or_no_picture_is_refused(name: str, spec: Array, why: str) -> None:
    with pytest.raises(Refused, match=why):
        made(name, spec)


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("stylegan2", {"loss": "hinges"}, "hinge"), ("stylegan2", {"truncation": -0.5}, "truncation"),
        ("stylegan2", {"mixing": 2.0}, "mixing"), ("stylegan2", {"path_paying": 0.0}, "path_paying"),
        ("progressive", {"grown": 1.5}, "grown"), ("progressive", {"r1": -1.0}, "r1"),
        ("progressive", {"paying": 0.0}, "paying"), ("progressive", {"latent": 0}, "latent"),
    ],
)  # fmt: skip
def test_settings_out_of_range(name: str, settings: dict[str, Any], why: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=why):
        made(name, **settings)


# growing


def test_levels_are_lit_one_after_another_without_a_jump() -> None:
    places = [lit(i / 1000, 0.6, 3) for i in range(1001)]
    assert places[0] == (0, 1.0)
    assert places[-1] == (3, 1.0)
    heights = [level - 1 + alpha for level, alpha in places]
    assert all(0 <= after - before <= 0.0101 for before, after in pairwise(heights))
    assert lit(0.6, 0.6, 3) == (3, 1.0)
    assert lit(0.0, 0.0, 3) == (3, 1.0)


def test_growing_is_continuous_where_a_level_begins_and_where_it_has_faded_in() -> None:
    model, batch = made("progressive", conditions=LABEL), batch_of(label=True)
    z, told = normal(8, model.settings.latent), (batch.condition, batch.given)
    generator, critic = model.nets["generator"], model.nets["critic"]
    for level in (1, 2):
        before = generator(z, *told, level - 1, 1.0)
        torch.testing.assert_close(generator(z, *told, level, 0.0), enlarged(before))
        torch.testing.assert_close(critic(enlarged(before), *told, level, 0.0), critic(before, *told, level - 1, 1.0))
        full, nearly = (generator(z, *told, level, alpha) for alpha in (1.0, 1 - 1e-6))
        torch.testing.assert_close(nearly, full, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(critic(full, *told, level, 1 - 1e-6), critic(full, *told, level, 1.0), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(full, enlarged(before), atol=1e-2)


def test_real_pictures_are_faded_like_made_ones() -> None:
    model, batch = made("progressive"), batch_of()
    begin, end = model.stages[1], model.settings.grown
    for progress, level in ((0.0, 0), (begin - 1e-9, 1), (begin, 1), (end, 2)):
        seen = model.seen(Batch(batch.data, batch.noise, progress=progress))
        torch.testing.assert_close(enlarged(seen, int(math.log2(16 / seen.shape[2]))), enlarged(shrunk(batch.data, 2 - level), 2 - level))


def test_finer_levels_cost_nothing_before_they_are_lit() -> None:
    model = made("progressive")
    for player in model.players():
        player.loss(batch_of(progress=0.0))["loss"].mean().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    assert reached
    assert not {name for name in reached if ".first." in name or ".second.1" in name or ".second.2" in name}


def test_samples_are_as_fine_as_what_is_lit() -> None:
    model = made("progressive")
    generator: Player = model.players()[1]
    assert generator.after is not None
    for progress, cell in ((0.0, 4), (model.stages[1] - 1e-6, 2), (1.0, 1)):
        generator.after(batch_of(progress=progress))
        x = model.sample(noise=Noise(0, 4))
        torch.testing.assert_close(enlarged(shrunk(x, int(math.log2(cell))), int(math.log2(cell))), x)
        assert cell == 1 or not torch.allclose(shrunk(x, 2).std(), torch.tensor(0.0))


def test_the_probe_tries_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def timed(trainer: Any, first: int) -> float:
        seen.append(first)
        return 1.0 + first / trainer.plan.steps

    monkeypatch.setattr("morelike.training.probe._seconds_at", timed)
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    model = made("progressive")
    found = seconds_per_step(model, None, Plan(steps=10))  # type: ignore[arg-type]  # no data is read
    assert seen == [0, 1250, 3750]
    assert found == pytest.approx(0.125 * 1 + 0.25 * 1.125 + 0.625 * 1.375)


# styles


def test_truncation_zero_is_one_picture_for_each_condition() -> None:
    model, noise = shaken(made("stylegan2", conditions=LABEL)), Noise(5, 6)
    told = {"label": torch.tensor([0, 1, 2, 0, 1, 2])[:, None]}
    one = model.sample(told, noise=noise, truncation=0.0)
    torch.testing.assert_close(one[:3], one[3:])
    assert not torch.allclose(one[0], one[1], atol=1e-3)
    free = model.sample(noise=noise, truncation=0.0)
    torch.testing.assert_close(free, free[:1].expand_as(free))


def test_truncation_pulls_styles_evenly_and_one_is_none() -> None:
    model, noise = shaken(made("stylegan2")), Noise(5, 64)
    torch.testing.assert_close(model.sample(noise=noise, truncation=1.0), model.sample(noise=noise))
    spread = [float(model.sample(noise=noise, truncation=psi).detach().var(0).mean()) for psi in (0.0, 0.3, 0.6, 1.0)]
    assert spread[0] == pytest.approx(0, abs=1e-9)
    assert spread == sorted(spread)


def test_mixing_keeps_shapes_and_a_latent_with_itself_is_itself() -> None:
    model = shaken(made("stylegan2", conditions=LABEL))
    one, other = model.prior(Noise(1, 4)), model.prior(Noise(2, 4))
    told = {"label": torch.tensor([0, 1, 2, 0])[:, None]}
    plain = model.decode(one, told)
    for level in range(model.grids + 1):
        assert model.mix(one, other, level, told).shape == (4, *SIXTEEN.shape)
        torch.testing.assert_close(model.mix(one, one, level, told), plain)
    torch.testing.assert_close(model.mix(one, other, model.grids, told), plain)
    torch.testing.assert_close(model.mix(other, one, 0, told), plain)
    assert not torch.allclose(model.mix(one, other, 1, told), plain, atol=1e-3)
    with pytest.raises(BadInput, match="between 0 and 3"):
        model.mix(one, other, 4)


def test_training_mixes_from_a_random_grid_on() -> None:
    model, batch = made("stylegan2", mixing=0.5), batch_of(count=400)
    own = model.style(model.prior(batch.noise), {}, {})
    same = (model._mixed(batch) == own[:, None]).all(2)
    assert bool(same[:, 0].all())
    # once it is another latent's, it stays that
    assert bool((same[:, 1:] <= same[:, :-1]).all())
    counts = same.sum(1).bincount(minlength=4).tolist()
    assert counts[3] == pytest.approx(200, abs=40)
    assert counts[1] == pytest.approx(counts[2], abs=45)


def test_noise_goes_by_row_and_the_latents_pictures_are_still() -> None:
    model = shaken(made("stylegan2"))
    z = model.prior(Noise(1, 1)).expand(3, -1)
    torch.testing.assert_close(model.decode(z), model.decode(z[:1]).expand(3, -1, -1, -1))
    w = model._every_grid(model.style(z, {}, {}))
    drawn = model.picture(w, Noise(3, 3))
    assert not torch.allclose(drawn[0], drawn[1], atol=1e-3)
    torch.testing.assert_close(model.picture(w[:1], Noise(3, torch.tensor([2]))), drawn[2:])


# path lengths


def test_path_length_of_a_linear_map_in_closed_form() -> None:
    jacobian, w, direction = normal(6, 4), normal(5, 1, 4, seed=1).requires_grad_(), normal(5, 6, seed=2)
    lengths = path_lengths(lambda w: w[:, 0] @ jacobian.T, w, direction)
    torch.testing.assert_close(lengths, (direction @ jacobian).norm(dim=1))
    torch.testing.assert_close(path_lengths(lambda w: w[:, 0] @ jacobian.T, w, direction, deep=False), lengths.detach())
    # of two grids that count the same, the mean of the squares: 1 and 9
    two = path_lengths(lambda w: w[:, 0] @ jacobian.T + 3 * w[:, 1] @ jacobian.T, w.detach().repeat(1, 2, 1).requires_grad_(), direction)
    torch.testing.assert_close(two, math.sqrt(5) * (direction @ jacobian).norm(dim=1))


def test_the_mean_path_length_converges() -> None:
    """Pictures are w times an orthogonal map: lengths are those of Gaussian vectors, a chi distribution times 1 / side."""
    model = made("stylegan2", SMALL, mixing=0.0, path_paying=1.0)
    size = 64
    turn = torch.linalg.qr(normal(size, size))[0]
    model.style = lambda z, condition, given: z
    model.picture = lambda w, noise: (w.mean(1) @ turn).view(-1, 1, 8, 8)
    generator: Player = model.players()[1]
    assert generator.after is not None
    for step in range(500):
        generator.after(Batch(None, Noise(0, torch.arange(16) + 16 * step)))
    # E chi_64; each of the two grids has half of the gradient, so the mean of the squares is a quarter
    expected = math.sqrt(2) * math.exp(math.lgamma(32.5) - math.lgamma(32)) / 8 / 2
    assert float(model.path_mean) == pytest.approx(expected, rel=0.02)


def test_styles_pay_for_paths_unlike_the_mean() -> None:
    model, batch = made("stylegan2", SMALL, path_paying=1.0), batch_of(SMALL)
    generator = model.players()[1]
    lengths = model._lengths(batch, deep=False)
    free = made("stylegan2", SMALL, path=0.0).players()[1].loss(batch)["loss"]
    model.path_mean.fill_(0.3)
    paid = generator.loss(batch)["loss"] - free
    torch.testing.assert_close(paid.detach(), 2.0 * (lengths - 0.3).square(), rtol=1e-3, atol=1e-5)
