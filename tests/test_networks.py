"""Parts of nets that are ours rather than torch's."""

from __future__ import annotations

import torch

from morelike.nets.blocks import Dropout


def test_dropout_keeps_the_mean_and_its_seed() -> None:
    layer, x = Dropout(0.1), torch.ones(301, 7)
    torch.manual_seed(0)
    first = layer(x)
    torch.manual_seed(0)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    kept = first != 0
    assert abs(kept.float().mean().item() - 230 / 256) < 0.03
    assert torch.allclose(first[kept], torch.tensor(256 / 230))
    assert layer.eval()(x) is x
