"""Any-order autoregressive rows: one net says each field from those that are known, whichever they are.

B batch, F fields, D digits (`digits.Digits`: a field is one digit, a large category two), V_d ids of a digit; the id V_d stands for
"not known".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Allowed, Condition, Density, Infills, Narrows
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Field, Row, Spec
from ..maths.decoding import Dials, pick, weigh
from .digits import Digits, Rows, digits_of
from .table_narrow import NarrowedAR

_AT_ONCE = 1024
"""Rows that are drawn together when hardly two of them know the same: so many stay in a processor's cache."""


@dataclass(frozen=True, slots=True)
class TableARSettings:
    """Bins, training, and the defaults of drawing. Raises BadInput for a number out of its range."""

    bins: int = 100
    """Most quantile bins of a real field."""
    keep: int = 32_768
    """Rows of the random sample that bins are cut on."""
    forward: float = 0.5
    """Share of the training examples whose known fields are the first ones in the order of drawing; in the others, any fields."""
    dropout: float = 0.2
    """Adult's first 8,000 rows, about 530 steps of 512, held-out nats: 13.64 with dropout 0.15 and 13.57 with 0.4 at a weight decay of
    0.01, 13.45 with 0.3 at 2."""
    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest id."""
    lr: float = 5e-3

    def __post_init__(self) -> None:
        check_ranges(self, bins=(2, 1000), keep=(100, 1 << 24), forward=(0, 1), dropout=(0, 0.99), temperature=(0, 100))


class TableAR(Generator, Density, Infills, Narrows):
    """Order-agnostic training (Uria, Murray, Larochelle 2014, arXiv:1310.1757, eq. 9; Hoogeboom et al. 2021, arXiv:2110.02037, eq. 3):
    a random number of digits is known, the others are predicted at once, and their mean cross-entropy times D is in the mean a bound on
    the likelihood under a random order. `log_prob` is exact under one fixed order, which `sample` follows: fields of little entropy
    first, counted at the beginning of training. So many rows begin alike, and the net is asked once for those.
    """

    later: ClassVar[tuple[str, ...]] = ("counts", "order")
    """Buffers that older packages lack (`training.state.put`): these go on drawing digits of few ids first."""
    cheaper_together = True
    Settings = TableARSettings
    settings: TableARSettings
    spec: Row
    dials = ("temperature",)
    tight: Literal["exact", "bound", "estimate"] = "exact"

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.digits = Digits(self.spec, self.settings.bins, self.settings.keep)
        # a function of the Spec alone: not saved
        self.register_buffer("unknown", torch.tensor(self.digits.sizes), persistent=False)
        self.unknown: Tensor
        """(D,) each digit's id for "not known"."""
        self.register_buffer("counts", torch.zeros(sum(self.digits.sizes), dtype=torch.int64))
        self.register_buffer("order", torch.arange(len(self.digits.sizes)))
        self.counts: Tensor
        """How often each id came until the bins were cut, all digits side by side."""
        self.order: Tensor
        """(D,) the digits in the order of drawing; a field's high one right before its low one."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Row) and spec.fields else "it learns rows of a table (categories and numbers)"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: TableARSettings) -> dict[str, Net]:
        assert isinstance(spec, Row)
        digits = digits_of(spec, settings.bins)
        told, said = (Row(tuple(Field(str(d), digit.size + more) for d, digit in enumerate(digits))) for more in (1, 0))
        ordered = tuple(d for d, digit in enumerate(digits) if not spec.fields[digit.field].categories)
        return {"fields": Net("encoder", told, said, {"kind": "fields", "ordered": ordered, "dropout": settings.dropout})}

    def players(self) -> list[Player | Learner]:
        optim = Optim("muon", lr=self.settings.lr, betas=(0.95, 0.99), weight_decay=1.0)
        net = Player("fields", list(self.parameters()), self._loss, optim=optim)
        return [net, Learner("bins", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        """Until the bins are cut: counts ids, of reals in the bins of a standard normal number."""
        if self.digits.fitted:
            return self.digits.see(batch)
        # the id for "not known" is also how many ids there are
        ids = (self.digits.encode(batch.data) + self.unknown.cumsum(0) - self.unknown).flatten()
        self.counts.index_add_(0, ids, torch.ones_like(ids))
        found = self.digits.see(batch)
        if self.digits.fitted:
            self._arrange()
        return found

    def _settle(self) -> bool:
        if not self.digits.fitted:
            self.digits.settle()
            self._arrange()
        return True

    def _arrange(self) -> None:
        """Sets the order of drawing: fields by their entropy, of two digits by the sum of both."""
        counts = torch.split(self.counts.double().cpu(), self.digits.sizes)
        entropy = [float(torch.special.entr(own / own.sum().clamp(min=1)).sum()) for own in counts]
        surprise = [sum(entropy[digit] for digit in self.digits.of(field)) for field in range(len(self.spec.fields))]
        # sorting is stable: the digits of a field stay together, in their order
        order = sorted(range(len(entropy)), key=lambda digit: surprise[self.digits.digits[digit].field])
        self.order.copy_(torch.tensor(order))

    def _loss(self, batch: Batch) -> Terms:
        digits = self.digits.encode(batch.data)
        count = digits.shape[1]
        order = batch.noise.uniform((count,), "order")
        forward = batch.noise.uniform((), "forward") < self.settings.forward
        order = torch.where(forward[:, None], self.order.argsort() / count, order)
        known_count = batch.noise.integers(count, (), "known")
        known = order.argsort(1).argsort(1) < known_count[:, None]
        logits = self.nets["fields"](torch.where(known, digits, self.unknown), batch.condition, batch.given).float()
        each = self._cross_entropy(logits + self.digits.closed(), digits)
        loss = torch.where(known, 0.0, each).sum(1) / (count - known_count)
        # per digit, so that one clipping norm suits every size
        return {"loss": loss, "nats": loss.detach() * count}

    def _cross_entropy(self, logits: Tensor, digits: Tensor) -> Tensor:
        """(B,D) of logits (B,V); neighbouring digits of one size in one call, for a wide table has a thousand."""
        found, first, place = [], 0, 0
        for size, run in groupby(self.digits.sizes):
            count = len(list(run))
            part, own = logits[:, first : first + count * size], digits[:, place : place + count]
            found.append(F.cross_entropy(part.reshape(-1, size), own.flatten(), reduction="none").view_as(own))
            first, place = first + count * size, place + count
        return torch.cat(found, 1)

    def _order(self, order: Sequence[int] | None) -> list[int]:
        """Digits in an order of the fields. Raises BadInput where it is no order of all fields."""
        if order is None:
            return self.order.tolist()
        if sorted(order) != list(range(len(self.spec.fields))):
            raise BadInput(f"an order must name each of the fields 0..{len(self.spec.fields) - 1} once, not {list(order)}")
        return [digit for field in order for digit in self.digits.of(field)]

    def log_prob(
        self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None, order: Sequence[int] | None = None
    ) -> Tensor:
        """Exact under the order of drawing, or under another `order` of the fields (F,), which gives another value: the net's
        conditionals need not agree. Mass for ids and for what is missing, density for reals."""
        digits = self.digits.encode(x)
        rows, closed = Rows(self.nets["fields"], self.unknown.expand_as(digits).clone(), condition), self.closed()
        total = self.digits.log_density(x)
        for digit in self._order(order):
            own = digits[:, digit]
            total = total + self.log_probs(rows, closed, digit).gather(1, own[:, None])[:, 0]
            rows.tell(digit, own)
        return total.float()

    def closed(self) -> tuple[Tensor, ...]:
        """(V_d,) of each digit, to be added to its logits: minus infinity for bins that don't exist."""
        return tuple(torch.split(self.digits.closed(), self.digits.sizes))

    def logits(self, rows: Rows, closed: Sequence[Tensor], digit: int) -> Tensor:
        """(G,V_d) or (B,V_d): a digit's logits as `Rows.logits` gives them, minus infinity for ids that there are not."""
        logits, beyond = rows.logits(digit) + closed[digit], self.digits.beyond(digit, rows.own())
        return logits if beyond is None else logits.masked_fill(beyond, -torch.inf)

    def log_probs(self, rows: Rows, closed: Sequence[Tensor], digit: int) -> Tensor:
        """(B,V_d) log-probabilities of a digit under what the rows know."""
        found = self.logits(rows, closed, digit).log_softmax(1)
        return found if rows.group is None else found[rows.group]

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: `temperature`."""
        digits = self.unknown.expand(noise.size, -1).clone()
        self.fill(digits, Rows(self.nets["fields"], digits, condition), noise, dials)
        return self.digits.decode(digits, noise.uniform((len(self.digits.reals),), "within"))

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dials: those of `sample`. The unknown fields are drawn one after another in the order of drawing, each given all known ones:
        exact under the order known fields first. A known NaN is known to be missing. What x (B,F) holds where it is not known is not
        looked at. Raises BadInput for another shape or for known ids that are no category."""
        shape = (noise.size, *self.spec.shape)
        if x.shape != shape or known.shape != shape:
            raise BadInput(f"x and known must have the shape {shape}, not {tuple(x.shape)} and {tuple(known.shape)}")
        for place, field in enumerate(self.spec.fields):
            ids = x[known[:, place], place]
            if field.categories and not bool(((ids >= 0) & (ids < field.categories) & (ids == ids.round())).all()):
                raise BadInput(f"what is known of {field.name!r} must be ids of 0..{field.categories - 1}")
        told = known[:, [digit.field for digit in self.digits.digits]]
        digits = torch.where(told, self.digits.encode(x), self.unknown)
        self.fill(digits, Rows(self.nets["fields"], digits, condition), noise, dials)
        return torch.where(known, x, self.digits.decode(digits, noise.uniform((len(self.digits.reals),), "within")))

    def narrow(self, allow: Mapping[int, Allowed], condition: Condition = None, *, seed: int = 0) -> NarrowedAR:
        """By enumeration, as `NarrowedAR` says."""
        return NarrowedAR(self, allow, condition, seed)

    def fill(self, digits: Tensor, rows: Rows, noise: Noise, dials: Mapping[str, Any]) -> None:
        """Draws what is not known in `digits` (B,D), which are those of `rows`, in place."""
        weighing = Dials(temperature=replace(self.settings, **dials).temperature)
        self._fill(rows, 0, noise.uniform((digits.shape[1],), "digit"), self.closed(), weighing)

    def _fill(self, rows: Rows, first: int, u: Tensor, closed: Sequence[Tensor], weighing: Dials) -> None:
        """The digits from the place `first` in the order of drawing on."""
        order = self._order(None)
        for place in range(first, len(order)):
            digit = order[place]
            if rows.group is None and len(u) > _AT_ONCE:
                for own, part in zip(rows.split(_AT_ONCE), torch.split(u, _AT_ONCE), strict=True):
                    self._fill(own, place, part, closed, weighing)
                return
            before = rows.digits[:, digit]
            open_ = before == self.digits.sizes[digit]
            if bool(open_.any()):
                ids = pick(weigh(self.logits(rows, closed, digit), weighing), u[:, digit], rows.group)
                rows.tell(digit, torch.where(open_, ids, before))
