"""Names that stand for data: the digits and toy sets that come along, what lies under `MORELIKE_DATA`, what can be fetched."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ..core.errors import BadInput
from .cifar import CLASSES as _CIFAR_CLASSES
from .columns import column
from .download import DOWNLOADS, cache_folder, cached, download
from .progress import Progress
from .source import Source
from .toys import TOYS

TOY_POINTS = 10_000
CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "fashion-mnist": ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    "cifar10": _CIFAR_CLASSES,
}
"""Class names of sets whose files hold numbers only."""


def embedded(name: str) -> Source | None:
    """The built-in set of this name, or None: `digits` (scikit-learn's 1,797 handwritten digits) or a toy set."""
    if name == "digits":
        return _digits()
    if name in TOYS:
        points = TOYS[name].sample(TOY_POINTS, 0).astype(np.float32)
        return Source(name, "vector", points, why_kind=f"a built-in toy set with known density: {TOYS[name].purpose}")
    return None


def _digits() -> Source:
    from sklearn.datasets import load_digits

    found = load_digits()
    # 17 grey levels; on the scale of bytes they look right in any viewer.
    images = np.rint(found.images * (255.0 / 16.0)).astype(np.uint8)[..., None]
    labels = column("label", found.target, [str(digit) for digit in range(10)])
    note = "the 17 grey levels (0 to 16) were scaled to 0 to 255"
    return Source("digits", "image", images, {"label": labels}, notes=(note,), why_kind="a built-in set of handwritten digits")


def data_folder() -> Path | None:
    """The folder that `MORELIKE_DATA` names, if it is set."""
    chosen = os.environ.get("MORELIKE_DATA")
    return Path(chosen) if chosen else None


def known_names() -> list[str]:
    """All names that `open_source` takes now."""
    folder = data_folder()
    local = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder is not None and folder.is_dir() else []
    return sorted({"digits", *TOYS, *DOWNLOADS, *(name for name in local if is_name(name))})


def is_name(text: str) -> bool:
    """Whether a text can be a name rather than a path."""
    return re.fullmatch(r"\w[\w.-]*", text) is not None


def canonical(name: str) -> str:
    """`Fashion_MNIST` to `fashion-mnist` where that is a name to fetch; other names as they are."""
    lowered = name.lower().replace("_", "-")
    return lowered if lowered in DOWNLOADS else name


def place(name: str, offline: bool, progress: Progress | None) -> Path | None:
    """Where the data of a name lies, fetched where it must be; None for a name that isn't known.

    Raises BadInput with the places looked at where fetching is forbidden, and where it fails.
    """
    folder = data_folder()
    plain = canonical(name)
    if folder is not None:
        for spelling in (name, plain, plain.replace("-", "_")):
            if (folder / spelling).exists():
                return folder / spelling
    if plain not in DOWNLOADS:
        return None
    if (found := cached(plain)) is not None:
        return found
    if offline:
        looked = [str(folder / plain)] if folder is not None else ["MORELIKE_DATA (not set)"]
        looked.append(str(cache_folder() / plain))
        raise BadInput(f"{plain!r} isn't on this machine, and --offline forbids fetching it. Looked in: {', '.join(looked)}.")
    return download(plain, progress)
