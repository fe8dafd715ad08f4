"""`--model auto`: short runs of the kind's candidates, the better half of them after each round, and the best goes on.

A short run is the beginning of the candidate's whole run, under the plan of nine tenths of the budget. So nothing of the best one's is
lost: it is taken up where it stands, and ends with the very weights of a run that named this family, and its steps, at once.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..core import registry
from ..core.errors import BadInput, Refused, UnknownName
from ..core.spec import Tokens
from ..judges.intervals import Measure
from ..training.plan import turns
from ..training.watchdog import TrainingFailed
from .audience import Audience
from .build import build
from .features import judges_net
from .judging import Validation
from .package import Package
from .prepare import Prepared
from .recipe import Recipe

SHARE = 10
"""One in so many parts of the budget goes to the search."""
LEAST_SECONDS, LEAST_STEPS, LEAST_VALIDATION = 20.0, 500, 20
"""Below these a search says nothing."""
LEAST_SHORT = 8
"""Nor does a short run of fewer steps: who doesn't come so far is too slow for the budget."""
STEEPEST = 1.0
"""A score is expected to fall with this power of the steps at most, however fast it fell at first."""
MOST_BY_PASSES = 20_000
"""Who learns by passes alone is tried whole: on more examples than these that is no short run."""
NATS = "nats an item"
_STATE, _RUNS = "auto.json", "auto"


@dataclass(frozen=True, slots=True)
class Short:
    """A run after its first steps."""

    package: Package
    """With the averaged weights of that step."""
    step: int
    steps: int
    """Of the whole run."""
    seconds: float
    ended: bool = False
    """Whether it was trained to its end: who learns by passes alone is."""


class Run(Protocol):
    """A run of one candidate in a folder of its own."""

    def short(self, share: float) -> Short:
        """Trains, or trains on, up to a share of the plan, and leaves a checkpoint."""


Begin = Callable[[Recipe, Path], Run]


def minutes_of(recipe: Recipe, data: Prepared) -> float:
    """The training time of a recipe that names no steps."""
    return recipe.train.minutes or (2.0 if data.source.name == "digits" else 5.0)


def choice_of(training: Path) -> dict[str, Any]:
    """{"choice": how the family was chosen}, for a run's card; {} where it was named. `training`: the run's folder of that name."""
    state = _read(training)
    return {"choice": state} if state is not None and "model" in state else {}


def choose(asked: Recipe, folder: Path, data: Prepared, audience: Audience, default: str, begin: Begin) -> Recipe:
    """The recipe to train in `folder`, with a family in place of "auto": that of the best short run, whose state is put there.

    `default` is taken where no search is worth it, which is said in a sentence. A search that was stopped goes on where it was.
    Raises TrainingFailed where no candidate trains.
    """
    training = folder / "training"
    if (folder / "recipe.toml").is_file():
        shutil.rmtree(training / _RUNS, ignore_errors=True)
        return _as(asked, str(Recipe.read(folder / "recipe.toml").model))
    fitting, left_out = candidates(asked, data)
    why = _no_search(asked, data, fitting, left_out)
    if why is not None:
        name = fitting[0] if len(fitting) == 1 else default
        audience.say(f"model: {name}, {why}")
        return _as(asked, name)
    training.mkdir(parents=True, exist_ok=True)
    asked.write(training / "request.toml")
    state = _read(training) or {"tried": {}, "left_out": left_out, "seconds": 0.0}
    shorter = _after_search(asked, data)
    search = _Search(data, audience, training, state)
    name = search.best(fitting, lambda own: begin(_as(shorter, own), training / _RUNS / own))
    audience.say(f"model: {name}, {state['why']}")
    _adopt(training / _RUNS / name, folder)
    return _as(shorter, name)


def candidates(asked: Recipe, data: Prepared) -> tuple[list[str], dict[str, str]]:
    """(the kind's candidates that take this data under this recipe, the best by measurement first; why each of the others doesn't)."""
    fitting, left_out = [], {}
    for name in registry.kind(data.source.kind).candidates:
        try:
            model = build(_as(asked, name), data.codec.spec, data.specs)
        except (BadInput, Refused, UnknownName) as error:
            left_out[name] = str(error)
            continue
        if not turns(model.players())[0] and len(data.train) > MOST_BY_PASSES:
            left_out[name] = f"it learns by whole passes, and {len(data.train):,} examples are too many for a short one"
        else:
            fitting.append(name)
    return fitting, left_out


def _as(asked: Recipe, name: str) -> Recipe:
    return asked.model_copy(update={"model": name})


def _after_search(asked: Recipe, data: Prepared) -> Recipe:
    """With nine tenths of the budget."""
    if asked.train.steps is not None:
        train = asked.train.model_copy(update={"steps": asked.train.steps - asked.train.steps // SHARE})
    else:
        train = asked.train.model_copy(update={"minutes": minutes_of(asked, data) * (SHARE - 1) / SHARE})
    return asked.model_copy(update={"train": train})


def _no_search(asked: Recipe, data: Prepared, fitting: list[str], left_out: Mapping[str, str]) -> str | None:
    """Why there is nothing to search, in words that follow a family's name; None where there is."""
    if len(fitting) == 1:
        return f"the only candidate that fits ({'; '.join(f'{name}: {why}' for name, why in left_out.items())})"
    if not fitting:
        return f"for no candidate fits ({'; '.join(f'{name}: {why}' for name, why in left_out.items()) or 'this kind of data has none'})"
    if len(data.validation) < LEAST_VALIDATION:
        return f"without a search: {len(data.validation)} validation items tell no models apart"
    steps = asked.train.steps
    if steps is not None and steps < LEAST_STEPS:
        return f"without a search: a tenth of {steps:,} steps tells nothing; give at least {LEAST_STEPS:,}"
    if steps is None and (seconds := 60 * minutes_of(asked, data)) < LEAST_SECONDS:
        return f"without a search: a tenth of {seconds:.3g} s tells nothing; give at least {LEAST_SECONDS:.0f} s"
    return None


class _Search:
    """Successive halving (Jamieson, Talwalkar 2015, arXiv:1502.07943) with what it found kept on disk after each short run."""

    def __init__(self, data: Prepared, audience: Audience, training: Path, state: dict[str, Any]) -> None:
        self.data, self.audience, self.training, self.state = data, audience, training, state
        self._score: Validation | None = None

    def best(self, names: list[str], begin: Callable[[str], Run]) -> str:
        """The name of the best. `names`: two or more, by rank."""
        rounds, share, alive, order = max(2, math.ceil(math.log2(len(names)))), 0.0, names, names
        for number in range(1, rounds + 1):
            share += 1 / ((SHARE - 1) * rounds * len(alive))
            for name in alive:
                if self._round(name) < number:
                    self._try(name, number, begin(name), share)
            scored = [name for name in alive if self.state["tried"][name]["score"] is not None]
            if scored and all(self._few(name) for name in scored):
                why = f"the first by measurement: short runs of {self._steps(scored[0])} tell nothing, give it more time"
                return self._end(scored[0], why)
            order = self.order(alive)
            kept = 1 if number == rounds else max(2, math.ceil(len(order) / 2))
            for name in order[kept:]:
                self.audience.say(f"{name} is out: {self._said(name)}")
            alive = order[:kept]
        return self._end(order[0], self._why(order[0], order[1], names))

    def _end(self, name: str, why: str) -> str:
        self.state |= {"model": name, "why": why}
        self._write()
        return name

    def order(self, names: list[str]) -> list[str]:
        """The best first; among those that its score can't be told from, the one of the higher rank; last those that failed or are too
        slow for the budget. Raises TrainingFailed where all failed."""
        tried = self.state["tried"]
        if all(tried[name]["score"] is None for name in names):
            raise TrainingFailed(f"none of {', '.join(names)} could be trained: {tried[names[0]]['failed']}")
        scores = {name: self.expected(name) for name in names if tried[name]["score"] is not None and not self._few(name)}
        best = min(scores.values(), key=lambda score: score.value)
        tied = [name for name, score in scores.items() if not differ(score, best)]
        return tied + sorted(scores.keys() - set(tied), key=lambda name: scores[name].value) + [n for n in names if n not in scores]

    def expected(self, name: str) -> Measure:
        """The score at the end of the whole run, along the power law through the two last short runs; as it is where there is only one, or
        nothing left to learn, or the score lies within its own noise of 0.

        Without this whoever learns fastest at first would win. Nats fall towards an entropy that nobody knows: they are taken as they are.
        """
        tried = self.state["tried"][name]
        value, low, high = tried["score"]
        half = (high - low) / 2
        if "before" not in tried or self.state["score"] == NATS or min(value, tried["before"][1]) <= half:
            return Measure(value, low, high)
        steps, first = tried["before"]
        power = math.log(value / first) / math.log(tried["steps"] / steps)
        end = value * (tried["of"] / tried["steps"]) ** min(0.0, max(-STEEPEST, power))
        return Measure(end, end - half, end + half)

    def _few(self, name: str) -> bool:
        return bool(self.state["tried"][name].get("few"))

    def _round(self, name: str) -> int:
        return int(self.state["tried"].get(name, {}).get("round", 0))

    def _try(self, name: str, number: int, run: Run, share: float) -> None:
        """One more short run of a candidate, into the state."""
        began = time.perf_counter()
        why, last = "its samples are no finite numbers", self.state["tried"].get(name)
        try:
            short = run.short(share)
        except TrainingFailed as error:
            self.state["tried"][name] = {"round": number, "steps": 0, "seconds": 0.0, "score": None, "failed": str(error)}
            self._write()
            return
        try:
            found = self._scoring(short.package).measure(short.package.model)
        except Refused as error:
            found, why = Measure(math.nan), str(error)
        self.state["seconds"] = round(self.state["seconds"] + time.perf_counter() - began, 1)
        tried: dict[str, Any] = {"round": number, "steps": short.step, "of": short.steps, "seconds": round(short.seconds, 2)}
        tried |= {"score": [found.value, found.low, found.high]} if math.isfinite(found.value) else {"score": None, "failed": why}
        if last is not None and last["score"] is not None and last["steps"] < short.step:
            tried["before"] = [last["steps"], last["score"][0]]
        self.state["tried"][name] = tried | ({} if short.ended or short.step >= LEAST_SHORT else {"few": True})
        self._write()

    def _scoring(self, package: Package) -> Validation:
        """One score for all: nats of validation ids where every candidate knows them exactly, else what the judges see in samples."""
        if self._score is None:
            families = [registry.family(name).load() for name in registry.kind(self.data.source.kind).candidates]
            told = isinstance(self.data.codec.spec, Tokens) and all(getattr(family, "tight", None) == "exact" for family in families)
            learned = None if told else judges_net(self.data, self.audience)
            self._score = Validation(package, self.data, "fp32", told=told, features=None if learned is None else learned[0])
            self.state["score"] = NATS if told else "energy distance" if learned is None else "kernel distance on learned features"
        return self._score

    def _said(self, name: str) -> str:
        """What came out of a candidate's short run."""
        tried = self.state["tried"][name]
        if tried["score"] is None:
            return str(tried["failed"])
        if self._few(name):
            return f"too slow for this budget, its short run came to {self._steps(name)}"
        (value, low, high), end = tried["score"], self.expected(name).value
        hoped = f", {end:.3g} expected at the end" if end != value else ""
        return f"{value:.3g} ({low:.3g} to {high:.3g}) after {self._steps(name)}{hoped}"

    def _steps(self, name: str) -> str:
        count = self.state["tried"][name]["steps"]
        return f"{count:,} step{'s' if count != 1 else ''}"

    def _why(self, best: str, rival: str, names: list[str]) -> str:
        judged = self.state["tried"][rival]["score"] is not None and not self._few(rival)
        tied = judged and not differ(self.expected(best), self.expected(rival))
        how = "" if not judged else ", which can't be told from it and ranks lower" if tied else ", which is worse"
        others = "; ".join(f"{name} {self._said(name)}" for name in names if name not in (best, rival))
        return f"by {self.state['score']}: {self._said(best)}; {rival} {self._said(rival)}{how}" + (f"; {others}" if others else "")

    def _write(self) -> None:
        new = self.training / f"{_STATE}.new"
        try:
            new.write_text(json.dumps(self.state, indent=1), encoding="utf-8")
            os.replace(new, self.training / _STATE)
        finally:
            new.unlink(missing_ok=True)


def differ(one: Measure, other: Measure) -> bool:
    """Whether two scores with 95% intervals differ by more than the interval of a difference of two independent ones."""
    halves = [(score.high - score.low) / 2 for score in (one, other) if score.high is not None and score.low is not None]
    return abs(one.value - other.value) > math.hypot(*halves)


def _read(training: Path) -> dict[str, Any] | None:
    path = training / _STATE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _adopt(winner: Path, folder: Path) -> None:
    """Moves the best short run to where the run lies, its recipe last, for that ends the search; the others go."""
    for path in (winner / "training").glob("*"):
        if path.name != "request.toml":
            os.replace(path, folder / "training" / path.name)
    os.replace(winner / "recipe.toml", folder / "recipe.toml")
    shutil.rmtree(winner.parent, ignore_errors=True)
