"""Judging of text: golden values, planted faults that scores must see, the ladder end to end, and the page."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.core.spec import Tokens
from morelike.data.loader import Dataset
from morelike.families.baseline import CopyNoise
from morelike.house.judging import fit_by_passes
from morelike.judges import pairs as paired
from morelike.judges.ladder import Evidence, Labelled, climb
from morelike.judges.likelihood import ADAPTIVE, Likelihood, likelihood_scores
from morelike.judges.pairs import (
    Pairs,
    by_source,
    common,
    first_sentence,
    overlap_scores,
    rouge,
    rouge_scores,
    rouge_tokens,
    trivial_outputs,
)
from morelike.judges.report import NearestPair, ReportData, Stage, render
from morelike.judges.report_ladder import wording
from morelike.judges.report_text import Writing, marked, plain, shared_span
from morelike.judges.scores import Shown
from morelike.judges.text_codes import Units, grams, points, some_of
from morelike.judges.text_features import ngram_classifier, ngram_roots, raw_ngrams
from morelike.judges.text_scores import VarietyScores, self_bleu
from morelike.judges.text_spans import Spans
from morelike.judges.verdict import verdict

HOSTILE = '<script>alert("x")</script> & </pre>'
NOUNS = (
    "dog", "cat", "bird", "fish", "tree", "house", "river", "stone", "road", "cloud",
    "king", "queen", "child", "horse", "ship", "sword", "night", "day", "song", "door",
)  # fmt: skip
VERBS = ("sees", "hears", "likes", "finds", "hides", "takes", "gives", "breaks", "loses", "wants", "meets", "leaves")
PLACES = ("forest", "city", "garden", "valley", "tower", "desert", "castle", "harbour", "market", "temple")


def sentences(count: int, seed: int, nouns: Sequence[str] = NOUNS) -> np.ndarray:
    """(count,) texts of three sentences of a small grammar."""
    draw = random.Random(seed)

    def one() -> str:
        subject, thing, place = draw.choice(nouns), draw.choice(nouns), draw.choice(PLACES)
        return f"The {subject} {draw.choice(VERBS)} the {thing} {draw.choice(('in', 'near', 'behind'))} the {place}. "

    return texts(["".join(one() for _ in range(3)).strip() for _ in range(count)])


def texts(items: list[str]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out


def shuffled(items: np.ndarray, seed: int = 0) -> np.ndarray:
    draw = random.Random(seed)
    return texts(["".join(draw.sample(item, len(item))) for item in items])


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    train, held, fresh = sentences(600, 0), sentences(200, 1), sentences(200, 2)
    labels = np.arange(600) % 2
    return Evidence(
        reference=Labelled(train),
        holdout=Labelled(held),
        generated=Labelled(fresh),
        baselines={"independent": Labelled(shuffled(fresh))},
        copiers={"bootstrap": Labelled(train[labels * 100 + np.arange(600) // 3][:200])},
        extractors=[raw_ngrams(train)],
        likelihoods={
            "model": Likelihood(np.full(200, 60.0), np.full(200, 100), np.full(200, 120)),
            "ngram": Likelihood(np.full(200, 90.0), np.full(200, 100), np.full(200, 120)),
            "markov": Likelihood(np.full(200, 150.0), np.full(200, 100), np.full(200, 120)),
        },
    )


@pytest.fixture(scope="module")
def honest(evidence: Evidence) -> dict[str, Any]:
    return climb(evidence)


# Codes and units


@given(st.lists(st.text(max_size=12), max_size=6))
def test_points_hold_every_character(items: list[str]) -> None:
    codes, starts = points(items)
    assert ["".join(map(chr, codes[a:b])) for a, b in pairwise(starts)] == items


@given(st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=5), st.integers(1, 4))
def test_equal_runs_have_equal_hashes_and_none_crosses_items(rows: list[list[int]], order: int) -> None:
    ids = np.array([unit for row in rows for unit in row], np.int64)
    item = np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int64)
    hashes, owner = grams(ids, item, order)
    runs = [(tuple(row[i : i + order]), n) for n, row in enumerate(rows) for i in range(len(row) - order + 1)]
    assert owner.tolist() == [n for _, n in runs]
    assert len(set(hashes.tolist())) == len({run for run, _ in runs})
    assert len({(run, h) for (run, _), h in zip(runs, hashes.tolist(), strict=True)}) == len({run for run, _ in runs})


def test_words_where_there_are_spaces_else_characters() -> None:
    english, chinese = Units.of(["The cat sat."]), Units.of(["人之初，性本善。", "性相近，习相远。\n"])
    assert (english.name, chinese.name) == ("words", "characters")
    assert english.lists("Don't stop, naïve हिन्दी “3.5”") == ["Don", "'", "t", "stop", ",", "naïve", "हिन्दी", "“", "3", ".", "5", "”"]
    assert chinese.lists("性 本\n善") == ["性", "本", "善"]


def test_a_bounded_part_of_the_training_text_is_taken_in_whole_items() -> None:
    items = ["x" * 10] * 50
    assert len(some_of(items, 95, 0)) == 9
    assert some_of(["y" * 100], 5, 0) == ["y" * 100]


# Features


def test_rows_have_norm_one_and_know_nothing_of_their_neighbours() -> None:
    items = texts(["The cat sat on the mat.", "猫坐在垫子上。", "", "a"])
    rows = ngram_roots(items)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(rows[:1], ngram_roots(items[:1]))
    assert float(rows[0] @ ngram_roots(["The cat sat on a mat."])[0]) > 0.8
    assert float(rows[0] @ rows[1]) < 0.2


def test_extractor_is_bounded_named_and_sees_order() -> None:
    train = sentences(300, 0)
    extractor = raw_ngrams(train)
    assert (extractor.name, extractor.cheap) == ("raw-ngrams64", True)
    x, mixed = extractor(train), extractor(shuffled(train))
    assert x.shape == (300, 64)
    np.testing.assert_allclose(extractor(train[7:9]), x[7:9], atol=1e-5)
    assert min(np.linalg.norm(mixed[:, None] - x, axis=2).min(1)) > max(np.sort(np.linalg.norm(x[:, None] - x, axis=2))[:, 3])
    with pytest.raises(BadInput, match="2 training items"):
        raw_ngrams(train[:1])


def test_classifier_of_texts_is_right_on_texts_it_has_not_seen() -> None:
    first, second = sentences(200, 0, NOUNS[:10]), sentences(200, 1, NOUNS[10:])
    made = ngram_classifier("toy", np.concatenate([first, second]), np.repeat([0, 1], 200), ("a", "b"))
    assert made is not None
    assert made.name == "toy-ngram-logistic"
    asked = np.concatenate([sentences(100, 2, NOUNS[:10]), sentences(100, 3, NOUNS[10:])])
    assert (made(asked) == np.repeat([0, 1], 100)).mean() > 0.95
    assert ngram_classifier("toy", first, np.zeros(200, np.int64), ("a", "b")) is None


# Golden values


def brute_span(item: str, training: list[str]) -> int:
    spans = ((i, j) for i in range(len(item)) for j in range(i + 1, len(item) + 1))
    return max((j - i for i, j in spans if any(item[i:j] in text for text in training)), default=0)


@given(st.lists(st.text("ab", max_size=40), min_size=1, max_size=4), st.lists(st.text("abc文", max_size=24), min_size=1, max_size=4))
def test_longest_span_is_that_of_a_search(training: list[str], items: list[str]) -> None:
    items = [*items, training[0][2:20]]
    assert Spans(training).longest(items).tolist() == [brute_span(item, training) for item in items]


def test_self_bleu_is_sacrebleus_sentence_bleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    draw = random.Random(0)
    for letters in ("ab", "abcd", "abcdefgh"):
        items = [" ".join(draw.choices(letters, k=draw.randint(0, 14))) for _ in range(9)]
        expected = [metric.sentence_score(items[i], items[:i] + items[i + 1 :]).score / 100 for i in range(len(items))]
        np.testing.assert_allclose(self_bleu(*Units(words=True).flat(items), len(items)), expected, atol=1e-9)


def test_distinct_novelty_and_their_units_by_hand() -> None:
    scores = VarietyScores(texts(["a b c d e", "f g h i j"]), 0)
    assert scores.extractor == "words"
    made = texts(["a b c d", "a b c d", "z b c d e"])
    measured = scores.measure(Shown("baseline", np.arange(3), {}, items=made))
    # bigrams: ab bc cd twice, zb bc cd de: 10 in all, 5 different; 4-grams: abcd (known) twice, zbcd (new), bcde (known)
    assert measured["distinct-2"].value == pytest.approx(5 / 10)
    assert measured["novelty"].value == pytest.approx(1 / 4)
    assert "distinct-2" not in scores.measure(Shown("baseline", np.arange(2), {}, items=texts(["", "a"])))


def test_rouge_by_hand() -> None:
    # Lin 2004, section 3: "police killed the gunman" against two orders of the same words
    reference = rouge_tokens("police killed the gunman")
    assert rouge(rouge_tokens("Police kill the gunman!"), reference) == pytest.approx((3 / 4, 1 / 3, 3 / 4))
    assert rouge(rouge_tokens("the gunman kill police"), reference) == pytest.approx((3 / 4, 1 / 3, 2 / 4))
    assert rouge([], reference) == (0, 0, 0)
    assert rouge_tokens("Ünïcode_3, x") == ["ünïcode", "3", "x"]
    assert rouge_tokens("性本 善", words=False) == ["性", "本", "善"]


@given(st.text("abc", max_size=10), st.text("abc", max_size=10))
def test_longest_common_subsequence_is_that_of_the_table(first: str, second: str) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert common(list(first), list(second)) == table[-1][-1]


# Pairs


def some_pairs(outputs: list[str]) -> Pairs:
    sources = [f"Quelle Nummer {i}. Und mehr." for i in range(30)]
    references = [[f"This is source number {i} here."] + ([f"Here we see source {i} again."] if i % 2 else []) for i in range(30)]
    targets = [each[0] for each in references]
    return Pairs(outputs, references, trivial_outputs(sources, sources[::3], targets[::3]), "beam 4")


def test_bleu_and_chrf_are_sacrebleus_with_its_signature() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    made = some_pairs([f"This is {'a' if i % 3 else ''} source number {i} here." for i in range(30)])
    ready = overlap_scores(made)
    streams = [[each[0] for each in made.references], [each[1] if len(each) > 1 else None for each in made.references]]
    assert ready.own["bleu"].value == pytest.approx(sacrebleu.BLEU().corpus_score(made.outputs, streams).score)
    assert ready.own["chrf"].value == pytest.approx(sacrebleu.CHRF().corpus_score(made.outputs, streams).score)
    signature = ready.more["bleu"]["signature"]
    assert re.fullmatch(r"nrefs:var\|bs:200\|seed:\d+\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:[\d.]+", signature)
    assert set(ready.baselines) == {"copy-source", "lead-1", "nearest"}
    assert ready.own["bleu"].low < ready.own["bleu"].value < ready.own["bleu"].high  # type: ignore[operator]


def test_without_sacrebleu_the_score_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(Refused, match=r"pip install 'morelike\[text\]'"):
        overlap_scores(some_pairs(["x"] * 30))


def test_right_answers_beat_trivial_ones_and_a_second_reference_counts() -> None:
    ready = rouge_scores(some_pairs([f"Here we see source {i} again." if i % 2 else f"This is source number {i} here." for i in range(30)]))
    assert {name: measure.value for name, measure in ready.own.items()} == {"rouge-1": 1.0, "rouge-2": 1.0, "rouge-l": 1.0}
    assert max(ready.baselines["nearest"].values()) < 1
    with pytest.raises(Refused, match="at least 20 different held-out sources, has 3"):
        rouge_scores(Pairs(["a"] * 3, [["a"]] * 3))


def test_sources_are_grouped_and_trivial_answers_are_what_they_say() -> None:
    assert by_source(["a", "b", "a"], ["1", "2", "3"]) == ([0, 1], [["1", "3"], ["2"]])
    assert [first_sentence(text) for text in ("A dog. A cat.", "It is 3.5 m. So", "none", "你好。再见。", "")] == [
        "A dog.", "It is 3.5 m.", "none", "你好。", ""]  # fmt: skip
    found = trivial_outputs(["a black dog. x", "two cats"], ["two cats sit", "a black dog runs"], ["zwei", "schwarz"])
    assert found == {"copy-source": ["a black dog. x", "two cats"], "lead-1": ["a black dog.", "two cats"], "nearest": ["schwarz", "zwei"]}


def test_nearest_looks_through_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "_BLOCK", 3)
    training = [f"{noun} number" for noun in NOUNS]
    assert paired.nearest_targets(training[::-1], training, NOUNS) == list(NOUNS[::-1])


# Likelihood


def test_nats_are_totals_over_totals() -> None:
    nats, characters = np.array([10.0, 30.0, 5.0, 7.0, 8.0]), np.array([10, 20, 5, 5, 10])
    ready = likelihood_scores({"model": Likelihood(nats, characters, 2 * characters, "bound")}, 0)
    assert ready.own["nats-per-character"].value == pytest.approx(60 / 50)
    assert ready.own["nats-per-byte"].value == pytest.approx(60 / 100)
    assert ready.extractor == "log-likelihood, bound"
    assert ADAPTIVE not in ready.rules
    adapted = likelihood_scores({"model": Likelihood(nats, characters, 2 * characters, adaptive=nats / 2)}, 0)
    assert adapted.own[ADAPTIVE].value == pytest.approx(30 / 50)
    assert not adapted.rules[ADAPTIVE].bar
    with pytest.raises(Refused, match="this family has none"):
        likelihood_scores({"ngram": Likelihood(nats, characters, characters)}, 0)
    with pytest.raises(Refused, match="no finite number"):
        likelihood_scores({"model": Likelihood(nats * np.inf, characters, characters)}, 0)


# The ladder


def test_real_texts_meet_the_floor_and_beat_what_is_trivial(honest: dict[str, Any]) -> None:
    json.dumps(honest, allow_nan=False)
    scores = honest["scores"]
    refused = {name for name, score in scores.items() if "refused" in score}
    assert refused == {"classes", "label-accuracy"}
    for name in scores.keys() - refused - {"nats-per-character", "nats-per-byte"}:
        assert scores[name]["low"] <= scores[name]["floor_high"], name
        assert scores[name]["high"] >= scores[name]["floor_low"], name
        assert scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"], name
    assert scores["kernel.raw-ngrams64"]["ceiling"] > 10 * scores["kernel.raw-ngrams64"]["floor_high"]
    assert scores["precision.raw-ngrams64"]["ceiling"] is None
    assert (scores["nats-per-byte"]["value"], scores["nats-per-byte"]["ceiling"], scores["nats-per-byte"]["floor"]) == (0.5, 0.75, None)
    said = verdict(honest)
    assert "beats the best trivial model on all" in said
    assert "costs it 0.600 nats per character; the best trivial model (ngram) costs 0.900" in said
    assert "No sign of copying" in said
    assert "It repeats" not in said


def test_every_score_of_texts_is_worded_and_documented(honest: dict[str, Any]) -> None:
    page = (Path(__file__).parents[1] / "docs/judging.md").read_text(encoding="utf-8")
    table = page.partition("## Scores of texts")[2]
    of_pairs = {name: {"better": "higher"} for name in ("bleu", "chrf", "rouge-1", "rouge-2", "rouge-l")}
    for name, score in {**honest["scores"], **of_pairs}.items():
        assert wording(name).group != "Other scores", name
        if "." in name or name in ("classes", "label-accuracy", "copies", "memory"):
            continue
        row = re.search(rf"^\|[^|]*`{name}`[^|]*\| (\w+)", table, re.MULTILINE)
        assert row is not None, name
        assert row[1] == score["better"], name


def test_copies_are_convicted(evidence: Evidence, honest: dict[str, Any]) -> None:
    made = evidence.generated.items.copy()
    made[:120] = evidence.reference.items[50:170]
    result = climb(replace(evidence, generated=Labelled(made)))
    scores, before = result["scores"], honest["scores"]
    assert scores["copies"]["value"] > 0.55
    assert scores["copied-span"]["low"] > scores["copied-span"]["floor_high"]
    assert scores["novelty"]["high"] < before["novelty"]["low"]
    assert "It copies training data" in verdict(result)
    assert "It repeats training text" in verdict(result)
    first = result["pairs"][0]
    assert made[first["generated"]] == evidence.reference.items[first["training"]]
    assert result["copiers"]["bootstrap"]["novelty"] == 0
    assert result["copiers"]["bootstrap"]["copied-span"] == pytest.approx(np.mean([len(t) for t in evidence.copiers["bootstrap"].items]))


def test_repetition_and_disorder_are_seen(evidence: Evidence, honest: dict[str, Any]) -> None:
    before = honest["scores"]
    one = climb(replace(evidence, generated=Labelled(evidence.generated.items[np.arange(200) % 4])))
    assert one["scores"]["self-bleu"]["low"] > before["self-bleu"]["floor_high"]
    assert one["scores"]["distinct-2"]["high"] < before["distinct-2"]["floor_low"]
    assert one["scores"]["diversity.raw-ngrams64"]["value"] < before["diversity.raw-ngrams64"]["low"]
    assert "more alike than real ones: self-BLEU" in verdict(one)
    noise = climb(replace(evidence, generated=Labelled(shuffled(evidence.holdout.items, 3))))["scores"]
    assert noise["kernel.raw-ngrams64"]["low"] > before["kernel.raw-ngrams64"]["floor_high"]
    assert noise["novelty"]["value"] > before["novelty"]["high"]
    assert noise["copied-span"]["high"] < before["copied-span"]["floor_low"]


def test_labels_of_texts_are_judged(evidence: Evidence) -> None:
    def two(count: int, seed: int) -> Labelled:
        items = [sentences(1, 1000 * seed + i, NOUNS[:10] if i % 2 else NOUNS[10:])[0] for i in range(count)]
        return Labelled(texts(items), np.arange(count) % 2)

    train, held, made = two(300, 1), two(100, 2), two(100, 3)
    seer = ngram_classifier("toy", train.items, np.asarray(train.labels), ("b", "a"))
    result = climb(Evidence(train, held, made, {}, {}, [raw_ngrams(train.items)], seer))
    assert result["scores"]["label-accuracy"]["value"] > 0.95
    assert result["scores"]["label-accuracy"]["extractor"] == "toy-ngram-logistic"
    swapped = climb(Evidence(train, held, Labelled(made.items, 1 - np.asarray(made.labels)), {}, {}, [raw_ngrams(train.items)], seer))
    assert swapped["scores"]["label-accuracy"]["value"] < 0.05


def test_pairs_stand_on_the_ladder(evidence: Evidence) -> None:
    pytest.importorskip("sacrebleu")
    result = climb(replace(evidence, pairs=some_pairs([f"This is source number {i} here." for i in range(30)])))
    score = result["scores"]["bleu"]
    assert (score["n"], score["floor"], score["better"], score["drawn"]) == (30, None, "higher", "beam 4")
    assert score["value"] > score["ceiling"] > 0
    assert score["ceiling_name"] == "nearest"
    assert set(result["baselines"]) == {"independent", "ngram", "markov", "copy-source", "lead-1", "nearest"}
    assert re.search(r"it reaches BLEU [\d.]+ \(the best trivial answer, nearest: [\d.]+\) and ROUGE-L", verdict(result))
    few = climb(replace(evidence, pairs=Pairs(["a"], [["b"]])))["scores"]
    assert few["rouge-l"] == {"refused": "needs at least 20 different held-out sources, has 1"}


def test_a_running_text_is_searched_whole_and_has_no_memory_score(evidence: Evidence) -> None:
    text = "".join(evidence.reference.items)
    across = texts([text[i * 97 + 60 : i * 97 + 160] for i in range(200)])
    apart = climb(replace(evidence, generated=Labelled(across)))["scores"]["copied-span"]["value"]
    result = climb(replace(evidence, generated=Labelled(across), training_texts=[text]))
    assert result["scores"]["copied-span"]["value"] == 100 > apart
    assert "another stretch" in result["scores"]["memory"]["refused"]


def test_odd_texts_refuse_or_score_but_never_crash(evidence: Evidence) -> None:
    for odd in (texts([""] * 200), texts(["\x00\ud800"] * 200), texts(["a"] * 200)):
        result = climb(replace(evidence, generated=Labelled(odd)))
        json.dumps(result, allow_nan=False)
        assert verdict(result)
    empty = climb(replace(evidence, generated=Labelled(texts([""] * 200))))["scores"]
    assert empty["distinct-2"]["refused"].startswith("no sample has two")
    with pytest.raises(BadInput, match="both be texts"):
        climb(replace(evidence, generated=Labelled(np.zeros((200,)))))
    few = climb(replace(evidence, holdout=Labelled(evidence.holdout.items[:5])))["scores"]
    assert few["copied-span"] == {"refused": "needs at least 20 held-out items, has 5"}


# Copies of ids with a little noise


@pytest.mark.parametrize("stop", [None, 9])
def test_copy_noise_replaces_some_ids_and_no_stops(stop: int | None) -> None:
    spec = Tokens((40,), vocab=10, stop=stop)
    x = np.random.default_rng(0).integers(0, 9, (30, 40))
    if stop is not None:
        for row, end in enumerate(np.random.default_rng(1).integers(5, 40, 30)):
            x[row, end:] = stop
    model = fit_by_passes(CopyNoise(spec, {}), Dataset(x))
    made = model.sample(noise=Noise(0, 400)).numpy()  # type: ignore[operator]
    different = (made[:, None] != x[None]).mean(2)
    nearest = different.argmin(1)
    assert 0 < different.min(1).mean() < 0.06
    assert different.min(1).max() < 0.25
    np.testing.assert_array_equal(made == (stop or -1), x[nearest] == (stop or -1))
    assert torch.equal(model.sample(noise=Noise(0, 400))[:7], model.sample(noise=Noise(0, 7)))  # type: ignore[operator]


# The page


def page_of(**changes: Any) -> str:
    pair = NearestPair(
        generated="the old king speaks", training="so the old king sang", distance=0.3, heldout="a queen", heldout_distance=0.6, copy=True
    )
    stages = [Stage(label="step 5", picture=(Writing(f"early {HOSTILE}"),) * 5)]
    data = ReportData(
        name="bard", kind="text", model="gru", title="bard", date="", version="0", verdict="Fine.", scores={},
        real=(Writing("\nline one\nline two", "cat"),), generated=(Writing(HOSTILE, HOSTILE), Writing("")), stages=stages, nearest=[pair],
    )  # fmt: skip
    return render(replace(data, **changes))


def test_texts_are_shown_as_text_and_escaped() -> None:
    page = page_of()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4  # generated, its line, and two texts of the stage
    assert '<pre class="text" dir="auto">\n\nline one\nline two</pre>' in page
    assert "(empty)" in page
    assert page.count("early ") == 2
    assert '<p class="about" dir="auto">cat</p>' in page


def test_the_longest_shared_span_is_marked() -> None:
    page = page_of()
    assert page.count("<mark>the old king s</mark>") == 2
    assert "training · distance 0.3, 14 characters shared" in page
    assert shared_span("xxabc", "abcyy") == (2, 0, 3)


@given(st.text(), st.integers(0, 30), st.integers(0, 30))
def test_marked_text_is_escaped_whatever_it_is(text: str, start: int, length: int) -> None:
    shown = marked(text, min(start, len(text)), min(length, max(0, len(text) - start)))
    assert not re.search(r"<(?!/?(pre|mark|p)\b)", shown)
    assert shown.count("<mark>") == shown.count("</mark>") <= 1


def test_long_texts_are_cut_around_what_is_marked() -> None:
    assert plain("x" * 5000).endswith("x…")
    shown = marked("a" * 1200 + "SPAN" + "b" * 200, 1200, 4)
    assert "<mark>SPAN</mark>" in shown
    assert shown.count("…") == 1
    assert len(shown) < 900
