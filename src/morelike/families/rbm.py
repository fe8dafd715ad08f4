"""Restricted Boltzmann machine: black and white pixels and hidden units, each side drawn at once given the other.

B batch, D pixels, H hidden units, G groups (the classes, then one for no label), M chains a group, T temperatures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Condition, Density, Infills
from ..core.contract import Batch, Generator, Learner, Optim, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from .labels import classes_of, count_classes, refuses_conditions


@dataclass(frozen=True, slots=True)
class RBMSettings:
    """The machine's size, and its chains. Raises BadInput for a number out of its range."""

    hidden: int = 256
    chains: int = 32
    """Chains a class that go on from step to step."""
    steps: int = 100
    """Gibbs steps from a chain to a sample."""
    temperatures: int = 300
    """Of annealed importance sampling."""
    runs: int = 32
    """Of annealed importance sampling, averaged."""
    lr: float = 5e-3

    def __post_init__(self) -> None:
        check_ranges(self, hidden=(1, 1 << 14), chains=(1, 4096), steps=(1, 1 << 20), temperatures=(2, 1 << 20), runs=(1, 1 << 14))


class RBM(Generator, Density, Infills):
    """Smolensky 1986; p(v, h) = exp(b v + c h + v W h) / Z, with a bias of the hidden units for each class.

    Persistent contrastive divergence (Tieleman 2008, Training restricted Boltzmann machines using approximations to the likelihood
    gradient): the free energy of data falls, that of chains rises, and the chains take one Gibbs step for each of the weights. log Z by
    annealed importance sampling (Salakhutdinov, Murray 2008, On the quantitative analysis of deep belief networks, section 4.1).
    """

    Settings = RBMSettings
    settings: RBMSettings
    dials = ("steps",)
    tight: Literal["exact", "bound", "estimate"] = "estimate"
    chains: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        size, hidden, groups = elements(spec), self.settings.hidden, count_classes(conditions) + 1
        start = Noise(0, hidden, path=("rbm",))
        # small weights of both signs (Hinton 2010, A practical guide to training restricted Boltzmann machines, section 8)
        self.weight = nn.Parameter(0.01 * start.normal((size,), "weight"))
        self.visible_bias = nn.Parameter(torch.zeros(size))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.class_bias = nn.Parameter(torch.zeros(groups, hidden))
        self.register_buffer("chains", (Noise(0, groups, path=("rbm",)).uniform((self.settings.chains, size), "chains") < 0.5).float())
        self._partition: tuple[tuple[int, ...], Tensor] | None = None

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not (isinstance(spec, Array) and spec.bin == 2):
            return "an RBM learns black and white pictures: make them so with codec.binarise=true"
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        optim = Optim("adam", lr=self.settings.lr, schedule="linear")
        return [Player("machine", list(self.parameters()), self._loss, optim=optim, after=self._go_on)]

    def _biases(self, group: Tensor) -> Tensor:
        """(B,H) of the hidden units; all classes share a part."""
        return self.hidden_bias + self.class_bias[group]

    def free_energy(self, v: Tensor, group: Tensor) -> Tensor:
        """(B,) -log of the sum over h of exp(b v + c h + v W h), for v (B,D) of 0 and 1."""
        return -(v @ self.visible_bias) - F.softplus(v @ self.weight.T + self._biases(group)).sum(1)

    def _loss(self, batch: Batch) -> Terms:
        group = self._group(batch.condition, batch.size, batch.given)
        chain = batch.noise.integers(self.settings.chains, (), "chain")
        real, made = self.free_energy(_bits(batch.data), group), self.free_energy(self.chains[group, chain], group)
        return {"loss": (real - made) / elements(self.spec), "free-energy-gap": (real - made).detach()}

    def _go_on(self, batch: Batch) -> None:
        """One Gibbs step of every chain."""
        groups, count, size = self.chains.shape
        group = torch.arange(groups, device=self.chains.device).repeat_interleave(count)
        # the first example's noise serves all chains: they are no examples
        u = batch.noise[:1].uniform((len(group), size + self.settings.hidden), "chains")[0]
        self.chains.copy_(self._gibbs(self.chains.view(-1, size), self._biases(group), u).view_as(self.chains))

    def _gibbs(self, v: Tensor, bias: Tensor, u: Tensor) -> Tensor:
        """(B,D) one step from v, by u (B,D+H) in (0, 1)."""
        size = v.shape[1]
        h = (u[:, size:] < torch.sigmoid(v @ self.weight.T + bias)).to(v.dtype)
        return (u[:, :size] < torch.sigmoid(h @ self.weight + self.visible_bias)).to(v.dtype)

    def _walk(self, v: Tensor, group: Tensor, noise: Noise, dials: dict[str, Any], known: Tensor | None = None) -> Tensor:
        """(B,*) x after as many steps from v (B,D) as the dial says; pixels that are `known` (B,D) stay."""
        bias = self._biases(group)
        for step in range(int(dials.get("steps", self.settings.steps))):
            moved = self._gibbs(v, bias, noise.uniform((v.shape[1] + self.settings.hidden,), step))
            v = moved if known is None else torch.where(known, v, moved)
        return (2 * v - 1).view(-1, *self.spec.shape)

    def _group(self, condition: Condition, size: int, given: Any = None) -> Tensor:
        return classes_of(self.conditions, condition, size, given).to(self.weight.device)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `steps` of Gibbs sampling from a training chain of the class."""
        group = self._group(condition, noise.size)
        start = self.chains[group, noise.integers(self.settings.chains, (), "chain")]
        return self._walk(start, group, noise, dials)

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Dial: `steps` of Gibbs sampling with the known pixels held."""
        held, mask = _bits(x), known.flatten(1)
        start = torch.where(mask, held, (noise.uniform((held.shape[1],), "start") < 0.5).to(held.dtype))
        return self._walk(start, self._group(condition, len(x)), noise, dials, mask)

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """-free energy - log Z; the estimate of log Z errs by a few tenths of a nat on a trained machine of hundreds of units."""
        group = self._group(condition, len(x))
        return -self.free_energy(_bits(x), group) - self.log_partition().to(x.device)[group]

    @torch.no_grad()
    def log_partition(self) -> Tensor:
        """(G,) log Z of each class, by annealed importance sampling; computed once for given weights."""
        own = [self.weight, self.visible_bias, self.hidden_bias, self.class_bias]
        version = tuple(number for parameter in own for number in (parameter.data_ptr(), parameter._version))
        if self._partition is None or self._partition[0] != version:
            groups = range(len(self.class_bias))
            self._partition = version, torch.stack([self._annealed(group) for group in groups])
        return self._partition[1]

    def _annealed(self, group: int) -> Tensor:
        """log Z of one class: from a machine without weights, whose Z is known, in T steps to this one (eqs. 15 to 18)."""
        runs, device = self.settings.runs, self.weight.device
        ids = torch.full((runs,), group, device=device)
        noise = Noise(0, runs, path=("annealed", group)).to(device)
        bias, size = self._biases(ids[:1])[0], elements(self.spec)
        # the base machine has the pixels' own shares among the chains
        share = (self.chains[group].mean(0) * 0.9 + 0.05).clamp(0.05, 0.95)
        base = torch.logit(share)

        def unnormalised(v: Tensor, beta: float) -> Tensor:
            return (1 - beta) * (v @ base) + beta * (v @ self.visible_bias) + F.softplus(beta * (v @ self.weight.T + bias)).sum(1)

        v = (noise.uniform((size,), "base") < share).float()
        total = torch.zeros(runs, device=device, dtype=torch.float64)
        betas = torch.linspace(0, 1, self.settings.temperatures).tolist()
        for step, (cool, warm) in enumerate(pairwise(betas)):
            total += (unnormalised(v, warm) - unnormalised(v, cool)).double()
            u = noise.uniform((size + len(bias),), step)
            h = (u[:, size:] < torch.sigmoid(warm * (v @ self.weight.T + bias))).float()
            v = (u[:, :size] < torch.sigmoid((1 - warm) * base + warm * (h @ self.weight + self.visible_bias))).float()
        of_base = F.softplus(base).double().sum() + len(bias) * math.log(2)
        return (of_base + total.logsumexp(0) - math.log(runs)).float()


def _bits(x: Tensor) -> Tensor:
    """(B,D) of 0 and 1 from x of -1 and 1."""
    return (x.flatten(1).float() + 1) / 2
