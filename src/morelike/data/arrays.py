"""Arrays as data: .npy and .npz files (never their pickles), arrays in memory, and the names by which their parts are known.

N items, H rows, W columns, C channels, D dimensions.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..core.errors import BadInput
from . import paired, two_sets
from .columns import SPLITS, column, is_official, split_indices, split_word
from .files import Files, guarded
from .pictures import check_pictures
from .source import Column, Source

ARRAY_LIMIT = 8 << 30
"""Largest array, in bytes, that is read into memory; a larger .npy on disk is mapped."""
_X = frozenset(["x", "image", "images", "imgs", "data", "samples", "features", "pixels", "inputs", "arr_0"])
_Y = frozenset(["y", "label", "labels", "target", "targets", "class"])
_FILES = frozenset(["jpeg", "jpg", "png", "files", "bytes"])
_CLASSES = ("classes", "class_names", "label_names", "labels_names", "categories")
_CHUNK_BYTES = 32 << 20


def read_npy(stream: IO[bytes], where: str) -> np.ndarray:
    """One .npy array, its header checked before its numbers are read. Raises BadInput for pickles, objects and lies."""
    shape, dtype = npy_header(stream, where)
    if math.prod(shape) * dtype.itemsize > ARRAY_LIMIT:
        size = math.prod(shape) * dtype.itemsize
        raise BadInput(f"{where} claims {size:,} bytes, more than are read at once; save it as one .npy file, which is mapped.")
    stream.seek(0)
    with guarded(where):
        try:
            return npy.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise BadInput(f"{where} is damaged or cut short: {error}.") from error


def npy_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype]:
    """(shape, dtype) of a .npy stream."""
    with guarded(where):
        head = stream.read(6)
        if head != b"\x93NUMPY":
            pickle = head[:1] == b"\x80" or head[:2] in (b"(d", b"(l", b"cn", b"c_")
            holds = "holds a Python pickle, which can run programs and is never opened"
            what = holds if pickle else "isn't a NumPy array, whatever its name says"
            raise BadInput(f"{where} {what}; save the array with numpy.save or numpy.savez.")
        stream.seek(0)
        try:
            version = npy.read_magic(stream)
            shape, _, dtype = npy.read_array_header_1_0(stream) if version == (1, 0) else npy.read_array_header_2_0(stream)
        except (ValueError, SyntaxError, TypeError) as error:
            raise BadInput(f"{where} has a damaged header: {error}.") from error
    if dtype.hasobject:
        raise BadInput(f"{where} holds Python objects (pickled), which are never opened; save it as numbers: array.astype(numpy.float32).")
    return shape, dtype


def load_npy(files: Files, name: str) -> np.ndarray:
    """A .npy file: mapped where it is a file of its own, read inside a zip."""
    path = files.local(name)
    with guarded(name), files.open(name) as stream:
        if path is None:
            return read_npy(stream, name)
        npy_header(stream, name)
    try:
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise BadInput(f"{path} is damaged or cut short: {error}.") from error
    return mapped


def load_npz(files: Files, name: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz by name. Raises BadInput where it isn't one."""
    with guarded(name), files.open(name) as stream:
        if stream.read(2) != b"PK":
            stream.seek(0)
            npy_header(stream, name)
            raise BadInput(f"{name} is a single array; give it the ending .npy.")
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            members = [member for member in archive.namelist() if member.endswith(".npy")]
            arrays = {}
            for member in members:
                with archive.open(member) as part:
                    arrays[member.removesuffix(".npy")] = read_npy(part, f"{name}, array {member.removesuffix('.npy')!r}")
    return arrays


def role(key: str) -> tuple[str | None, str]:
    """(split, base) of an array's name: "train_images" and "images-train" are ("train", "images"), "x" is (None, "x")."""
    words = key.lower().replace("-", "_").split("_")
    if len(words) == 1:
        only = split_word(words[0])
        return (only, "x") if only else (None, words[0])
    if first := split_word(words[0]):
        return first, "_".join(words[1:])
    if last := split_word(words[-1]):
        return last, "_".join(words[:-1])
    return None, "_".join(words)


def known_role(key: str) -> bool:
    """Whether a name says by itself what its array is."""
    return role(key)[1] in _X | _Y


def from_mapping(name: str, arrays: Mapping[str, Any], kind: str | None = None) -> Source:
    """A source from named arrays: x, labels, train and test parts, class names, further columns. Raises BadInput."""
    parts: dict[str | None, dict[str, np.ndarray]] = {}
    for key, value in two_sets.by_arrays(arrays).items():
        split, base = role(str(key))
        parts.setdefault(split, {})[base] = np.asarray(value)
    shared = parts.get(None, {})
    if any(base in part for part in parts.values() for base in _FILES) and any("offsets" in part for part in parts.values()):
        return _picture_blobs(name, parts)
    if "shape" in shared and any(base.endswith("_packed") for base in shared):
        _unpack(name, shared)
    xs = {split: array for split, part in parts.items() if (array := _main(name, part, split)) is not None}
    if not xs:
        raise BadInput(f"{name} holds no array to learn from: {_listing(arrays)}. Name it x, images or data.")
    order = [split for split in (None, *SPLITS) if split in xs]
    shapes = {xs[split].shape[1:] for split in order}
    if len(shapes) > 1:
        raise BadInput(f"{name}: the parts {[split or 'x' for split in order]} hold items of different shapes: {sorted(shapes)}.")
    array = xs[order[0]] if len(order) == 1 else np.concatenate([xs[split] for split in order])
    chosen, items, why, notes = as_items(name, array, kind)
    counts = {split: len(xs[split]) for split in order}
    columns = _columns(name, parts, counts)
    if chosen == "image":
        columns |= _pictures_beside(name, parts, counts, items)
    return Source(name, chosen, items, columns, _split(shared, counts), tuple(notes), why_kind=why)


def _listing(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {np.asarray(value).shape}" for key, value in list(arrays.items())[:8]) or "it is empty"


def _main(name: str, part: Mapping[str, np.ndarray], split: str | None) -> np.ndarray | None:
    """The array of items among a split's arrays."""
    named = [base for base in part if base in _X]
    if len(named) > 1:
        raise BadInput(f"{name} holds several arrays that could be the data ({', '.join(named)}); pass one of them, or rename the others.")
    if named:
        return part[named[0]]
    large = [base for base, array in part.items() if array.ndim >= 2 and base not in _Y and array.dtype.kind in "biuf"]
    if len(large) > 1:
        raise BadInput(f"{name} holds several arrays that could be the data ({', '.join(large)}); name the right one x.")
    return part[large[0]] if large else None


def _unpack(name: str, shared: dict[str, np.ndarray]) -> None:
    """Bit-packed pictures (`numpy.packbits` along the last axis) with their `shape` beside them become an array of bool."""
    packed = next(base for base in shared if base.endswith("_packed"))
    shape = tuple(int(side) for side in shared.pop("shape").reshape(-1))
    bits = shared.pop(packed)
    if bits.dtype != np.uint8 or bits.shape != (*shape[:-1], (shape[-1] + 7) // 8):
        raise BadInput(f"{name}: {packed} of shape {bits.shape} doesn't unpack to the shape {shape}.")
    shared[packed.removesuffix("_packed")] = np.unpackbits(bits, axis=-1)[..., : shape[-1]].astype(np.bool_)


def _split(shared: Mapping[str, np.ndarray], counts: Mapping[str | None, int]) -> dict[str, np.ndarray] | None:
    """The official split: from the parts' names, or from a column "split" of words."""
    total = sum(counts.values())
    if len(counts) == 1:
        words = shared.get("split")
        if words is None or words.dtype.kind != "U" or words.shape != (total,):
            return None
        found = split_indices([split_word(word) for word in words.tolist()])
        return found if is_official(found) else None
    found, start = {}, 0
    for split, count in counts.items():
        # An unmarked part beside a marked one (x and x_test) is the training part.
        label = split or ("train" if "train" not in counts else None)
        if label:
            found[label] = np.arange(start, start + count)
        start += count
    return found if is_official(found) else None


def _columns(name: str, parts: Mapping[str | None, Mapping[str, np.ndarray]], counts: Mapping[str | None, int]) -> dict[str, Column]:
    shared = parts.get(None, {})
    columns = {}
    found = {split: [base for base in parts[split] if base in _Y] for split in counts}
    if all(found.values()):
        for split, bases in found.items():
            if len(bases) > 1 or len(parts[split][bases[0]]) != counts[split]:
                got = [len(parts[split][base]) for base in bases]
                where = f"items in {split}" if split else "items"
                raise BadInput(f"{name}: there are {counts[split]} {where}, but labels {bases} of length {got}.")
        values = np.concatenate([parts[split][bases[0]].reshape(counts[split], -1) for split, bases in found.items()])
        columns["label"] = column("label", values, next((shared[key].tolist() for key in _CLASSES if key in shared), None))
    if len(counts) > 1:
        return columns
    (split, total), = counts.items()
    for base, values in parts[split].items():
        if base in _Y | _X or base == "split" or base.endswith("_names") or values.shape != (total,) or values.dtype.kind not in "biufU":
            continue
        if values.dtype.kind != "f" and f"{base}_names" not in shared and len(np.unique(values)) > max(2, total // 5):
            continue
        names = shared.get(f"{base}_names")
        columns[base] = column(base, values, None if names is None else names.tolist())
    return columns


def _pictures_beside(
    name: str, parts: Mapping[str | None, Mapping[str, np.ndarray]], counts: Mapping[str | None, int], items: np.ndarray
) -> dict[str, Column]:
    """Further arrays of pictures, one an item in every part. Raises BadInput for sides in another proportion than the items'."""
    found = {}
    for base in next(iter(parts[split] for split in counts)):
        arrays = [parts[split].get(base) for split in counts]
        whole = [array for array, total in zip(arrays, counts.values(), strict=True) if array is not None and array.shape[:1] == (total,)]
        if base in _X | _Y or len(whole) < len(arrays) or any(array.ndim < 3 or array.dtype.kind not in "biuf" for array in whole):
            continue
        _, pictures, _, _ = as_items(f"{name}: {base}", np.concatenate(whole), "image")
        paired.check_sizes(base, pictures.shape[1:3], "the pictures", items.shape[1:3])
        found[base] = Column(base, np.arange(len(pictures)), pictures=pictures)
    return found


def _picture_blobs(name: str, parts: dict[str | None, dict[str, np.ndarray]]) -> Source:
    """Encoded pictures one after another with their offsets (n + 1), as in `{train,test}_jpeg`, `_offsets`, `_labels`."""
    blobs: list[tuple[np.ndarray, np.ndarray]] = []
    counts: dict[str | None, int] = {}
    for split in (None, *SPLITS):
        part = parts.get(split, {})
        base = next((base for base in part if base in _FILES), None)
        if base is None:
            continue
        blob, offsets = part[base], part.get("offsets")
        if offsets is None or blob.dtype != np.uint8 or offsets.dtype.kind not in "iu" or offsets.ndim != 1 or len(offsets) < 2:
            raise BadInput(f"{name}: {base} must be uint8 bytes with whole-number offsets beside them.")
        if offsets[0] < 0 or offsets[-1] > len(blob) or (np.diff(offsets.astype(np.int64)) < 0).any():
            raise BadInput(f"{name}: the offsets must rise from 0 to at most {len(blob):,}, the number of bytes.")
        blobs.append((blob, offsets.astype(np.int64)))
        counts[split] = len(offsets) - 1
    starts = np.cumsum([0, *counts.values()])

    def load(number: int) -> bytes:
        part = int(np.searchsorted(starts, number, side="right")) - 1
        blob, offsets = blobs[part]
        row = number - int(starts[part])
        return blob[offsets[row] : offsets[row + 1]].tobytes()

    checked = check_pictures(name, [f"picture {number}" for number in range(int(starts[-1]))], load)
    columns = {key: Column(key, col.values[checked.good], col.categories) for key, col in _columns(name, parts, counts).items()}
    whole = _split(parts.get(None, {}), counts)
    kept = None if whole is None else {key: np.flatnonzero(np.isin(checked.good, index)) for key, index in whole.items()}
    why = "the arrays hold encoded picture files with their offsets"
    return Source(name, "image", checked.pictures, columns, kept, tuple(checked.notes), tuple(checked.skipped), why_kind=why)


def as_items(name: str, array: np.ndarray, kind: str | None = None) -> tuple[str, np.ndarray, str, list[str]]:
    """(kind, items, why, notes): (N,D) rows are vectors, (N,H,W) and (N,H,W,C) or (N,C,H,W) pictures, as (N,H,W,C)."""
    if array.dtype.kind not in "biuf":
        raise BadInput(f"{name} holds {array.dtype}, not numbers; convert it with array.astype(numpy.float32).")
    if array.ndim < 2 or array.ndim > 4 or 0 in array.shape:
        expected = "(items, numbers), (items, rows, columns) or (items, rows, columns, channels)"
        raise BadInput(f"{name} has the shape {array.shape}; expected {expected}, none of them zero.")
    chosen = kind or ("vector" if array.ndim == 2 else "image")
    why = f"an array of {array.ndim} axes is {'rows of numbers' if array.ndim == 2 else 'pictures'}" if kind is None else "asked for"
    notes: list[str] = []
    items = array.reshape(len(array), -1) if chosen == "vector" else _number_format(_axes(name, array, kind, notes), notes)
    _check_finite(name, items)
    return chosen, items, why, notes


def _axes(name: str, array: np.ndarray, kind: str | None, notes: list[str]) -> np.ndarray:
    """(N,H,W,C)."""
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side != array.shape[1]:
            raise BadInput(f"{name}: rows of {array.shape[1]} numbers aren't square pictures; reshape the array to (items, rows, columns).")
        notes.append(f"rows of {array.shape[1]} numbers were taken as square pictures of {side} x {side}")
        array = array.reshape(-1, side, side)
    if array.ndim == 3:
        if kind is None and min(array.shape[1:]) <= 4 and max(array.shape[1:]) > 16:
            raise BadInput(f"{name} of shape {array.shape} looks like sequences of points; --kind image reads it as pictures.")
        return array[..., None]
    if array.shape[3] in (1, 3, 4) or (array.shape[3] <= 16 and array.shape[1] > 16):
        return array
    if array.shape[1] in (1, 3, 4) or array.shape[1] <= 16 < array.shape[3]:
        notes.append(f"the array's second axis ({array.shape[1]}) was taken as channels")
        return np.moveaxis(array, 1, 3)
    if array.shape[3] <= 16:
        return array
    raise BadInput(f"{name} of shape {array.shape}: neither the second nor the last axis looks like channels (at most 16).")


def _number_format(array: np.ndarray, notes: list[str]) -> np.ndarray:
    """uint8, uint16, bool and floats stay; other whole numbers become the smallest format that holds them."""
    if array.dtype in (np.uint8, np.uint16, np.bool_, np.float16, np.float32, np.float64):
        return array
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    low, high = int(array.min()), int(array.max())
    target = np.uint8 if low >= 0 and high <= 255 else np.uint16 if low >= 0 and high <= 65535 else np.float32
    notes.append(f"{array.dtype} values from {low} to {high} were read as {np.dtype(target)}")
    return array.astype(target)


def _check_finite(name: str, items: np.ndarray) -> None:
    if items.dtype.kind != "f":
        return
    step = max(1, _CHUNK_BYTES // max(1, items[0].nbytes))
    for start in range(0, len(items), step):
        finite = np.isfinite(items[start : start + step]).reshape(-1, items[0].size).all(axis=1)
        if not finite.all():
            raise BadInput(f"{name}: item {start + int((~finite).argmax())} holds NaN or infinite values; remove or repair it.")


def from_sequence(name: str, items: list[Any]) -> Source:
    """Pictures of different sizes, as a list of arrays."""
    arrays = [np.asarray(item) for item in items]
    for number, array in enumerate(arrays):
        if array.ndim not in (2, 3) or array.dtype.kind not in "buf":
            raise BadInput(f"{name}: item {number} is {array.dtype} of shape {array.shape}; expected pictures (rows, columns[, channels]).")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadInput(f"{name}: item {number} holds NaN or infinite values; remove or repair it.")
    return Source(name, "image", arrays, why_kind="a list of arrays is pictures of different sizes")
