"""Motion in a plane as a mixture over where it goes: K goals, a path to each, and how far both may be off.

B batch, K modes, T steps, P = 2 directions, R shapes of error, N neighbours, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core.abilities import Condition, Density
from ..core.contract import Batch, Generator, Learner, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..nets.condition import ConditionEncoder

PAST, NEIGHBOURS, GOAL = "past", "neighbours", "goal"
_SHAPES = 3
_LEAST = 0.01
"""Standard deviation that no step goes below, in x's units."""
_OTHERS = 0.05
"""Share of the modes that are not nearest in what best-of-many minimises, so that none is left behind."""
_STRETCH = 0.25
"""Training examples are as much as this share larger or smaller."""


@dataclass(frozen=True, slots=True)
class GoalMixtureSettings:
    """The mixture, and training."""

    modes: int = 20
    width: int = 128
    best: float = 1.0
    """Weight of best-of-many beside the likelihood; 0 = likelihood alone."""
    variety: float = 0.0
    """Of sampling: 0 = modes as likely as they are, 1 = all alike."""
    temperature: float = 1.0
    """Of sampling: standard deviations within modes times this."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, modes=(1, 256), width=(8, 4096), best=(0, 1e3), variety=(0, 1), temperature=(0, 10))


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of Gaussians over moves."""

    log_weight: Tensor
    """(B,K)."""
    mean: Tensor
    """(B,K,P,T)."""
    factor: Tensor
    """(B,K,P,T,R): errors that steps have in common."""
    scale: Tensor
    """(B,K,P,T): standard deviations of their own."""

    def log_prob(self, x: Tensor) -> Tensor:
        """(B,K) nats of x (B,P,T) in each mode."""
        # covariance D + F F', D of the steps' own: by the lemmas of Woodbury and of the determinant, in R dimensions
        unit = (x[:, None] - self.mean) / self.scale
        factor = self.factor / self.scale[..., None]
        inner = factor.mT @ factor + torch.eye(factor.shape[-1], device=x.device)
        seen, logs = _solved(inner, (factor.mT @ unit[..., None])[..., 0])
        squares = unit.square().sum(3) - seen
        logs = logs + self.scale.log().sum(3)
        return (-0.5 * (squares + x.shape[2] * math.log(2 * math.pi)) - logs).sum(2)


class GoalMixture(Generator, Density):
    """A mixture density net (Bishop 1994) whose modes are goals and paths towards them (after Mangalam et al. 2020, arXiv:2004.02025, and
    Chai et al. 2019, arXiv:1910.05449), with neighbours pooled as a set (Gupta et al. 2018, arXiv:1803.10892, section 3.3). Trained by
    likelihood and by best-of-many (Bhattacharyya et al. 2018, arXiv:1806.07772): the distance of the nearest mode.

    x (P,T) are moves; a condition `past` (P,O) holds those before, `neighbours` (N,5) places, moves and presence of others. Each mode is a
    Gaussian whose errors are a low-rank part that steps share and one of their own, so that the likelihood is exact. Draws of one
    number divided by K are stratified: K in a row take K different parts of the modes' cumulated weights, each by the law itself.
    """

    Settings = GoalMixtureSettings
    settings: GoalMixtureSettings
    dials = ("variety", "temperature")
    spec: Array
    tight: Literal["exact", "bound", "estimate"] = "exact"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        width, modes = self.settings.width, self.settings.modes
        self.steps = elements(spec) // 2
        self.past = _own(conditions, PAST, 2)
        self.near = _own(conditions, NEIGHBOURS, 5)
        read = [name for name, there in ((PAST, self.past), (NEIGHBOURS, self.near)) if there]
        others = {name: own for name, own in conditions.items() if name not in read}
        self.told = ConditionEncoder(others, width)
        self.read = _mlp(elements(conditions[PAST]) + 1 if self.past else 1, width, width)
        self.pair = _mlp(5 + width, width, width) if self.near else None
        self.trunk = _mlp(width * (2 if self.near else 1), width, width)
        self.goals = _mlp(width, width, modes * 3)
        self.toward = nn.Linear(2, width, bias=False)
        self.mode = nn.Parameter(torch.randn(modes, width) / math.sqrt(width))
        self.path = _mlp(width, width, 2 * self.steps * 2 + 2 * _SHAPES)
        grid = torch.linspace(-1, 1, self.steps) if self.steps > 1 else torch.zeros(1)
        self.shapes = nn.Parameter(torch.stack([grid**power for power in range(_SHAPES)]))
        last = self.goals[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            # goals begin apart: half of all modes would else never be the nearest
            angle = torch.arange(modes) * 2.4
            ring = (torch.arange(modes) / modes).sqrt() * 0.5
            last.bias.copy_(torch.stack([ring * angle.cos(), ring * angle.sin(), torch.zeros(modes)], 1).flatten())

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array) or spec.shape[0] != 2 or len(spec.shape) > 2:
            return "goal-mixture learns moves in a plane, arrays of the shape (2, steps)"
        return None

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        return [Player("mixture", list(self.parameters()), self._loss, optim=optim)]

    # the mixture

    def _context(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], size: int) -> tuple[Tensor, Tensor]:
        """(what is known (B,D), the last move (B,P))."""
        last = torch.zeros(size, 2, device=self.shapes.device)
        known = torch.zeros(size, 1, device=last.device)
        past = known
        if self.past:
            known = given[PAST].float()[:, None] if PAST in condition else known
            moves = condition[PAST] * known[:, :, None] if PAST in condition else last.new_zeros(size, *self.conditions[PAST].shape)
            last, past = moves[..., -1], torch.cat((moves.flatten(1), known), 1)
        h = self.read(past)
        more = self.told({name: v for name, v in condition.items() if name in self.told.specs}, given, size)
        h = h if more is None else h + more
        if self.pair is not None:
            pooled = torch.zeros_like(h)
            if NEIGHBOURS in condition:
                slots = condition[NEIGHBOURS]
                there = slots[..., 4:] * given[NEIGHBOURS].to(slots)[:, None, None]
                seen = self.pair(torch.cat((slots, h[:, None].expand(-1, slots.shape[1], -1)), 2))
                pooled = torch.where(there > 0.5, torch.nn.functional.softplus(seen), 0.0).amax(1)
            h = torch.cat((h, pooled), 1)
        return h + self.trunk(h) if self.pair is None else self.trunk(h), last

    def mixture(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], size: int) -> Mixture:
        """How x is distributed under conditions."""
        h, last = self._context(condition, given, size)
        modes, steps = self.settings.modes, self.steps
        goal, weight = self.goals(h).view(size, modes, 3).split((2, 1), 2)
        found = self.path(h[:, None] + self.toward(goal) + self.mode)
        path, scale, shared = found.split((2 * steps, 2 * steps, 2 * _SHAPES), 2)
        path = path.view(size, modes, 2, steps)
        # the steps of a path make up its goal
        mean = last[:, None, :, None] + goal[..., None] + path - path.mean(3, keepdim=True)
        own = _LEAST + torch.nn.functional.softplus(scale - 2).view(size, modes, 2, steps)
        common = torch.nn.functional.softplus(shared - 1).view(size, modes, 2, 1, _SHAPES)
        return Mixture(weight[..., 0].log_softmax(1), mean, common * self.shapes.T, own)

    # learning

    def _loss(self, batch: Batch) -> Terms:
        x, condition = self._changed(batch)
        found = self.mixture(condition, batch.given, batch.size)
        moves = x.view(batch.size, 1, 2, self.steps)
        weight = self.settings.best
        ends = (found.mean - moves).cumsum(3) / math.sqrt(self.steps)
        apart = (ends.square().sum(2) + 1e-6).sqrt()
        distance = apart.mean(2) + apart[..., -1]
        nearest = distance.min(1).values
        best = (1 - _OTHERS) * nearest + _OTHERS * distance.mean(1)
        held = Mixture(found.log_weight, found.mean.detach() if weight else found.mean, found.factor, found.scale)
        nats = -(held.log_weight + held.log_prob(moves[:, 0])).logsumexp(1)
        return {"loss": nats / elements(self.spec) + weight * best, "nats": nats, "best": nearest}

    def _changed(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Examples mirrored, and a little faster or slower, with what is known of them."""
        known = {PAST, NEIGHBOURS, GOAL}
        x, condition = batch.data, dict(batch.condition)
        if not self.past or condition.keys() - known:
            return x, condition
        side = torch.where(batch.noise.uniform((), "mirror") < 0.5, -1.0, 1.0).to(x)
        size = torch.exp(_STRETCH * (2 * batch.noise.uniform((), "stretch").to(x) - 1))
        both = torch.stack((size, size * side), 1)
        out = {}
        for name, value in condition.items():
            by = torch.cat((both, both, torch.ones_like(size)[:, None]), 1)[:, None] if name == NEIGHBOURS else both
            out[name] = value * (by[..., None] if name == PAST else by)
        return x * both.view(-1, 2, *[1] * (x.dim() - 2)), out

    # use

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """(B,) nats, exact."""
        condition, given = all_given(condition)
        found = self.mixture(condition, given, len(x))
        return (found.log_weight + found.log_prob(x.view(len(x), 2, self.steps))).logsumexp(1)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: variety, temperature."""
        variety = float(dials.get("variety", self.settings.variety))
        temperature = float(dials.get("temperature", self.settings.temperature))
        condition, given = all_given(condition)
        found = self.mixture(condition, given, noise.size)
        u = stratified(noise, self.settings.modes).to(found.mean)
        edges = (found.log_weight * (1 - variety)).softmax(1).cumsum(1)
        mode = (edges < u[:, None] * edges[:, -1:]).sum(1).clamp(max=self.settings.modes - 1)
        row = torch.arange(noise.size, device=mode.device)
        steps = noise.normal((2, self.steps), "steps").to(u.device) * found.scale[row, mode]
        shared = (found.factor[row, mode] * noise.normal((2, 1, _SHAPES), "shared").to(u.device)).sum(3)
        return (found.mean[row, mode] + temperature * (steps + shared)).view(noise.size, *self.spec.shape)


def stratified(noise: Noise, parts: int) -> Tensor:
    """(B,) float32 in (0, 1), each uniform by itself; of numbers n * `parts` to n * `parts` + `parts` - 1 each lies in a `parts`-th of its
    own (McKay, Beckman, Conover 1979, Latin hypercube sampling, of one dimension)."""
    group = torch.div(noise.index, parts, rounding_mode="floor")
    keys = noise.shifted(group - noise.index).uniform((parts,), "strata")
    place = keys.argsort(1).gather(1, (noise.index - group * parts)[:, None])[:, 0]
    return (place + noise.uniform((), "within").to(keys)) / parts


def _solved(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """(b' A^-1 b, log det A / 2), (*) each, of positive definite A (*,R,R) and b (*,R), by Cholesky's steps over all at once: a call of
    LAPACK for each of many small matrices takes most of a training step."""
    size = matrix.shape[-1]
    lower: list[list[Tensor]] = []
    solved: list[Tensor] = []
    for row in range(size):
        own: list[Tensor] = []
        for column in range(row):
            rest = sum((own[k] * lower[column][k] for k in range(column)), torch.zeros_like(right[..., 0]))
            own.append((matrix[..., row, column] - rest) / lower[column][column])
        diagonal = (matrix[..., row, row] - sum((one.square() for one in own), torch.zeros_like(right[..., 0]))).sqrt()
        below = sum((one * before for one, before in zip(own, solved, strict=True)), torch.zeros_like(right[..., 0]))
        solved.append((right[..., row] - below) / diagonal)
        lower.append([*own, diagonal])
    squares = torch.stack(solved, -1).square().sum(-1)
    return squares, torch.stack([lower[row][row] for row in range(size)], -1).log().sum(-1)


def _own(conditions: Conditions, name: str, size: int) -> bool:
    """Whether there is a condition of that name and form: moves (2,O), or slots (N,5)."""
    spec = conditions.get(name)
    return isinstance(spec, Array) and len(spec.shape) == 2 and spec.shape[0 if name == PAST else 1] == size


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs))
