"""Gaussians without gradient: probabilistic principal component analysis in closed form, and mixtures by expectation-maximisation.

B batch, D elements, C classes, G groups (the classes, then one more), K components, Q rank. Sums are kept in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..core.abilities import Condition, Density, Encodes, Infills, Prior
from ..core.contract import Batch, Generator, Learner, Player, Terms
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, elements
from ..maths.factor import factors_given
from ..maths.reservoir import keep
from .labels import classes_of, count_classes, refuses_conditions

_MOST_ELEMENTS = 4096
_MOST_SQUARES = 1 << 24
"""Most numbers in the second moments: 128 MB."""
_EXACT_EIGEN = 1024
_SMALLEST_VARIANCE = 1e-6
_WIDEST_STEP = 0.5
_FEW_LEVELS = "a Gaussian is no distribution over so few levels as a binarised picture has"


def step_of(spec: Spec) -> float:
    """One quantisation step of an Array, 0 where continuous."""
    return spec.bin if isinstance(spec, Array) else 0.0


def least_variance(spec: Spec) -> float:
    """The floor under every variance: half a quantisation step, squared.

    Then density times cell is a mass to within 1.5 % a dimension at the floor, and far closer above it (Poisson's sum).
    """
    return max(_SMALLEST_VARIANCE, (step_of(spec) / 2) ** 2)


def cell_volume(spec: Spec) -> float:
    """Log-volume of a quantisation cell, 0 where continuous: added to a log-density it is the midpoint rule for the mass."""
    step = step_of(spec)
    return elements(spec) * math.log(step) if step else 0.0


def tightness(spec: Spec) -> Literal["exact", "estimate"]:
    """Exact for densities; an estimate where a mass is taken by the midpoint rule."""
    return "estimate" if step_of(spec) else "exact"


@dataclass(frozen=True, slots=True)
class PCASettings:
    """How many directions are kept."""

    rank: int = 64
    """At most the elements less one."""

    def __post_init__(self) -> None:
        check_ranges(self, rank=(1, 1 << 16))


class PCA(Generator, Density, Encodes, Infills, Prior):
    """Tipping and Bishop 1999: x = W z + mean + noise, W = U (Lambda - s^2)^(1/2) (eq. 7), s^2 the mean of the rest (eq. 8).

    Under a label, a Gaussian for each class; where no label is given, one for all the data. A class of no more than Q + 1
    examples takes the covariance within all classes, and so does every class where C D^2 numbers would be too many.
    """

    Settings = PCASettings
    settings: PCASettings
    tight: Literal["exact", "bound", "estimate"]

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        size, groups = elements(spec), count_classes(conditions) + 1
        self.rank = max(1, min(self.settings.rank, size - 1))
        self.latent = Array((self.rank,))
        self.tight = tightness(spec)
        own = groups * size**2 <= _MOST_SQUARES
        self.register_buffer("count", torch.zeros(groups, dtype=torch.float64))
        self.register_buffer("total", torch.zeros(groups, size, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(groups if own else 1, size, size, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(groups, size))
        self.register_buffer("directions", torch.zeros(groups, size, self.rank))
        self.register_buffer("variances", torch.ones(groups, self.rank))
        self.register_buffer("rest", torch.ones(groups))
        self.count: Tensor
        self.total: Tensor
        self.squares: Tensor
        self.mean: Tensor
        self.directions: Tensor
        self.variances: Tensor
        self.rest: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "pca learns real-valued arrays, not ids or mixed rows"
        if step_of(spec) > _WIDEST_STEP:
            return _FEW_LEVELS
        if elements(spec) > _MOST_ELEMENTS:
            return f"pca holds a covariance of all elements, at most {_MOST_ELEMENTS} of them, and one example has {elements(spec)}"
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        return [Learner("moments", self._see, self._settle)]

    def _see(self, batch: Batch) -> Terms:
        x = batch.data.flatten(1).double()
        group = classes_of(self.conditions, batch.condition, batch.size, batch.given).to(x.device)
        self.count += torch.bincount(group, minlength=len(self.count))
        self.total.index_add_(0, group, x)
        if len(self.squares) == 1:
            self.squares[0].addmm_(x.T, x)
        else:
            for one in range(len(self.mean)):
                rows = x[group == one]
                self.squares[one].addmm_(rows.T, rows)
        return {"seen": torch.ones(batch.size, device=x.device)}

    def _settle(self) -> bool:
        classes = len(self.count) - 1
        count = self.count.sum()
        everything, mean = self.squares.sum(0) / count, self.total.sum(0) / count
        between = (self.total / self.count.clamp(min=1)[:, None].sqrt()).T
        within = everything - between @ between.T / count
        shared = self._leading(within) if classes else None
        self._keep(classes, mean, self._leading(everything - torch.outer(mean, mean)))
        for one in range(classes):
            size = self.count[one]
            own = self.total[one] / size if size else mean
            if len(self.squares) > 1 and size > self.rank + 1:
                self._keep(one, own, self._leading(self.squares[one] / size - torch.outer(own, own)))
            elif shared is not None:
                self._keep(one, own, shared)
        return True

    def _leading(self, covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Directions (D,Q), their variances (Q,) and the mean variance of all others.

        Exact up to 1,024 elements; above, subspace iteration with 16 spare directions (Halko, Martinsson, Tropp 2011,
        algorithm 4.4, twelve rounds), whose error shows in the last directions only.
        """
        size, floor = len(covariance), least_variance(self.spec)
        if size <= _EXACT_EIGEN:
            values, vectors = torch.linalg.eigh(covariance)
        else:
            basis = Noise(0, size, path=("pca",)).normal((self.rank + 16,)).to(covariance)
            for _ in range(12):
                basis = torch.linalg.qr(covariance @ basis)[0]
            values, vectors = torch.linalg.eigh(basis.T @ covariance @ basis)
            vectors = basis @ vectors
        values, vectors = values.flip(0)[: self.rank], vectors.flip(1)[:, : self.rank]
        others = max(1, size - self.rank)
        rest = ((covariance.trace() - values.sum()) / others).clamp(min=floor)
        return vectors, values.clamp(min=rest), rest

    def _keep(self, group: int, mean: Tensor, found: tuple[Tensor, Tensor, Tensor]) -> None:
        self.mean[group] = mean
        self.directions[group], self.variances[group], self.rest[group] = found

    def _group(self, condition: Condition, size: int) -> Tensor:
        return classes_of(self.conditions, condition, size).to(self.mean.device)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        rest = self.rest[self._group(condition, noise.size)].sqrt().view(-1, *[1] * len(self.spec.shape))
        return self.decode(self.prior(noise), condition) + rest * noise.normal(self.spec.shape, "rest")

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, Q), unit Gaussian."""
        return noise.normal(self.latent.shape, "prior")

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """W z + mean."""
        group = self._group(condition, len(z))
        moved = self._by_group(group, z * self._lengths()[group], transpose=True)
        return (moved + self.mean[group]).float().view(-1, *self.spec.shape)

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """The posterior mean (W'W + s^2)^-1 W' (x - mean) (section 3.2)."""
        group = self._group(condition, len(x))
        along = self._by_group(group, x.flatten(1) - self.mean[group])
        return (along * (self._lengths() / self.variances)[group]).float()

    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Exact draws of the Gaussian given what is known. No dials."""
        group = self._group(condition, len(x))
        centred, there = x.flatten(1) - self.mean[group], known.flatten(1)
        z = noise.normal(self.latent.shape, "prior").double()
        for one in group.unique().tolist():  # type: ignore[no-untyped-call]
            rows = (group == one).nonzero()[:, 0]
            loadings = self.directions[one] * self._lengths()[one]
            z[rows] = factors_given(centred[rows], there[rows], loadings, float(self.rest[one]), z[rows])
        rest = self.rest[group].sqrt().view(-1, *[1] * len(self.spec.shape))
        drawn = self.decode(z.float(), condition) + rest * noise.normal(self.spec.shape, "rest")
        return torch.where(known, x, drawn)

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact log-density, times the cell where x is quantised (see `least_variance` for the error)."""
        group = self._group(condition, len(x))
        centred = x.flatten(1).double() - self.mean[group]
        along = self._by_group(group, centred)
        variances, rest, others = self.variances.double(), self.rest.double(), centred.shape[1] - self.rank
        across = (centred.square().sum(1) - along.square().sum(1)).clamp(min=0)
        distance = (along.square() / variances[group]).sum(1) + across / rest[group]
        log_volume = variances.log().sum(1) + others * rest.log()
        density = -0.5 * (distance + log_volume[group] + centred.shape[1] * math.log(2 * math.pi))
        return (density + cell_volume(self.spec)).float()

    def _lengths(self) -> Tensor:
        """(G,Q): the lengths of W's columns."""
        return (self.variances - self.rest[:, None]).clamp(min=0).sqrt()

    def _by_group(self, group: Tensor, rows: Tensor, transpose: bool = False) -> Tensor:
        """Each row of (B,D) times its group's directions: (B,Q); or of (B,Q) times their transpose: (B,D). In float64."""
        rows = rows.double()
        out = rows.new_empty(len(rows), self.directions.shape[1] if transpose else self.rank)
        for one in group.unique().tolist():  # type: ignore[no-untyped-call]
            directions = self.directions[one].double()
            out[group == one] = rows[group == one] @ (directions.T if transpose else directions)
        return out


@dataclass(frozen=True, slots=True)
class GMMSettings:
    """The mixture's size, and when it is done."""

    components: int = 32
    passes: int = 100
    tolerance: float = 1e-4
    """Converged when a pass gains fewer nats an element."""
    full: int = 16
    """Full covariances up to so many elements, diagonal ones above."""

    def __post_init__(self) -> None:
        check_ranges(self, components=(1, 4096), passes=(1, 100_000), tolerance=(0, 100), full=(0, 1024))


class GMM(Generator, Density):
    """A Gaussian mixture by expectation-maximisation (Dempster, Laird, Rubin 1977).

    The first pass keeps a sample of the data, on which k-means++ (Arthur and Vassilvitskii 2007) and a few rounds of Lloyd's
    algorithm set the components. Covariances are those of the posterior mode under a prior worth one example (Fraley and
    Raftery 2007, section 3, with the data's variance over K^(2/D)), so that none collapses. Under a label,
    each class has its own weights over the shared components; where none is given, the weights of all data.
    """

    Settings = GMMSettings
    settings: GMMSettings
    tight: Literal["exact", "bound", "estimate"]

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        size, groups, count = elements(spec), count_classes(conditions) + 1, self.settings.components
        self.diagonal = size > self.settings.full
        self.tight = tightness(spec)
        square = (size,) if self.diagonal else (size, size)
        double = torch.float64
        self.register_buffer("kept", torch.zeros(32 * count, size))
        self.register_buffer("keys", torch.full((32 * count,), math.inf))
        self.register_buffer("weights", torch.full((groups, count), 1 / count, dtype=double))
        self.register_buffer("means", torch.zeros(count, size, dtype=double))
        self.register_buffer("factors", torch.zeros(count, *square, dtype=double))
        self.register_buffer("prior_variance", torch.ones(size, dtype=double))
        self.register_buffer("mass", torch.zeros(groups, count, dtype=double))
        self.register_buffer("total", torch.zeros(count, size, dtype=double))
        self.register_buffer("squares", torch.zeros(count, *square, dtype=double))
        self.register_buffer("score", torch.zeros(2, dtype=double))
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))
        self.kept: Tensor
        self.keys: Tensor
        self.weights: Tensor
        self.means: Tensor
        self.factors: Tensor
        self.prior_variance: Tensor
        self.mass: Tensor
        self.total: Tensor
        self.squares: Tensor
        self.score: Tensor
        self.turn: Tensor

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        if not isinstance(spec, Array):
            return "gmm learns real-valued arrays, not ids or mixed rows"
        if step_of(spec) > _WIDEST_STEP:
            return _FEW_LEVELS
        return refuses_conditions(conditions)

    def players(self) -> list[Player | Learner]:
        return [Learner("mixture", self._see, self._settle, passes=self.settings.passes + 1)]

    def _see(self, batch: Batch) -> Terms:
        x = batch.data.flatten(1)
        if self.turn == 0:
            keep(self.kept, self.keys, x, batch.noise.uniform((), "keep"))
            return {"seen": torch.ones(batch.size, device=x.device)}
        group = classes_of(self.conditions, batch.condition, batch.size, batch.given).to(x.device)
        x = x.double()
        joint = self._joint(x, group)
        log_likelihood = joint.logsumexp(1)
        share = torch.exp(joint - log_likelihood[:, None])
        self.mass.index_add_(0, group, share)
        self._gather(x, share)
        self.score[1] += log_likelihood.sum()
        return {"loss": -log_likelihood.float() - cell_volume(self.spec)}

    def _gather(self, x: Tensor, share: Tensor) -> None:
        """Adds x (B,D), weighted by shares (B,K), to the sums."""
        self.total += share.T @ x
        self.squares += share.T @ x.square() if self.diagonal else torch.einsum("bk,bi,bj->kij", share, x, x)

    def _settle(self) -> bool:
        if self.turn == 0:
            self._start()
            before, now = -math.inf, -math.inf
        else:
            before, now = float(self.score[0]), float(self.score[1] / self.mass.sum())
        self._maximise()
        self.score[0], self.score[1] = now, 0.0
        self.turn += 1
        # under other data than before (continued from a saved mixture) the score may fall: no sign of an end
        return math.isfinite(before) and abs(now - before) < self.settings.tolerance * elements(self.spec)

    def _start(self) -> None:
        """Fills the sums from the kept sample, each item in its nearest of K centres."""
        kept = self.kept[self.keys.isfinite()].double()
        components = self.settings.components
        spread = kept.var(0, correction=0) / components ** (2 / kept.shape[1])
        self.prior_variance.copy_(spread.clamp(min=least_variance(self.spec)))
        draws = Noise(0, components, path=("gmm",)).uniform(()).to(kept)
        centres = kept[:1]
        nearest = (kept - centres[0]).square().sum(1)
        for draw in draws[1:]:
            reach = (nearest + 1e-12).cumsum(0)
            centre = kept[torch.searchsorted(reach, draw * reach[-1]).clamp(max=len(kept) - 1)]
            centres = torch.cat((centres, centre[None]))
            nearest = torch.minimum(nearest, (kept - centre).square().sum(1))
        for _ in range(10):
            share = torch.eye(components, dtype=torch.float64, device=kept.device)[torch.cdist(kept, centres).argmin(1)]
            size = share.sum(0)[:, None]
            centres = torch.where(size > 0, share.T @ kept / size.clamp(min=1), centres)
        self.means.copy_(centres)
        self.mass[-1] = share.sum(0)
        self._gather(kept, share)

    def _maximise(self) -> None:
        """The M step from the sums, which are then cleared."""
        size = self.mass.sum(0)
        alive = (size > 1e-6)[:, None]
        self.means.copy_(torch.where(alive, self.total / size.clamp(min=1e-6)[:, None], self.means))
        floor, pull = least_variance(self.spec), size + 1
        if self.diagonal:
            scatter = (self.squares - size[:, None] * self.means.square()).clamp(min=0)
            self.factors.copy_(((scatter + self.prior_variance) / pull[:, None]).clamp(min=floor).sqrt())
        else:
            scatter = self.squares - torch.einsum("k,ki,kj->kij", size, self.means, self.means)
            covariance = (scatter + torch.diag(self.prior_variance)) / pull[:, None, None]
            self.factors.copy_(torch.linalg.cholesky(covariance + floor * torch.eye(covariance.shape[1]).to(covariance)))
        overall = size / size.sum()
        # a class is pulled towards all data by the weight of one example: an unseen one takes their weights
        self.weights.copy_((self.mass + overall) / (self.mass.sum(1, keepdim=True) + 1))
        self.weights[-1] = overall
        for sums in (self.mass, self.total, self.squares):
            sums.zero_()

    def _joint(self, x: Tensor, group: Tensor) -> Tensor:
        """log p(x, k), (B,K), for x (B,D) in float64."""
        if self.diagonal:
            precision = self.factors.square().reciprocal()
            distance = x.square() @ precision.T - 2 * x @ (precision * self.means).T + (precision * self.means.square()).sum(1)
            log_volume = self.factors.log().sum(1)
        else:
            centred = (x - self.means[:, None]).mT
            distance = torch.linalg.solve_triangular(self.factors, centred, upper=False).square().sum(1).T
            log_volume = self.factors.diagonal(dim1=1, dim2=2).log().sum(1)
        return self.weights.log()[group] - 0.5 * distance - log_volume - 0.5 * x.shape[1] * math.log(2 * math.pi)

    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """Exact log-density, times the cell where x is quantised (see `least_variance` for the error)."""
        group = classes_of(self.conditions, condition, len(x)).to(x.device)
        return (self._joint(x.flatten(1).double(), group).logsumexp(1) + cell_volume(self.spec)).float()

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """No dials."""
        group = classes_of(self.conditions, condition, noise.size).to(self.weights.device)
        edges = self.weights[group].cumsum(1)
        component = (noise.uniform((), "component")[:, None] > edges).sum(1).clamp(max=edges.shape[1] - 1)
        unit = noise.normal((self.means.shape[1],), "unit").double()
        factors = self.factors[component]
        moved = factors * unit if self.diagonal else torch.einsum("bij,bj->bi", factors, unit)
        return (self.means[component] + moved).float().view(-1, *self.spec.shape)
