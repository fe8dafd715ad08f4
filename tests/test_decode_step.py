"""One id at a time in few calls: the same numbers as the blocks themselves, wherever it applies, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Spec, Tokens
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.nets import adapter
from morelike.nets.decode_step import DecodeStep
from morelike.nets.transformer import CausalState, CausalTransformer, TransformerSettings

LENGTH, VOCAB = 12, 20
LABEL: Conditions = {"label": Tokens((1,), 3)}
SIZES = {
    "small": TransformerSettings(width=32, depth=1, head=16),
    "grouped": TransformerSettings(width=96, depth=3, head=16, share=3),
    "own keys": TransformerSettings(width=64, depth=2, head=32, share=1),
    "wide heads": TransformerSettings(width=128, depth=2, head=64, share=2, dropout=0.5),
}


def net_of(settings: TransformerSettings, conditions: Conditions | None = None, inputs: Spec | None = None) -> CausalTransformer:
    """With weights of a size at which every part counts."""
    torch.manual_seed(0)
    spec = Tokens((LENGTH,), VOCAB)
    net = CausalTransformer(inputs or spec, spec, conditions or {}, settings).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
    return net


def both(net: CausalTransformer, ids: Tensor, state: CausalState) -> float:
    """Largest difference of the logits, step for step, of ids (B,T) from a state; the slow way must be taken where it is asked for."""
    quick, slow, apart = state, replace(state, quick=None), 0.0
    for place in range(ids.shape[1]):
        a, quick = net.step(ids[:, place : place + 1], quick)
        b, slow = net.step(ids[:, place : place + 1], slow)
        assert quick.quick is not None
        assert slow.quick is None
        assert len(quick.caches[0]) == len(slow.caches[0])
        apart = max(apart, float((a - b).abs().max()))
    return apart


def begun(net: CausalTransformer, batch: int, known: int = 0, context: Tensor | None = None) -> CausalState:
    condition = {key: torch.arange(batch)[:, None] % 3 for key in net.condition.specs}
    given = {key: torch.ones(batch, dtype=torch.bool) for key in condition}
    ids = torch.arange(batch * known).view(batch, known) % VOCAB
    return net.step(ids, net.begin(condition, given, batch, context))[1]


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 3, 33])
@pytest.mark.parametrize("size", SIZES)
def test_agrees_with_the_blocks_far_beyond_the_window(size: str, batch: int) -> None:
    ids = torch.randint(VOCAB, (batch, 5 * LENGTH), generator=torch.Generator().manual_seed(1))
    assert both(net_of(SIZES[size]), ids, begun(net_of(SIZES[size]), batch)) < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("known", [0, 5, LENGTH, 2 * LENGTH])
def test_goes_on_from_a_prefix_under_a_label_and_a_context(known: int) -> None:
    ids = torch.randint(VOCAB, (4, LENGTH), generator=torch.Generator().manual_seed(2))
    labelled, told = net_of(SIZES["grouped"], LABEL), net_of(SIZES["grouped"], inputs=Array((6,)))
    assert both(labelled, ids, begun(labelled, 4, known)) < 1e-4
    assert both(told, ids, begun(told, 4, known, torch.linspace(-1, 1, 24).view(4, 6))) < 1e-4


@torch.no_grad()
def test_rows_of_a_state_and_branches_are_their_own() -> None:
    net, ids = net_of(SIZES["grouped"], LABEL), torch.arange(12).view(3, 4)
    state = begun(net, 3)
    for place in range(3):
        _, state = net.step(ids[:, place : place + 1], state)
    pick = torch.tensor([2, 0, 0, 1])
    assert both(net, ids[pick], state.rows(pick)) < 1e-4
    # two futures of one past, one after the other: neither writes over the other
    one, two = (net.step(torch.full((3, 1), new), state) for new in (7, 8))
    for (logits, after), new in ((one, 7), (two, 8)):
        slow, behind = net.step(torch.full((3, 1), new), replace(state, quick=None))
        assert torch.allclose(logits, slow, atol=1e-4)
        assert torch.allclose(net.step(ids[:, :1], after)[0], net.step(ids[:, :1], behind)[0], atol=1e-4)


def test_sees_weights_that_change() -> None:
    net, ids = net_of(SIZES["small"]), torch.arange(4)[None]
    with torch.no_grad():
        state = begun(net, 1)
        before, _ = net.step(ids[:, :1], state)
        for parameter in net.parameters():
            parameter.mul_(1.5)
        after, _ = net.step(ids[:, :1], state)
        assert not torch.allclose(before, after, atol=1e-2)
        assert both(net, ids, state) < 1e-4


def test_mixes_with_gradients_and_inference_mode() -> None:
    net, ids = net_of(SIZES["small"], LABEL), torch.arange(6).view(2, 3)
    state = begun(net, 2)
    logits, learning = net.step(ids[:, :1], state)
    assert logits.requires_grad
    with torch.no_grad():
        assert both(net, ids, learning) < 1e-4
    with torch.inference_mode():
        logits, quick = net.step(ids[:, :1], begun(net, 2))
    with torch.no_grad():
        assert both(net, ids, quick) < 1e-4


@torch.no_grad()
def test_stays_away_where_it_would_be_wrong() -> None:
    read = net_of(SIZES["small"], {"source": Tokens((5,), 9)})
    known = {"source": torch.zeros(1, 5, dtype=torch.int64)}, {"source": torch.ones(1, dtype=torch.bool)}
    assert read.step(torch.zeros(1, 0, dtype=torch.int64), read.begin(*known, 1))[1].quick is None
    finer = net_of(SIZES["small"]).double()
    assert DecodeStep.of(finer.embed, finer.blocks, finer.head) is None
    tuned = net_of(SIZES["small"])
    adapter.adapt(tuned, 2)
    assert begun(tuned, 1).quick is None
    net, ids = net_of(SIZES["small"]), torch.zeros(1, 1, dtype=torch.int64)
    state = begun(net, 1)
    with torch.autocast("cpu", torch.bfloat16):
        rough, slow = (net.step(ids, replace(state, quick=quick))[0] for quick in (state.quick, None))
    assert rough.dtype == slow.dtype == torch.bfloat16
    assert torch.equal(rough, slow)


def test_draws_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(Recipe(model="transformer", size="xs"), Tokens((40,), VOCAB, stop=0), {}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    drawn = []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr("morelike.nets.transformer.DecodeStep.of", lambda *parts: None)
        draws = (model.sample(noise=Noise(3, size), **dials) for size in (1, 6) for dials in ({}, {"top_p": 0.9}))  # type: ignore[attr-defined]
        drawn.append([*draws, model.sample(noise=Noise(3, 2), beam=3)])  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))
