"""CTGAN: a Wasserstein GAN of table rows, asked for one value of one category at a time, so that rare values are learnt too.

B batch, F fields, R real fields, C choices of all fields, L latent dimensions, P rows in a pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Row, Spec
from ..maths.penalty import one_centred
from .modes import Modes, gumbel, refuses_choices, sizes_of

_SOFTNESS = 0.2
"""Temperature of the relaxed choices (section 4.4 of the paper)."""
_TOLD = 16
"""Numbers in which the critic is told a row's conditions."""


@dataclass(frozen=True, slots=True)
class CTGANSettings:
    """The game, and the default of drawing. Raises BadInput for a number out of its range."""

    latent: int = 128
    pack: int = 10
    """Rows that the critic judges together (PacGAN: Lin et al. 2018, arXiv:1712.04086): it sees where all are alike. Adult, 400 steps at
    a rate of 5e-4: with 1 row, a worse shape error (8.7 % against 6.3) and signs of collapse, but more of what ties the columns."""
    penalty: float = 10.0
    """Weight of the gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3)."""
    critic_steps: int = 1
    """Turns of the critic for one of the generator."""
    temperature: float = 1.0
    """In samples: scale of the Gumbel noise that draws ids and modes; 0 = the likeliest."""
    lr: float = 2e-4

    def __post_init__(self) -> None:
        check_ranges(self, latent=(1, 1 << 16), pack=(1, 1000), critic_steps=(1, 1000), penalty=(0, 1e6), temperature=(0, 100))


class CTGAN(Generator):
    """Xu et al. 2019, arXiv:1907.00503, section 4.3, on rows coded as there (`modes.Modes`).

    Training by sampling: a category is picked evenly and one of its values by the logarithm of its frequency; the generator pays a
    cross-entropy where its row hasn't that value. The real rows to match are picked among the batch's own: a value that it holds, by
    the logarithm of its frequency in all training rows, and one of the rows that have it. So a value that no row of the batch has is
    not compared at that step. Samples are asked for values as often as training has them. Conditions of the model's own take the place of
    all this: then the rows of the batch are compared as they are.

    Departures: rates fall along a cosine and the weights drawn with are averaged (both are the recipe's); hidden layers' width follows
    the recipe's size (256, the paper's, at `s`), and the critic drops out after its first hidden layer alone.
    """

    Settings = CTGANSettings
    settings: CTGANSettings
    spec: Row
    dials = ("temperature",)

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        self.modes = Modes(self.spec)
        self.asks = not self.conditions and len(self.modes.reals) < len(self.spec.fields)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return refuses_choices(spec)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: CTGANSettings) -> dict[str, Net]:
        assert isinstance(spec, Row)
        asked, reals = sum(sizes_of(spec)), sum(not field.categories for field in spec.fields)
        seen = settings.pack * (2 * asked + reals + (_TOLD if conditions else 0))
        judges = {"kind": "mlp", "activation": "leaky", "depth": 2, "dropout": 0.5}
        nets = {
            "critic": Net("critic", Array((seen,)), Array((1,)), judges),
            "generator": Net("decoder", Array((settings.latent + asked,)), Array((asked + reals,)), {"kind": "dense"}),
        }
        # a pack has many rows and many conditions: each row is told its own before they are packed
        told = {"told": Net("encoder", Array((1,)), Array((_TOLD,)), {"kind": "mlp", "depth": 1})} if conditions else {}
        return nets | told

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, betas=(0.5, 0.9), weight_decay=1e-6, clip=0.0)
        generator = list(self.nets["generator"].parameters())
        critic = [p for name, net in self.nets.items() if name != "generator" for p in net.parameters()]
        return [
            Player("critic", critic, self._critic_loss, coupled=True, optim=optim),
            Player(
                "generator", generator, self._generator_loss, every=self.settings.critic_steps, sees_data=False, coupled=True, optim=optim
            ),
            Learner("modes", self.modes.see, self.modes.settle),
        ]

    # asking

    def _ask(self, noise: Noise, shares: Tensor) -> Tensor | None:
        """(B,) the choices asked for, by each category's shares (C,); None where nothing is asked for."""
        return noise.choice(shares, "asked") if self.asks else None

    def _vector(self, asked: Tensor | None, rows: int) -> Tensor:
        """(B,C) float32: one-hot, or all zero."""
        count = len(self.modes.field)
        if asked is None:
            return torch.zeros(rows, count, device=self.modes.field.device)
        return F.one_hot(asked, count).float()

    def _matched(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Coded real rows (B,C+R) and what was asked of them (B,)."""
        choices, values = self.modes.encode(batch.data, batch.noise.uniform((len(self.modes.reals),), "mode"))
        hot = self.modes.one_hot(choices)
        there = hot.sum(0)
        asked = self._ask(batch.noise, self.modes.within(self.modes.shares(logarithmic=True) * (there > 0)))
        coded = torch.cat((hot, values), 1)
        if asked is None:
            return coded, None
        # the n-th of the batch's rows that have what is asked for
        number = (batch.noise.uniform((), "row") * there[asked]).floor()
        place = (hot.T.cumsum(1)[asked] <= number[:, None]).sum(1)
        return coded[place.clamp(max=batch.size - 1)], asked

    # the game

    def _make(
        self, noise: Noise, asked: Tensor | None, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B,C) of choices and values (B,R)."""
        z = noise.normal((self.settings.latent,), "latent")
        out = self.nets["generator"](torch.cat((z, self._vector(asked, noise.size)), 1), condition, given).float()
        logits, values = out.split([len(self.modes.field), len(self.modes.reals)], 1)
        return self.modes.log_probs(logits), torch.tanh(values)

    def _relaxed(self, log_probs: Tensor, values: Tensor, noise: Noise) -> Tensor:
        """(B,C+R): choices by Gumbel-softmax, and values."""
        scores = log_probs + gumbel(noise.uniform((len(self.modes.field),), "choice"))
        return torch.cat((self.modes.log_probs(scores / _SOFTNESS).exp(), values), 1)

    def _packs(self, coded: Tensor, asked: Tensor | None, batch: Batch) -> Tensor:
        """(G, P (2C+R)) rows side by side with what was asked of them; the last pack is filled up with the first rows."""
        parts = [coded, self._vector(asked, batch.size)]
        if self.conditions:
            parts.append(self.nets["told"](torch.ones(batch.size, 1, device=coded.device), batch.condition, batch.given).float())
        size = self.settings.pack
        rows = torch.arange(-(-batch.size // size) * size, device=coded.device) % batch.size
        return torch.cat(parts, 1)[rows].view(-1, size * sum(part.shape[1] for part in parts))

    def _judge(self, packs: Tensor, batch: Batch) -> Tensor:
        """(B,) the score of each row's pack."""
        score: Tensor = self.nets["critic"](packs, {}, {}).float()
        return score.repeat_interleave(self.settings.pack)[: batch.size]

    def _critic_loss(self, batch: Batch) -> Terms:
        real, asked = self._matched(batch)
        with torch.no_grad():
            made = self._relaxed(*self._make(batch.noise, asked, batch.condition, batch.given), batch.noise)
        real_packs, made_packs = self._packs(real, asked, batch), self._packs(made, asked, batch)
        distance = self._judge(real_packs, batch) - self._judge(made_packs, batch)
        penalty = self._penalty(real_packs, made_packs, batch)
        return {"loss": self.settings.penalty * penalty - distance, "distance": distance.detach(), "gradient-penalty": penalty.detach()}

    def _penalty(self, real: Tensor, made: Tensor, batch: Batch) -> Tensor:
        """(B,): (the norm of the critic's gradient - 1)^2, somewhere between a real and a made pack."""
        between = torch.lerp(real, made, batch.noise.uniform((1,), "between")[: len(real)])
        penalty = one_centred(lambda packs: self._judge(packs, batch)[:: self.settings.pack], between)
        return penalty.repeat_interleave(self.settings.pack)[: batch.size]

    def _generator_loss(self, batch: Batch) -> Terms:
        asked = self._ask(batch.noise, self.modes.shares(logarithmic=True))
        log_probs, values = self._make(batch.noise, asked, batch.condition, batch.given)
        made = self._relaxed(log_probs, values, batch.noise)
        loss = -self._judge(self._packs(made, asked, batch), batch)
        if asked is None:
            return {"loss": loss}
        missed = -log_probs.gather(1, asked[:, None])[:, 0]
        return {"loss": loss + missed, "missed": missed.detach()}

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `temperature`."""
        temperature = float(dials.get("temperature", self.settings.temperature))
        log_probs, values = self._make(noise, self._ask(noise, self.modes.shares()), *all_given(condition))
        scores = log_probs + temperature * gumbel(noise.uniform((len(self.modes.field),), "choice"))
        return self.modes.decode(self.modes.pick(scores), values)
