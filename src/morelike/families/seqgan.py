"""Sequence GAN: a generator of ids learns by policy gradient from a discriminator that tells real sequences from made ones.

B batch, T length, K places from which rows are rolled out, N roll-outs from each, G = 1 + K N rows made for one example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition
from ..core.contract import Batch, Learner, Net, Optim, Player, Terms, all_given
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements, live, sequential
from ..maths.decoding import Dials, pick
from .sequences import IdById, evaluating, nats_of, next_of


@dataclass(frozen=True, slots=True)
class SeqGANSettings(Dials):
    """The two phases, the roll-outs, and the defaults of drawing (`Dials`)."""

    pretrain: float = 0.6
    """Share of the run in which the generator learns by maximum likelihood alone (Yu et al. 2017, algorithm 1, line 2)."""
    likelihood: float = 0.5
    """Weight of maximum likelihood after that, against collapse (Guo et al. 2017, arXiv:1709.08624, section "interleaved training",
    there in turns); 0 as in Yu et al. On Shakespeare's first 300,000 characters, after 400 steps of the smallest nets with half of them
    pretraining, nats a character were 2.35, at 0 they were 2.41, by maximum likelihood alone 2.33 (one seed)."""
    rollouts: int = 1
    """Roll-outs from each place; their mean reward stands for what is still to come (Yu et al. 2017, eq. 4, there 16)."""
    places: int = 4
    """Places of a sequence, evenly spread, from which rows are rolled out (Yu et al.: all T, at T / 2 times the cost of drawing)."""
    share: float = 0.25
    """Share of the rows that draw for the policy gradient, weighted up so that the mean stays the same."""
    lr: float = 2e-3
    """The generator's learning rate."""
    critic_lr: float = 1e-3
    """The discriminator's."""

    def __post_init__(self) -> None:
        Dials.__post_init__(self)
        # the policy gradient needs something to compare with: a roll-out, a place, and a row to draw
        check_ranges(self, pretrain=(0, 1), likelihood=(0, 1e6), rollouts=(1, 1000), places=(1, 1 << 16), share=(1e-3, 1))


class SeqGAN(IdById):
    """Yu et al. 2017, arXiv:1609.05473: the reward of a made sequence is the probability that the discriminator gives it of being real.

    Departures. The discriminator is a transformer and learns all through the run, on rows of which half are made. Each action's
    reward is the roll-outs' mean at the next of K places less that at the last one: the policy gradient with a baseline (Williams
    1992, REINFORCE) that the row draws for itself, so that no example depends on its neighbours. In the mean over draws, the
    gradient is that of the reward whatever K and N are; more of them make it less noisy.
    """

    Settings = SeqGANSettings
    settings: SeqGANSettings

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if sequential(spec) else "it goes through sequences of ids (text, notes, ...), one after another"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: SeqGANSettings) -> dict[str, Net]:
        return {
            # without dropout, for the draws must come from the policy that is improved
            "causal": Net("causal", spec, spec, {"kind": "recurrent"}),
            "discriminator": Net("critic", spec, Array((1,)), {"kind": "transformer", "depth": 2, "dropout": 0.1}),
        }

    def players(self) -> list[Player | Learner]:
        """The generator sees data: its likelihood terms read it in both phases."""
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        quick = Optim("adamw", lr=self.settings.critic_lr, betas=(0.5, 0.99), weight_decay=0.01)
        generator, discriminator = (list(self.nets[name].parameters()) for name in ("causal", "discriminator"))
        return [
            Player("discriminator", discriminator, self._discriminator_loss, optim=quick),
            Player("generator", generator, self._generator_loss, optim=optim),
        ]

    def _logit(self, x: Tensor, batch: Batch) -> Tensor:
        """(B,), high for real."""
        logit: Tensor = self.nets["discriminator"](x, batch.condition, batch.given)
        return logit.float()

    def _discriminator_loss(self, batch: Batch) -> Terms:
        """Logistic loss (Yu et al. 2017, eq. 5); a fair coin a row says whether it is shown as it is or made."""
        made = batch.noise.uniform((), "coin") < 0.5
        x, rows = batch.data, torch.nonzero(made)[:, 0]
        if len(rows):
            x = x.index_copy(0, rows, self._roll(batch[rows], [])[0])
        logit = self._logit(x, batch)
        right = (logit.detach() > 0) ^ made
        return {"loss": F.softplus(torch.where(made, logit, -logit)), "accuracy": right.float()}

    def _generator_loss(self, batch: Batch) -> Terms:
        own = self.settings
        nats = nats_of(self.nets["causal"], self.spec, batch.data, batch.condition, batch.given).sum(1)
        # a constant scale, so that every id weighs the same and no example depends on its neighbours
        likelihood = nats / elements(self.spec)
        reward = torch.zeros_like(likelihood)
        if batch.progress < own.pretrain:
            return {"loss": likelihood, "nats": nats.detach(), "reward": reward}
        rows = torch.nonzero(batch.noise.uniform((), "rows") < own.share)[:, 0]
        loss = own.likelihood * likelihood
        if len(rows):
            policy, earned = self._policy_loss(batch[rows])
            loss = loss.index_add(0, rows, policy / own.share)
            # zero in the other rows, so that the mean over a batch is the mean reward
            reward = reward.index_copy(0, rows, earned / own.share)
        return {"loss": loss, "nats": nats.detach(), "reward": reward}

    def _policy_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(loss, reward), (B,) each: the loss's gradient is minus the policy gradient of the reward (Yu et al. 2017, eq. 8)."""
        length, count = self.spec.shape[0], self.settings.rollouts
        starts = torch.arange(0, length, -(-length // min(length, self.settings.places))).tolist()
        with torch.no_grad(), evaluating(self.nets["discriminator"]):
            x = self._roll(batch, starts)
            repeated = batch[torch.arange(batch.size, device=x.device).repeat(len(x))]
            rewards = self._logit(x.flatten(0, 1), repeated).sigmoid().view(len(x), batch.size)
            expected = torch.cat((rewards[1:].view(len(starts), count, -1).mean(1), rewards[:1]))
            steps = torch.tensor([*starts, length], device=x.device).diff()
            advantage = expected.diff(dim=0).repeat_interleave(steps, 0).T
        nats = nats_of(self.nets["causal"], self.spec, x[0], batch.condition, batch.given)
        return (advantage * nats).sum(1) / elements(self.spec), rewards[0]

    def _roll(self, batch: Batch, starts: list[int]) -> Tensor:
        """(G,B,T) draws of the generator without gradient: a first row, and from each of the ascending `starts` roll-outs that share
        the ids before it with the first."""
        size, length, count = batch.size, self.spec.shape[0], self.settings.rollouts
        net: Any = self.nets["causal"]
        groups = 1 + len(starts) * count
        uniforms = batch.noise.uniform((length, groups), "roll").permute(1, 2, 0).flatten(1)
        x = torch.zeros(size, 0, dtype=torch.int64, device=uniforms.device)
        with torch.no_grad():
            state = net.begin(batch.condition, batch.given, size)
            for place in range(length):
                if place in starts:
                    first = torch.arange(size, device=x.device).repeat(count)
                    index = torch.cat((torch.arange(len(x), device=x.device), first))
                    x, state = x[index], state.rows(index)
                logits, state = net.step(x[:, -1:], state)
                x = torch.cat((x, pick(logits.float().log_softmax(1), uniforms[place, : len(x)])[:, None]), 1)
        if self.spec.stop is not None:
            x = torch.where(live(self.spec, x), x, self.spec.stop)
        return x.view(groups, size, length)

    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        return next_of(self.nets["causal"], ids, condition, state)

    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        return nats_of(self.nets["causal"], self.spec, x, *all_given(condition))
