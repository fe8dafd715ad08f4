"""Morelike: give it data; it makes more like it, and shows how alike.

The public names load what they need on first use, so `import morelike` is quick and pulls no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "train": "morelike.house.verbs",
    "load": "morelike.house.verbs",
    "check": "morelike.house.verbs",
    "judge": "morelike.house.verbs",
    "compare": "morelike.house.verbs",
    "models": "morelike.house.verbs",
    "info": "morelike.house.verbs",
    "verify": "morelike.house.verbs",
    "doctor": "morelike.house.verbs",
    "Model": "morelike.house.model",
    "Recipe": "morelike.house.recipe",
    "Generator": "morelike.core.contract",
    "Codec": "morelike.core.contract",
}
__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'morelike' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
