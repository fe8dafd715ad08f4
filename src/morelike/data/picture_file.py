"""One picture file to one array, through Pillow; sizes are bounded by the header before anything is decoded.

H rows, W columns, C channels: 1 grey, 3 colour, 4 colour and alpha.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, UnidentifiedImageError

from ..core.errors import BadInput

PIXEL_LIMIT = 64 << 20
"""Largest picture that is decoded whole (64 megapixels): 256 MB at four bytes a pixel."""
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".jp2", ".avif")
)
# Named one by one: Pillow's other readers include some that start programs (EPS) or accept nearly any bytes (TGA).
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
_SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error, zlib.error)

Note = Callable[[str], None]


def looks_like_picture(head: bytes) -> bool:
    """Whether the first bytes of a file without a telling name are those of a picture."""
    return head.startswith(_SIGNATURES)


def read_image(source: Path | str | bytes, note: Note = lambda _: None) -> np.ndarray:
    """(H,W,C) uint8, uint16 or float32 from a file or its bytes.

    EXIF rotation is applied; palettes and CMYK become RGB (RGBA where transparent), grey with alpha RGBA, one bit 0 or
    255; 16-bit grey stays uint16; of an animation the first frame is taken. JPEGs above 64 megapixels are shrunk
    while they are decoded. `note` is told of what was lost. Raises BadInput with the reason where it can't be read.
    """
    stream: IO[bytes]
    try:
        stream = BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")  # noqa: SIM115
    except OSError as error:
        raise BadInput(f"can't be opened: {error.strerror or error}") from error
    with stream:
        head = stream.read(16)
        stream.seek(0)
        if not head:
            raise BadInput("is empty (0 bytes)")
        try:
            with _opened(stream, head) as picture:
                return _pixels(picture, note)
        except BadInput:
            raise
        except MemoryError as error:
            raise BadInput("needs more memory than there is") from error
        except _BROKEN as error:
            raise BadInput(f"is damaged or cut short ({_brief(error)})") from error


def _brief(error: Exception) -> str:
    return str(error).split("\n")[0][:80] or type(error).__name__


def _opened(stream: IO[bytes], head: bytes) -> ImageFile.ImageFile:
    """The picture with only its header read, and its size checked."""
    if head.startswith(b"\xff\xd8\xff"):
        # Image.open would refuse a large JPEG before it could be asked to shrink while decoding.
        return _shrunk(JpegImagePlugin.JpegImageFile(stream))
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = Image.open(stream, formats=[name for name in _FORMATS if name in Image.OPEN])
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise BadInput(f"has more than {PIXEL_LIMIT >> 20} megapixels; make it smaller or save it as JPEG") from error
        except UnidentifiedImageError as error:
            raise BadInput("is text, not a picture" if _is_text(head) else "isn't a picture, or of an unknown format") from error
    if picture.width * picture.height > PIXEL_LIMIT:
        size = f"{picture.width} x {picture.height} pixels"
        picture.close()
        raise BadInput(f"has {size}, more than {PIXEL_LIMIT >> 20} megapixels; make it smaller or save it as JPEG")
    return picture


def _shrunk(picture: JpegImagePlugin.JpegImageFile) -> ImageFile.ImageFile:
    width, height = picture.size
    scale = 1
    while scale < 8 and (width // scale) * (height // scale) > PIXEL_LIMIT:
        scale *= 2
    if scale > 1:
        if picture.info.get("progressive"):
            # A progressive JPEG holds all its coefficients in memory however small the result.
            raise BadInput(f"is a progressive JPEG of {width} x {height} pixels, more than {PIXEL_LIMIT >> 20} megapixels; make it smaller")
        picture.draft(None, (width // scale, height // scale))
    return picture


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r\f" or 32 <= byte < 127 or byte >= 0xC2 for byte in head)


def _pixels(picture: ImageFile.ImageFile, note: Note) -> np.ndarray:
    if getattr(picture, "is_animated", False):
        note("animated or many-page pictures: only the first frame is used")
        picture.seek(0)
    if picture.mode in ("RGB", "RGBA") and any("16" in str(part) for tile in picture.tile for part in tile[3:]):
        note("16-bit colour pictures are read with 8 bits a channel (16-bit grey stays 16 bit)")
    upright = ImageOps.exif_transpose(picture)
    mode, clear = upright.mode, "transparency" in upright.info
    if mode.startswith("I;16"):
        return np.asarray(upright).astype(np.uint16)[:, :, None]
    if mode == "I":
        return _from_int32(np.asarray(upright))
    if mode == "F":
        values = np.asarray(upright, dtype=np.float32)[:, :, None]
        if not np.isfinite(values).all():
            raise BadInput("holds NaN or infinite pixels")
        return values
    if mode in ("1", "L") and not clear:
        upright = upright.convert("L")
    elif mode in ("LA", "La", "PA", "RGBA", "RGBa") or clear:
        upright = upright.convert("RGBA")
    else:
        upright = upright.convert("RGB")
    array = np.array(upright)
    return array[:, :, None] if array.ndim == 2 else array


def _from_int32(values: np.ndarray) -> np.ndarray:
    """32-bit grey: uint16 where the values fit (16-bit PGM and older PNG), otherwise float32."""
    fits = values.min() >= 0 and values.max() <= 65535
    return values.astype(np.uint16 if fits else np.float32)[:, :, None]
