"""What a task needs of a model, and the sentence that refuses one without it, naming the families that have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_type_hints

from ..core import registry
from ..core.abilities import ABILITIES
from ..core.contract import Generator
from ..core.errors import Refused, those_that_can
from ..core.spec import Tokens
from .build import learners
from .package import Package

NEEDS = {
    "extend": (("continues",),),
    "restore": (("infills",), ("continues",)),
    "translate": (("continues",), ("translates",)),
    "explain": (("continues",),),
    "restyle": (("encodes",), ("infills",), ("continues",)),
    "interpolate": (("encodes",), ("prior",)),
    "vary": (("denoises",), ("encodes", "prior")),
    "translate pictures to another class": (("encodes",),),
    "optimise": (("encodes", "predicts", "writes"),),
    "be searched for a property": (("encodes",), ("prior",)),
    "inspect": (("density",),),
    "show what its latent numbers do": (("encodes",), ("prior",)),
    "score": (("density",),),
    "classify": (("density",),),
    "fill in a table": (("infills",),),
    "fill in a part of a picture": (("denoises",), ("infills",), ("prior",)),
    "fill in a part of a tune": (("infills",),),
    "fill in a series": (("infills",), ("denoises",), ("prior",)),
    "restore a picture": (("denoises",), ("prior",)),
    "detect": (("density",),),
    "fix columns of a table": (("narrows",),),
    "ask": (("narrows",),),
    "simulate": (("narrows",),),
    "draw children given their parent": (("infills",),),
    "write under a constraint": (("continues",),),
}
"""Task -> abilities, of which all of one group are needed."""

_LITTLE_BY_LITTLE = ("interpolate", "show what its latent numbers do", "vary", "fill in a part of a picture", "restore a picture",
                     "fill in a series")  # fmt: skip
"""Tasks that move a latent, which ids can't be."""


def generator(package: Package, task: str) -> Generator:
    """The model, which has what the task needs. Raises Refused, naming the families that have it."""
    model = package.model
    if isinstance(model, Generator) and has(type(model), NEEDS[task]):
        return model
    name = package.recipe.model or type(model).__name__
    able = families(NEEDS[task])
    if task in _LITTLE_BY_LITTLE:
        able = [other for other in able if not _latent_of_ids(other)]
    # first of all those that learn just this, then those that learn such data under no condition
    learn = [learners(model.spec, conditions) for conditions in (model.conditions, {})]
    able = next((found for names in learn if (found := [other for other in able if other in names])), able)
    raise Refused(f"{name} can't {task}{those_that_can(able)}")


def has(family: type, groups: Sequence[Sequence[str]]) -> bool:
    """Whether a family has all abilities of one of the groups."""
    return any(all(issubclass(family, ABILITIES[ability]) for ability in group) for group in groups)


def _latent_of_ids(name: str) -> bool:
    """Whether a family's latent, or that of its first stage, is made of ids."""
    first = registry.family(str(registry.family(name).settings.get("first", name)))
    return get_type_hints(first.load()).get("latent") is Tokens


def families(groups: Sequence[Sequence[str]]) -> list[str]:
    """The names of the registry's generators that have them."""
    loaded = {name: line.load() for name, line in registry.FAMILIES.items()}
    return [name for name, family in loaded.items() if issubclass(family, Generator) and has(family, groups)]
