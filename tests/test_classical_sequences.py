"""Counts, context mixing, n-grams and hidden Markov models: exhaustive sums, brute force, causality, known optima.

B batch, T length, V vocabulary.
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core import registry
from morelike.core.contract import Batch, Generator, Learner
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array, Conditions, Tokens, class_label, live
from morelike.families.hmm import HMM
from morelike.families.mixing import ContextMixing, MixingSettings
from morelike.families.ngram import NGram, NGramSettings
from morelike.maths.contexts import beginning, context_keys, find_breaks
from morelike.maths.counts import ABSENT, Counts, count, discounts, empty, kneser_ney, lookup, merge
from morelike.training.state import put, weights

LABELLED: dict[str, Any] = {"label": class_label(2)}
NAMES = ("context-mixing", "ngram", "markov", "hmm")


def text(n: int, length: int, vocab: int, stop: int | None = None, seed: int = 0) -> Tensor:
    """(n, length) ids with some structure: each is mostly the one before plus one."""
    noise = Noise(seed, n, path=("text",))
    step = (noise.uniform((length,), "jump") < 0.3).long() * noise.integers(vocab, (length,), "where")
    x = (noise.integers(vocab, (1,), "first") + (1 + step).cumsum(1)) % vocab
    return x if stop is None else torch.where(live(Tokens((length,), vocab, stop), x), x, stop)


def learn(model: Generator, x: Tensor, label: Tensor | None = None, passes: int = 1, batch: int = 64) -> Any:
    (learner,) = model.players()
    assert isinstance(learner, Learner)
    assert learner.settle is not None
    with torch.no_grad():
        for _ in range(min(passes, learner.passes)):
            for start in range(0, len(x), batch):
                rows = slice(start, start + batch)
                n = len(x[rows])
                condition = {} if label is None else {"label": label[rows]}
                shown = {name: torch.ones(n, dtype=torch.bool) for name in condition}
                learner.see(Batch(x[rows], Noise(1, torch.arange(start, start + n)), condition, shown))
            learner.settle()
    return model


def make(name: str, spec: Tokens, conditions: Conditions | None = None, **values: Any) -> Any:
    line = registry.family(name)
    family: Any = line.load()
    if name == "hmm":
        values = {"states": 3, **values}
    return family(spec, conditions or {}, settings=family.Settings(**{**line.settings, **values}))


def everything(spec: Tokens) -> Tensor:
    """Every sequence of the Spec."""
    x = torch.tensor(list(itertools.product(range(spec.vocab), repeat=spec.shape[0])))
    if spec.stop is None:
        return x
    return torch.where(live(spec, x), x, spec.stop).unique(dim=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [None, 2])
@pytest.mark.parametrize("rows", [0, 3, 80])
def test_all_sequences_sum_to_one(name: str, stop: int | None, rows: int) -> None:
    spec = Tokens((5,), 3, stop)
    model = make(name, spec)
    if rows:
        learn(model, text(rows, 5, 3, stop))
    assert float(model.log_prob(everything(spec)).double().exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["ngram", "markov", "hmm"])
@pytest.mark.parametrize("asked", [None, 0, 1])
def test_all_sequences_sum_to_one_in_each_class(name: str, asked: int | None) -> None:
    spec = Tokens((4,), 3, 2)
    x = torch.cat((text(30, 4, 3, 2), text(30, 4, 3, 2, seed=1).flip(0)))
    model = learn(make(name, spec, LABELLED), x, torch.arange(60)[:, None] % 2)
    every = everything(spec)
    condition = {} if asked is None else {"label": torch.full((len(every), 1), asked)}
    assert float(model.log_prob(every, condition).double().exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("vocab", [5, 300])
@pytest.mark.parametrize("name", NAMES)
def test_surprise_is_what_next_says_step_by_step(name: str, vocab: int) -> None:
    spec = Tokens((12,), vocab, vocab - 1)
    model = learn(make(name, spec), text(60, 12, vocab, vocab - 1))
    x = text(6, 12, vocab, vocab - 1, seed=5)
    nats = model.surprise(x)
    state, ids, found = None, x[:, :0], []
    for t in range(12):
        logits, state = model.next(ids, None, state)
        assert logits.shape == (6, vocab)
        assert logits.dtype == torch.float32
        assert torch.allclose(logits.exp().sum(1), torch.ones(6), atol=1e-4)
        ids = x[:, t : t + 1]
        found.append(-logits.log_softmax(1).gather(1, ids)[:, 0])
    assert torch.allclose(torch.stack(found, 1), nats, atol=1e-4)
    assert bool((nats[~live(spec, x)] == 0).all())
    assert bool((nats[live(spec, x)] >= 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_states_reorder_with_their_rows_and_are_never_changed(name: str) -> None:
    model = learn(make(name, Tokens((10,), 5, 4)), text(40, 10, 5, 4))
    x = text(4, 6, 5)
    order = torch.tensor([2, 0, 0, 3])
    _, state = model.next(x[:, :3])
    moved, _ = model.next(x[order][:, 3:], None, state.rows(order))
    straight, _ = model.next(x[order])
    again, _ = model.next(x[:, 3:], None, state)
    assert torch.allclose(moved, straight, atol=1e-5)
    assert torch.allclose(again[order], straight, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_likelihood_and_equal_the_stream(name: str) -> None:
    spec = Tokens((3,), 3, 2)
    model = learn(make(name, spec), text(60, 3, 3, 2))
    noise = Noise(3, 4000, path=("draw",))
    x = model.sample(noise=noise)
    every = everything(spec)
    mass = model.log_prob(every).double().exp()
    share = torch.stack([(x == row).all(1).double().mean() for row in every])
    assert float((share - mass).abs().max()) < 4 * 0.5 / math.sqrt(4000)
    streamed = torch.stack(list(model.stream(noise=noise[:50])), 1)
    assert torch.equal(streamed, x[:50, : streamed.shape[1]])


@pytest.mark.parametrize("name", NAMES)
def test_mid_pass_state_is_put_back_and_goes_on_bit_for_bit(name: str) -> None:
    x, spec = text(90, 8, 4), Tokens((8,), 4)
    whole, first, second = make(name, spec), make(name, spec), make(name, spec)
    learn(whole, x)
    (early,), (late,) = first.players(), second.players()
    with torch.no_grad():
        early.see(Batch(x[:64], Noise(1, 64)))
        put(second, {key: value.clone() for key, value in weights(first).items()})
        late.see(Batch(x[64:], Noise(1, torch.arange(64, 90))))
        late.settle()
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), second.state_dict().values(), strict=True))
    third = make(name, spec)
    put(third, weights(whole))
    assert torch.equal(third.surprise(x), whole.surprise(x))


def test_refusals() -> None:
    for name in NAMES:
        family: Any = registry.family(name).load()
        assert "sequences of ids" in family.refuses(Array((3, 8, 8)), {})
        assert "sequences of ids" in family.refuses(Tokens((4, 4), 5), {})
        assert family.refuses(Tokens((9,), 5), {}) is None
        assert family.refuses(Tokens((9,), 5), {"source": Tokens((7,), 5, 0)}) is not None
    assert NGram.refuses(Tokens((9,), 5), LABELLED) is None
    assert HMM.refuses(Tokens((9,), 5), LABELLED) is None
    assert "label" in str(ContextMixing.refuses(Tokens((9,), 5), LABELLED))
    with pytest.raises(BadInput, match="orders"):
        make("ngram", Tokens((9,), 5), orders=-1)


# --- contexts and counts


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(0, 12), st.integers(0, 12), st.sampled_from([None, 2]), st.integers(0, 9))
def test_contexts_read_in_parts_are_those_read_at_once(rows: int, one: int, two: int, stop: int | None, seed: int) -> None:
    x = Noise(seed, rows).integers(4, (one + two,), "x")
    breaks = torch.tensor([False, True, True, False])
    whole, after = context_keys(x, beginning(rows, 4, stop, x.device), 4, stop, breaks)
    left, state = context_keys(x[:, :one], beginning(rows, 4, stop, x.device), 4, stop, breaks)
    right, state = context_keys(x[:, one:], state, 4, stop, breaks)
    assert torch.equal(torch.cat((left[:, :-1], right), 1), whole)
    assert torch.equal(left[:, -1], right[:, 0])
    assert torch.equal(state.recent, after.recent)
    assert torch.equal(state.words, after.words)
    assert torch.equal(state.length, after.length)


def test_equal_keys_are_equal_contexts() -> None:
    x = text(1, 400, 3)
    breaks = torch.tensor([True, False, False])
    keys, _ = context_keys(x, beginning(1, 3, None, x.device), 3, None, breaks)
    row = x[0].tolist()
    said: dict[tuple[Any, ...], set[int]] = {}
    for t in range(401):
        for order in range(4):
            context = (order, *row[t - order : t]) if t >= order else (order, "none")
            said.setdefault(context, set()).add(int(keys[0, t, order]))
        words = "".join("|" if i == 0 else str(i) for i in row[:t]).split("|")
        gap = t > 0 and row[t - 1] == 0
        done = [word for word in words[:-1] if word]
        if t:
            said.setdefault(("word", words[-1], gap), set()).add(int(keys[0, t, 4]))
            said.setdefault(("pair", words[-1], gap, *done[-1:]), set()).add(int(keys[0, t, 5]))
            said.setdefault(("triple", words[-1], gap, *done[-2:]), set()).add(int(keys[0, t, 6]))
    assert all(len(found) == 1 for found in said.values())
    present = [next(iter(found)) for context, found in said.items() if context[-1] != "none"]
    assert len(present) == len(set(present)), "two contexts share a key"
    assert all(found == {ABSENT} for context, found in said.items() if context[-1] == "none")


def test_a_stop_ends_the_context() -> None:
    x = torch.tensor([[0, 1, 2, 1, 0], [1, 1, 2, 1, 0]])
    keys, _ = context_keys(x, beginning(2, 4, 2, x.device), 4, 2)
    alone, _ = context_keys(x[:, 3:], beginning(2, 4, 2, x.device), 4, 2)
    assert torch.equal(keys[:, 3:], alone)
    assert not torch.equal(keys[0, :2], keys[1, :2])


def test_counts_are_those_of_a_dictionary_and_merge() -> None:
    noise = Noise(2, 300)
    keys, ids = noise.integers(20, (2,), "keys"), noise.integers(6, (), "ids")
    keys[:, 1] += 1000
    table = count(keys, ids)
    truth: dict[tuple[int, int], int] = {}
    for row, one in zip(keys.tolist(), ids.tolist(), strict=True):
        for key in row:
            truth[key, one] = truth.get((key, one), 0) + 1
    asked = torch.tensor([*range(25), *range(1000, 1025)])
    question, found, many = table.spread(asked)
    assert {(int(asked[q]), int(i)): int(n) for q, i, n in zip(question, found, many, strict=True)} == truth
    both = merge(count(keys[:100], ids[:100]), merge(empty(), count(keys[100:], ids[100:])))
    assert same(both, table)
    own, total, distinct = lookup(table, asked, torch.full_like(asked, 3))
    for i, key in enumerate(asked.tolist()):
        mine = {one: n for (k, one), n in truth.items() if k == key}
        assert (own[i], total[i], distinct[i]) == (mine.get(3, 0), sum(mine.values()), len(mine))


def same(one: Counts, other: Counts) -> bool:
    pairs = zip((one.keys, one.first, one.ids, one.counts), (other.keys, other.first, other.ids, other.counts), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_kneser_ney_counts_by_hand() -> None:
    # "abab" without a beginning: pairs (a,b) twice, (b,a) once; the first a stands after nothing
    x = torch.tensor([[0, 1, 0, 1]])
    keys = context_keys(x, beginning(1, 1, None, x.device), 1, None)[0][0, :-1]
    table = kneser_ney(empty(), keys, x[0])
    after_a = table.spread(keys[1:2, 1])
    assert after_a[1].tolist() == [1]
    assert after_a[2].tolist() == [2]
    # order 0: b stood after one id (a); a after one (b), and once at the beginning
    _, ids, counts = table.spread(torch.zeros(1, dtype=torch.int64))
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {0: 2, 1: 1}
    # in parts as at once
    parts = kneser_ney(kneser_ney(empty(), keys[:2], x[0, :2]), keys[2:], x[0, 2:])
    assert same(parts, table)


def test_discounts_are_chen_and_goodmans() -> None:
    counts = torch.tensor([1] * 40 + [2] * 20 + [3] * 10 + [4] * 5 + [9] * 7)
    y = 40 / 80
    expected = [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 5 / 10]
    assert discounts(counts).tolist() == pytest.approx(expected)
    assert discounts(counts[:3]).tolist() == [0, 0.5, 0.5, 0.5]


def test_breaks_are_found_where_words_are() -> None:
    noise = Noise(4, 60)
    length = noise.integers(6, (), "length") + 2
    words = [row[:n] for row, n in zip((noise.integers(8, (8,), "letter") + 1).tolist(), length.tolist(), strict=True)]
    draws = Noise(5, 6000).integers(60, (), "word").tolist()
    row = torch.tensor([i for draw in draws for i in (*words[draw], 0)])
    x = row[: len(row) // 64 * 64].view(-1, 64)
    found = find_breaks(x, torch.ones_like(x, dtype=torch.bool), 9, None)
    assert found.nonzero()[:, 0].tolist() == [0]
    assert not bool(find_breaks(x[:4], torch.ones_like(x[:4], dtype=torch.bool), 9, None).any())


# --- context mixing


def markov_text(n: int, length: int) -> tuple[Tensor, float, float]:
    """(windows, true nats an id, unigram nats) of a chain of order 2 over 6 ids."""
    power = np.random.default_rng(3).dirichlet(np.full(6, 0.25), size=(6, 6))
    u = np.random.default_rng(4).random(n * length + 2)
    ids = np.zeros(n * length + 2, dtype=np.int64)
    edges = power.cumsum(-1)
    for t in range(2, len(ids)):
        ids[t] = min(5, int(np.searchsorted(edges[ids[t - 2], ids[t - 1]], u[t])))
    true = -float(np.log(power[ids[:-2], ids[1:-1], ids[2:]]).mean())
    share = np.bincount(ids[2:], minlength=6) / (len(ids) - 2)
    return torch.from_numpy(ids[2:].reshape(n, length)), true, -float((share[share > 0] * np.log(share[share > 0])).sum())


@pytest.fixture(scope="module")
def chain() -> tuple[Tensor, float, float]:
    return markov_text(1600, 32)


@pytest.mark.parametrize(("name", "least"), [("context-mixing", 0.94), ("ngram", 0.95), ("markov", 0.2), ("hmm", 0.2)])
def test_share_of_the_way_to_the_entropy(name: str, least: float, chain: tuple[Tensor, float, float]) -> None:
    x, true, unigram = chain
    values: dict[str, Any] = {"states": 12} if name == "hmm" else {}
    model = learn(make(name, Tokens((32,), 6), **values), x[:1200], passes=12, batch=400)
    nats = float(model.surprise(x[1200:].reshape(1, -1)).mean()) if name != "hmm" else float(model.surprise(x[1200:]).mean())
    assert least < (unigram - nats) / (unigram - true) < 1.02


@pytest.mark.parametrize("vocab", [6, 300])
def test_leaving_out_is_counting_without(vocab: int) -> None:
    x = text(80, 10, vocab, vocab - 1)
    model = learn(make("context-mixing", Tokens((10,), vocab, vocab - 1)), x)
    log_probs, features = model.expert_log_probs(x[:20], without=True)
    assert log_probs.shape == (20, 10, vocab)
    assert features.shape == (20, 10, model.confidences)
    keys = model._keys(x[20:])
    rest = count(keys, x[20:], live(model.spec, x[20:]))
    kept = model.discount.clone()
    model._keep(rest)
    model.discount.copy_(kept)
    again, same_features = model.expert_log_probs(x[:20])
    assert torch.allclose(log_probs, again, atol=1e-5)
    assert torch.allclose(features, same_features, atol=1e-5)
    assert torch.allclose(log_probs.exp().sum(2), torch.ones(20, 10), atol=1e-4)


def test_what_was_never_counted_can_be_left_out() -> None:
    model = learn(make("context-mixing", Tokens((10,), 6)), text(40, 10, 6))
    log_probs, _ = model.expert_log_probs(text(20, 10, 6, seed=9), without=True)
    assert torch.allclose(log_probs.exp().sum(2), torch.ones(20, 10), atol=1e-4)


def test_expert_log_probs_are_the_likelihood() -> None:
    x = text(40, 10, 6)
    model = learn(make("context-mixing", Tokens((10,), 6)), x)
    log_probs, _ = model.expert_log_probs(x)
    assert torch.allclose(-log_probs.gather(2, x[:, :, None])[:, :, 0], model.surprise(x), atol=1e-5)


def test_small_and_large_vocabularies_give_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    x = text(60, 12, 7)
    dense = learn(make("context-mixing", Tokens((12,), 7)), x)
    nats = dense.surprise(x)
    for room in ("morelike.maths.mixing.GRID", "morelike.families.counts.GRID"):
        monkeypatch.setattr(room, 2)
    assert torch.allclose(dense.surprise(x), nats, atol=1e-4)
    assert float(dense.log_prob(torch.tensor(list(itertools.product(range(7), repeat=4)))).exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module")
def mixer(chain: tuple[Tensor, float, float]) -> Any:
    return learn(make("context-mixing", Tokens((32,), 6), orders=4), chain[0][:300])


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 599))
def test_the_adaptive_code_never_looks_ahead(mixer: Any, at: int) -> None:
    ids = text(1, 600, 6, seed=2)[0]
    other = ids.clone()
    other[at:] = (other[at:] + 1 + torch.arange(600 - at) % 5) % 6
    assert torch.equal(mixer.adaptive(ids)[:at], mixer.adaptive(other)[:at])


def test_the_adaptive_code_learns_the_text_at_hand(mixer: Any) -> None:
    ids = text(1, 4000, 6, seed=2)[0]
    static, adaptive = mixer.surprise(ids[None])[0], mixer.adaptive(ids)
    assert torch.allclose(static[:128], adaptive[:128], atol=1e-5)
    assert float(adaptive[2000:].mean()) < float(static[2000:].mean()) - 0.2
    assert mixer.adaptive(ids[:0]).shape == (0,)


def test_one_long_row_is_scored_as_its_parts_with_their_past(mixer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = text(2, 700, 6, seed=8)
    whole = mixer.surprise(x)
    monkeypatch.setattr("morelike.families.counts._LINE", 100)
    monkeypatch.setattr("morelike.families.counts._MOST_NUMBERS", 500)
    assert torch.allclose(mixer.surprise(x), whole, atol=1e-5)


@pytest.mark.parametrize("name", ["context-mixing", "ngram"])
def test_counting_in_pieces_is_counting_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = text(60, 10, 5, 4)
    whole = learn(make(name, Tokens((10,), 5, 4)), x)
    monkeypatch.setattr("morelike.families.counts._AT_ONCE", 70)
    assert same(learn(make(name, Tokens((10,), 5, 4)), x).table, whole.table)


def test_counts_have_a_limit() -> None:
    model = make("context-mixing", Tokens((10,), 5), most=100)
    learn(model, text(80, 10, 5), batch=7)
    _, _, counts = model.table.spread(torch.zeros(1, dtype=torch.int64))
    assert int(counts.sum()) == 100
    assert len(model.text) == 0


def test_a_second_pass_adds_to_the_counts() -> None:
    x = text(40, 10, 5)
    model = make("context-mixing", Tokens((10,), 5))
    learn(learn(model, x[:20]), x[20:])
    keys = model._keys(x)
    assert same(model.table, count(keys, x))


# --- hidden Markov models


def brute_force(model: HMM, x: Tensor) -> tuple[list[float], list[tuple[int, ...]]]:
    """(log p(x), likeliest path) of each row, by going through all paths."""
    start, move, emit = model.start[-1].tolist(), model.move[-1].tolist(), model.emit[-1].tolist()
    alive = live(model.spec, x)
    nats, paths = [], []
    for row, mask in zip(x.tolist(), alive, strict=True):
        ids = row[: int(mask.sum())]
        total, best, path = 0.0, -1.0, ()
        for hidden in itertools.product(range(len(start)), repeat=len(ids)):
            p = start[hidden[0]] * emit[hidden[0]][ids[0]]
            for t in range(1, len(ids)):
                p *= move[hidden[t - 1]][hidden[t]] * emit[hidden[t]][ids[t]]
            total += p
            if p > best:
                best, path = p, hidden
        nats.append(math.log(total))
        paths.append(path)
    return nats, paths


@pytest.mark.parametrize("stop", [None, 0])
def test_hmm_against_all_paths(stop: int | None) -> None:
    spec = Tokens((6,), 4, stop)
    model = learn(make("hmm", spec), text(50, 6, 4, stop), passes=3)
    x = text(12, 6, 4, stop, seed=3)
    nats, paths = brute_force(model, x)
    assert model.log_prob(x).tolist() == pytest.approx(nats, abs=1e-4)
    found = model.states(x)
    assert found.shape == x.shape
    for row, path in zip(found.tolist(), paths, strict=True):
        assert tuple(row[: len(path)]) == path


def test_hmm_counts_are_the_posteriors_over_all_paths() -> None:
    spec = Tokens((4,), 3, 2)
    model = learn(make("hmm", spec, states=2), text(30, 4, 3, 2), passes=2)
    x = torch.tensor([[0, 1, 0, 2], [1, 2, 2, 2], [0, 0, 1, 1]])
    (learner,) = model.players()
    with torch.no_grad():
        learner.see(Batch(x, Noise(0, 3)))
    start, move, emit = (model.get_buffer(name)[0].numpy() for name in ("start", "move", "emit"))
    starts, moves, emits = np.zeros_like(start), np.zeros_like(move), np.zeros_like(emit)
    for row, mask in zip(x.tolist(), live(spec, x), strict=True):
        ids = row[: int(mask.sum())]
        weights_of = {}
        for hidden in itertools.product(range(2), repeat=len(ids)):
            p = start[hidden[0]] * emit[hidden[0], ids[0]]
            for t in range(1, len(ids)):
                p *= move[hidden[t - 1], hidden[t]] * emit[hidden[t], ids[t]]
            weights_of[hidden] = p
        total = sum(weights_of.values())
        for hidden, p in weights_of.items():
            starts[hidden[0]] += p / total
            for t, one in enumerate(ids):
                emits[hidden[t], one] += p / total
                if t:
                    moves[hidden[t - 1], hidden[t]] += p / total
    assert np.allclose(model.start_count[0].numpy(), starts)
    assert np.allclose(model.move_count[0].numpy(), moves)
    assert np.allclose(model.emit_count[0].numpy(), emits)


def test_hmm_never_loses_likelihood_from_pass_to_pass() -> None:
    x = text(80, 12, 5, 4)
    model = make("hmm", Tokens((12,), 5, 4), states=4)
    scores = []
    for _ in range(12):
        learn(model, x)
        scores.append(float(model.score[0]))
    assert all(b > a - 1e-4 for a, b in itertools.pairwise(scores))
    assert scores[-1] > scores[0] + 0.1


def test_hmm_finds_the_hidden_states_of_a_text_that_has_some() -> None:
    # two moods that last: even ids in one, odd ids in the other
    noise = Noise(1, 200)
    mood = (noise.uniform((40,), "switch") < 0.05).long().cumsum(1) % 2
    x = noise.integers(3, (40,), "id") * 2 + mood
    model = learn(make("hmm", Tokens((40,), 6), states=2), x, passes=30)
    found = model.states(x)
    agreement = float((found == mood).float().mean())
    assert max(agreement, 1 - agreement) > 0.99
    entropy = math.log(3) - 0.05 * math.log(0.05) - 0.95 * math.log(0.95)
    assert float(model.surprise(x)[:, 1:].mean()) == pytest.approx(entropy, abs=0.02)


@pytest.mark.parametrize("name", ["ngram", "markov", "hmm"])
def test_a_label_tells_which_way_the_ids_run(name: str) -> None:
    up = (torch.arange(12) + torch.arange(40)[:, None]) % 5
    x, label = torch.cat((up, up.flip(1))), torch.arange(80)[:, None] // 40
    values = {"states": 6} if name == "hmm" else {}
    model = learn(make(name, Tokens((12,), 5), LABELLED, **values), x, label, passes=30)
    right = model.surprise(x, {"label": label})[:, 1].mean()
    wrong = model.surprise(x, {"label": 1 - label})[:, 1].mean()
    blind = model.surprise(x)[:, 1].mean()
    assert float(right) < float(blind) - 0.1 < float(wrong) - 0.2


# --- the text that everyone knows


def shakespeare() -> Path:
    here = Path(os.environ.get("MORELIKE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    return here / "tinyshakespeare" / "input.txt"


@pytest.mark.skipif(not shakespeare().is_file(), reason="tiny-Shakespeare is not there")
def test_a_fifth_of_tiny_shakespeare() -> None:
    raw = shakespeare().read_text(encoding="utf-8")
    letters = {letter: i for i, letter in enumerate(sorted(set(raw)))}
    ids = torch.tensor([letters[letter] for letter in raw[:260_000]])
    train, test = ids[: 200_000 // 128 * 128].view(-1, 128), ids[-8_000:]
    mixing = learn(ContextMixing(Tokens((128,), 65), {}, settings=MixingSettings()), train, batch=256)
    ngram = learn(NGram(Tokens((128,), 65), {}, settings=NGramSettings()), train, batch=256)
    assert {letters[" "], letters["\n"]} <= set(mixing.breaks.nonzero()[:, 0].tolist())
    static, adaptive, baseline = mixing.surprise(test[None]).mean(), mixing.adaptive(test).mean(), ngram.surprise(test[None]).mean()
    assert adaptive < static < baseline < 1.9
    assert static < 1.75
