"""Masked diffusion: ids are hidden one after another in random order, and one net says each hidden id from those that are left.

B batch, T places (a grid's rows one after another), V vocabulary; the id V stands for a hidden place.

Items with a stop: once a stop is known, all that follows it is known to be stop, costs no nats and is left out of the net's work; left
of a known id that is no stop there can be no stop, so its probability goes to the other ids. The model is thus a distribution over
whole items, each counted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Density, Obeys
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput, UnknownName
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, Tokens, elements, live
from ..maths.decoding import Dials, pick, weigh

_MOST_STEPS = 32
"""Steps of drawing, at most, as long as none are chosen."""
_SPREAD = 4.5
"""Scale of the noise by which places are chosen with order "confidence", at first.

On a toy chain of 8 places with 4 steps, samples had 4.8 nats under the truth, whose own have 4.9, and 296 distinct items of 1,000
against 282 real ones; with a scale of 1, 3.7 nats and 141: too sure, too alike. Random order had 8.6 nats and 638.
"""
_ORDERS = ("random", "confidence")


@dataclass(frozen=True, slots=True)
class MaskedSettings:
    """The net's dropout, and the defaults of drawing. Raises BadInput for a number out of its range, UnknownName for an unknown order."""

    steps: int = 0
    """Steps of drawing; 0 = one for each place, or with order "confidence" one for two, at most 32. Places shown in one step don't know
    of each other."""
    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest id."""
    order: str = "confidence"
    """"confidence": first the places of whose drawn id the model is surest (Chang et al. 2022, section 3.2), for few steps; with many,
    items become too alike. "random": with as many steps as places, samples follow the model's own distribution."""
    draws: int = 16
    """Sets of hidden places for each example that the bound is averaged over."""
    dropout: float = 0.1
    lr: float = 0.0
    """0 = 0.002 for sequences, 0.01 for grids: on 4 x 4 codes of digits, 100 steps of 32, 3.6 nats an id against 4.8 at 0.002."""

    def __post_init__(self) -> None:
        if self.order not in _ORDERS:
            raise UnknownName("order", self.order, _ORDERS)
        check_ranges(self, steps=(0, 1 << 16), temperature=(0, math.inf), draws=(1, 1 << 16), dropout=(0, 0.99))


class Masked(Generator, Density, Obeys):
    """Absorbing discrete diffusion (Austin et al. 2021, arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524; Shi et al. 2024,
    arXiv:2406.04329) with parallel drawing (Chang et al. 2022, arXiv:2202.04200).

    On the linear schedule a place is hidden with probability t, and the bound is the mean over t of 1/t times the hidden places'
    cross-entropy (Sahoo et al. 2024, section 3). Here the number of hidden places is drawn evenly from 1..T instead of t, and its share
    of T stands for t: the same bound (Hoogeboom et al. 2022, arXiv:2110.02037, section 3) with less variance.
    """

    Settings = MaskedSettings
    settings: MaskedSettings
    spec: Tokens
    dials = ("steps", "temperature", "order")
    tight: Literal["exact", "bound", "estimate"] = "bound"

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        several = isinstance(spec, Tokens) and elements(spec) > 1
        return None if several else "it fills in sequences and grids of ids (text, notes, levels, ...)"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: MaskedSettings) -> dict[str, Net]:
        return {"denoiser": Net("denoiser", spec, spec, {"dropout": settings.dropout})}

    def players(self) -> list[Player | Learner]:
        rate = self.settings.lr or (2e-3 if len(self.spec.shape) == 1 else 1e-2)
        optim = Optim("muon", lr=rate, betas=(0.95, 0.99), weight_decay=0.01)
        return [Player("denoiser", list(self.parameters()), self._loss, optim=optim)]

    def _logits(self, x: Tensor, known: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,T,V) logits of every place from the known ones of x (B,T); of a sequence, T may be fewer places than the Spec's."""
        hidden = torch.where(known, x, self.spec.vocab)
        logits: Tensor = self.nets["denoiser"](hidden.view(len(x), -1, *self.spec.shape[1:]), condition, given).float()
        if self.spec.stop is None:
            return logits
        goes_on = (known & (x != self.spec.stop)).flip(1).cumsum(1).flip(1) > 0
        never = torch.zeros(self.spec.vocab, dtype=torch.bool, device=x.device)
        never[self.spec.stop] = True
        return logits.masked_fill(goes_on[..., None] & never, -torch.inf)

    def _settled(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(x, known), (B,T) each, with all that follows a known stop known to be stop; what was known stays."""
        if self.spec.stop is None:
            return x, known
        ended = (known & (x == self.spec.stop)).cumsum(1) > 0
        return torch.where(ended & ~known, self.spec.stop, x), known | ended

    def _alike(self, x: Tensor, known: Tensor) -> Iterator[tuple[Tensor, int]]:
        """(rows, the longest one's places up to a known stop) of settled (x, known), (B,T) each: up to 64 places, 65 to 128, to 256, ...

        Attention's cost is the square of a batch's longest row, and one row in thirty may be longer than all others together.
        """
        if self.spec.stop is None or len(self.spec.shape) > 1:
            yield torch.arange(len(x), device=x.device), x.shape[1]
            return
        lengths = live(self.spec, torch.where(known, x, self.spec.vocab)).sum(1)
        doublings = (lengths - 1).clamp(min=63).double().log2().floor()
        for number in sorted(set(doublings.tolist())):
            rows = (doublings == number).nonzero()[:, 0]
            yield rows, int(lengths[rows].max())

    def _nats(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], share: Tensor, noise: Noise) -> Tensor:
        """(B,) nats of x (B,T) with T * `share` (B,), rounded up, of its places hidden: their mean cross-entropy times T."""
        places = x.shape[1]
        hidden = (share * places).ceil().long().clamp(1, places)
        known = _rank(noise.uniform((places,), "order")) >= hidden[:, None]
        _, known = self._settled(x, known)
        nats = torch.zeros(len(x), device=x.device)
        for rows, longest in self._alike(x, known):
            own, there = x[rows, :longest], known[rows, :longest]
            logits = self._logits(own, there, _of(condition, rows), _of(given, rows))
            each = F.cross_entropy(logits.flatten(0, 1), own.flatten(), reduction="none").view(own.shape)
            nats = nats.index_copy(0, rows, torch.where(there, 0.0, each).sum(1))
        return nats * (places / hidden)

    def _loss(self, batch: Batch) -> Terms:
        share = batch.noise.uniform((), "share")
        nats = self._nats(batch.data.flatten(1), batch.condition, batch.given, share, batch.noise)
        # per element, so that one clipping norm suits every size
        return {"loss": nats / elements(self.spec), "nats": nats.detach()}

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """The bound, averaged over `draws` numbers of hidden places spread evenly over 1..T: never above log p(x) in the mean, p being
        what `sample` draws from with random order and as many steps as places. Raises BadInput without noise."""
        if noise is None:
            raise BadInput("the likelihood bound of masked diffusion draws hidden places: pass `noise`")
        condition, given = all_given(condition)
        draws = self.settings.draws
        total = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
        for draw in range(draws):
            own = noise.under("bound", draw)
            share = (draw + own.uniform((), "share")) / draws
            total -= self._nats(x.flatten(1), condition, given, share, own)
        return (total / draws).float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `steps`, `temperature`, `order`."""
        x = torch.zeros(noise.size, elements(self.spec), dtype=torch.int64, device=noise.index.device)
        return self._fill(x, torch.zeros_like(x, dtype=torch.bool), condition, noise, dials)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: those of `sample`. What x (B,*) holds where it is not known is not looked at. Raises BadInput for ids that are known
        and not of the vocabulary, or for another shape."""
        shape = (noise.size, *self.spec.shape)
        if x.shape != shape or known.shape != shape:
            raise BadInput(f"x and known must have the shape {shape}, not {tuple(x.shape)} and {tuple(known.shape)}")
        if bool((known & ((x < 0) | (x >= self.spec.vocab))).any()):
            raise BadInput(f"what is known must be ids of 0..{self.spec.vocab - 1}")
        return self._fill(x.flatten(1), known.flatten(1), condition, noise, dials)

    def infill_by(
        self, x: Tensor, known: Tensor, rule: Callable[[Tensor, Tensor], Tensor], condition: Condition = None, *, noise: Noise, **dials: Any
    ) -> Tensor:
        """Of each row of a grid one place is shown in a step, so that the rule sees the others. Dials: those of `sample`."""
        settings, shape = replace(self.settings, **dials), x.shape
        told, given = all_given(condition)
        x, known = x.flatten(1), known.flatten(1)
        if not bool(known.any()):
            # a whole item: where it ends is settled first, for the rule speaks of what stands before the end
            x, known = self._ended(x, known, told, given, noise)
        return self._shown(x, known, told, given, noise, settings, rule).view(shape)

    def _fill(self, x: Tensor, known: Tensor, condition: Condition, noise: Noise, dials: Mapping[str, Any]) -> Tensor:
        """(B,*) with the places of x (B,T) that are not known drawn in some steps."""
        settings = replace(self.settings, **dials)
        condition, given = all_given(condition)
        x, known = self._settled(x, known)
        if settings.order == "confidence":
            x, known = self._ended(x, known, condition, given, noise)
        out = x.clone()
        for rows, longest in self._alike(x, known):
            own = self._shown(x[rows, :longest], known[rows, :longest], _of(condition, rows), _of(given, rows), noise[rows], settings)
            out[rows, :longest] = own
        return out.view(-1, *self.spec.shape)

    def _shown(
        self, x: Tensor, known: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], noise: Noise,
        settings: MaskedSettings, rule: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """(B,T) with the places of settled (x, known) drawn in some steps; T may be fewer places than the Spec's."""
        sure, most = settings.order == "confidence", elements(self.spec)
        steps = settings.steps or min((most + 1) // 2 if sure else most, _MOST_STEPS)
        order = self._places(noise, x.shape[1], "order")
        at_first = (~known).sum(1)
        # under a rule some places of a row wait for the others
        for step in range(1, steps + (elements(self.spec) // self.spec.shape[0] if rule else 1)):
            show = ((~known).sum(1) - _left(at_first, min(step, steps), steps, settings.order)).clamp(min=0)
            if not bool(show.any()):
                continue
            logits = self._logits(x, known, condition, given)
            if rule is not None:
                shape = (len(x), -1, *self.spec.shape[1:])
                logits = logits.masked_fill(~rule(x.view(shape), known.view(shape)).flatten(1, -2), -torch.inf)
            own = noise.under("step", step)
            if sure:
                drawn, sureness = self._drawn(x, self._without_stop(logits), ~known, settings.temperature, own)
                gumbel = -torch.log(-torch.log(self._places(own, x.shape[1], "place")))
                rank = -(sureness + _SPREAD * max(0.0, 1 - step / steps) * gumbel)
                now = _first(rank, known, show)
                now = now if rule is None else self._one_a_row(now, rank)
                x = torch.where(now, drawn, x)
            else:
                now = _first(order, known, show)
                now = now if rule is None else self._one_a_row(now, order)
                x = self._drawn(x, logits, now, settings.temperature, own)[0]
            # places drawn together know nothing of each other: what stands after a stop gives way to it
            ended = ((known | now) & (x == self.spec.stop)).cumsum(1) > 0 if self.spec.stop is not None else torch.zeros_like(known)
            x, known = torch.where(ended & ~known, self.spec.stop or 0, x), known | now | ended
        return x

    def _one_a_row(self, now: Tensor, rank: Tensor) -> Tensor:
        """(B,T) bool: of the places `now` (B,T) of each row of the grid the one of least rank (B,T)."""
        rows = rank.masked_fill(~now, torch.inf).view(len(now), self.spec.shape[0], -1)
        first = torch.zeros_like(rows, dtype=torch.bool).scatter(2, rows.argmin(2, keepdim=True), True)
        return now & first.flatten(1)

    def _places(self, noise: Noise, count: int, name: str) -> Tensor:
        """(B,count) uniforms, one a place, whatever the count."""
        return noise.uniform((elements(self.spec),), name)[:, :count]

    def _ended(
        self, x: Tensor, known: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """(x, known), (B,T) each, with the end of every row drawn: a stop's probability at a place is that of having ended by then.

        By confidence, stops would come first, for every place past the end is sure, and items would be far too short.
        """
        stop = self.spec.stop
        if stop is None:
            return x, known
        level, ends = noise.uniform((), "end")[:, None], known & (x == stop)
        for rows, longest in self._alike(x, known):
            there = known[rows, :longest]
            by_then = self._logits(x[rows, :longest], there, _of(condition, rows), _of(given, rows)).softmax(-1)[..., stop]
            ends[rows, :longest] |= ~there & (level[rows] < by_then)
        ended = ends.cumsum(1) > 0
        return torch.where(ended & ~known, stop, x), known | ended

    def _without_stop(self, logits: Tensor) -> Tensor:
        if self.spec.stop is None:
            return logits
        return logits.index_fill(-1, torch.tensor([self.spec.stop], device=logits.device), -torch.inf)

    def _drawn(self, x: Tensor, logits: Tensor, where: Tensor, temperature: float, noise: Noise) -> tuple[Tensor, Tensor]:
        """(x with ids drawn from `logits` (B,T,V) `where` (B,T), their log-probabilities there and 0 elsewhere), (B,T) each."""
        log_probs = logits[where].log_softmax(-1)
        weights = weigh(log_probs, Dials(temperature=temperature))
        if self.spec.stop is not None:
            # one number decides at all places of a row whether it has ended by then: drawn apart, the first of many stops would win
            level = noise.uniform((), "end")[:, None].expand_as(x)[where]
            ended = level < weights.softmax(-1)[:, self.spec.stop]
            weights = torch.where(ended[:, None], weights, self._without_stop(weights))
        ids = pick(weights, self._places(noise, x.shape[1], "id")[where])
        if self.spec.stop is not None:
            ids = torch.where(ended, self.spec.stop, ids)
        sureness = log_probs.gather(1, ids[:, None])[:, 0]
        return x.masked_scatter(where, ids), torch.zeros_like(x, dtype=torch.float32).masked_scatter(where, sureness)


def _of(values: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in values.items()}


def _rank(values: Tensor) -> Tensor:
    """(B,T) int64: how many of a row's values are smaller."""
    return values.argsort(dim=1, stable=True).argsort(dim=1)


def _first(values: Tensor, known: Tensor, count: Tensor) -> Tensor:
    """(B,T) bool: the `count` (B,) places of the smallest values that are not known."""
    return ~known & (_rank(values.masked_fill(known, torch.inf)) < count[:, None])


def _left(at_first: Tensor, step: int, steps: int, order: str) -> Tensor:
    """(B,) how many of the places hidden at first are still hidden after a step: ever fewer in equal numbers, or by confidence along
    a cosine, few at first (Chang et al. 2022, section 3.3)."""
    if order == "random":
        return at_first * (steps - step) // steps
    return (at_first * math.cos(math.pi / 2 * step / steps)).floor().long()
