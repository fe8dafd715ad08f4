"""Tuning a trained sequence model towards a score by policy gradient, held near to what it was by a price in nats.

B batch, K draws for each example, N = B K rows, T length, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.abilities import Condition, Continues
from ..core.contract import Batch, Generator, Learner, Optim, Player, Terms, Trainable
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Tokens, elements, live
from ..maths.constraint import Constraint, allowed_along
from ..maths.decoding import Dials, decode
from .autoregressive import Autoregressive
from .sequences import evaluating


@dataclass(frozen=True, slots=True)
class RewardedSettings:
    """The price of straying, and how the gradient is estimated."""

    beta: float = 0.05
    """Reward that one nat of divergence from the original costs; the optimum is p(x) exp(reward(x) / beta) / Z (Ziegler et al. 2019,
    arXiv:1909.08593, eq. 2)."""
    draws: int = 4
    """K: each draw is compared with the mean of the others of its example."""
    lr: float = 5e-4

    def __post_init__(self) -> None:
        check_ranges(self, beta=(0, 1e6), draws=(2, 1024))


class Rewarded(Generator):
    """A model that `Continues`, its original, and a score: maximises E[reward] - beta KL(model || original) by REINFORCE.

    As Olivecrona et al. 2017 (arXiv:1704.07555) and Ziegler et al. 2019, without their squared loss and their PPO. The baseline is the
    mean worth of the example's other draws (Kool, van Hoof, Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free"): no example
    depends on its neighbours, and the gradient has no bias. Under a constraint, both distributions are the renormalised ones.
    """

    Settings = RewardedSettings
    settings: RewardedSettings
    spec: Tokens

    def __init__(
        self, model: Generator, original: Generator, reward: Callable[[Tensor], Tensor], settings: RewardedSettings,
        constraint: Constraint | None = None,
    ) -> None:  # fmt: skip
        """`reward`: ids (N,T) -> (N,) on the CPU."""
        super().__init__(model.spec, model.conditions, None, {"original": original}, settings)
        self.model, self.reward, self.constraint = model, reward, constraint

    @staticmethod
    def takes(model: Trainable, ruled: bool) -> str | None:
        """Why a model can't be tuned so, or None."""
        if not all(isinstance(player, Player) for player in model.players()):
            return "it learns by counting, without gradient"
        if ruled and not isinstance(model, Autoregressive):
            return "under the rules of its kind only transformer, lstm, gru and rnn are tuned"
        if not isinstance(model, Continues):
            return "it doesn't say how a sequence goes on"
        return None

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, betas=(0.9, 0.99), schedule="linear")
        return [Player("policy", list(self.model.parameters()), self._loss, sees_data=False, optim=optim)]

    def _loss(self, batch: Batch) -> Terms:
        count = self.settings.draws
        rows = torch.arange(batch.size, device=batch.noise.index.device).repeat_interleave(count)
        condition = {name: value[rows] for name, value in batch.condition.items()}
        noise = batch.noise[rows]
        # example i's draws are numbered i K to i K + K - 1
        noise = noise.shifted(noise.index * (count - 1) + torch.arange(count, device=rows.device).repeat(batch.size))
        with evaluating(self.model):
            with torch.no_grad():
                x = self.draw(condition, noise)
                allowed = self._allowed(x)
                before = self._nats(self.parts["original"], x, condition, allowed)
                reward = self.reward(x.cpu()).to(before)
            now = self._nats(self.model, x, condition, allowed)
        divergence = before - now.detach()
        worth = (reward - self.settings.beta * divergence).view(-1, count)
        advantage = (worth - worth.mean(1, keepdim=True)) * (count / (count - 1))
        # a constant scale, so that every id weighs the same and no example depends on its neighbours
        loss = (advantage * now.view(-1, count)).mean(1) / elements(self.spec)
        terms = {"reward": reward, "divergence": divergence}
        return {"loss": loss, **{name: value.view(-1, count).mean(1) for name, value in terms.items()}}

    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """(noise.size, T) draws of the model, under the rules where there are any."""
        model: Any = self.model
        return decode(model, self.spec, condition, noise=noise, dials=Dials(), constraint=self.constraint)

    def nats(self, x: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """-log p(x) (N,) under the tuned model and under the original, of the renormalised distributions where there are rules."""
        with torch.no_grad():
            allowed = self._allowed(x)
            now, before = (self._nats(model, x, condition, allowed) for model in (self.model, self.parts["original"]))
        return now, before

    def _allowed(self, x: Tensor) -> Tensor | None:
        return None if self.constraint is None else allowed_along(self.constraint, x)

    def _nats(self, model: Any, x: Tensor, condition: Condition, allowed: Tensor | None) -> Tensor:
        """(N,) with the model's gradient."""
        if allowed is None:
            given: Tensor = model.surprise(x, condition).sum(1)
            return given
        log_probs = model.log_probs(x, condition)
        mass = log_probs.masked_fill(~allowed, -torch.inf).logsumexp(2)
        own = log_probs.gather(2, x[:, :, None])[:, :, 0]
        nats: Tensor = ((mass - own) * live(self.spec, x)).sum(1)
        return nats

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """As the tuned model does."""
        return self.model.sample(condition, noise=noise, **dials)
