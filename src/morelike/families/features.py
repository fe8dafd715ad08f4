"""The judges' net: features of an example, learned from its class where there is one, otherwise from two views of it.

B batch, * the example's shape, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ..core.abilities import Classifies, Embeds
from ..core.contract import Batch, Learner, Net, Optim, Player, Terms, Trainable
from ..core.errors import Refused
from ..core.noise import Noise
from ..core.spec import Array, Conditions, Spec, Tokens, spatial
from ..maths.augment import brightness, contrast, cutout, translate

_EXPANDED = 256


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """What the features are learned from, and how many there are."""

    label: str = "label"
    """The condition that names the class; without it, learning is self-supervised."""
    features: int = 64
    lr: float = 3e-3


class FeatureNet(Trainable, Embeds, Classifies):
    """Cross-entropy on a class label, or VICReg (Bardes, Ponce, LeCun 2021, arXiv:2105.04906, eq. 6) on two views.

    Conditions are targets here, never inputs: `blind` tells the house to build the net without them.
    """

    Settings = FeatureSettings
    settings: FeatureSettings
    blind: ClassVar[bool] = True

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        label = conditions.get(self.settings.label)
        self.classes = label.vocab if isinstance(label, Tokens) and label.shape == (1,) else 0
        width = self.settings.features
        self.head = nn.Linear(width, self.classes) if self.classes else _expander(width)

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "the feature net looks at real-valued arrays, not at ids or mixed rows"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: FeatureSettings) -> dict[str, Net]:
        # normalisation costs time under a label (22 s on one core, MNIST: 98.3 % instead of 98.9 %) and helps without
        small = {"width": 16, "norm": settings.label not in conditions} if spatial(spec) else {"width": 128}
        return {"trunk": Net("encoder", spec, Array((settings.features,)), small)}

    def players(self) -> list[Player | Learner]:
        optim = Optim("adamw", lr=self.settings.lr, weight_decay=0.01)
        loss = self._class_loss if self.classes else self._view_loss
        return [Player("features", list(self.parameters()), loss, coupled=not self.classes, optim=optim)]

    def _class_loss(self, batch: Batch) -> Terms:
        x = translate(batch.data, batch.noise, 0.1, fill=-1.0) if spatial(self.spec) else batch.data
        logits = self._classify(x)
        label = batch.condition[self.settings.label].view(-1)
        correct = (logits.detach().argmax(1) == label).float()
        return {"loss": F.cross_entropy(logits, label, reduction="none", label_smoothing=0.05), "accuracy": correct}

    def _view_loss(self, batch: Batch) -> Terms:
        first, second = (self._expand(_view(batch.data, batch.noise.under(i), self.spec)) for i in (1, 2))
        alike = (first - second).square().mean(1)
        spread = sum(F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() for z in (first, second))
        apart = sum(_shared(z) for z in (first, second))
        # weights 25, 25, 1 (section 4.2)
        return {"loss": 25 * alike + 12.5 * spread + apart, "alike": alike.detach()}

    def _expand(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.silu(self.embed(x)))
        return out.float()

    def _classify(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.silu(self.embed(x)))
        return out.float()

    def embed(self, x: Tensor) -> Tensor:
        """(B,D) float32."""
        out: Tensor = self.nets["trunk"](x, {}, {})
        return out.float()

    def classify(self, x: Tensor) -> Tensor:
        """(B, classes) logits. Raises Refused where it learned without labels."""
        if not self.classes:
            raise Refused("this feature net was trained without class labels, so it can't name a class")
        return self._classify(x)


def _expander(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, _EXPANDED), nn.SiLU(), nn.Linear(_EXPANDED, _EXPANDED))


def _view(x: Tensor, noise: Noise, spec: Spec) -> Tensor:
    """A random view: moved, brightened, cut; a vector loses a fifth of its elements and gains noise."""
    if spatial(spec):
        return cutout(translate(contrast(brightness(x, noise), noise), noise, 0.1), noise, 0.4)
    keep = noise.uniform(spec.shape, "keep") > 0.2
    return x * keep + 0.1 * noise.normal(spec.shape, "jitter")


def _shared(z: Tensor) -> Tensor:
    """Mean squared covariance between different dimensions of z (B,D): VICReg's eq. 4."""
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
