"""Pictures restored: what a user knows of one (a part, a small copy, its grey, a blurred copy) becomes an operator, a model draws the rest.

C channels, H rows, W columns; boxes and places count pixels from the left and the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.abilities import Prior
from ..core.contract import Generator
from ..core.errors import BadInput, Refused, UnknownName
from ..core.noise import Noise
from ..core.spec import Array, lift
from ..data.image import ImageCodec
from ..data.pixels import LUMA, as_hwc, to_channels, to_levels
from ..maths.operators import Blur, Grey, Mask, Operator, Pool
from ..tasks.repairing import STEPS, Known, repair
from .able import generator
from .carrying import read
from .package import Package
from .sampling import fixed_conditions

OPERATIONS = {
    "mask": "a part is missing (inpainting), or the picture is to grow (outpainting)",
    "pool": "a small copy is known (super-resolution)",
    "grey": "its grey is known (colouring)",
    "blur": "a blurred copy is known (sharpening)",
}
MOST = 100
_WIDEST = 100.0


@dataclass(frozen=True, slots=True)
class How:
    """What `known` is of the picture that is wanted."""

    op: str = ""
    """A key of OPERATIONS."""
    mask: Any = None
    """A picture as large as the known one, or its path: black is missing."""
    box: tuple[int, int, int, int] | None = None
    """(left, top, width, height) of what is missing."""
    at: tuple[int, int] | None = None
    """(left, top) of a smaller known picture in the one that is wanted; by default it lies in the middle."""
    sigma: float | None = None
    """The blur's deviation in pixels."""

    def check(self) -> None:
        """Raises UnknownName for another operation, BadInput for what doesn't go with it."""
        if not self.op:
            raise BadInput(f"nothing says what is known of the picture: op is one of {', '.join(OPERATIONS)}")
        if self.op not in OPERATIONS:
            raise UnknownName("operation", self.op, OPERATIONS)
        for name, op in (("mask", "mask"), ("box", "mask"), ("at", "mask"), ("sigma", "blur")):
            if getattr(self, name) is not None and self.op != op:
                raise BadInput(f"--{name} goes with --op {op}, not with --op {self.op}: leave it out")
        if self.op == "blur" and (self.sigma is None or not 0 < self.sigma <= _WIDEST):
            given = "nothing says how wide the blur is" if self.sigma is None else f"a blur can't be {self.sigma:g} pixels wide"
            raise BadInput(f"{given}: give its deviation, above 0 and at most {_WIDEST:g} pixels, as in --sigma 1.5")


@dataclass(frozen=True, slots=True)
class Restored:
    """Several ways to restore one picture."""

    op: str
    items: np.ndarray
    """(n,H,W,C) raw items."""
    shown: np.ndarray
    """(H,W,C) what is known, for showing: as large as the items, middle grey where it is missing."""
    apart: float
    """The largest difference between what is known and what the same operation makes of the items, in shares of the range."""


def restore(
    package: Package, known: Any, how: How, n: int, where: Mapping[str, Any] | None = None, seed: int = 0, steps: int = STEPS
) -> Restored:
    """n draws of a picture of which `known`, a raw item or the path of a picture, is a part. What `where` doesn't fix of the conditions
    is left open.

    Raises BadInput, in one sentence, for what doesn't fit, Refused for a model that can't, naming those that can.
    """
    model, codec = _able(package, how)
    if not 1 <= n <= MOST:
        raise BadInput(f"the number of alternatives must be between 1 and {MOST}, not {n}")
    picture = _picture(known)
    canvas, there = _canvas(codec, picture, how)
    operator = _operator(how, there, codec.shape[1] // len(picture))
    x = lift(codec.spec, torch.from_numpy(codec.encode([canvas])))
    least = operator.pinv(x) if how.op == "blur" else operator.project(x)
    fixed = fixed_conditions(package, where or {})
    condition = {name: value.to(model.device).expand(n, *value.shape[1:]) for name, value in fixed.items()}
    what = Known(operator, least.to(model.device).expand(n, -1, -1, -1), -1.0, 1.0)
    with torch.no_grad():
        drawn = repair(model, what, condition, noise=Noise(seed, n, path=("restore",)).to(model.device), steps=steps).cpu()
    if not bool(torch.isfinite(drawn).all()):
        raise Refused("the model drew values that are not finite: its training went wrong")
    items = codec.decode(drawn.numpy())
    again = lift(codec.spec, torch.from_numpy(codec.encode(items)))
    apart = float((operator.apply(again) - operator.apply(least)).abs().max()) / 2
    middle = codec.decode(np.zeros((1, *codec.shape)))[0]
    shown = np.where(there[:, :, None], codec.decode(x.numpy())[0], middle)
    return Restored(how.op, items, shown, apart)


def _able(package: Package, how: How) -> tuple[Generator, ImageCodec]:
    """Raises BadInput for a model of other data, Refused for one that lacks the abilities."""
    how.check()
    codec = package.codec
    if not isinstance(codec, ImageCodec):
        raise BadInput(f"--op is for models of pictures, and this one learnt the kind {codec.kind!r}: leave it out")
    task = "fill in a part of a picture" if how.op == "mask" else "restore a picture"
    model = generator(package, task)
    if isinstance(model, Prior) and not isinstance(model.latent, Array):
        raise Refused(f"{package.recipe.model} can't {task}: its latent is made of ids, which can't be moved little by little")
    if codec.binarise and how.op != "mask":
        raise Refused(f"this model's pictures are black and white, so that nothing is known of them by --op {how.op}: take --op mask")
    if how.op == "grey" and codec.shape[0] != 3:
        what = "is grey already" if codec.shape[0] == 1 else f"has {codec.shape[0]} channels"
        raise BadInput(f"a picture of this model {what}; --op grey is for models of red, green and blue")
    return model, codec


def _picture(known: Any) -> np.ndarray:
    """(H,W,C) of a raw item or a path. Raises BadInput naming the file."""
    return read(Path(known)) if isinstance(known, str | Path) else as_hwc(np.asarray(known))


def _canvas(codec: ImageCodec, known: np.ndarray, how: How) -> tuple[np.ndarray, np.ndarray]:
    """((H,W,C) what is known at the size of the model's pictures, (H,W) bool where it is)."""
    channels, height, width = codec.shape
    rows, columns = known.shape[:2]
    has, wants = f"the known picture is {columns} x {rows} pixels", f"this model's are {width} x {height}"
    everywhere = np.ones((height, width), dtype=bool)
    if how.op == "pool":
        factor = height // rows
        if factor < 2 or (rows * factor, columns * factor) != (height, width):
            raise BadInput(f"{has}, and {wants}: --op pool takes one that is smaller by a whole factor, the same in both directions")
        return known.repeat(factor, 0).repeat(factor, 1), everywhere
    if how.op != "mask":
        if (rows, columns) != (height, width):
            raise BadInput(f"{has}, and {wants}: scale it to that size first")
        return (to_channels(known, 1) if how.op == "grey" else known), everywhere
    there = ~_missing(known, how)
    if rows > height or columns > width:
        raise BadInput(f"{has}, and {wants}: scale or crop it first")
    left, top = how.at if how.at is not None else ((width - columns) // 2, (height - rows) // 2)
    if not (0 <= left <= width - columns and 0 <= top <= height - rows):
        raise BadInput(f"{has}, and {wants}: it can't lie at {left},{top}; at most at {width - columns},{height - rows}")
    inside = slice(top, top + rows), slice(left, left + columns)
    shown, where = to_channels(to_levels(known, codec.dtype), channels), np.zeros((height, width), dtype=bool)
    canvas = np.zeros((height, width, channels), dtype=codec.dtype)
    canvas[inside], where[inside] = shown, there
    if where.all():
        raise BadInput("nothing is missing: say what is, with --mask FILE or --box left,top,width,height, or give a smaller picture")
    if not where.any():
        raise BadInput("nothing is known: the mask (black is missing) or the box covers the whole picture; for such, morelike sample")
    return canvas, where


def _missing(known: np.ndarray, how: How) -> np.ndarray:
    """(H,W) bool of the known picture: what the mask and the box say."""
    rows, columns = known.shape[:2]
    missing = np.zeros((rows, columns), dtype=bool)
    if how.mask is not None:
        mask = _picture(how.mask)
        if mask.shape[:2] != (rows, columns):
            sizes = f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, and the known picture {columns} x {rows}"
            raise BadInput(f"{sizes}: make them one size")
        grey = to_channels(mask, 1)[:, :, 0]
        missing |= grey < (1 if mask.dtype == np.bool_ else 0.5 if mask.dtype.kind == "f" else np.iinfo(mask.dtype).max / 2)
    if how.box is not None:
        left, top, width, height = how.box
        if not (0 <= left < left + width <= columns and 0 <= top < top + height <= rows):
            box = ",".join(map(str, how.box))
            raise BadInput(f"the box {box} (left,top,width,height) doesn't lie in the known picture of {columns} x {rows} pixels")
        missing[top : top + height, left : left + width] = True
    return missing


def _operator(how: How, there: np.ndarray, factor: int) -> Operator:
    height, width = there.shape
    match how.op:
        case "mask":
            return Mask(torch.from_numpy(there))
        case "pool":
            return Pool(factor)
        case "grey":
            return Grey(tuple(LUMA.tolist()))
        case _:
            assert how.sigma is not None
            return Blur(how.sigma, height, width)
