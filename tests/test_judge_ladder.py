"""The ladder on real digits: floors, ceilings, copiers, lost classes; and that odd input refuses in words, never crashes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from morelike.core.errors import BadInput, UnknownName
from morelike.judges.extractor import Extractor, raw_pca, raw_vectors
from morelike.judges.ladder import Evidence, Labelled, climb
from morelike.judges.scores import Classifier
from morelike.judges.verdict import gates, verdict

KEYS = {"value", "low", "high", "n", "floor", "floor_low", "floor_high", "ceiling", "ceiling_name", "better", "extractor"}


def copies(items: np.ndarray, count: int, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = items[rng.choice(len(items), count)].astype(float)
    return np.clip(drawn + noise * 16 * rng.standard_normal(drawn.shape), 0, 16).round().astype(items.dtype)


def independent(items: np.ndarray, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flat = items.reshape(len(items), -1)
    return np.stack([rng.choice(column, count) for column in flat.T], 1).reshape(count, *items.shape[1:])


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    digits = load_digits()
    order = np.random.default_rng(3).permutation(len(digits.target))
    items, labels = digits.images[order][..., None].astype(np.uint8), digits.target[order]
    train, holdout, fresh = slice(720, None), slice(0, 360), slice(360, 720)
    model = LogisticRegression(max_iter=100).fit(items[train].reshape(-1, 64) / 16, labels[train])
    sees = Classifier("logistic-0", lambda x: model.predict(x.reshape(len(x), -1) / 16), tuple("0123456789"))
    return Evidence(
        reference=Labelled(items[train], labels[train]),
        holdout=Labelled(items[holdout], labels[holdout]),
        generated=Labelled(items[fresh], labels[fresh]),
        baselines={"independent": Labelled(independent(items[train], 360, 0))},
        copiers={"bootstrap": Labelled(copies(items[train], 360, 0, 1)), "copy-noise": Labelled(copies(items[train], 360, 0.05, 2))},
        extractors=[raw_pca(items[train])],
        classifier=sees,
    )


@pytest.fixture(scope="module")
def honest(evidence: Evidence) -> dict[str, Any]:
    return climb(evidence)


def test_every_line_carries_all_that_a_reader_needs(honest: dict[str, Any]) -> None:
    assert honest["n"] == 360
    assert len(honest["scores"]) == 11
    for name, score in honest["scores"].items():
        assert set(score) == KEYS, name
        assert score["low"] <= score["value"] <= score["high"], name
        assert score["floor_low"] <= score["floor"] <= score["floor_high"], name
        assert score["n"] == 360
    json.dumps(honest, allow_nan=False)


def test_real_digits_meet_the_floor_and_independent_pixels_do_not(honest: dict[str, Any]) -> None:
    for name, score in honest["scores"].items():
        assert score["low"] <= score["floor_high"], name
        assert score["high"] >= score["floor_low"], name
        if score["ceiling"] is not None:
            better = score["value"] < score["ceiling"] if score["better"] == "lower" else score["value"] > score["ceiling"]
            assert better, name
            assert score["ceiling_name"] == "independent"
    assert honest["scores"]["kernel.raw-pca64"]["ceiling"] > 3 * honest["scores"]["kernel.raw-pca64"]["floor_high"]
    assert honest["scores"]["frechet.raw-pca64"]["ceiling"] > 5 * honest["scores"]["frechet.raw-pca64"]["floor"]
    assert "beats the best trivial model on all" in verdict(honest)
    assert "No sign of copying" in verdict(honest)


def test_scores_come_out_the_same_twice(evidence: Evidence, honest: dict[str, Any]) -> None:
    assert climb(evidence) == honest


def test_copiers_are_convicted_on_a_line_of_their_own(honest: dict[str, Any]) -> None:
    scores = honest["scores"]
    assert scores["copies"]["value"] < 0.06
    assert scores["copies"]["floor"] < 0.06
    for name in ("bootstrap", "copy-noise"):
        assert honest["copiers"][name]["copies"] > 0.98
        assert honest["copiers"][name]["memory"] > 0.98
        # On plain distances they stand at the floor: that's why they must set no bar.
        assert honest["copiers"][name]["frechet.raw-pca64"] < 1.2 * scores["frechet.raw-pca64"]["floor"]
    assert all(scores[name]["ceiling"] is None for name in ("copies", "memory", "diversity.raw-pca64"))


def test_a_model_that_copies_half_of_the_time_is_told_so(evidence: Evidence) -> None:
    made = evidence.generated.items.copy()
    made[::2] = copies(evidence.reference.items, 180, 0.05, 5)
    result = climb(replace(evidence, generated=Labelled(made)))
    assert result["scores"]["copies"]["value"] == pytest.approx(0.5, abs=0.05)
    assert result["scores"]["memory"]["value"] == pytest.approx(0.5, abs=0.25)
    assert "It copies training data" in verdict(result)
    assert len(result["pairs"]) == 12
    for pair in result["pairs"]:
        assert pair["copy"]
        assert pair["generated"] % 2 == 0
        gap = (made[pair["generated"]].astype(float) - evidence.reference.items[pair["training"]]) / 16
        assert np.linalg.norm(gap) == pytest.approx(pair["distance"], abs=1e-3)
        gap = (made[pair["generated"]].astype(float) - evidence.holdout.items[pair["heldout"]]) / 16
        assert np.linalg.norm(gap) == pytest.approx(pair["heldout_distance"], abs=1e-3)
    assert result["scores"]["label-accuracy"] == {"refused": "the samples were not drawn by label"}


def test_dropped_classes_are_named_and_lower_recall(evidence: Evidence, honest: dict[str, Any]) -> None:
    few = np.flatnonzero(np.asarray(evidence.generated.labels) < 5)
    made = np.resize(few, 360)
    result = climb(replace(evidence, generated=Labelled(evidence.generated.items[made], np.asarray(evidence.generated.labels)[made])))
    scores = result["scores"]
    assert scores["classes"]["value"] == pytest.approx(0.5, abs=0.06)
    assert scores["classes"]["low"] > scores["classes"]["floor_high"]
    assert scores["recall.raw-pca64"]["high"] < honest["scores"]["recall.raw-pca64"]["floor_low"]
    assert scores["coverage.raw-pca64"]["high"] < honest["scores"]["coverage.raw-pca64"]["floor_low"]
    assert {row["name"] for row in result["classes"] if row["lost"]} == set("56789")
    assert all(row["generated"] > row["real"] for row in result["classes"] if not row["lost"])
    assert "below half of their real share: 5, 6, 7, 8 and 9" in verdict(result)


def test_one_picture_a_class_is_seen_as_collapse(evidence: Evidence) -> None:
    labels = np.asarray(evidence.holdout.labels)
    first = np.array([np.flatnonzero(labels == digit)[0] for digit in range(10)])
    asked = np.arange(360) % 10
    result = climb(replace(evidence, generated=Labelled(evidence.holdout.items[first[asked]], asked)))
    assert result["scores"]["diversity.raw-pca64"]["value"] < 0.2
    assert "mode collapse" in verdict(result)


def test_wrong_labels_are_seen(evidence: Evidence, honest: dict[str, Any]) -> None:
    shifted = climb(replace(evidence, generated=Labelled(evidence.generated.items, (np.asarray(evidence.generated.labels) + 1) % 10)))
    assert honest["scores"]["label-accuracy"]["value"] > 0.9
    assert honest["scores"]["label-accuracy"]["floor"] > 0.9
    assert shifted["scores"]["label-accuracy"]["high"] < 0.1


def test_a_trivial_model_that_wins_is_named(evidence: Evidence) -> None:
    swapped = replace(evidence, generated=evidence.baselines["independent"], baselines={"gaussian": evidence.generated})
    assert "A trivial model wins" in verdict(climb(swapped))
    assert "(gaussian)" in verdict(climb(swapped))


@pytest.mark.parametrize("n", [0, 1, 2, 19, 60])
def test_too_few_items_refuse_with_the_number_and_the_rest_works(evidence: Evidence, n: int) -> None:
    held = Labelled(evidence.holdout.items[:n], np.asarray(evidence.holdout.labels)[:n])
    result = climb(replace(evidence, holdout=held))
    json.dumps(result, allow_nan=False)
    scores = result["scores"]
    assert len(scores) == 11
    if n == 60:
        assert scores["frechet.raw-pca64"] == {"refused": "needs at least 128 held-out items, has 60"}
        assert scores["classes"] == {"refused": "needs at least 100 held-out items, has 60"}
        assert scores["kernel.raw-pca64"]["n"] == 60
        assert "2 of 11 scores refused" in verdict(result)
    else:
        assert all("refused" in score for score in scores.values())
        assert verdict(result).startswith("Nothing could be judged")


def test_tiny_training_split_refuses(evidence: Evidence) -> None:
    few = evidence.reference.items[:5]
    result = climb(replace(evidence, reference=Labelled(few), extractors=[raw_pca(few)]))
    json.dumps(result, allow_nan=False)
    assert result["scores"]["copies"] == {"refused": "needs at least 100 training items, has 5"}
    assert result["scores"]["recall.raw-pca64"] == {"refused": "needs at least 20 training items, has 5"}


def test_constant_pictures_refuse(evidence: Evidence) -> None:
    grey = Labelled(np.full((200, 8, 8, 1), 7, np.uint8))
    made = Labelled(evidence.generated.items)
    for generated in (grey, made):
        result = climb(Evidence(grey, grey, generated, {}, {}, [raw_pca(grey.items)]))
        json.dumps(result, allow_nan=False)
        assert result["scores"]["kernel.raw-pca64"] == {"refused": "the training items are all alike in these features"}
        assert result["scores"]["classes"] == {"refused": "needs class labels, and this data has none"}
    constant = climb(replace(evidence, generated=Labelled(np.full((360, 8, 8, 1), 7, np.uint8), np.zeros(360, np.int64))))
    json.dumps(constant, allow_nan=False)
    assert constant["scores"]["recall.raw-pca64"]["value"] == 0.0
    assert constant["scores"]["diversity.raw-pca64"]["value"] == 0.0


def test_one_class_refuses_what_needs_two(evidence: Evidence) -> None:
    result = climb(replace(evidence, classifier=Classifier("one", lambda x: np.zeros(len(x), np.int64), ("all",))))
    json.dumps(result, allow_nan=False)
    assert result["scores"]["classes"] == {"refused": "needs at least two classes"}
    assert result["scores"]["diversity.raw-pca64"]["value"] == pytest.approx(1.0, abs=0.1)
    assert result["classes"] == []


def test_features_that_are_not_finite_refuse(evidence: Evidence) -> None:
    broken = Extractor("broken", lambda x: np.where(x.reshape(len(x), -1)[:, :3] > 0, np.nan, 1.0))
    result = climb(replace(evidence, extractors=[*evidence.extractors, broken]))
    json.dumps(result, allow_nan=False)
    assert "not finite" in result["scores"]["kernel.broken"]["refused"]
    assert "value" in result["scores"]["kernel.raw-pca64"]


def test_kernel_distance_does_not_depend_on_the_units_of_the_features(evidence: Evidence, honest: dict[str, Any]) -> None:
    raw = evidence.extractors[0]
    moved = climb(replace(evidence, extractors=[Extractor("moved", lambda x: 50 * raw(x) + 3, cheap=True)]))
    ours, theirs = moved["scores"]["kernel.moved"], honest["scores"]["kernel.raw-pca64"]
    for key in ("value", "low", "floor", "ceiling"):
        assert ours[key] == pytest.approx(theirs[key], abs=1e-4)


def test_vectors_climb_without_a_classifier() -> None:
    rng = np.random.default_rng(0)
    angle = rng.integers(0, 8, 2600) * np.pi / 4
    ring = (np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.standard_normal((2600, 2))).astype(np.float32)
    one, gaussian = ring[1600:2100].copy(), rng.standard_normal((500, 2)).astype(np.float32) * ring.std(0)
    train, held, baselines = Labelled(ring[:1600]), Labelled(ring[1600:2100]), {"gaussian": Labelled(gaussian)}
    result = climb(Evidence(train, held, Labelled(ring[2100:]), baselines, {}, [raw_vectors(train.items)]))
    json.dumps(result, allow_nan=False)
    assert result["scores"]["precision.raw"]["value"] > 0.9
    assert result["baselines"]["gaussian"]["precision.raw"] < 0.5
    assert result["scores"]["recall.raw"]["value"] > 0.9
    one[:] = one[0] + 0.05 * rng.standard_normal(one.shape)
    lost = climb(Evidence(train, held, Labelled(one), baselines, {}, [raw_vectors(train.items)]))
    assert lost["scores"]["recall.raw"]["value"] < 0.2


def test_sets_that_do_not_fit_are_refused_in_words(evidence: Evidence) -> None:
    with pytest.raises(BadInput, match="shape"):
        climb(replace(evidence, generated=Labelled(evidence.generated.items[:, :4])))
    with pytest.raises(BadInput, match="small set has 3 items"):
        climb(replace(evidence, baselines={"small": Labelled(evidence.generated.items[:3])}))
    with pytest.raises(BadInput, match="labels"):
        climb(replace(evidence, generated=Labelled(evidence.generated.items, np.zeros(3, np.int64))))
    with pytest.raises(BadInput, match="class id"):
        climb(replace(evidence, classifier=Classifier("odd", lambda x: np.full(len(x), 12), tuple("0123456789"))))


def test_gates_honour_the_direction_of_a_score(honest: dict[str, Any]) -> None:
    scores = {**honest["scores"], "missing": {"refused": "needs at least 50 held-out items, has 3"}}
    assert gates(scores, ["kernel.raw-pca64=0.02", "recall.raw-pca64=0.5"]) == []
    failed = gates(scores, ["frechet.raw-pca64=0.0001", "recall.raw-pca64=1.1", "missing=1"])
    assert [sentence.split()[0] for sentence in failed] == ["frechet.raw-pca64", "recall.raw-pca64", "missing"]
    assert "at most" in failed[0]
    assert "at least" in failed[1]
    with pytest.raises(UnknownName, match=r"did you mean 'kernel\.raw-pca64'"):
        gates(scores, ["kernal.raw-pca64=1"])
    for gate in ("kernel.raw-pca64", "kernel.raw-pca64=low", "kernel.raw-pca64=nan"):
        with pytest.raises(BadInput, match="SCORE=NUMBER"):
            gates(scores, [gate])


def test_a_memory_above_the_floor_is_a_sign_even_where_copies_are_few(honest: dict[str, Any]) -> None:
    scores = {name: dict(score) for name, score in honest["scores"].items()}
    scores["memory"] |= {"value": 0.85, "low": 0.5, "high": 1.0}
    said = verdict({**honest, "scores": scores})
    assert "A sign of copying" in said
    assert "memory is 0.85" in said
    assert "No sign" not in said
