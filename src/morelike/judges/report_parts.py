"""The report's bricks: escaped text, numbers for people, pictures as data URIs, tables."""

from __future__ import annotations

import base64
import html
import io
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

from ..core.errors import BadInput

Picture = np.ndarray | bytes
"""uint8 (H,W), (H,W,1), (H,W,3) or (H,W,4); or the bytes of a PNG file."""
_MOST_PIXELS, _LONGEST_SIDE = 40_000_000, 1000
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def escape(text: object) -> str:
    """Any value as text that can stand in HTML, inside an attribute too: control characters and lone surrogates become U+FFFD."""
    return html.escape(_UNFIT.sub("\ufffd", str(text)), quote=True)


def number(value: float | None, *, whole: bool = False) -> str:
    """A number for people: three figures, thousands with commas, a real minus sign; "–" where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if whole or abs(value) >= 1000:
        plain = f"{value:,.0f}" if whole or abs(value) < 1e7 else f"{value:.2e}"
    elif value and abs(value) < 1e-4:
        plain = f"{value:.2g}"
    else:
        plain = f"{value:.3g}"
    mantissa, e, exponent = plain.partition("e")
    power = "×10" + str(int(exponent)).translate(_SUPERSCRIPT) if e else ""
    return (mantissa + power).replace("-", "−")


def percent(share: float) -> str:
    """A share as percent: 0.034 -> "3.4%"."""
    return f"{number(100.0 * share)}%"


def decimals_for(width: float) -> int:
    """How many decimals a value deserves whose interval is `width` wide: about a fortieth of it is still shown."""
    return min(8, max(0, -math.floor(math.log10(width / 4.0)))) if width > 0 else 3


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals, but no more than three figures: values of one score line up."""
    if not value or not math.isfinite(value) or abs(value) >= 1000:
        return number(value)
    figures = 2 - math.floor(math.log10(abs(value)))
    shown = f"{value:.{max(0, min(decimals, figures))}f}"
    return number(value) if not float(shown) else shown.replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as "45 s", "1 min 58 s" or "2 h 05 min"."""
    total = round(seconds)
    if total < 60:
        return f"{number(seconds)} s" if seconds < 10 else f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def memory(size: float) -> str:
    """Bytes as kB, MB or GB (powers of ten)."""
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= worth:
            return f"{number(size / worth)} {unit}"
    return f"{number(size)} bytes"


@dataclass(frozen=True, slots=True)
class ReadyPicture:
    """A picture ready for the page: its size in CSS pixels, and whether the browser enlarges it without smoothing."""

    uri: str
    width: int
    height: int
    pixelated: bool


def _opened(picture: Picture) -> Image.Image:
    if isinstance(picture, bytes):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                opened = Image.open(io.BytesIO(picture), formats=["PNG"])
                if opened.width * opened.height > _MOST_PIXELS:
                    raise BadInput(f"a picture of the report is {opened.width} x {opened.height}; {_MOST_PIXELS:,} pixels are the most")
                opened.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise BadInput(f"a picture of the report is not a readable PNG: {error}") from None
        return opened.convert("RGBA" if "A" in opened.getbands() or "transparency" in opened.info else "RGB")
    channels = {2: 1, 3: picture.shape[-1]}.get(picture.ndim)
    if picture.dtype != np.uint8 or channels not in (1, 3, 4) or 0 in picture.shape:
        raise BadInput(f"a picture of the report is {picture.dtype} {picture.shape}; give uint8 (H,W), (H,W,1), (H,W,3) or (H,W,4)")
    return Image.fromarray(np.ascontiguousarray(_shrunk_to_pixels(picture[:, :, 0] if picture.shape[2:] == (1,) else picture)))


def _shrunk_to_pixels(picture: np.ndarray) -> np.ndarray:
    """Undoes an enlargement by a whole factor: the browser enlarges again, without smoothing, and the file stays small."""
    for factor in range(16, 1, -1):
        if all(side % factor == 0 for side in picture.shape[:2]):
            small = picture[::factor, ::factor]
            if np.array_equal(small.repeat(factor, 0).repeat(factor, 1), picture):
                return small
    return picture


def image(picture: Picture, *, width: int, most_bytes: int) -> ReadyPicture:
    """The picture as a PNG data URI of at most `most_bytes` before base64, to be shown about `width` wide.

    A small array is enlarged by a whole factor, by the browser where that nearly fills the width and else in the file.
    A large picture is shrunk, smoothly, until it fits. Raises BadInput for arrays of another kind and bytes that aren't a PNG.
    """
    opened = _opened(picture)
    factor = width // opened.width if not isinstance(picture, bytes) else 0
    pixelated = factor * opened.width >= 0.8 * width
    shown = factor * opened.width if pixelated else width
    if factor and not pixelated:
        opened = opened.resize((opened.width * (factor + 1), opened.height * (factor + 1)), Image.Resampling.NEAREST)
    if max(opened.size) > _LONGEST_SIDE:
        opened.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    while True:
        stream = io.BytesIO()
        opened.save(stream, "PNG", optimize=True, pnginfo=PngImagePlugin.PngInfo())
        if stream.tell() <= most_bytes or max(opened.size) <= 32:
            break
        opened = opened.resize((max(1, opened.width * 3 // 4), max(1, opened.height * 3 // 4)), Image.Resampling.LANCZOS)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return ReadyPicture(uri, shown, max(1, round(shown * opened.height / opened.width)), pixelated)


def picture_tag(picture: Picture, alt: str, *, width: int, most_bytes: int) -> str:
    """An <img> of about `width` CSS pixels."""
    made = image(picture, width=width, most_bytes=most_bytes)
    css = ' class="pixels"' if made.pixelated else ""
    return f'<img{css} src="{made.uri}" alt="{escape(alt)}" width="{made.width}" height="{made.height}">'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, css: str = "") -> str:
    """A table of cells that are HTML already; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows)
    opening = f'<div class="wide"><table class="{css}"><caption>{escape(caption)}</caption>'
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def facts(pairs: Iterable[tuple[str, str, str]]) -> str:
    """Key figures as a definition list: (name, value, remark)."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>{_remark(remark)}</div>" for name, value, remark in pairs)
    return f'<dl class="tiles">{cells}</dl>'


def _remark(text: str) -> str:
    return f'<dd class="remark">{escape(text)}</dd>' if text else ""


def section(anchor: str, heading: str, body: str, lead: str = "") -> str:
    """A section with its heading and an opening line of plain words; "" without a body."""
    if not body:
        return ""
    opening = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f'<section id="{anchor}"><h2>{escape(heading)}</h2>{opening}{body}</section>'
