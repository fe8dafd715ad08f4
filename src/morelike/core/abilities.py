"""Abilities, not types: a task asks for one of these, never for a family. Inherited only where it is really had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor

from .errors import BadInput
from .noise import Noise
from .spec import Row, Spec

Condition = Mapping[str, Tensor] | None


class Density(ABC):
    """Says how likely x is, in nats of x as coded: a mass for ids and where `bin` > 0, a density otherwise."""

    tight: Literal["exact", "bound", "estimate"]

    @abstractmethod
    def log_prob(self, x: Tensor, condition: Condition = None, *, noise: Noise | None = None) -> Tensor:
        """(B,) nats. `noise` is needed unless `tight` is "exact"."""


class Decodes(ABC):
    """Makes x from a latent."""

    latent: Spec

    @abstractmethod
    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B, *latent.shape)."""


class Prior(Decodes):
    """Its latents have a distribution of their own to draw from."""

    @abstractmethod
    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, *latent.shape)."""


class Predicts(Decodes):
    """Says numbers of x by its latent alone: conditions that it was not told."""

    targets: tuple[str, ...]
    """Their names; none where it learnt without."""

    @abstractmethod
    def predict(self, z: Tensor) -> dict[str, Tensor]:
        """Target -> (B,1) in its condition's coding, with the latent's gradient; z is (B, *latent.shape)."""


class Encodes(Decodes):
    """Finds the latent of x."""

    @abstractmethod
    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B, *latent.shape): the mean where the posterior is a distribution."""


class Denoises(ABC):
    """Knows E[x | x_t] for x_t = (1 - t) x + t noise, t in [0, 1]; other Gaussian paths rescale inside."""

    @abstractmethod
    def denoise(self, x_t: Tensor, t: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from x_t (B,*) and t (B,); at t = 0 it is the identity."""


class State(Protocol):
    """What a model remembers of the ids that it was given; never changed in place."""

    def rows(self, index: Tensor) -> Self:
        """The state of the rows `index`, (B',) int64: to reorder, repeat or drop rows (beam search)."""


class Continues(ABC):
    """Says how a sequence of ids goes on."""

    @abstractmethod
    def next(self, ids: Tensor, condition: Condition = None, state: Any = None) -> tuple[Tensor, Any]:
        """(logits (B,V) float32 of the id after `ids`, new State). `ids` (B,k) are those that came since `state`; without a state
        they are all there are, and k may be 0 (the first id of all). `condition` is read only where `state` is None.

        Softmax of the logits is the distribution itself. Sequences longer than the Spec's T are taken: what is too far back is forgotten.
        """

    @abstractmethod
    def surprise(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B,T) nats of each id given those before it, 0 past the stop; its sum over T is minus `log_prob`. T is at most the Spec's."""


class Writes(Prior):
    """Writes a sequence id by id from a latent."""

    @abstractmethod
    def writer(self, z: Tensor) -> Continues:
        """How sequences go on whose latents z (B, *latent.shape) are."""


class Adapts(ABC):
    """Can go on learning from a running text while it is scored."""

    @abstractmethod
    def adaptive(self, ids: Tensor) -> Tensor:
        """(N,) nats of one running text (N,): each id under what was known before it, what came earlier in the text included."""


class Streams(ABC):
    """Gives a sequence id by id, as it is drawn."""

    @abstractmethod
    def stream(self, condition: Condition = None, prefix: Tensor | None = None, *, noise: Noise, **dials: Any) -> Iterator[Tensor]:
        """(B,) ids at a time, those after `prefix` (B,k); the same ids that `sample` gives under the same noise and dials."""


class Infills(ABC):
    """Fills in what is missing, anywhere."""

    @abstractmethod
    def infill(self, x: Tensor, known: Tensor, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """(B,*) x with everything that is not `known` (B,*) bool drawn anew; what is known comes back unchanged."""


def check_known(x: Tensor, known: Tensor, shape: tuple[int, ...]) -> None:
    """Raises BadInput where `infill` gets x or known of another shape than (B,*), or known reals that are none."""
    if x.shape != shape or known.shape != shape:
        raise BadInput(f"x and known must have the shape {shape}, not {tuple(x.shape)} and {tuple(known.shape)}")
    if x.is_floating_point() and bool((known & ~x.isfinite()).any()):
        raise BadInput("what is known must be finite numbers")


class Obeys(Infills):
    """Fills in what is missing under a rule of what may stand beside what."""

    @abstractmethod
    def infill_by(
        self, x: Tensor, known: Tensor, rule: Callable[[Tensor, Tensor], Tensor], condition: Condition = None, *, noise: Noise, **dials: Any
    ) -> Tensor:
        """(B,*) as `infill`; `rule` says of (x, known), (B,*) each, which ids a place that isn't known may have, (B,*,V) bool. It is asked
        anew after each place of a row of a grid, so what is drawn keeps a rule that looks at one row; it must always leave an id."""


@dataclass(frozen=True, slots=True)
class Away:
    """What is drawn leans away from another condition: step by step in proportion to p(x | own)^(1 + guidance) / p(x | other)^guidance
    (after Ho, Salimans 2022, arXiv:2207.12598, eq. 6; of sequences: Sanchez et al. 2023, arXiv:2306.17806)."""

    condition: Condition
    guidance: float


class Leans(Infills):
    """Its `infill` takes the dial `away`, an `Away`; what is known is weighed without it."""


@dataclass(frozen=True, slots=True)
class Among:
    """The ids that a category field of a `Row` may have."""

    ids: Tensor
    """(categories,) bool."""


@dataclass(frozen=True, slots=True)
class Within:
    """Where a real field of a `Row` may lie, in x's coding."""

    ends: Tensor
    """(L,2) float32: L intervals in rising order, apart from each other, both ends inside; infinite where there is none."""
    missing: bool = False
    """Whether it may be missing (NaN)."""

    def edges(self) -> Tensor:
        """(L,2) float64: the same as real numbers, half-way to the next ones of single precision: an interval of one number has a width."""
        low, high = self.ends[:, 0], self.ends[:, 1]
        beyond = torch.stack((torch.nextafter(low, torch.full_like(low, -torch.inf)), torch.nextafter(high, high + torch.inf)), 1)
        return (self.ends.double() + beyond.double()) / 2


Allowed = Among | Within


def check_allowed(spec: Row, allow: Mapping[int, Allowed]) -> None:
    """Raises BadInput where a set doesn't fit its field."""
    for place, own in allow.items():
        if not 0 <= place < len(spec.fields):
            raise BadInput(f"there is no field {place}; the last one is {len(spec.fields) - 1}")
        field = spec.fields[place]
        shape = (field.categories,) if field.categories else (len(own.ends) if isinstance(own, Within) else -1, 2)
        if isinstance(own, Among) != bool(field.categories) or (own.ids if isinstance(own, Among) else own.ends).shape != shape:
            raise BadInput(f"{field.name!r} takes {f'{field.categories} ids' if field.categories else 'intervals'} to be chosen among")


class Narrowed(ABC):
    """A distribution over rows, given that some fields lie in sets."""

    log_mass: float
    """Log of the probability of those sets under the model, in nats; minus infinity where it is 0."""
    exact: bool
    """Whether mass and draws are the model's own; else they are estimates (sequential Monte Carlo)."""

    @abstractmethod
    def sample(self, *, noise: Noise, **dials: Any) -> Tensor:
        """(noise.size, fields) rows x. Raises Refused where `log_mass` is minus infinity."""

    @abstractmethod
    def marginal(self, field: int) -> tuple[Tensor, Tensor]:
        """(values (M,) float32, their probabilities (M,) float64, which sum to 1) of one field: all ids of a category; of a real the
        middles of M small parts, and NaN where it may be missing."""


class Narrows(ABC):
    """Knows its distribution under demands on any fields of a `Row`, without drawing and throwing away."""

    @abstractmethod
    def narrow(self, allow: Mapping[int, Allowed], condition: Condition = None, *, seed: int = 0) -> Narrowed:
        """Given that each field (its number) of `allow` lies in its set. Where a model's conditionals need not agree, the order of
        `allow` is the order in which the fields are fixed, the others after them. `condition` is one row each; `seed` is that of an
        estimate. Raises BadInput for a set that doesn't fit its field."""


class Translates(ABC):
    """Carries x from one set of examples over to another; the sets are the classes of its one condition."""

    @abstractmethod
    def translate(self, x: Tensor, source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """(B,*) what x (B,*), of the sets `source`, would be in the sets `target`; x itself where they are the same."""


class Embeds(ABC):
    """Maps x to features that judges compare."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """(B,D) float32."""


class Classifies(ABC):
    """Names the class of x."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """(B, classes) logits."""


ABILITIES: dict[str, type] = {
    "density": Density,
    "decodes": Decodes,
    "prior": Prior,
    "encodes": Encodes,
    "predicts": Predicts,
    "denoises": Denoises,
    "continues": Continues,
    "writes": Writes,
    "adapts": Adapts,
    "streams": Streams,
    "infills": Infills,
    "narrows": Narrows,
    "translates": Translates,
    "embeds": Embeds,
    "classifies": Classifies,
}


def abilities(family: type) -> list[str]:
    """The names of the abilities that a family has."""
    return [name for name, ability in ABILITIES.items() if issubclass(family, ability)]
