"""Decoding: dials against hand-made values, draws against the exact distribution, streams, beams against enumeration."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from morelike.core.abilities import Condition, Continues
from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Tokens, live
from morelike.maths.decoding import DIALS, Dials, cut_at, decode, dialled, pick, stream, weigh


@dataclass(frozen=True)
class Last:
    """The last two ids of every row (V for none) and its condition."""

    ids: Tensor
    label: Tensor

    def rows(self, index: Tensor) -> Last:
        return Last(self.ids[index], self.label[index])


class Markov(Continues):
    """A random Markov chain of order 2 over `vocab` ids for each of three labels; it counts its calls."""

    def __init__(self, spec: Tokens, sharpness: float = 1.5) -> None:
        self.spec, self.calls = spec, 0
        vocab = spec.vocab
        self.table = sharpness * Noise(3, 3).normal((vocab + 1, vocab + 1, vocab), "table")

    def next(self, ids: Tensor, condition: Condition = None, state: Last | None = None) -> tuple[Tensor, Last]:
        self.calls += 1
        if state is None:
            label = torch.zeros(len(ids), dtype=torch.int64) if condition is None else condition["label"][:, 0]
            state = Last(torch.full((len(ids), 2), self.spec.vocab), label)
        last = torch.cat((state.ids, ids), 1)[:, -2:]
        return self.table[state.label, last[:, 0], last[:, 1]], Last(last, state.label)

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        parts, state, new = [], None, x[:, :0]
        for place in range(x.shape[1]):
            logits, state = self.next(new, condition, state)
            new = x[:, place : place + 1]
            parts.append(-torch.log_softmax(logits, 1).gather(1, new)[:, 0])
        return torch.stack(parts, 1) * live(self.spec, x)


def every(spec: Tokens) -> Tensor:
    """(N,T) all sequences of a Spec, each once: after the first stop all is stop."""
    x = torch.tensor(list(itertools.product(range(spec.vocab), repeat=spec.shape[0])))
    return x if spec.stop is None else x[(live(spec, x) | (x == spec.stop)).all(1)]


SPEC = Tokens((4,), vocab=4, stop=0)
RUNNING = Tokens((4,), vocab=3)


def labels(batch: int) -> dict[str, Tensor]:
    return {"label": torch.arange(batch)[:, None] % 3}


# --- dials ---------------------------------------------------------------------------------------------------------------

PROBS = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()


@pytest.mark.parametrize(
    ("dials", "expected"),
    [
        (Dials(), [0.5, 0.25, 0.125, 0.125]),
        (Dials(temperature=0.5), [16 / 22, 4 / 22, 1 / 22, 1 / 22]),
        (Dials(temperature=0), [1, 0, 0, 0]),
        (Dials(top_k=2), [2 / 3, 1 / 3, 0, 0]),
        (Dials(top_k=3), [0.5, 0.25, 0.125, 0.125]),  # a tie with the last is kept
        (Dials(top_k=9), [0.5, 0.25, 0.125, 0.125]),
        (Dials(top_p=0.75), [2 / 3, 1 / 3, 0, 0]),
        (Dials(top_p=0.7), [2 / 3, 1 / 3, 0, 0]),
        (Dials(top_p=0.76), [0.5, 0.25, 0.125, 0.125]),
        (Dials(top_p=0.01), [1, 0, 0, 0]),
        (Dials(min_p=0.49), [2 / 3, 1 / 3, 0, 0]),
        (Dials(min_p=0.2), [0.5, 0.25, 0.125, 0.125]),
        (Dials(top_k=2, top_p=0.6), [1, 0, 0, 0]),  # after top-k the first has 2/3
        (Dials(temperature=0.5, min_p=0.2), [0.8, 0.2, 0, 0]),  # 4/16 is enough, 1/16 is not
    ],
)
def test_dials_give_the_distribution_worked_out_by_hand(dials: Dials, expected: list[float]) -> None:
    torch.testing.assert_close(torch.softmax(weigh(PROBS, dials), 1), torch.tensor([expected]).float(), atol=1e-6, rtol=0)


def test_repetition_penalty_raises_the_probability_of_seen_ids_to_a_power() -> None:
    seen = torch.tensor([[True, False, False, False], [False, False, True, False]])
    found = torch.softmax(weigh(PROBS.expand(2, -1), Dials(repetition_penalty=2.0), seen), 1)
    expected = torch.tensor([[0.25, 0.25, 0.125, 0.125], [0.5, 0.25, 0.015625, 0.125]])
    torch.testing.assert_close(found, expected / expected.sum(1, keepdim=True))


def test_what_is_forbidden_stays_forbidden_under_every_dial() -> None:
    forbidden = PROBS.masked_fill(torch.tensor([[True, False, False, True]]), -math.inf)
    for dials in (Dials(temperature=0), Dials(top_k=3), Dials(top_p=0.9999), Dials(min_p=0.01), Dials(temperature=3.0)):
        weights = weigh(forbidden, dials)
        assert weights[0, 0] == weights[0, 3] == -math.inf, dials
        assert weights[0, 1] > -math.inf, dials


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"temperature": -1.0}, "temperature"), ({"temperature": float("nan")}, "temperature"), ({"top_k": 1.5}, "whole number"),
        ({"top_p": 0.0}, "top_p"), ({"top_p": 1.1}, "top_p"), ({"min_p": 2}, "min_p"), ({"best_of": 0}, "best_of"),
        ({"beam": 0}, "beam"), ({"beam": True}, "beam"), ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"length_penalty": -0.1}, "length_penalty"), ({"beam": 2, "temperature": 0.5, "top_k": 3}, "temperature and top_k"),
    ],
)  # fmt: skip
def test_a_dial_out_of_its_range_is_refused_by_name(bad: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Dials(**bad)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Family(Dials):
    """Settings of a family that draws."""

    net: str = "gru"


def test_a_familys_settings_hold_dials_that_a_call_changes() -> None:
    held = Family(net="lstm", beam=3)
    assert dialled(held, {}) == Dials(beam=3)
    assert dialled(held, {"beam": 1, "top_k": 4}) == Dials(top_k=4)
    assert DIALS[0] == "temperature"
    assert "net" not in DIALS


# --- draws ---------------------------------------------------------------------------------------------------------------


def test_pick_inverts_the_distribution_function_and_skips_weight_zero() -> None:
    weights = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0]).log().expand(5, -1)
    uniform = torch.tensor([2**-24, 0.2499, 0.2501, 0.5, 1 - 2**-24])
    assert pick(weights, uniform).tolist() == [1, 1, 3, 3, 3]


@pytest.mark.parametrize("spec", [SPEC, RUNNING], ids=["stop", "running"])
def test_draws_follow_the_models_own_distribution(spec: Tokens) -> None:
    model, n = Markov(spec), 40_000
    whole = every(spec)
    probs = (-model.surprise(whole)).sum(1).exp()
    assert probs.sum().item() == pytest.approx(1, abs=1e-5)
    drawn = decode(model, spec, noise=Noise(0, n))
    code = (spec.vocab ** torch.arange(spec.shape[0])).long()
    keys, counts = (drawn * code).sum(1).unique(return_counts=True)
    expected = {int(key): float(p) * n for key, p in zip((whole * code).sum(1), probs, strict=True)}
    assert set(keys.tolist()) <= set(expected)
    seen = dict(zip(keys.tolist(), counts.tolist(), strict=True))
    likely = {key: e for key, e in expected.items() if e >= 20}
    chi = sum((seen.get(key, 0) - e) ** 2 / e for key, e in likely.items())
    assert chi < len(likely) + 5 * math.sqrt(2 * len(likely))


def test_after_the_first_stop_all_is_stop_and_the_model_is_not_asked_again() -> None:
    spec = Tokens((50,), vocab=3, stop=0)
    model = Markov(spec)
    drawn = decode(model, spec, noise=Noise(0, 8))
    assert ((drawn == 0) | live(spec, drawn)).all()
    lengths = live(spec, drawn).sum(1)
    assert lengths.max() < 50
    assert model.calls == lengths.max()


@pytest.mark.parametrize("dials", [Dials(), Dials(top_p=0.8, temperature=1.3), Dials(repetition_penalty=1.5, min_p=0.05), Dials(best_of=3)])
def test_a_row_never_depends_on_the_others(dials: Dials) -> None:
    model, noise = Markov(SPEC), Noise(4, 12)
    together = decode(model, SPEC, labels(12), noise=noise, dials=dials)
    rows = torch.tensor([9, 2, 5])
    alone = decode(model, SPEC, {"label": labels(12)["label"][rows]}, noise=noise[rows], dials=dials)
    assert together[rows].tolist() == alone.tolist()
    assert decode(model, SPEC, labels(30), noise=Noise(4, 30), dials=dials)[:12].tolist() == together.tolist()


@pytest.mark.parametrize("dials", [Dials(), Dials(top_k=2, temperature=0.7, repetition_penalty=1.2)])
@pytest.mark.parametrize("spec", [Tokens((300,), vocab=4), Tokens((40,), vocab=4, stop=0)], ids=["running", "stop"])
def test_streaming_equals_the_batch(spec: Tokens, dials: Dials) -> None:
    model, noise = Markov(spec), Noise(1, 5)
    for prefix in (None, torch.tensor([[1, 2], [3, 3], [2, 1], [1, 1], [3, 2]])):
        whole = decode(model, spec, labels(5), noise=noise, prefix=prefix, dials=dials)
        parts = list(stream(model, spec, labels(5), noise=noise, prefix=prefix, dials=dials))
        known = 0 if prefix is None else prefix.shape[1]
        found = torch.stack(parts, 1)
        assert found.tolist() == whole[:, known : known + found.shape[1]].tolist()
        if spec.stop is None:
            assert found.shape[1] == spec.shape[0] - known
        else:
            assert (whole[:, known + found.shape[1] :] == spec.stop).all()


def test_a_stream_goes_on_past_the_specs_length_and_a_longer_one_begins_alike() -> None:
    spec = Tokens((6,), vocab=4)
    model, noise = Markov(spec), Noise(1, 2)
    long = torch.stack(list(stream(model, spec, noise=noise, length=600)), 1)
    assert long.shape == (2, 600)
    assert long[:, :6].tolist() == decode(model, spec, noise=noise).tolist()
    assert len(list(stream(model, spec, noise=noise, prefix=long[:, :10], length=5))) == 5
    assert long[:, 256:512].tolist() != long[:, :256].tolist()


def test_a_stream_leaves_gradients_on_between_ids() -> None:
    for _ in stream(Markov(RUNNING), RUNNING, noise=Noise(0, 1)):
        assert torch.is_grad_enabled()


def test_a_prefix_is_kept_and_one_that_has_stopped_stays_so() -> None:
    prefix = torch.tensor([[2, 3], [0, 3]])
    drawn = decode(Markov(SPEC), SPEC, noise=Noise(0, 2), prefix=prefix)
    assert drawn[0, :2].tolist() == [2, 3]
    assert drawn[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (torch.ones(2, 5).long(), "shorten it"),
        (torch.ones(3, 1).long(), r"\(2, k\)"),
        (torch.full((2, 1), 9), r"0\.\.3"),
        (torch.ones(2, 1), "whole"),
    ],
)
def test_a_bad_prefix_is_refused(prefix: Tensor, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        decode(Markov(SPEC), SPEC, noise=Noise(0, 2), prefix=prefix)


def test_pictures_of_ids_and_streams_of_whole_choices_are_refused() -> None:
    with pytest.raises(BadInput, match="only sequences"):
        decode(Markov(SPEC), Tokens((2, 2), vocab=4), noise=Noise(0, 1))
    for dials in (Dials(beam=2), Dials(best_of=2)):
        with pytest.raises(BadInput, match="can't be streamed"):
            stream(Markov(SPEC), SPEC, noise=Noise(0, 1), dials=dials)
    with pytest.raises(BadInput, match="give a length"):
        stream(Markov(SPEC), SPEC, noise=Noise(0, 1), prefix=torch.ones(1, 9).long())


def test_best_of_keeps_the_likeliest_of_its_draws() -> None:
    model, noise, n = Markov(SPEC), Noise(2, 20), 4
    best = decode(model, SPEC, noise=noise, dials=Dials(best_of=n))
    draws = [decode(model, SPEC, noise=noise)] + [decode(model, SPEC, noise=noise.under("best", j)) for j in range(1, n)]
    scores = torch.stack([-model.surprise(x).sum(1) for x in draws])
    torch.testing.assert_close(-model.surprise(best).sum(1), scores.max(0).values)
    assert (scores.max(0).values > scores[0]).any()


def test_the_lowest_temperature_takes_the_likeliest_of_what_is_allowed() -> None:
    log_probs = torch.tensor([[-torch.inf, -3.0, -2.0, -2.5], [-1e4, -torch.inf, -1e4, -1e4 - 1]])
    weights = weigh(log_probs, Dials(temperature=1e-40))
    assert torch.allclose(weights.softmax(1), torch.tensor([[0, 0, 1.0, 0], [0.5, 0, 0.5, 0]]))
    assert bool((weights[log_probs == -torch.inf] == -torch.inf).all())


def test_temperature_zero_is_greedy() -> None:
    model = Markov(SPEC)
    drawn = decode(model, SPEC, labels(3), noise=Noise(0, 3), dials=Dials(temperature=0))
    new, state = drawn[:, :0], None
    for place in range(4):
        logits, state = model.next(new, labels(3), state)
        new = drawn[:, place : place + 1]
        ended = (drawn[:, :place] == 0).any(1)
        assert ((new[:, 0] == logits.argmax(1)) | ended).all()


@pytest.mark.parametrize(("stops", "expected"), [(["\n"], "a. b"), ([".", "\n"], "a"), (["x"], "a. b\nc"), ([""], "a. b\nc")])
def test_stop_strings_cut_before_the_first_of_them(stops: list[str], expected: str) -> None:
    assert cut_at("a. b\nc", stops) == expected


# --- beams ---------------------------------------------------------------------------------------------------------------


def by_enumeration(model: Markov, spec: Tokens, label: int, alpha: float, prefix: Tensor) -> tuple[Tensor, float]:
    """The best sequence that begins with prefix (k,), and its score."""
    whole, known = every(spec), len(prefix)
    whole = whole[(whole[:, :known] == prefix).all(1)]
    nats = -model.surprise(whole, {"label": torch.full((len(whole), 1), label)})[:, known:].sum(1)
    lengths = live(spec, whole)[:, known:].sum(1)
    scores = nats / ((5 + lengths) / 6) ** alpha
    return whole[scores.argmax()], float(scores.max())


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("spec", [SPEC, RUNNING], ids=["stop", "running"])
def test_a_beam_as_wide_as_all_sequences_is_exact(spec: Tokens, alpha: float) -> None:
    model = Markov(spec, sharpness=0.7)
    dials = Dials(beam=100, length_penalty=alpha)
    for prefix in (torch.zeros(3, 0).long(), torch.tensor([[1], [2], [2]])):
        found = decode(model, spec, labels(3), noise=Noise(0, 3), prefix=prefix, dials=dials)
        for row in range(3):
            assert found[row].tolist() == by_enumeration(model, spec, row, alpha, prefix[row])[0].tolist()


def test_narrow_beams_never_claim_more_than_the_best_and_wide_ones_reach_it() -> None:
    spec = Tokens((5,), vocab=4, stop=0)
    model = Markov(spec, sharpness=0.7)
    scores = []
    for width in (2, 4, 16, 300):
        found = decode(model, spec, labels(3), noise=Noise(0, 3), dials=Dials(beam=width, length_penalty=0.0))
        scores.append(-model.surprise(found, labels(3)).sum(1))
    best = torch.tensor([by_enumeration(model, spec, row, 0.0, torch.zeros(0))[1] for row in range(3)])
    torch.testing.assert_close(scores[-1], best)
    assert all((score <= best + 1e-5).all() for score in scores)


def test_a_beam_ends_when_its_best_end_cannot_be_beaten() -> None:
    spec = Tokens((200,), vocab=4, stop=0)
    model = Markov(spec)
    found = decode(model, spec, noise=Noise(0, 2), dials=Dials(beam=3))
    assert model.calls < 60
    assert ((found == 0) | live(spec, found)).all()


def test_a_beam_keeps_a_prefix_that_has_stopped() -> None:
    found = decode(Markov(SPEC), SPEC, noise=Noise(0, 2), prefix=torch.tensor([[0], [2]]), dials=Dials(beam=3))
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found[1, 0] == 2


class Broken(Markov):
    """Its training went wrong: the third id has no probability that is a number."""

    def next(self, ids: Tensor, condition: Condition = None, state: Last | None = None) -> tuple[Tensor, Last]:
        logits, state = super().next(ids, condition, state)
        return (logits / 0 * 0 if self.calls == 3 else logits), state


@pytest.mark.parametrize("dials", [Dials(), Dials(beam=2)])
def test_probabilities_that_are_no_numbers_are_refused(dials: Dials) -> None:
    spec = Tokens((5,), vocab=4)
    with pytest.raises(Refused, match="no numbers"):
        decode(Broken(spec), spec, {"label": torch.zeros(2, 1, dtype=torch.int64)}, noise=Noise(0, 2), dials=dials)
