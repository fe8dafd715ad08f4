"""The flow for tables against enumeration: masses sum to one, draws have the masses that the likelihood says, margins are the data's."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from morelike.core.contract import Batch, Learner, Player
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Field, Row, class_label
from morelike.families.table_flow import TableFlow, TableFlowSettings
from morelike.nets.build import build

SPEC = Row((Field("a", 3), Field("b", 2), Field("c", 4)))
SETTINGS = TableFlowSettings(layers=4, bins=5)


def rows(n: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    a = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), n, True, generator=draw)
    b = (a + torch.multinomial(torch.tensor([0.8, 0.2]), n, True, generator=draw)) % 2
    return torch.stack([a, b, (2 * a + b) % 4], 1).float()


def model(spec: Row = SPEC, x: torch.Tensor | None = None, conditions: dict[str, object] | None = None) -> TableFlow:
    torch.manual_seed(0)
    own = conditions or {}
    nets = {name: build(net, own, "xs") for name, net in TableFlow.wants(spec, own, SETTINGS).items()}  # type: ignore[arg-type]
    with torch.no_grad():
        for net in nets.values():
            for weight in net.parameters():
                weight.mul_(1.5)
    made = TableFlow(spec, own, nets, settings=SETTINGS)  # type: ignore[arg-type]
    if x is not None:
        see(made, x)
    return made.eval()


def see(made: TableFlow, x: torch.Tensor) -> None:
    learner = made.players()[0]
    assert isinstance(learner, Learner)
    assert learner.settle is not None
    learner.see(Batch(x, Noise(0, len(x))))
    assert learner.settle()


def masses(made: TableFlow, cells: torch.Tensor, draws: int = 4000) -> torch.Tensor:
    """The mean of exp(bound) over draws, which is the mass itself."""
    noise = Noise(3, draws * len(cells))
    with torch.inference_mode():
        found = made.log_prob(cells.repeat_interleave(draws, 0), noise=noise).double().exp()
    return found.view(len(cells), draws).mean(1)


def test_masses_sum_to_one_and_draws_have_them() -> None:
    made = model(x=rows(2000))
    cells = torch.tensor(list(product(range(3), range(2), range(4)))).float()
    mass = masses(made, cells)
    assert float(mass.sum()) == pytest.approx(1, abs=0.02)
    with torch.inference_mode():
        drawn = made.sample({}, noise=Noise(1, 20_000)).long()
    shares = torch.bincount(drawn @ torch.tensor([8, 4, 1]), minlength=24) / len(drawn)
    assert float((shares - mass).abs().max()) < 0.02


def test_the_density_of_reals_is_one_with_the_draws() -> None:
    draw = torch.Generator().manual_seed(1)
    first = torch.randn(3000, generator=draw)
    second = torch.where(torch.rand(3000, generator=draw) < 0.2, torch.nan, first + 0.3 * torch.randn(3000, generator=draw))
    made = model(Row((Field("x"), Field("y"))), torch.stack([first, second], 1))
    with torch.inference_mode():
        drawn = made.sample({}, noise=Noise(1, 1500))
    # the mean of (reference density / own density) over own draws is the mass that the reference has where both lie
    x, y = drawn.double().T
    reference = torch.where(y.isnan(), 0.2, 0.8 * torch.exp(-(y.square()) / 2) / 2.5066) * torch.exp(-x.square() / 2) / 2.5066
    assert float((reference / masses(made, drawn, 50)).clamp(max=50).mean()) == pytest.approx(1, abs=0.1)


def determined(made: TableFlow) -> float:
    """The share of draws whose third field is what the first two say."""
    with torch.inference_mode():
        drawn = made.sample({}, noise=Noise(1, 4000)).long()
    return float((drawn[:, 2] == (2 * drawn[:, 0] + drawn[:, 1]) % 4).double().mean())


def test_training_finds_what_a_gaussian_copula_can_not() -> None:
    made = model(x=rows(4000))
    before = determined(made)
    player = made.players()[1]
    assert isinstance(player, Player)
    optimiser = torch.optim.Adam(player.params, 3e-3)
    data, losses = rows(4000), []
    for step in range(200):
        batch = Batch(data[(torch.arange(200) + 200 * step) % 4000], Noise(step, 200))
        loss = player.loss(batch)["loss"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()) * 3)
    entropy = 1.398
    assert sum(losses[-20:]) / 20 < entropy + 0.4
    assert determined(made.eval()) > max(0.7, before + 0.2)


def test_conditions_steer_and_one_column_is_enough() -> None:
    made = model(Row((Field("x"),)), torch.randn(500, 1), {"label": class_label(2)})
    zeros, ones = (torch.full((64, 1), label) for label in (0, 1))
    with torch.inference_mode():
        first, second = (made.sample({"label": label}, noise=Noise(0, 64)) for label in (zeros, ones))
    assert not torch.equal(first, second)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadInput, match="layers must be from 1 to 64"):
        TableFlowSettings(layers=0)
