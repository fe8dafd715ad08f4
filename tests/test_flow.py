"""Normalizing flows: the change of variables against autograd, exact inversion, masses that sum to one, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Spec, Tokens, class_label, elements
from morelike.families.flow import Flow, FlowSettings
from morelike.maths.bijections import Affine, Bijection, Chain, Coupling, FactorOut, Flat, Logit, Spline, Squeeze, halves
from morelike.nets.build import build

LABEL = {"label": class_label(2)}
SPECS = [
    Array((1,)), Array((5,)), Array((2, 6)), Array((1, 5, 4)), Array((2, 2, 3, 2)), Array((1, 12, 2)), Array((1, 4, 4), 2 / 255),
    Array((3, 2, 4), 2 / 255),
]  # fmt: skip
COUPLINGS = ["affine", "spline"]


def silent(net: str, x: Tensor) -> Tensor:
    raise AssertionError(f"no net is asked, but {net} was")


def make(spec: Spec, conditions: Conditions | None = None, spread: float = 0.3, **settings: Any) -> Flow:
    """A flow with random nets (also those that begin with zeros) and random standardisation."""
    own, values = conditions or {}, FlowSettings(**settings)
    torch.manual_seed(0)
    nets = {name: build(net, own, "xs") for name, net in Flow.wants(spec, own, values).items()}
    flow = Flow(spec, own, nets, settings=values)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(spread * torch.randn(weight.shape, generator=draw) / max(1, weight[0].numel()) ** 0.5)
        if spread:
            flow.mean.copy_(0.2 * torch.randn(spec.shape, generator=draw))
            flow.deviation.copy_(0.5 + torch.rand(spec.shape, generator=draw))
    return flow.eval()


def examples(spec: Array, n: int) -> Tensor:
    x = torch.randn(n, *spec.shape, generator=torch.Generator().manual_seed(2))
    return torch.round((x.clamp(-1, 1) + 1) / spec.bin) * spec.bin - 1 if spec.bin else x


def log_density(flow: Flow, x: Tensor) -> Tensor:
    """(), from the Jacobian of `encode` by autograd, at x (*)."""
    flow.double()
    try:
        jacobian = torch.autograd.functional.jacobian(lambda one: flow.encode(one[None])[0], x.double())
        z = flow.encode(x[None].double())[0]
    finally:
        flow.float()
    log_det = torch.linalg.slogdet(jacobian.view(len(z), -1))[1]
    return -0.5 * z.square().sum() - len(z) / 2 * math.log(2 * math.pi) + log_det


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_likelihood_is_the_change_of_variables(spec: Array, coupling: str) -> None:
    flow, x, noise = make(spec, coupling=coupling, layers=4, per_scale=2), examples(spec, 2), Noise(4, 2)
    found = flow.log_prob(x, noise=noise)
    place = x + spec.bin * (noise.uniform(spec.shape, "within") - 0.5)
    cell = elements(spec) * math.log(spec.bin) if spec.bin else 0.0
    expected = torch.stack([log_density(flow, one) + cell for one in place])
    assert (expected - expected[0]).abs().max() > 0.1
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_encode_then_decode_gives_x_and_the_other_way_round(spec: Array, coupling: str) -> None:
    flow, x = make(spec, coupling=coupling), examples(spec, 20)
    with torch.inference_mode():
        z = flow.encode(x)
        assert (flow.decode(z) - x).abs().max() < 1e-4
        drawn = flow.prior(Noise(0, 20))
        torch.testing.assert_close(flow.encode(flow.decode(drawn)), drawn, atol=2e-3, rtol=0)
    assert (z.view_as(x) - x).abs().max() > 0.1, "the flow does nothing"


def test_half_precision_around_it_changes_no_likelihood_and_no_latent() -> None:
    flow, x, noise = make(SPECS[6]), examples(SPECS[6], 8), Noise(0, 8)
    with torch.inference_mode():
        nats, z = flow.log_prob(x, noise=noise), flow.encode(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(flow.log_prob(x, noise=noise), nats)
            assert torch.equal(flow.encode(x), z)
            assert (flow.decode(z) - x).abs().max() < 1e-4


def test_masses_of_cells_sum_to_one_and_draws_have_them() -> None:
    """Levels -1, 0, 1; some mass lies outside the range of the data, which draws push onto the ends."""
    spec = Array((1, 2, 1), 1.0)
    flow = make(spec)
    flow.mean.zero_()
    flow.deviation.fill_(0.6)
    cells = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 2).view(9, 1, 2, 1)
    draws = 4000
    with torch.inference_mode():
        each = flow.log_prob(cells.repeat_interleave(draws, 0), noise=Noise(3, 9 * draws)).double().view(9, draws)
        drawn = flow.sample(noise=Noise(5, 40_000)).flatten(1)
    mass = each.exp().mean(1)
    assert flow.tight == "bound"
    assert (each.mean(1) < mass.log()).all()
    assert 0.8 < float(mass.sum()) < 1.0
    middle = (drawn == 0).all(1).double().mean()
    assert 0.01 < middle < 0.99
    assert middle == pytest.approx(float(mass[4]), abs=0.01)
    assert set(drawn.unique().tolist()) == {-1.0, 0.0, 1.0}


def two_modes(n: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n)
    label = torch.randint(2, (n, 1), generator=draw)
    return torch.randn(n, 2, generator=draw) * 0.3 + (2 * label - 1), label


def trained(coupling: str) -> Flow:
    flow = make(Array((2,)), LABEL, 0.0, coupling=coupling, layers=4, bins=6).train()
    (player,) = flow.players()
    assert isinstance(player, Player)
    assert player.after is not None
    x, label = two_modes(4096)
    optimiser = torch.optim.Adam(player.params, 5e-3)
    for step in range(120):
        rows = (torch.arange(128) + 128 * step) % 4096
        given = torch.arange(128) % 4 > 0
        batch = Batch(x[rows], Noise(step, 128), {"label": label[rows]}, {"label": given})
        loss = player.loss(batch)["loss"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            player.after(batch)
    return flow.eval()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_trained_density_sums_to_one_is_near_the_truth_and_obeys_labels(coupling: str) -> None:
    flow = trained(coupling)
    x, label = two_modes(3000)
    side = torch.linspace(-4, 4, 161)
    grid = torch.cartesian_prod(side, side)
    entropy = math.log(2 * math.pi * math.e * 0.3**2)
    with torch.inference_mode():
        for condition in ({}, {"label": torch.ones(len(grid), 1, dtype=torch.int64)}):
            mass = float(flow.log_prob(grid, condition).double().exp().sum() * (side[1] - side[0]) ** 2)
            assert mass == pytest.approx(1, abs=0.01)
        assert float(-flow.log_prob(x, {"label": label}).mean()) < entropy + 0.1
        assert float(-flow.log_prob(x).mean()) < entropy + math.log(2) + 0.45
        assert float(-flow.log_prob(x, {"label": 1 - label}).mean()) > entropy + 3
        drawn = flow.sample({"label": label}, noise=Noise(1, 3000))
    assert flow.tight == "exact"
    assert float((drawn - (2 * label - 1)).mean(0).abs().max()) < 0.1


def test_elements_are_standardised_once() -> None:
    spec = Array((4,))
    flow = make(spec, spread=0.0)
    (player,) = flow.players()
    assert isinstance(player, Player)
    assert player.after is not None
    x = torch.tensor([3.0, 1.0, 2.0, 0.1]) * torch.randn(4096, 4, generator=torch.Generator().manual_seed(0)) + 1
    for part in x.split(1024):
        player.after(Batch(part, Noise(0, len(part))))
    torch.testing.assert_close(flow.mean, x.mean(0))
    torch.testing.assert_close(flow.deviation[:3], x.std(0, correction=0)[:3])
    assert flow.deviation[3] == 0.25
    player.after(Batch(x + 9, Noise(0, len(x))))
    torch.testing.assert_close(flow.mean, x.mean(0))


# the maps


def test_squeeze_makes_channels_of_neighbours_in_order() -> None:
    x = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)
    for factors in ((2, 2), (1, 2), (2, 1)):
        y, log_det = Squeeze(factors).forward(x, silent)
        places = [(a, b) for a in range(factors[0]) for b in range(factors[1])]
        expected = torch.cat([x[:, :, a :: factors[0], b :: factors[1]] for a, b in places], 1)
        assert torch.equal(y, expected)
        assert log_det.tolist() == [0.0]
        assert torch.equal(Squeeze(factors).inverse(y, silent), x)


def first_steps(flow: Flow) -> tuple[Bijection, ...]:
    assert isinstance(flow.chain, Chain)
    return flow.chain.steps


def test_the_first_coupling_of_a_picture_leaves_one_colour_of_the_checkerboard() -> None:
    flow = make(Array((3, 6, 4)), per_scale=1)
    squeeze, coupling = first_steps(flow)[:2]
    x = torch.randn(2, 3, 6, 4)
    say = flow._say({}, {})
    y = squeeze.inverse(coupling.forward(squeeze.forward(x, say)[0], say)[0], say)
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(4), indexing="ij")
    same = (y == x).all(0).all(0)
    assert torch.equal(same, (rows + columns) % 2 == 0)


def test_what_is_factored_out_is_done() -> None:
    """Half of the latent doesn't depend on the coarser scale's nets, the other half does."""
    flow = make(Array((1, 16, 8)), per_scale=1)
    assert isinstance(first_steps(flow)[-1], FactorOut)
    x = torch.randn(4, 1, 16, 8)
    with torch.no_grad():
        before = flow.encode(x)
        for weight in flow.nets["coupling3"].parameters():
            weight.add_(0.5)
        after = flow.encode(x)
    assert torch.equal(before[:, 64:], after[:, 64:])
    assert not torch.equal(before[:, :64], after[:, :64])


def test_zeros_are_the_identity_and_splines_end_at_their_bound() -> None:
    x = torch.linspace(-7, 7, 141)
    draw = torch.randn(141, Spline(5, 3.0).numbers, generator=torch.Generator().manual_seed(0))
    for curve in (Affine(), Spline(5, 3.0)):
        y, log_slope = curve.forward(x, torch.zeros(141, curve.numbers))
        torch.testing.assert_close(y, x, atol=1e-5, rtol=0)
        assert log_slope.abs().max() < 1e-5
    y, log_slope = Spline(5, 3.0).forward(x, draw)
    outside = x.abs() >= 3
    assert torch.equal(y[outside], x[outside])
    assert (log_slope[outside] == 0).all()
    assert (y[~outside] - x[~outside]).abs().max() > 0.1
    near = torch.tensor([-2.9999, 2.9999])
    assert Spline(5, 3.0).forward(near, draw[:2])[1].abs().max() < 0.01


def test_logit_has_the_slope_of_autograd_and_finite_ends() -> None:
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None].requires_grad_()
    y, log_slope = Logit(-1, 1).forward(x, silent)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope[:, 0])
    assert y[-1, 0].item() == pytest.approx(math.log(19))
    torch.testing.assert_close(Logit(-1, 1).inverse(y, silent), x)


def test_two_layers_move_every_element_once() -> None:
    for count in (1, 2, 7):
        both = [*halves(count, 4), *halves(count, 5)]
        assert sorted(both) == list(range(count)) or count == 1


def test_flat_and_couplings_of_nothing() -> None:
    x = torch.randn(3, 2, 2)
    assert torch.equal(Flat((2, 2)).inverse(Flat((2, 2)).forward(x, silent)[0], silent), x)
    seen: list[Tensor] = []
    coupling = Coupling("own", (0,), (), Affine())
    y, _ = coupling.forward(torch.ones(3, 1), lambda net, kept: seen.append(kept) or torch.tensor([[0.0, 2.0]]).expand(3, 2))  # type: ignore[func-returns-value]
    assert y.tolist() == [[3.0]] * 3
    assert seen[0].tolist() == [[0.0]] * 3


# what is refused


def test_sizes_that_can_not_be_halved_are_refused_with_the_nearest() -> None:
    assert "5 x 5 none is even; the nearest size that will do is 6 x 6: codec.size=6" in str(Flow.refuses(Array((1, 5, 5)), {}))
    assert "'codec.size=[6, 8]'" in str(Flow.refuses(Array((3, 5, 7)), {}))
    assert Flow.refuses(Array((1, 5, 4)), {}) is None
    assert Flow.refuses(Array((5,)), {}) is None
    assert "real-valued" in str(Flow.refuses(Tokens((5,), 4), {}))


def test_settings_out_of_range_and_bounds_without_noise_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'spline'"):
        FlowSettings(coupling="splines")
    with pytest.raises(BadInput, match="bins must be from 2 to 128"):
        FlowSettings(bins=1)
    with pytest.raises(BadInput, match="noise"):
        make(SPECS[6]).log_prob(examples(SPECS[6], 2))
