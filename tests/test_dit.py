"""Denoisers of signals, pictures and videos: both kinds on every rank and any size, what they hear, and how the transformer begins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morelike.core.contract import Net
from morelike.core.errors import BadInput, UnknownName
from morelike.core.spec import Array, Conditions, Tokens, class_label
from morelike.nets.build import build

SPECS = [Array((2, 21)), Array((1, 9, 14)), Array((1, 5, 6, 7))]
CAPTION = Tokens((6,), vocab=9, stop=8)
CONDITIONS: Conditions = {"label": class_label(3), "text": CAPTION}


def denoiser(spec: Array, conditions: Conditions | None = None, wake: bool = True, **overrides: Any) -> nn.Module:
    """With random numbers where a net begins with zeros."""
    torch.manual_seed(0)
    net = build(Net("denoiser", spec, spec), conditions or {}, "xs", overrides)
    if wake:
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(0.3 * torch.randn(weight.shape) / max(1, weight[0].numel()) ** 0.5)
    return net.eval()


def asked(net: nn.Module, x: Tensor, t: float = 0.5, label: int = 0, ids: tuple[int, ...] | None = None, given: bool = True) -> Tensor:
    condition = {"label": torch.full((len(x), 1), label)} if ids is not None else {}
    if ids is not None:
        condition["text"] = torch.tensor([ids]).expand(len(x), -1)
    out: Tensor = net(x, torch.full((len(x),), t), condition, {name: torch.full((len(x),), given) for name in condition})
    return out


@pytest.mark.parametrize("kind", ["unet", "dit"])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_rank_and_any_size(spec: Array, kind: str) -> None:
    net, x = denoiser(spec, kind=kind), torch.randn(2, *spec.shape)
    x.requires_grad_()
    out = asked(net, x)
    assert out.shape == x.shape
    (reached,) = torch.autograd.grad(out[0].square().sum(), x)
    assert bool((reached[0] != 0).all()), "a place of x is not looked at"
    assert not bool(reached[1].any()), "an example looks at its neighbour"
    assert float((out - asked(net, x, t=0.1)).detach().abs().max()) > 1e-3
    # sizes that the net was not built for
    longer = torch.randn(1, spec.shape[0], *(size + 3 for size in spec.shape[1:]))
    assert asked(net, longer).shape == longer.shape


def test_the_transformer_begins_as_the_identity_before_a_layer_of_zeros() -> None:
    spec = SPECS[1]
    net: Any = denoiser(spec, wake=False, kind="dit")
    x = torch.randn(2, *spec.shape)
    assert not bool(asked(net, x).any())
    rows = torch.randn(2, 5, net.blocks[0].mlp.first.in_features)
    by = torch.ones(5, 1, net.head // 2, dtype=torch.complex64)
    assert torch.equal(net.blocks[0](rows, torch.randn(2, rows.shape[2]), by, None), rows)
    net.last.weight.data.normal_()
    gates = [block.modulate.weight for block in net.blocks]
    opened = torch.autograd.grad(asked(net, x).square().sum(), gates)
    assert all(bool(gate.any()) for gate in opened), "a gate of zero that no gradient opens"


@torch.no_grad()
@pytest.mark.parametrize("reading", [0, 1])
def test_conditions_are_heard_where_they_are_given(reading: int) -> None:
    spec = SPECS[1]
    net, x = denoiser(spec, CONDITIONS, kind="dit", reading=reading), torch.randn(3, *spec.shape)
    first = asked(net, x, ids=(1, 2, 3, 8, 8, 8))
    assert float((first - asked(net, x, label=1, ids=(1, 2, 3, 8, 8, 8))).abs().max()) > 1e-3
    assert float((first - asked(net, x, ids=(3, 2, 1, 8, 8, 8))).abs().max()) > 1e-4, "the caption's order is not read"
    hidden = asked(net, x, ids=(1, 2, 3, 8, 8, 8), given=False)
    torch.testing.assert_close(hidden, asked(net, x, label=2, ids=(4, 8, 8, 8, 8, 8), given=False))
    torch.testing.assert_close(hidden, asked(net, x))


@torch.no_grad()
def test_patches_know_their_places() -> None:
    """The same patch somewhere else, among patches that are all alike, is answered in another way."""
    net = denoiser(Array((1, 16, 16)), kind="dit", patch=4)
    x = torch.zeros(2, 1, 16, 16)
    x[0, :, :4, :4] = x[1, :, 8:12, 4:8] = 1.0
    out = asked(net, x)
    assert float((out[0, :, :4, :4] - out[1, :, 8:12, 4:8]).abs().max()) > 1e-3


def test_what_no_net_can_be_made_of_is_refused() -> None:
    with pytest.raises(BadInput, match="a dit net can't be a denoiser"):
        denoiser(Array((2,)), kind="dit")
    with pytest.raises(UnknownName, match="did you mean 'patch'"):
        denoiser(SPECS[1], kind="dit", pach=2)


def test_a_picture_as_condition_is_seen_place_by_place() -> None:
    spec, conditions = Array((1, 8, 8)), {"low": Array((2, 4, 4))}
    # without blocks nothing goes from place to place
    net, x, low = denoiser(spec, conditions, kind="dit", patch=2, depth=0), torch.randn(1, 1, 8, 8), torch.randn(1, 2, 4, 4)
    other = low.clone()
    other[:, :, 0, 3] += 1
    t, given = torch.tensor([0.5]), {"low": torch.tensor([True])}
    changed = net(x, t, {"low": low}, given) != net(x, t, {"low": other}, given)
    assert bool(changed[..., :2, 6:].all())
    assert int(changed.sum()) == 4, "another place than that of the condition has changed"
