"""Autoregressive sequences: p(x) is the product of p(id | those before it), each by one net that never sees what comes after.

B batch, T length, V vocabulary, N rows. The nets are values: a transformer, or recurrent cells; with a condition that is a
sequence they become encoder and decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Conditions, Spec, Tokens, elements, live, quotable, sequential
from ..maths.decoding import Dials
from .sequences import IdById, nats_of, next_of


def renamed(x: Tensor, source: Tensor, spec: Tokens, share: float, noise: Noise) -> tuple[Tensor, Tensor]:
    """Ids (B,T) and source (B,S) with a share of the ids that a row has in both swapped for random ones, the same in both."""
    ids = torch.arange(spec.vocab, device=x.device)
    here, there = (torch.zeros(len(x), spec.vocab, dtype=torch.bool, device=x.device).scatter(1, rows, True) for rows in (x, source))
    swapped = here & there & (noise.uniform((spec.vocab,), "renamed") < share) & (ids != spec.stop)
    others = noise.integers(spec.vocab, (spec.vocab,), "names")
    table = torch.where(swapped & (others != spec.stop), others, ids)
    return table.gather(1, x), table.gather(1, source)


@dataclass(frozen=True, slots=True)
class AutoregressiveSettings(Dials):
    """The net, its training, and the defaults of drawing (`Dials`)."""

    net: str = "transformer"
    """"transformer" (Vaswani et al. 2017, arXiv:1706.03762), "lstm", "gru" or "rnn"."""
    dropout: float = 0.1
    smoothing: float = 0.0
    """Label smoothing (Szegedy et al. 2016, section 7), in training only."""
    renaming: float = 0.2
    """Share of the ids that a text has in common with a source of the same alphabet which are swapped for others, in both, in training:
    what must come through is then copied, not learnt by heart (after Jia, Liang 2016, arXiv:1606.03622, section 4.2.1)."""
    lr: float = 0.0
    """Learning rate; 0 = 0.01 for the transformer's Muon, 0.002 for the recurrent nets' AdamW."""

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        check_ranges(self, dropout=(0, 0.99), smoothing=(0, 0.99), renaming=(0, 0.99))


class Autoregressive(IdById):
    """Exact likelihood; draws id by id with the net's state kept."""

    Settings = AutoregressiveSettings
    settings: AutoregressiveSettings

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        own = self.settings
        self.alike = quotable(spec, conditions) if own.renaming and own.net == "transformer" else None
        """The condition in whose ids the text is written."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if sequential(spec) else "it goes through sequences of ids, one after another (of tunes, codec.form=events gives them)"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: AutoregressiveSettings) -> dict[str, Net]:
        own: dict[str, Any] = {"kind": "transformer", "dropout": settings.dropout}
        if settings.net != "transformer":
            own = {"kind": "recurrent", "cell": settings.net, "dropout": settings.dropout}
        if isinstance(spec, Tokens) and spec.period and settings.net in ("transformer", "lstm", "gru", "rnn"):
            # Super Mario, 250 steps of a small lstm: 80.0 nats a window of 14 x 32, 107.9 without
            own["around"] = True
        return {"causal": Net("causal", spec, spec, own)}

    def players(self) -> list[Player | Learner]:
        # tiny-Shakespeare, 150 steps of 16 x 256: Muon 1.87 nats at 0.01, 2.08 at 0.002; AdamW 2.14 at 0.002
        muon = self.settings.net == "transformer"
        rate = self.settings.lr or (0.01 if muon else 0.002)
        betas = (0.95, 0.99) if muon else (0.9, 0.99)
        optim = Optim("muon" if muon else "adamw", lr=rate, betas=betas, weight_decay=0.01, schedule="linear")
        return [Player("language", list(self.parameters()), self._loss, optim=optim)]

    def log_probs(self, x: Tensor, condition: Condition, given: Condition = None) -> Tensor:
        """(B,T,V) log-probabilities of the id at every place given those before it; 0 past the stop. `given`: None = all."""
        known, everything = all_given(condition)
        logits, index = self.nets["causal"](x, known, everything if given is None else given)
        rows = logits.float().log_softmax(-1)
        if index is not None:
            rows = rows.new_zeros(x.numel(), rows.shape[1]).index_copy(0, index, rows)
        padded: Tensor = rows.view(*x.shape, -1) * live(self.spec, x)[..., None]
        return padded

    def _loss(self, batch: Batch) -> Terms:
        own, x, condition = self.settings.smoothing, batch.data, dict(batch.condition)
        if self.alike is not None:
            told = batch.given[self.alike][:, None]
            swapped = renamed(x, condition[self.alike], self.spec, self.settings.renaming, batch.noise)
            x, condition[self.alike] = (torch.where(told, new, old) for new, old in zip(swapped, (x, condition[self.alike]), strict=True))
        loss = nats_of(self.nets["causal"], self.spec, x, condition, batch.given, own).sum(1)
        # a constant scale, so that every id weighs the same and no example depends on its neighbours
        return {"loss": loss / elements(self.spec), "smoothed_nats" if own else "nats": loss.detach()}

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        return next_of(self.nets["causal"], ids, condition, state)

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        return nats_of(self.nets["causal"], self.spec, x, *all_given(condition))
