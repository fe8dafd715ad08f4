"""CycleGAN: from one set of examples to another and back, learnt without pairs.

B batch, * the example's shape, P patches that a critic judges, M examples kept of each set. The sets are 0 and 1, the classes of the label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..core.abilities import Condition, Translates
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, elements, lift, spatial
from ..maths.reservoir import keep
from .baseline import storage

_MOST_BYTES = 1 << 25
"""Of what is kept of each set."""


@dataclass(frozen=True, slots=True)
class CycleGANSettings:
    """The weights of the losses beside that of being taken for real. Raises BadInput for a number out of its range."""

    cycle: float = 10.0
    """Weight of coming back where one came from (Zhu et al. 2017, eq. 2)."""
    identity: float = 0.0
    """Weight of leaving alone what is in the right set already (section 5.2: 5 for photos and paintings, to keep their colours)."""
    history: int = 50
    """Made examples of the last steps, one a step and set, that the critics are shown in half of the cases (section 4)."""
    keep: int = 1000
    """Training examples kept of each set, at most 32 MB: samples are made of them."""
    lr: float = 1e-3
    critic_lr: float = 1e-3

    def __post_init__(self) -> None:
        check_ranges(self, cycle=(0, 1e6), identity=(0, 1e6), history=(0, 10_000), keep=(1, 1_000_000))


class _Memory(nn.Module):
    """What is kept of both sets: real examples at random, and the last ones that were made."""

    grows = ("real", "keys", "made", "seen")
    """Shared with the averaged model rather than copied to it at every step."""
    real: Tensor
    keys: Tensor
    made: Tensor
    seen: Tensor

    def __init__(self, spec: Array, settings: CycleGANSettings) -> None:
        super().__init__()
        kind = storage(spec)
        most = max(1, min(settings.keep, _MOST_BYTES // (elements(spec) * kind.itemsize)))
        self.levels = replace(spec, grey=0)
        self.register_buffer("real", torch.zeros(2, most, *spec.shape, dtype=kind))
        self.register_buffer("keys", torch.full((2, most), math.inf))
        self.register_buffer("made", torch.zeros(2, settings.history, *spec.shape))
        # of each set: examples that came, and examples put into the history
        self.register_buffer("seen", torch.zeros(2, 2, dtype=torch.int64))

    def take(self, one: int, x: Tensor, keys: Tensor) -> None:
        """Keeps some of the real examples x (B,*) of a set, those with small keys (B,)."""
        if not self.real.is_floating_point():
            x = torch.round((x.clamp(-1, 1) + 1) / self.levels.bin)
        keep(self.real[one], self.keys[one], x, keys)
        self.seen[0, one] += len(x)

    def remember(self, one: int, x: Tensor) -> None:
        """Puts an example (*) made for a set in the place of the oldest."""
        self.made[one, int(self.seen[1, one]) % self.made.shape[1]] = x
        self.seen[1, one] += 1

    def mixed(self, one: int, x: Tensor, noise: Noise) -> Tensor:
        """(B,*) the made examples x (B,*), half of them replaced by such as were made before, where there are any."""
        count = min(int(self.seen[1, one]), self.made.shape[1])
        if not count:
            return x
        older = noise.uniform((), "older").view(-1, *[1] * (x.dim() - 1)) < 0.5
        return torch.where(older, self.made[one, noise.integers(count, (), "which")], x)

    def drawn(self, one: int, u: Tensor) -> Tensor:
        """(B,*) x of real examples kept of a set, one for each of the uniform draws u (B,)."""
        kept = self.keys[one].isfinite()
        order = (~kept).int().argsort(stable=True)
        return lift(self.levels, self.real[one, order[(u.double() * kept.sum()).long()]])


class CycleGAN(Generator, Translates):
    """Zhu et al. 2017, arXiv:1703.10593: two translators and two critics; what is carried over and back again is to be what it was.

    Least squares (Mao et al. 2016, arXiv:1611.04076) on patches, L1 for coming back (and, `identity`, for leaving alone what is there
    already), and the history of made examples. It has no prior: a sample of a set is an example kept of the other set, carried over.
    Departures: many examples a step, each set weighed as if it were half of them; groups in place of instances are normalised, and the
    critics not at all; the history takes one example a step and forgets the oldest.
    """

    Settings = CycleGANSettings
    settings: CycleGANSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        assert isinstance(spec, Array)
        (self.label,) = conditions
        self.bounded = spec.bin > 0
        self.memory = _Memory(spec, self.settings)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "it carries real-valued arrays over, not ids or mixed rows"
        match list(conditions.values()):
            case [Tokens(shape=(1,), vocab=2)]:
                return None
            case [Tokens(shape=(1,), vocab=count)]:
                [label] = conditions
                found = f"and {label!r} has {count} classes: put the pictures of two of them into folders trainA and trainB"
            case []:
                found = "and here is one without labels: lay the pictures of each into a folder of its own, trainA and trainB"
            case _:
                found = f"told apart by one label, not by {', '.join(conditions)}: name the one with --condition"
        return f"it goes between two sets, {found}"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: CycleGANSettings) -> dict[str, Net]:
        kind = {"kind": "patches"} if spatial(spec) else {}
        found = {}
        for one in (0, 1):
            found[f"translator-to-{one}"] = Net("translator", spec, spec, told=False)
            found[f"critic-of-{one}"] = Net("critic", spec, Array((1,)), kind, told=False)
        return found

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.99), clip=0.0)
        critics = [parameter for one in (0, 1) for parameter in self.nets[f"critic-of-{one}"].parameters()]
        translators = [parameter for one in (0, 1) for parameter in self.nets[f"translator-to-{one}"].parameters()]
        return [
            Player("critics", critics, self._critics_loss, optim=replace(optim, lr=self.settings.critic_lr), after=self._after),
            Player("translators", translators, self._translators_loss, optim=optim),
        ]

    def carry(self, one: int, x: Tensor) -> Tensor:
        """(B,*) x carried over to a set."""
        made = self.nets[f"translator-to-{one}"](x, {}, {}).float()
        return torch.tanh(made) if self.bounded else made

    def judge(self, one: int, x: Tensor) -> Tensor:
        """(B,P) how much each patch is taken for one of a set: 1 for real, 0 for made."""
        logits: Tensor = self.nets[f"critic-of-{one}"](x, {}, {}).float()
        return logits.view(len(x), -1)

    def _sets(self, batch: Batch) -> list[tuple[int, Tensor]]:
        """(set, numbers of its rows) of those that the batch has. Which set an example is of is no hint that could be dropped."""
        sets = batch.condition[self.label].view(-1)
        return [(one, rows) for one in (0, 1) if len(rows := (sets == one).nonzero()[:, 0])]

    def _weight(self, one: int) -> Tensor:
        """() what an example of a set counts, so that both sets count the same."""
        seen = self.memory.seen[0] + 1
        return seen.sum() / (2 * seen[one])

    def _critics_loss(self, batch: Batch) -> Terms:
        terms = _Terms(batch)
        for one, rows in self._sets(batch):
            x, other = batch.data[rows], 1 - one
            with torch.no_grad():
                made = self.memory.mixed(other, self.carry(other, x), batch.noise[rows])
            real, fake = self.judge(one, x), self.judge(other, made)
            loss = 0.5 * (_off(real, 1.0) + _off(fake, 0.0))
            half = torch.full_like(loss, 0.5)
            accuracy = {"real-accuracy": (real.mean(1) > half).float(), "fake-accuracy": (fake.mean(1) < half).float()}
            terms.put(rows, {"loss": self._weight(one) * loss, **accuracy})
        return terms.found

    def _translators_loss(self, batch: Batch) -> Terms:
        terms = _Terms(batch)
        for one, rows in self._sets(batch):
            x, other = batch.data[rows], 1 - one
            made = self.carry(other, x)
            fooled = _off(self.judge(other, made), 1.0)
            cycle = _apart(self.carry(one, made), x)
            loss = fooled + self.settings.cycle * cycle
            if self.settings.identity:
                loss = loss + self.settings.identity * _apart(self.carry(one, x), x)
            terms.put(rows, {"loss": self._weight(one) * loss, "adversarial": fooled.detach(), "cycle": cycle.detach()})
        return terms.found

    def _after(self, batch: Batch) -> None:
        """Real examples are kept, and one made for each set."""
        for one, rows in self._sets(batch):
            self.memory.take(one, batch.data[rows], batch.noise[rows].uniform((), "keep"))
            if self.settings.history:
                self.memory.remember(1 - one, self.carry(1 - one, batch.data[rows[:1]])[0])

    def translate(self, x: Tensor, source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """(B,*) x (B,*) carried over where the two labels differ."""
        old, new = (told[self.label].view(-1) for told in (source, target))
        found = x.clone()
        for one in (0, 1):
            rows = ((new == one) & (old != one)).nonzero()[:, 0]
            if len(rows):
                found[rows] = self.carry(one, x[rows])
        return found

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Kept examples of the other set, carried over; without a label, to either set. There are no dials."""
        told = (condition or {}).get(self.label)
        target = noise.integers(2, (), "set") if told is None else told.view(-1)
        u = noise.uniform((), "example")
        x = torch.where((target == 0).view(-1, *[1] * len(self.spec.shape)), self.memory.drawn(1, u), self.memory.drawn(0, u))
        return self.translate(x, {self.label: 1 - target}, {self.label: target})


class _Terms:
    """Losses of single rows put together to those of the batch."""

    def __init__(self, batch: Batch) -> None:
        self.size, self.found = batch.size, dict[str, Tensor]()

    def put(self, rows: Tensor, values: Terms) -> None:
        for name, value in values.items():
            whole = self.found.get(name, torch.zeros(self.size, device=value.device))
            self.found[name] = whole.index_copy(0, rows, value)


def _off(logits: Tensor, aim: float) -> Tensor:
    """(B,) mean squared distance of the logits (B,P) from what they should be."""
    return (logits - aim).square().mean(1)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """(B,) mean absolute difference of examples (B,*)."""
    return (one - other).abs().flatten(1).mean(1)
