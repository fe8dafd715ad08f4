"""Several models on the same scores: which differences are more than noise. Pure: cards' scores in, a table and sentences out.

Where two models' intervals come from the same resamples of the same items, the difference is taken within each resample: what both
share cancels. Else the two intervals are taken as independent. The training itself is not repeated: how another seed would have come
out is in no interval.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_Z = 1.96
_ENOUGH = ("copies", "memory", "closest-record", "copied-span", "self-bleu", "distinct-2", "novelty", "density", "diversity")
"""Scores, by their names' first parts, on which it is no merit to lie beyond real data: noise copies nothing and is varied."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A judged model."""

    name: str
    scores: Mapping[str, Mapping[str, Any]]
    """As the ladder gives them."""
    draws: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Score -> its values on the resamples."""
    seed: int = 0
    """Of the resamples."""


def compared(contenders: Sequence[Contender]) -> dict[str, Any]:
    """{"scores": {name: {"better", "floor", ..., "models": [per model {"value", "low", "high"} or {"refused"}], "best": number of a model,
    "as_good": numbers of those that can't be told from it, "differences": [{"of": [i, j], "difference": of i less j, "low", "high",
    "paired", "enough": whether both are level with real data or beyond it, where that is no merit, "noise"}], "verdict"}}, "wins": per
    model the number of differences that it wins, "losses", "verdict": [sentences]}.

    Numbers count the models from 0. `contenders`: two or more."""
    names = dict.fromkeys(name for one in contenders for name in one.scores)
    scores = {name: found for name in names if (found := _score(name, contenders)) is not None}
    wins, losses = [0] * len(contenders), [0] * len(contenders)
    for score in scores.values():
        for one in score["differences"]:
            if not one["noise"]:
                first, second = one["of"]
                ahead = (one["difference"] < 0) == (score["better"] == "lower")
                wins[first if ahead else second] += 1
                losses[second if ahead else first] += 1
    found = {"scores": scores, "wins": wins, "losses": losses}
    return {**found, "verdict": _verdict([one.name for one in contenders], found)}


def _score(name: str, contenders: Sequence[Contender]) -> dict[str, Any] | None:
    """One score of all; None where no two models have it."""
    given = [one.scores.get(name, {"refused": "it was not asked for"}) for one in contenders]
    there = [number for number, score in enumerate(given) if "refused" not in score]
    if len(there) < 2:
        return None
    first = given[there[0]]
    best = (min if first["better"] == "lower" else max)(there, key=lambda number: float(given[number]["value"]))
    differences = [_difference(name, contenders, pair) for pair in itertools.combinations(there, 2)]
    as_good = sorted({number for one in differences if best in one["of"] and one["noise"] for number in one["of"]} - {best})
    models = [{key: score[key] for key in (("refused",) if "refused" in score else ("value", "low", "high"))} for score in given]
    shared = {key: first.get(key) for key in ("better", "floor", "floor_low", "floor_high", "ceiling", "ceiling_name", "n", "extractor")}
    found = {**shared, "models": models, "best": best, "as_good": as_good, "differences": differences}
    return {**found, "verdict": _sentence([one.name for one in contenders], there, found)}


def _difference(name: str, contenders: Sequence[Contender], pair: tuple[int, int]) -> dict[str, Any]:
    """The first of the pair less the second. Without intervals it counts as noise, for nothing says that it isn't; so does a difference
    of two that lie beyond real data where that is no merit."""
    one, other = (contenders[number] for number in pair)
    mine, theirs = one.scores[name], other.scores[name]
    difference = float(mine["value"]) - float(theirs["value"])
    same = one.seed == other.seed and all(mine.get(key) == theirs.get(key) for key in ("n", "extractor"))
    ours, others = one.draws.get(name), other.draws.get(name)
    paired = same and ours is not None and others is not None and len(ours) == len(others)
    half: float | None = None
    if paired:
        half = _Z * float((np.asarray(ours) - np.asarray(others)).std())
    elif all(score["low"] is not None and score["high"] is not None for score in (mine, theirs)):
        half = math.hypot(*(max(score["high"] - score["value"], score["value"] - score["low"]) for score in (mine, theirs)))
    lower, enough = mine["better"] == "lower", False
    edge = mine.get("floor_high" if lower else "floor_low")
    if name.partition(".")[0] in _ENOUGH and edge is not None:
        enough = all(one["value"] <= edge if lower else one["value"] >= edge for one in (mine, theirs))
    ends = (None, None) if half is None else (difference - half, difference + half)
    return {
        "of": list(pair), "difference": difference, "low": ends[0], "high": ends[1], "paired": paired,
        "enough": enough, "noise": half is None or abs(difference) <= half or enough,
    }  # fmt: skip


def listed(words: Sequence[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def decisive(scores: Mapping[str, Any]) -> str | None:
    """The score that ranks models first of all: nats of text, else the kernel distance, on learned features where there are some. Of
    plain vectors coverage, for the kernel sees no more of them than moments. None where there is none of these."""
    kernels = [name for name in scores if name.startswith("kernel.")]
    learned = [name for name in kernels if "-cnn-" in name]
    first = [name for name in ("nats-per-character", "coverage.raw") if name in scores]
    return next(iter([*first, *learned, *kernels]), None)


def _sentence(names: Sequence[str], there: Sequence[int], score: Mapping[str, Any]) -> str:
    """What can be said of the models that have a score."""
    best, as_good = score["best"], score["as_good"]
    if len(as_good) == len(there) - 1:
        enough = any(one["enough"] for one in score["differences"])
        return "no difference that counts: level with real data" if enough else "no difference beyond noise"
    worse = [names[number] for number in there if number != best and number not in as_good]
    beside = f"; {listed([names[number] for number in as_good])} can't be told from it" if as_good else ""
    return f"{names[best]} is better than {listed(worse)}{beside}"


def _verdict(names: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    """Sentences on all scores: who is ahead, each pair, and what these words don't hold."""
    scores, wins, losses = found["scores"], found["wins"], found["losses"]
    if not scores:
        return ["No score is there for two of the models, so they can't be compared."]
    decided = [one for score in scores.values() for one in score["differences"] if not one["noise"]]
    if not decided:
        return [f"No difference is more than noise on any of the {len(scores)} scores.", _CAVEAT]
    net = [won - lost for won, lost in zip(wins, losses, strict=True)]
    top = [number for number, value in enumerate(net) if value == max(net)]
    if len(top) == 1:
        best = top[0]
        first = f"{names[best]} comes out ahead: of its differences beyond noise it wins {wins[best]} and loses {losses[best] or 'none'}."
    else:
        first = f"Nobody comes out ahead: {listed([names[number] for number in top])} win and lose alike."
    return [first, *(_pair(names, scores, pair) for pair in itertools.combinations(range(len(names)), 2)), _CAVEAT]


_CAVEAT = (
    "Noise is that of other samples and held-out items. What another seed of the training would change is not in it, and of twenty "
    "comparisons about one comes out beyond noise by chance."
)


def _pair(names: Sequence[str], scores: Mapping[str, Mapping[str, Any]], pair: tuple[int, int]) -> str:
    better, worse, even = 0, 0, 0
    for score in scores.values():
        for one in score["differences"]:
            if tuple(one["of"]) == pair:
                ahead = (one["difference"] < 0) == (score["better"] == "lower")
                even += one["noise"]
                better += not one["noise"] and ahead
                worse += not one["noise"] and not ahead
    total = better + worse + even
    if not total:
        return f"{names[pair[0]]} and {names[pair[1]]} share no score."
    if even == total:
        return f"{names[pair[0]]} against {names[pair[1]]}: all {total} differences are noise."
    return f"{names[pair[0]]} against {names[pair[1]]}: better on {better} of {total} scores, worse on {worse}, noise on {even}."
