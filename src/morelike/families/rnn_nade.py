"""Grids of ids row by row: p(x) is the product of p(row | rows above), each the product of p(id | those before it in the row).

B batch, T rows (time steps), R places of a row (pitches, voices, tiles), V vocabulary, N rows of a batch that are there, P particles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Away, Condition, Density, Leans, Obeys, check_known
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, Refused
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, Tokens, elements, live
from ..maths.decoding import Dials, pick, weigh
from ..maths.particles import resampled

Rule = Callable[[Tensor, Tensor], Tensor]
"""(rows above (B,t,R), ids before it in its row (B,r)) -> (B,V) bool: what may stand at the place r of row t. Where the Spec has a stop,
its column at the place 0 says whether the grid may end there."""
Beside = Callable[[Tensor, Tensor], Tensor]
"""(x (B,1,R), known (B,1,R)) of one row -> (B,1,R,V) bool: what a place may have beside those known (`core.abilities.Obeys`)."""
_AT_ONCE = 16
"""Grids whose likelihood is worked out at once."""
_LEAST = -1e4
"""Nats that stand for probability zero: where a model gives none to all that is allowed, the allowed ids are equally likely."""


@dataclass(frozen=True, slots=True)
class RNNNADESettings:
    """The cells, their training, and the defaults of drawing. Raises BadInput for a number out of its range."""

    cell: str = "lstm"
    """"lstm", "gru" or "rnn"."""
    above: int = 4
    """Rows above whose neighbourhood a place sees, beside what the cells remember."""
    reach: int = 12
    """Places to either side that it sees there: for pitches, an octave."""
    dropout: float = 0.2
    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest id."""
    particles: int = 32
    """Drafts of a grid that is filled in, of which the known part chooses."""
    lr: float = 0.02

    def __post_init__(self) -> None:
        check_ranges(self, above=(0, 64), reach=(1, 1024), dropout=(0, 0.99), temperature=(0, 100), particles=(1, 4096))


class RNNNADE(Generator, Density, Obeys, Leans):
    """A recurrent net over rows and a neural autoregressive estimator within them (Boulanger-Lewandowski et al. 2012, arXiv:1206.6392,
    section 5; Larochelle, Murray 2011): exact likelihood. For music a row is what sounds at a time, so notes of a chord know each other.
    """

    Settings = RNNNADESettings
    settings: RNNNADESettings
    spec: Tokens
    dials: ClassVar[tuple[str, ...]] = ("temperature", "particles")
    tight: Literal["exact", "bound", "estimate"] = "exact"

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        grid = isinstance(spec, Tokens) and len(spec.shape) == 2
        return None if grid else "it goes through grids of ids (rolls of notes, voices, levels) row by row"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: RNNNADESettings) -> dict[str, Net]:
        own = {"cell": settings.cell, "above": settings.above, "reach": settings.reach, "dropout": settings.dropout}
        return {"rows": Net("causal", spec, spec, {"kind": "rows", **own})}

    def players(self) -> list[Player | Learner]:
        # chorales, 100 s of one core: 5.45 nats a step with Muon at 0.02 and batches of 8, 5.51 at 0.01, 7.28 with AdamW at 0.002 and 16
        optim = Optim("muon", lr=self.settings.lr, betas=(0.95, 0.99), weight_decay=0.01, schedule="linear")
        return [Player("rows", list(self.parameters()), self._loss, optim=optim)]

    # likelihood

    def row_nats(self, x: Tensor, condition: Condition = None, given: Condition = None) -> tuple[Tensor, Tensor]:
        """(nats of each row's ids given the rows above, nats of whether the grid ends there), (B,T) each; 0 past the end. `given`:
        None = all. Their sum is minus `log_prob`."""
        known, everything = all_given(condition)
        there = live(self.spec, x)[..., 0]
        short = x[:, : int(there.sum(1).max())]
        there = there[:, : short.shape[1]]
        log_probs, ends = self.nets["rows"](short, there, known, everything if given is None else given)
        rows = short[there]
        ended = rows[:, 0] == (-1 if self.spec.stop is None else self.spec.stop)
        each = -log_probs.gather(2, torch.where(ended[:, None], 0, rows)[..., None])[..., 0].sum(1)
        each = torch.where(ended, 0.0, each)
        ending = torch.zeros_like(each) if ends is None else F.softplus(torch.where(ended, -ends, ends))
        empty = x.new_zeros(there.shape, dtype=torch.float32)
        notes, ending = (F.pad(empty.masked_scatter(there, own), (0, x.shape[1] - short.shape[1])) for own in (each, ending))
        return notes, ending

    def _loss(self, batch: Batch) -> Terms:
        notes, ending = self.row_nats(batch.data, batch.condition, batch.given)
        nats = (notes + ending).sum(1)
        # a constant scale, so that every row weighs the same and no example depends on its neighbours
        return {"loss": nats / elements(self.spec), "nats": nats.detach()}

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact; `noise` is not used. Some grids at a time: every place has hidden numbers of its own."""
        parts = []
        for start in range(0, len(x), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            notes, ending = self.row_nats(x[rows], {name: value[rows] for name, value in (condition or {}).items()})
            parts.append(-(notes + ending).double().sum(1).float())
        return torch.cat(parts)

    def ruled_log_prob(self, x: Tensor, rule: Rule, condition: Condition = None) -> Tensor:
        """(B,) nats of x (B,T,R) under what `sample` draws from with a rule: at every place, odds among what is allowed. -inf where x
        breaks it. Raises Refused where nothing is allowed."""
        drafts = _Drafts(self, x, torch.ones_like(x, dtype=torch.bool), condition, None, 1.0, rule)
        return drafts.run()[1]

    # drawing

    def sample(self, condition: Condition = None, *, noise: Noise, rule: Rule | None = None, **dials: Any) -> Tensor:
        """Dial: `temperature`. `rule`: what is allowed at a place; the odds among that are the model's own. Raises Refused where nothing
        is."""
        x = torch.zeros(noise.size, *self.spec.shape, dtype=torch.int64, device=noise.index.device)
        uniform = noise.uniform(_numbers(self.spec), "cells")
        warm = dials.get("temperature", self.settings.temperature)
        return _Drafts(self, x, torch.zeros_like(x, dtype=torch.bool), condition, uniform, warm, rule).run()[0]

    def infill(
        self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, rule: Rule | None = None, **dials: Any
    ) -> Tensor:
        """Dials: `temperature`, `particles`, `away`. Sequential Monte Carlo (Doucet, de Freitas, Gordon 2001): drafts of which the
        likelier ones, judged by the known ids so far, are gone on with row by row. Exact where what is known comes before what isn't
        (rows to go on with), in the limit of many particles otherwise. Raises BadInput for known ids that are none, or for another
        shape."""
        return self._infill(x, known, condition, noise, dials, rule, None)

    def infill_by(
        self, x: Tensor, known: Tensor, rule: Beside, condition: Condition = None, *, noise: Noise, **dials: Any
    ) -> Tensor:
        """As `infill`, in the limit of many particles the model's own distribution given what is known and that every place that isn't
        keeps the rule. Where nothing is known in the whole batch: odds among what the rule allows at each place, and one particle."""
        dials = dials if bool(known.any()) else {**dials, "particles": 1}
        return self._infill(x, known, condition, noise, dials, None, rule)

    def _infill(
        self, x: Tensor, known: Tensor, condition: Condition, noise: Noise, dials: Mapping[str, Any], rule: Rule | None,
        beside: Beside | None,
    ) -> Tensor:  # fmt: skip
        shape, count = (noise.size, *self.spec.shape), dials.get("particles", self.settings.particles)
        check_known(x, known, shape)
        if bool((known & ((x < 0) | (x >= self.spec.vocab))).any()):
            raise BadInput(f"what is known must be ids of 0..{self.spec.vocab - 1}")
        uniform = torch.stack([noise.under("particle", i).uniform(_numbers(self.spec), "cells") for i in range(count)], 1).flatten(0, 1)
        away: Away | None = dials.get("away")
        told, other = (
            {name: value.repeat_interleave(count, 0) for name, value in (own or {}).items()} for own in (condition, away and away.condition)
        )
        warm = dials.get("temperature", self.settings.temperature)
        leaning = away and Away(other, away.guidance)
        wide, there = x.repeat_interleave(count, 0), known.repeat_interleave(count, 0)
        drafts = _Drafts(self, wide, there, told, uniform, warm, rule, beside, leaning)
        again = noise.uniform((self.spec.shape[0] + 1,), "again")
        drawn, weight = drafts.run(lambda row, weights: resampled(weights, again[:, row], count))
        best = pick(weight.view(-1, count), again[:, -1])
        return torch.where(known, x, drawn.view(-1, count, *self.spec.shape)[torch.arange(len(x), device=x.device), best])


def _numbers(spec: Tokens) -> tuple[int, int]:
    """Numbers that a draw takes: one a place, and one a row for whether the grid ends."""
    return spec.shape[0], spec.shape[1] + 1


@dataclass(slots=True)
class _Drafts:
    """Grids that are drawn row by row, with what is known of them put in and counted."""

    model: RNNNADE
    x: Tensor
    """(B,T,R) int64; what it holds where it isn't known is not looked at."""
    known: Tensor
    condition: Condition
    uniform: Tensor | None
    """(B,T,R+1) numbers in (0, 1); None where all is known."""
    temperature: float
    rule: Rule | None
    beside: Beside | None = None
    away: Away | None = None
    weight: Tensor = field(init=False)
    """(B,) nats of what was known so far, and of having kept `beside`, given what came before."""
    alive: Tensor = field(init=False)
    """(B,) bool: the grid hasn't ended."""
    state: Any = field(init=False)
    other: Any = field(init=False)
    """The state under the condition that is drawn away from."""

    def run(self, choose: Callable[[int, Tensor], tuple[Tensor, Tensor] | None] | None = None) -> tuple[Tensor, Tensor]:
        """(grids (B,T,R), log-weights (B,)). `choose`: (row, log-weights) -> which drafts are gone on with and their
        log-weights then, None = all as they are."""
        net: Any = self.model.nets["rows"]
        self.x = self.x.clone()
        self.weight = torch.zeros(len(self.x), dtype=torch.float64, device=self.x.device)
        self.alive = torch.ones(len(self.x), dtype=torch.bool, device=self.x.device)
        self.state = net.begin(*all_given(self.condition), len(self.x))
        self.other = None if self.away is None else net.begin(*all_given(self.away.condition), len(self.x))
        for row in range(self.x.shape[1]):
            self._row(net, row)
            if not bool(self.alive.any()):
                self.x[:, row:] = self.model.spec.stop or 0
                break
            chosen = choose(row, self.weight) if choose is not None else None
            if chosen is not None:
                which, self.weight = chosen
                # drafts of one example have the same known ids, so whole rows may change places
                self.x, self.state, self.alive = self.x[which], self.state.rows(which), self.alive[which]
                self.other = self.other and self.other.rows(which)
            drawn = torch.where(self.alive[:, None], self.x[:, row], 0)
            self.state, self.other = net.advance(self.state, drawn), self.other and net.advance(self.other, drawn)
        return self.x, self.weight.float()

    def _row(self, net: Any, row: int) -> None:
        spec = self.model.spec
        knows, ends = net.open(self.state)
        if ends is not None:
            self._end(row, ends)
        others = None if self.other is None else net.open(self.other)[0]
        for place in range(spec.shape[1]):
            log_probs = net.log_probs(knows, place, self.state)
            if self.rule is not None:
                log_probs = self._ruled(log_probs, row, place)
            told = self.known[:, row, place]
            if others is not None and self.away is not None:
                apart = log_probs - net.log_probs(others, place, self.other).clamp(min=_LEAST)
                leaning = (log_probs + self.away.guidance * apart).masked_fill(log_probs < _LEAST, -torch.inf)
                log_probs = torch.where(told[:, None], log_probs, leaning.log_softmax(1))
            if self.beside is not None and not bool(told.all()):
                log_probs = self._keeping(log_probs, row, place)
            ids = self.x[:, row, place]
            if self.uniform is not None and not bool(told.all()):
                drawn = pick(weigh(log_probs, Dials(temperature=self.temperature)), self.uniform[:, row, place])
                ids = torch.where(told, ids, drawn)
            counted = told & self.alive
            self.weight += torch.where(counted, log_probs.gather(1, ids[:, None])[:, 0].double(), 0.0)
            self.x[:, row, place] = ids if spec.stop is None else torch.where(self.alive, ids, spec.stop)
            net.tell(knows, place, ids)
            if others is not None:
                net.tell(others, place, ids)

    def _end(self, row: int, log_odds: Tensor) -> None:
        """Settles where the grid ends before a row: drawn, or as what is known of it says."""
        stop, here = self.model.spec.stop, slice(row, row + 1)
        both = torch.stack((F.logsigmoid(-log_odds), F.logsigmoid(log_odds)), 1)
        if self.rule is not None:
            allowed = self.rule(self.x[:, :row], self.x[:, row, :0])
            both = self._allowed(both, torch.stack((_but(allowed, stop).any(1), allowed[:, stop]), 1), row, 0)
        goes_on = (self.known & (self.x != stop))[:, row:].flatten(1).any(1)
        told = goes_on | (self.known & (self.x == stop))[:, here].flatten(1).any(1)
        ends = ~goes_on
        if self.uniform is not None:
            drawn = pick(weigh(both, Dials(temperature=self.temperature)), self.uniform[:, row, -1]) == 1
            ends = torch.where(told, ends, drawn)
        self.weight += torch.where(told & self.alive, both.gather(1, ends.long()[:, None])[:, 0].double(), 0.0)
        self.alive = self.alive & ~ends

    def _ruled(self, log_probs: Tensor, row: int, place: int) -> Tensor:
        """Log-probabilities (B,V) of what is allowed, renormalised."""
        assert self.rule is not None
        return self._allowed(log_probs, _but(self.rule(self.x[:, :row], self.x[:, row, :place]), self.model.spec.stop), row, place)

    def _keeping(self, log_probs: Tensor, row: int, place: int) -> Tensor:
        """Log-probabilities (B,V) of what may stand beside the rest of the row, renormalised; how likely that was is counted. What is known
        stays as it is, even where it breaks the rule."""
        assert self.beside is not None
        held = self.known[:, row].clone()
        held[:, :place] = True
        allowed = _but(self.beside(self.x[:, row, None], held[:, None])[:, 0, place], self.model.spec.stop)
        told = self.known[:, row, place]
        kept = self._allowed(log_probs, allowed | told[:, None], row, place)
        likely = torch.where(allowed, log_probs.clamp(min=_LEAST), -torch.inf).double().logsumexp(1)
        self.weight += torch.where(self.alive & ~told, likely, 0.0)
        return torch.where(told[:, None], log_probs, kept)

    def _allowed(self, log_probs: Tensor, allowed: Tensor, row: int, place: int) -> Tensor:
        if bool((~allowed.any(1) & self.alive).any()):
            raise Refused(f"the rule allows nothing at place {place + 1} of row {row + 1}")
        return log_probs.clamp(min=_LEAST).masked_fill(~allowed, -torch.inf).log_softmax(1)


def _but(allowed: Tensor, stop: int | None) -> Tensor:
    """(B,V) without the stop."""
    return allowed if stop is None else allowed & (torch.arange(allowed.shape[1], device=allowed.device) != stop)
