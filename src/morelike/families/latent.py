"""A generator inside another's latents: first an autoencoder, then a model of its codes, in one run.

B batch, * the example's shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..core import registry
from ..core.abilities import Condition, Encodes, Prior
from ..core.contract import Batch, Generator, Learner, Net, Player, Terms
from ..core.errors import Refused
from ..core.noise import Noise
from ..core.settings import build_settings, check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, elements

_STAGES = ("first", "prior")


@dataclass(frozen=True, slots=True)
class LatentSettings:
    """Which two families, and how they share the run. Raises BadInput for a share that is none."""

    first: str = "ae"
    """A family that encodes."""
    prior: str = "diffusion"
    """A family that learns the codes of the first, under the conditions."""
    share: float = 0.4
    """Of the run, that goes to the first; then it is kept as it is."""
    first_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the first family, over its registry line's."""
    prior_settings: dict[str, Any] = field(default_factory=dict)
    """The same of the prior."""

    def __post_init__(self) -> None:
        check_ranges(self, share=(0.05, 0.95))


class Latent(Generator, Prior, Encodes):
    """Rombach et al. 2021, arXiv:2112.10752, for any two families; with codes of a book van den Oord et al. 2017, arXiv:1711.00937,
    section 3.3. The first stage knows no conditions; the prior learns under them.

    Real latents are brought to unit scale with the mean and deviation that they have when the prior begins.
    """

    Settings = LatentSettings
    settings: LatentSettings
    shift: Tensor
    scale: Tensor
    seen: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, None, parts, settings)
        first = _family(self.settings, "first")
        self.first = first(spec, {}, _own(nets, "first"), None, _settings(self.settings, "first"))
        assert isinstance(self.first, Encodes)
        self.latent = self.first.latent
        prior = _family(self.settings, "prior")
        codes = _learnt(prior, self.latent, conditions)
        self.second: Generator = prior(codes, conditions, _own(nets, "prior"), None, _settings(self.settings, "prior"))
        numbers = self.latent.shape if isinstance(self.latent, Array) else (0,)
        self.register_buffer("shift", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("seen", torch.zeros(2))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "it learns the codes of real-valued arrays, not ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: LatentSettings) -> dict[str, Net]:
        first, prior = _family(settings, "first"), _family(settings, "prior")
        own = _settings(settings, "first")
        why = first.refuses(spec, {})
        if why is not None:
            raise Refused(f"{settings.first} can't learn this: {why}")
        inner = first.wants(spec, {}, own)
        latent = _learnt(prior, _latent_of(first, spec, own), conditions)
        why = prior.refuses(latent, conditions)
        if why is not None:
            raise Refused(f"{settings.prior} can't learn the codes of {settings.first}: {why}")
        outer = prior.wants(latent, conditions, _settings(settings, "prior"))
        blind = {f"first_{name}": replace(net, told=False) for name, net in inner.items()}
        return {**blind, **{f"prior_{name}": net for name, net in outer.items()}}

    def players(self) -> list[Player | Learner]:
        share, found = self.settings.share, []
        for stage, model, during in (("first", self.first, (0.0, share)), ("prior", self.second, (share, 1.0))):
            for player in model.players():
                if not isinstance(player, Player):
                    raise Refused(f"{getattr(self.settings, stage)} learns without gradient, which a stage of `latent` can't")
                found.append(self._staged(stage, player, during))
        return [*found]

    def _staged(self, stage: str, player: Player, during: tuple[float, float]) -> Player:
        """A stage's player in its own part of the run, on its own kind of batch."""

        def view(batch: Batch) -> Batch:
            progress = (batch.progress - during[0]) / (during[1] - during[0])
            if stage == "first":
                return replace(batch, condition={}, given={}, progress=progress)
            return replace(batch, x=None if batch.x is None else self._codes(batch.x), progress=progress)

        def loss(batch: Batch) -> Terms:
            return player.loss(view(batch))

        def after(batch: Batch) -> None:
            if player.after is not None:
                player.after(view(batch))
            if stage == "first" and isinstance(self.latent, Array):
                self._measure(batch)

        return replace(player, name=f"{stage}-{player.name}", loss=loss, after=after, during=during)

    def _measure(self, batch: Batch) -> None:
        """The codes' mean and deviation, discounted averages over about the last hundred batches."""
        z = self._encoded(batch.data)
        weight = max(0.01, 1 / (float(self.seen[0]) + 1))
        self.seen[0] += 1
        self.shift.lerp_(z.mean(0), weight)
        self.seen[1].lerp_((z - self.shift).square().mean(), weight)
        self.scale.copy_(self.seen[1].sqrt().clamp(min=1e-6))

    @torch.no_grad()
    def _encoded(self, x: Tensor) -> Tensor:
        """(B, *latent) as the first stage gives them once it is trained: without dropout."""
        was = self.first.training
        z: Tensor = self.first.eval().encode(x)
        self.first.train(was)
        return z

    def _codes(self, x: Tensor) -> Tensor:
        """(B, *latent) as the prior learns them."""
        z = self._encoded(x)
        return (z - self.shift) / self.scale if isinstance(self.latent, Array) else z.view(-1, *self.second.spec.shape)

    def prior(self, noise: Noise) -> Tensor:
        """(noise.size, *latent) under no condition."""
        return self._drawn(None, noise)

    def _drawn(self, condition: Condition, noise: Noise, **dials: Any) -> Tensor:
        z: Tensor = self.second.sample(condition, noise=noise, **dials)
        return z * self.scale + self.shift if isinstance(self.latent, Array) else z.view(-1, *self.latent.shape)

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """Codes from the prior, decoded. The dials are the prior's."""
        return self.decode(self._drawn(condition, noise.under("prior"), **dials))

    @property
    def dialled(self) -> Generator:
        return self.second.dialled

    def set_dial(self, dial: str, value: Any) -> None:
        self.second.set_dial(dial, value)
        self.settings = replace(self.settings, prior_settings={**self.settings.prior_settings, dial: value})

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from (B, *latent)."""
        x: Tensor = self.first.decode(z)
        return x

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B, *latent) from (B,*)."""
        z: Tensor = self.first.encode(x)
        return z


def _family(settings: LatentSettings, stage: str) -> Any:
    """The class of a stage. Raises Refused for one that can't be it."""
    name = getattr(settings, stage)
    family = registry.family(name).load()
    if stage == "first" and not issubclass(family, Encodes):
        raise Refused(f"{name} finds no codes, so it can't be the first stage of `latent`")
    if not issubclass(family, Generator) or issubclass(family, Latent):
        raise Refused(f"{name} can't be a stage of `latent`")
    return family


def _settings(settings: LatentSettings, stage: str) -> Any:
    """The settings of a stage: its registry line's presets, then the user's."""
    line, own = registry.family(getattr(settings, stage)), getattr(settings, f"{stage}_settings")
    return build_settings(line.load(), {**line.settings, **own}, f"setting of {line.name}")


def _own(nets: Mapping[str, Any] | None, stage: str) -> dict[str, Any]:
    return {name.removeprefix(f"{stage}_"): net for name, net in (nets or {}).items() if name.startswith(f"{stage}_")}


def _latent_of(family: Any, spec: Spec, settings: Any) -> Spec:
    """The Spec of the codes, from a model without nets."""
    with torch.device("meta"):
        return family(spec, {}, {}, None, settings).latent  # type: ignore[no-any-return]


def _learnt(prior: Any, latent: Spec, conditions: Conditions) -> Spec:
    """The codes as the prior learns them: a grid of ids row after row where it takes sequences only."""
    if isinstance(latent, Tokens) and prior.refuses(latent, conditions) is not None:
        return replace(latent, shape=(elements(latent),))
    return latent
