"""The nets of six GAN programs that beginners copy, exactly, in the game of `gan`: what each got wrong is in docs/from-tutorial.md."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.contract import Net
from ..core.spec import Array, Conditions, Spec
from .gan import GAN, GANSettings


@dataclass(frozen=True, slots=True)
class TutorialSettings(GANSettings):
    """Of `gan`, with the layers of both nets. Raises BadInput for a number out of its range."""

    latent: int = 100
    reach: float = 1.0
    r1: float = 0.0
    lr: float = 1e-4
    critic_lr: float = 1e-4
    generator: str = "128 relu 256 relu"
    """Its layers but the last, in the words of `nets.layers`."""
    critic: str = "512 relu 256 relu"


class Tutorial(GAN):
    """Goodfellow et al. 2014, arXiv:1406.2661, between two nets given layer by layer.

    The last layers are mended alike: the generator's goes to the example's own shape (through a hyperbolic tangent where it is
    quantised), the critic's is a logit.
    """

    Settings = TutorialSettings
    settings: TutorialSettings

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return super().refuses(spec, conditions) or ("the tutorials' nets are told no condition: --condition none" if conditions else None)

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: GANSettings) -> dict[str, Net]:
        assert isinstance(settings, TutorialSettings)
        layers = {"critic": settings.critic, "generator": settings.generator}
        nets = super().wants(spec, conditions, settings)
        return {name: replace(net, settings={"kind": "layers", "layers": layers[name]}) for name, net in nets.items()}


class TutorialPictures(Tutorial):
    """One whose generator doubles the rows and columns of a small map twice."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        match spec:
            case Array(shape=(_, rows, columns)):
                near = [max(4, 4 * round(side / 4)) for side in (rows, columns)]
                if near != [rows, columns]:
                    return f"its pictures have sides that are multiples of 4, not {rows} x {columns}; the nearest are {near[0]} x {near[1]}"
            case Array():
                return "its convolutions make pictures only"
        return super().refuses(spec, conditions)
