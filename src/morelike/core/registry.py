"""One literal table from name to class. To add a family or a codec: one file, one line here. It fails loudly.

A line names a class, presets of its settings, what it is for and its paper: `wgan` is a line, not a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .errors import UnknownName


@dataclass(frozen=True, slots=True)
class Line:
    """A family's entry."""

    name: str
    target: str
    purpose: str
    paper: str
    specs: tuple[str, ...] = ("array",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Presets of the family's Settings."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Presets of the training recipe (condition dropout, averaging, ...)."""

    def load(self) -> type:
        module, _, name = self.target.partition(":")
        found: type = getattr(import_module(module), name)
        return found


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of data: its codec, and the family that serves it best by measurement."""

    name: str
    target: str
    purpose: str
    default: str

    def load(self) -> type:
        module, _, name = self.target.partition(":")
        found: type = getattr(import_module(module), name)
        return found


_FAMILIES = [
    Line("diffusion", "morelike.families.diffusion:Diffusion", "the default for pictures: few-step flow matching with guidance",
         "Lipman et al. 2022, arXiv:2210.02747; Ho, Salimans 2022, arXiv:2207.12598", train={"drop": 0.1}),
    Line("vae", "morelike.families.vae:VAE", "a latent for every picture and a bound on its likelihood",
         "Kingma, Welling 2013, arXiv:1312.6114"),
    Line("dcgan", "morelike.families.gan:GAN", "one-step sampling: convolutional GAN, non-saturating loss, R1; augmentation as a setting",
         "Radford et al. 2015, arXiv:1511.06434; Mescheder et al. 2018, arXiv:1801.04406; Zhao et al. 2020, arXiv:2006.10738"),
    Line("pca", "morelike.families.classical:PCA", "a Gaussian of low rank in closed form; exact likelihood in seconds",
         "Tipping, Bishop 1999, Probabilistic principal component analysis"),
    Line("gaussian", "morelike.families.classical:PCA", "baseline: one Gaussian of low rank, per class where there are labels", "-",
         settings={"rank": 32}),
    Line("gmm", "morelike.families.classical:GMM", "a mixture of Gaussians by expectation-maximisation; exact likelihood",
         "Dempster, Laird, Rubin 1977"),
    Line("independent", "morelike.families.baseline:Independent", "baseline: every element drawn on its own", "-"),
    Line("copy-noise", "morelike.families.baseline:CopyNoise", "baseline that copies: a training item with a little noise", "-"),
    Line("features", "morelike.families.features:FeatureNet", "the judges' feature net and classifier (not a generator)",
         "Bardes, Ponce, LeCun 2021, arXiv:2105.04906 where there are no labels"),
]

_KINDS = [
    Kind("image", "morelike.data.image:ImageCodec", "pictures of any size and channel count", "diffusion"),
    Kind("vector", "morelike.data.vector:VectorCodec", "rows of real numbers", "diffusion"),
    Kind("category", "morelike.data.category:CategoryCodec", "class names, as conditions", "independent"),
]

FAMILIES: dict[str, Line] = {line.name: line for line in _FAMILIES}
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


def family(name: str) -> Line:
    """The line of a family. Raises UnknownName with the nearest right one."""
    if name not in FAMILIES:
        raise UnknownName("model", name, FAMILIES)
    return FAMILIES[name]


def kind(name: str) -> Kind:
    """The line of a kind of data. Raises UnknownName with the nearest right one."""
    if name not in KINDS:
        raise UnknownName("kind of data", name, KINDS)
    return KINDS[name]
