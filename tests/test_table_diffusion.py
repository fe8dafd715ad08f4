"""Diffusion of rows: coding there and back, loss only where it belongs, and a toy world whose rules are learnt."""

from __future__ import annotations

import pytest
import torch

from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Field, Row
from morelike.families.table_diffusion import TableDiffusion, TableDiffusionSettings
from morelike.nets.build import build

SPEC = Row((Field("kind", 3), Field("size"), Field("far", 5000), Field("flag", 2)))


def rows(n: int, seed: int = 0) -> torch.Tensor:
    """`size` lies at -1, 0 or 1 by the kind and is missing for half of the last; the flag is 1 for the first kind alone."""
    draw = torch.Generator().manual_seed(seed)
    kind = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), n, True, generator=draw)
    size = kind - 1 + 0.1 * torch.randn(n, generator=draw)
    size[(kind == 2) & (torch.rand(n, generator=draw) < 0.5)] = torch.nan
    far = torch.randint(4990, 5000, (n,), generator=draw)
    return torch.stack([kind, size, far, kind == 0], 1).float()


def model(width: int = 64) -> TableDiffusion:
    torch.manual_seed(0)
    settings = TableDiffusionSettings(width=width, depth=3)
    nets = {name: build(net, {}, "xs", {"width": width}) for name, net in TableDiffusion.wants(SPEC, {}, settings).items()}
    return TableDiffusion(SPEC, {}, nets, settings=settings)


def test_rows_come_back_from_reals_and_digits() -> None:
    x, made = rows(200), model()
    reals, digits = made._coded(x)
    assert digits.shape == (200, 5)
    assert torch.equal(made._whole(reals, digits).nan_to_num(9), x.nan_to_num(9))
    # two digits that point past the last value
    digits[:, made.sizes.index(71)] = 70
    assert float(made._whole(reals, digits)[:, 2].max()) <= 4999


def test_a_missing_number_costs_and_teaches_nothing() -> None:
    made, x = model().eval(), rows(64)
    (player,) = made.players()
    assert isinstance(player, Player)
    terms = player.loss(Batch(x, Noise(0, 64)))
    gone = x[:, 1].isnan()
    assert gone.any()
    assert (terms["reals"][gone] == 0).all()
    assert (terms["reals"][~gone] > 0).all()
    assert torch.isfinite(terms["loss"]).all()


def test_a_small_world_is_learnt() -> None:
    made, data = model(), rows(4000)
    (player,) = made.players()
    assert isinstance(player, Player)
    optimiser = torch.optim.Adam(player.params, 3e-3)
    for step in range(250):
        batch = Batch(data[(torch.arange(256) + 256 * step) % 4000], Noise(step, 256))
        loss = player.loss(batch)["loss"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        kind, size, far, flag = made.eval().sample({}, noise=Noise(1, 2000)).T
    shares = torch.bincount(kind.long(), minlength=3) / 2000
    assert (shares - torch.tensor([0.5, 0.3, 0.2])).abs().max() < 0.08
    assert float(((kind == 0) == (flag == 1)).double().mean()) > 0.9
    gone = size.isnan()
    assert float(gone[kind < 2].double().mean()) < 0.05
    assert 0.3 < float(gone[kind == 2].double().mean()) < 0.7
    assert float((size - (kind - 1))[~gone].abs().median()) < 0.2
    assert float((far >= 4950).double().mean()) > 0.8


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadInput, match="steps must be from 1 to 10,000"):
        TableDiffusionSettings(steps=0)
