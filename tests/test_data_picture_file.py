"""One file to one array: each odd format made on the fly."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelike.core.errors import BadInput
from morelike.data import picture_file
from morelike.data.picture_file import read_image


def saved(picture: Image.Image, form: str = "PNG", **more: object) -> bytes:
    stream = BytesIO()
    picture.save(stream, form, **more)
    return stream.getvalue()


def test_grey_rgb_and_rgba_come_as_they_are() -> None:
    for channels in (1, 3, 4):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
        read = read_image(saved(Image.fromarray(pixels[..., 0] if channels == 1 else pixels)))
        assert np.array_equal(read, pixels)


def test_palette_becomes_rgb_or_rgba() -> None:
    picture = Image.new("P", (4, 3), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    assert read_image(saved(picture))[0, 0].tolist() == [10, 20, 30]
    assert read_image(saved(picture, transparency=1))[0, 0].tolist() == [10, 20, 30, 0]


def test_a_transparent_colour_key_becomes_alpha() -> None:
    assert read_image(saved(Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3)))[0, 0, 3] == 0
    assert read_image(saved(Image.new("L", (2, 2), 5), transparency=5)).shape == (2, 2, 4)


def test_cmyk_becomes_rgb() -> None:
    read = read_image(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert read.shape == (8, 8, 3)
    assert np.abs(read[4, 4].astype(int) - [255, 0, 0]).max() < 6


def test_one_bit_becomes_black_and_white() -> None:
    picture = Image.new("1", (9, 2), 1)
    picture.putpixel((0, 0), 0)
    assert np.unique(read_image(saved(picture))).tolist() == [0, 255]


def test_grey_with_alpha_becomes_rgba() -> None:
    assert read_image(saved(Image.new("LA", (2, 2), (7, 9))))[0, 0].tolist() == [7, 7, 7, 9]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_stays_sixteen_bit(form: str) -> None:
    values = np.array([[0, 1, 256], [40000, 65534, 65535]], dtype=np.uint16)
    read = read_image(saved(Image.fromarray(values), form))
    assert read.dtype == np.uint16
    assert np.array_equal(read[..., 0], values)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


def test_sixteen_bit_colour_is_read_with_eight_and_said() -> None:
    notes: list[str] = []
    read = read_image(_png(1, 1, 16, 2, b"\0" + bytes([10, 0, 20, 0, 30, 0])), notes.append)
    assert read[0, 0].tolist() == [10, 20, 30]
    assert "16-bit colour" in notes[0]


def test_floating_point_tiff() -> None:
    values = np.array([[0.5, -2.0]], dtype=np.float32)
    assert np.array_equal(read_image(saved(Image.fromarray(values), "TIFF"))[..., 0], values)
    with pytest.raises(BadInput, match="NaN"):
        read_image(saved(Image.fromarray(values * np.float32("nan")), "TIFF"))


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(saved(Image.new("L", (10, 4)), "JPEG", exif=exif)).shape == (10, 4, 1)


def test_of_an_animation_the_first_frame_and_said() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    notes: list[str] = []
    read = read_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), notes.append)
    assert read[0, 0, :3].tolist() == [255, 0, 0]
    assert "first frame" in notes[0]


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 9).save(tmp_path / "one.png")
    assert read_image(tmp_path / "one.png").tolist() == [[[9]]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, this is a diary, not a picture", "is text"),
        (b"\x00\x01\x02\x03" * 20, "isn't a picture"),
        (saved(Image.new("RGB", (64, 64), (1, 2, 3)))[:80], "damaged or cut short"),
        (saved(Image.effect_noise((64, 64), 50), "JPEG")[:400], "damaged or cut short"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is text"),
    ],
)
def test_bad_files_are_refused_with_their_reason(content: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_image(content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be opened"):
        read_image(tmp_path / "no.png")


def test_a_giant_header_is_refused_before_decoding() -> None:
    for side in (9_000, 12_000, 30_000):
        with pytest.raises(BadInput, match="64 megapixels"):
            read_image(_png(side, side, 1, 0, b"\0"))


def test_a_giant_jpeg_is_shrunk_while_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_file, "PIXEL_LIMIT", 100 * 100)
    assert read_image(saved(Image.new("L", (390, 200), 77), "JPEG"))[0, 0] == 77
    assert read_image(saved(Image.new("L", (390, 200)), "JPEG")).shape == (50, 98, 1)
    with pytest.raises(BadInput, match="progressive"):
        read_image(saved(Image.new("L", (390, 200)), "JPEG", progressive=True))
