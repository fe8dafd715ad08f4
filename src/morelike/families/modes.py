"""Rows as choices and values: a category is a choice of an id, a real a choice of a mode (or of "no number") and its place within it.

B batch, F fields, R real fields, K most modes of a real, C choices of all fields side by side.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.contract import Batch, Terms
from ..core.spec import Row, Spec
from ..maths.mixture import variational_mixture
from ..maths.reservoir import keep

MODES = 10
"""Most modes of a real; the choice after them is "no number"."""
_REACH = 4.0
"""A value of 1 lies so many standard deviations from its mode's mean."""
_SAMPLE, _MOST_BYTES = 10_000, 1 << 26
_QUANTILES = 400
"""Of a column's sample: what its modes are fitted on."""
_FIT_BY = 0.02
"""Share of the run after which modes are fitted on what has been seen so far, if no pass has ended yet."""
_MOST_CHOICES = 20_000
_CLOSED, _UNSEEN = -torch.inf, -30.0
"""Added to the logits of modes that there are not, and of "no number" where training had none missing: never drawn, and still not
impossible."""


def sizes_of(spec: Row) -> list[int]:
    """How many choices each field has."""
    return [field.categories or MODES + 1 for field in spec.fields]


def refuses_choices(spec: Spec) -> str | None:
    """Why these are no rows to be written as choices, or None."""
    if not isinstance(spec, Row) or not spec.fields:
        return "it learns rows of a table (categories and numbers)"
    count = sum(sizes_of(spec))
    return f"every category is an input of its own, and {count:,} are more than {_MOST_CHOICES:,}" if count > _MOST_CHOICES else None


class Modes(nn.Module):
    """Mode-specific normalisation (Xu et al. 2019, arXiv:1907.00503, section 4.2): modes of a variational mixture of Gaussians, fitted on a
    sample of the training rows. Until then each real has one mode, the standard normal."""

    grows: ClassVar[tuple[str, ...]] = ("kept", "keys")
    """Buffers whose size depends on the data (`training.state.put`): the sample, gone when it has been read."""

    def __init__(self, spec: Row) -> None:
        super().__init__()
        self.sizes = sizes_of(spec)
        self.reals = [place for place, field in enumerate(spec.fields) if not field.categories]
        self.steps = [spec.fields[place].bin or 1.0 for place in self.reals]
        self.rows = max(1, min(_SAMPLE, _MOST_BYTES // (4 * max(1, len(self.reals)))))
        count = len(self.reals)
        self.register_buffer("kept", torch.zeros(0, count))
        self.register_buffer("keys", torch.zeros(0))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.register_buffer("weight", F.one_hot(torch.zeros(count, dtype=torch.int64), MODES).float())
        self.register_buffer("mean", torch.zeros(count, MODES))
        self.register_buffer("scale", torch.ones(count, MODES))
        self.register_buffer("counts", torch.ones(sum(self.sizes), dtype=torch.int64))
        # functions of the Spec alone: not saved
        sizes = torch.tensor(self.sizes)
        self.register_buffer("first", sizes.cumsum(0) - sizes, persistent=False)
        self.register_buffer("field", torch.repeat_interleave(torch.arange(len(sizes)), sizes), persistent=False)
        self.register_buffer("last", sizes - 1, persistent=False)
        self.kept: Tensor
        self.keys: Tensor
        self.fitted: Tensor
        self.weight: Tensor
        """(R,K) shares of the modes; 0 = there is no such mode."""
        self.mean: Tensor
        self.scale: Tensor
        self.counts: Tensor
        """(C,) how often each choice was seen, of a real's modes those before the fit; all 1 before any data."""
        self.first: Tensor
        """(F,) where each field's choices begin."""
        self.field: Tensor
        """(C,) the field of each choice."""
        self.last: Tensor

    # learning

    def see(self, batch: Batch) -> Terms:
        """Takes a random sample of the reals and counts choices, until the modes are fitted."""
        if not self.fitted:
            x = batch.data[:, self.reals]
            if not len(self.keys):
                self.kept, self.keys = x.new_zeros(self.rows, x.shape[1]), x.new_full((self.rows,), math.inf)
                self.counts.zero_()
            keep(self.kept, self.keys, x, batch.noise.uniform((), "keep"))
            flat = (self.encode(batch.data)[0] + self.first).flatten()
            self.counts.index_add_(0, flat, torch.ones_like(flat))
            if batch.progress >= _FIT_BY:
                self.settle()
        return {"seen": torch.ones(batch.size, device=batch.data.device)}

    def settle(self) -> bool:
        """Fits the modes, once: nets that learn from the coding rely on them."""
        if not self.fitted:
            sample = self.kept[self.keys.isfinite()]
            known = [number for number in range(len(self.reals)) if bool(sample[:, number].isfinite().any())]
            if known:
                quantiles = torch.stack([_quantiles(sample[:, number]) for number in known])
                for own, found in zip((self.weight, self.mean, self.scale), variational_mixture(quantiles, MODES), strict=True):
                    own[known] = found.to(own)
            self.kept, self.keys = self.kept[:0].clone(), self.keys[:0].clone()
            self.fitted.fill_(True)
        return True

    def shares(self, logarithmic: bool = False) -> Tensor:
        """(C,) the share of each id among those seen of its category, or of the logarithms of one more; 0 for modes."""
        mass = self.counts.double().log1p() if logarithmic else self.counts.double()
        return self.within(mass * self.categorical())

    def within(self, mass: Tensor) -> Tensor:
        """(C,) of masses (C,): shares of each field's sum, which may be 0."""
        return mass / self.sums(mass).clamp(min=1e-300)[self.field]

    def sums(self, each: Tensor) -> Tensor:
        """(F,) sums over each field's choices, of (C,)."""
        return each.new_zeros(len(self.sizes)).index_add(0, self.field, each)

    def categorical(self) -> Tensor:
        """(C,) bool: ids rather than modes."""
        real = torch.zeros(len(self.sizes), dtype=torch.bool, device=self.field.device)
        real[self.reals] = True
        return ~real[self.field]

    # coding

    def _log_modes(self, own: Tensor) -> Tensor:
        """(B,R,K) log-density of each mode with its weight, of reals (B,R) without NaN."""
        z = (own[..., None] - self.mean) / self.scale
        return self.weight.log() - self.scale.log() - 0.5 * (z.square() + math.log(2 * math.pi))

    def encode(self, x: Tensor, u: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(choices (B,F) int64, values (B,R)) of rows x (B,F). u (B,R) in (0, 1) draws modes by how likely each is; without it, the
        likeliest. Ids outside the categories become the nearest; the value of "no number" is 0."""
        choices = torch.minimum(x.nan_to_num().round().clamp(min=0), self.last.to(x)).long()
        own = x[:, self.reals]
        mode = self._log_modes(own.nan_to_num())
        mode = mode.argmax(2) if u is None else (mode.softmax(2).cumsum(2) < u[..., None]).sum(2).clamp(max=MODES - 1)
        mean, scale = self._mode(mode)
        value = ((own - mean) / (_REACH * scale)).clamp(-1, 1)
        choices[:, self.reals] = torch.where(own.isnan(), MODES, mode)
        return choices, value.nan_to_num()

    def _mode(self, mode: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B,R) of modes (B,R)."""
        return self.mean.T.gather(0, mode), self.scale.T.gather(0, mode)

    def decode(self, choices: Tensor, values: Tensor) -> Tensor:
        """(B,F) float32 rows of choices (B,F) and values (B,R)."""
        x = choices.float()
        mode = choices[:, self.reals]
        mean, scale = self._mode(mode.clamp(max=MODES - 1))
        x[:, self.reals] = torch.where(mode == MODES, torch.nan, mean + _REACH * scale * values)
        return x

    def one_hot(self, choices: Tensor) -> Tensor:
        """(B,C) float32 of choices (B,F)."""
        hot = torch.zeros(len(choices), len(self.field), device=choices.device)
        return hot.scatter(1, choices + self.first, 1.0)

    def closed(self) -> Tensor:
        """(C,) to be added to logits: minus infinity for modes that there are not."""
        out = torch.zeros(len(self.field), device=self.field.device)
        if self.reals:
            slots = self.first[self.reals][:, None] + torch.arange(MODES + 1, device=out.device)
            missing = torch.where(self.counts[slots[:, -1]] > 0, 0.0, _UNSEEN)
            # where all are missing there still is a mode
            out[slots] = torch.cat((torch.where(self.weight > 0, 0.0, _CLOSED), missing[:, None]), 1)
        return out

    def log_probs(self, logits: Tensor) -> Tensor:
        """(B,C) float32 log-probabilities of the choices, each field's sum to one, of logits (B,C)."""
        open_ = logits.float() + self.closed()
        return torch.cat([part.log_softmax(1) for part in open_.split_with_sizes(self.sizes, 1)], 1)

    def pick(self, scores: Tensor) -> Tensor:
        """(B,F) the choice of the highest score in each field, of (B,C)."""
        return torch.stack([part.argmax(1) for part in scores.split_with_sizes(self.sizes, 1)], 1)

    def log_likelihood(self, x: Tensor, log_probs: Tensor, centre: Tensor, log_scale: Tensor) -> Tensor:
        """(B,) nats of rows x (B,F) under independent fields: ids by their log-probabilities (B,C), reals by a mixture of Gaussians whose
        means lie at the values `centre` (B,R) of each mode, with standard deviations exp(log_scale) (R,) in values; mass for ids and
        "no number", and by the midpoint rule where a field has a `bin`."""
        choices, _ = self.encode(x)
        each = log_probs.gather(1, choices + self.first)
        if self.reals:
            own = x[:, self.reals]
            spread = self.scale * _REACH * log_scale.exp()[:, None]
            z = (own.nan_to_num()[..., None] - self.mean - _REACH * self.scale * centre[..., None]) / spread
            slots = self.first[self.reals][:, None] + torch.arange(MODES, device=x.device)
            modes = log_probs[:, slots] - spread.log() - 0.5 * (z.square() + math.log(2 * math.pi))
            inside = modes.logsumexp(2) + torch.tensor(self.steps, device=x.device).log()
            each[:, self.reals] = torch.where(own.isnan(), each[:, self.reals], inside)
        return each.sum(1)


def _quantiles(values: Tensor) -> Tensor:
    """(Q,) of a column's numbers: real ones, none between two."""
    values = values[values.isfinite()].sort().values
    middles = (torch.arange(_QUANTILES, device=values.device) + 0.5) / _QUANTILES
    return values[(middles * len(values)).long()]


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform numbers in (0, 1)."""
    return -torch.log(-torch.log(uniform))
