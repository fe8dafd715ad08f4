"""Abilities, not types: a task asks for one of these, never for a family. Inherited only where it is really had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol, Self

from torch import Tensor

from .noise import Noise
from .spec import Spec

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
    "denoises": Denoises,
    "continues": Continues,
    "adapts": Adapts,
    "streams": Streams,
    "infills": Infills,
    "embeds": Embeds,
    "classifies": Classifies,
}


def abilities(family: type) -> list[str]:
    """The names of the abilities that a family has."""
    return [name for name, ability in ABILITIES.items() if issubclass(family, ability)]
