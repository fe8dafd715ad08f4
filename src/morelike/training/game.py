"""The watchdog of games: several players at once can go wrong with every number finite. Sensors, alarms and the ladder of remedies.

Everything here is a function of the step, the data and the weights; what it remembers (`Standing`) is part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ..core.abilities import Prior
from ..core.contract import Generator, Player, Remedy, Trainable
from ..core.spec import Row
from .likeness import Likeness, Rows, Sampler

REST, REST_SHARE = 200, 0.05
"""No alarm about samples or the critic in so many turns of everybody after the start or after a remedy, or in such a share of the run."""
MEASURE_EVERY = 50
"""Steps between looks at samples, which together cost well under a hundredth of the run."""
LEAST_DIVERSITY, LEAST_HEARD, LEAST_MOVED = 0.1, 0.1, 0.01
"""Shares of what real examples have: diversity, distance of class means, and how far a condition that is no class label moves samples (a
caption may say little). The least seen on digits after the rest, at the families' defaults, 400 or 500 steps: 0.35 and 0.68; `wgan` aside,
which at size xs hears no label in 400 steps."""
RIPE = 3
"""After so many rests a diversity below twice its threshold is too little: games on MNIST that learnt had 0.3 or more at step 600, two that
made one picture a class 0.11 to 0.19 ever after."""
WELL = 2.0
"""A state is worth going back to only where everything measured is so many times above its threshold."""
SEPARATED, FADED = 0.995, 0.01
"""Least share of real and of made examples that a saturated critic tells rightly, and most of the generator's largest gradient."""
LOOKS = {"diversity": 3, "condition": 3, "critic": 8}
"""Looks in a row that raise the alarm."""
GROWN = 4.0
"""Weights that grow so many times from one good state to the next diverge; in healthy runs they hardly grow by a tenth in 400 steps."""
GROWN_CUT = 0.1
"""The learning rate's factor where weights diverge: a rate a hundred times too high is cured in two."""
MOST_ALARMS = 3


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a sensor saw."""

    sensor: str
    what: str
    """One clause for people, with what was measured against which threshold."""
    value: float
    threshold: float


@dataclass(slots=True)
class Standing:
    """What the watchdog remembers between looks."""

    alarms: int = 0
    rungs: int = 0
    """Of the family's remedies, how many were taken."""
    since: int = 0
    """The step of the last alarm."""
    measured: int = 0
    """The step of the last look at samples."""
    doubts: dict[str, int] = field(default_factory=dict)
    """Sensor -> looks in a row beyond its threshold."""
    sizes: dict[str, float] = field(default_factory=dict)
    """Player -> root mean square of its weights in the last good state."""
    peak: float = 0.0
    """The generator's largest gradient so far, as a mean over a look."""
    pictured: int = 0
    """Incidents whose picture after the remedy is drawn."""
    gave_up: bool = False


class Game:
    """The sensors of one run, and where it stands on the ladder."""

    def __init__(self, model: Trainable, players: Sequence[Player], rows: Rows, seed: int, steps: int) -> None:
        self.model, self.players, self.seed, self._rows = model, players, seed, rows
        self.rest = max(REST * max(player.every for player in players), round(REST_SHARE * steps))
        self.ladder: list[Remedy] = model.remedies()
        self.standing = Standing(sizes=self._sizes())
        self.well = False
        """Whether the last look showed a state that is worth going back to."""
        self._sampler: Sampler | None = None
        # a model that makes an example in one pass costs little to look at; others are watched by their numbers alone
        self._blind = not (isinstance(model, Generator) and isinstance(model, Prior)) or isinstance(model.spec, Row)

    def look(self, step: int, terms: dict[str, float], average: Trainable) -> Alarm | None:
        """Looks at the terms since the last look and, now and then, at samples; adds what it measured to `terms`."""
        standing, found = self.standing, []
        self.well = False
        if standing.gave_up:
            standing.sizes = self._sizes()
            return None
        found.append(self._critic(terms))
        if step - standing.measured >= MEASURE_EVERY:
            standing.measured = step
            seen = self._samples(average)
            if seen is not None:
                terms |= {"watch.diversity": seen.diversity} | ({} if seen.heard is None else {"watch.condition": seen.heard})
                found += self._likeness(seen, step - standing.since)
            self.well = (seen is None or self._is_well(seen)) and not any(standing.doubts.values())
            if self.well:
                standing.sizes = self._sizes()
        alarms = [alarm for alarm in found if alarm is not None]
        return alarms[0] if alarms and step - standing.since >= self.rest else None

    def _likeness(self, seen: Likeness, turns: int) -> list[Alarm | None]:
        where = "" if seen.worst is None else f" of class {seen.worst}"
        alike = f"samples{where} are all alike: {round(seen.diversity, 3):g} of the real examples' diversity"
        least = LEAST_DIVERSITY * (2 if turns > RIPE * self.rest else 1)
        found = [self._doubt("diversity", seen.diversity, least, alike)]
        if seen.heard is not None:
            far = "under other conditions samples lie" if seen.worst is None else "classes lie"
            deaf = f"the condition is hardly heard: {far} {round(seen.heard, 3):g} times as far apart as real examples"
            found.append(self._doubt("condition", seen.heard, _least_heard(seen), deaf))
        return found

    @staticmethod
    def _is_well(seen: Likeness) -> bool:
        return seen.diversity >= WELL * LEAST_DIVERSITY and (seen.heard is None or seen.heard >= WELL * _least_heard(seen))

    def grown(self) -> str | None:
        """Which players' weights have grown out of all proportion since the last good state, in words; None where none have."""
        before = self.standing.sizes
        shares = {name: size / max(before[name], 1e-3) for name, size in self._sizes().items()}
        found = [f"{name}'s weights grew {share:.3g} times" for name, share in shares.items() if share > GROWN]
        return f"{' and '.join(found)} since the last good state (threshold {GROWN:g})" if found else None

    def settle(self, step: int) -> None:
        """After weights were put back: the sensors begin anew."""
        self.standing.since, self.standing.doubts, self.standing.peak = step, {}, 0.0
        self.standing.sizes = self._sizes()

    def climb(self) -> str | None:
        """Takes the next remedy and returns its name; None where the family has no more, and the learning rate is next."""
        if self.standing.rungs >= len(self.ladder):
            return None
        remedy = self.ladder[self.standing.rungs]
        self.standing.rungs += 1
        self.model.settings = replace(self.model.settings, **remedy.settings)
        return remedy.name

    def resume(self, standing: Standing) -> None:
        """Takes up a checkpoint's standing, remedies and all."""
        for remedy in self.ladder[: standing.rungs]:
            self.model.settings = replace(self.model.settings, **remedy.settings)
        self.standing = standing

    def _samples(self, average: Trainable) -> Likeness | None:
        if not self._blind and self._sampler is None:
            try:
                self._sampler = Sampler(self.model.spec, self.model.conditions, self._rows, self.seed)
            except ValueError:
                self._blind = True
        if self._sampler is None or not isinstance(average, Generator):
            return None
        return self._sampler.measure(average.eval())

    def _critic(self, terms: Mapping[str, float]) -> Alarm | None:
        """Saturated: real and made examples are told apart without fault, and nothing of it reaches the others."""
        told = [value for name, value in terms.items() if name.endswith((".real-accuracy", ".fake-accuracy"))]
        critics = {name.partition(".")[0] for name in terms if name.endswith(".real-accuracy")}
        gradients = [terms[f"{p.name}.gradient"] for p in self.players if p.name not in critics and f"{p.name}.gradient" in terms]
        if not told or not gradients:
            return None
        gradient, standing = max(gradients), self.standing
        standing.peak = max(standing.peak, gradient)
        share = gradient / standing.peak if standing.peak > 0 else 0.0
        what = f"the critic is saturated: it tells {min(told):.1%} rightly, and the generator's gradient is {share:.2g} of what it was"
        # a gradient counts only where the critic is sure of everything
        return self._doubt("critic", share if min(told) >= SEPARATED else 1.0, FADED, what)

    def _doubt(self, sensor: str, value: float, least: float, what: str) -> Alarm | None:
        """Counts looks in a row below the threshold (or not a number); the alarm once there are enough."""
        doubts = self.standing.doubts
        doubts[sensor] = doubts.get(sensor, 0) + 1 if not value >= least else 0
        return Alarm(sensor, f"{what} (threshold {least:g})", value, least) if doubts[sensor] >= LOOKS[sensor] else None

    def _sizes(self) -> dict[str, float]:
        names = [player.name for player in self.players]
        squares = [torch.stack(torch._foreach_norm([p.detach() for p in player.params])).square().sum() for player in self.players]
        counts = [sum(p.numel() for p in player.params) for player in self.players]
        return {name: (float(square) / count) ** 0.5 for name, square, count in zip(names, squares, counts, strict=True)}


def _least_heard(seen: Likeness) -> float:
    return LEAST_MOVED if seen.worst is None else LEAST_HEARD


def watched(model: Trainable, players: Sequence[Player]) -> bool:
    """Whether this is a game: a generator with several players who all play all through the run (not one stage after another)."""
    return isinstance(model, Generator) and len(players) > 1 and all(player.during == (0.0, 1.0) for player in players)
