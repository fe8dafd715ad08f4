"""Arrays, .npy, .npz, IDX and CIFAR-10: how they are understood, and what is never opened."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from morelike.core.errors import BadInput, UnknownName
from morelike.data import idx
from morelike.data.open import open_source


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path / "cache"))


def some(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    ("array", "kind", "shape"),
    [
        (some(20, 5, dtype="float32"), "vector", (20, 5)),
        (some(20, 8, 9), "image", (20, 8, 9, 1)),
        (some(20, 8, 9, 3), "image", (20, 8, 9, 3)),
        (some(20, 3, 8, 9), "image", (20, 8, 9, 3)),
        (some(20, 32, 32, 7), "image", (20, 32, 32, 7)),
        (some(20, 7, 32, 32), "image", (20, 32, 32, 7)),
        (some(20, 1, 1), "image", (20, 1, 1, 1)),
    ],
)
def test_the_shape_tells_the_kind(array: np.ndarray, kind: str, shape: tuple[int, ...]) -> None:
    for data in (array, torch.from_numpy(array), {"x": array}):
        source = open_source(data)
        assert (source.kind, source.items.shape) == (kind, shape)


def test_number_formats() -> None:
    assert open_source(some(9, 4, 4, dtype="int64")).items.dtype == np.uint8
    assert open_source(some(9, 4, 4, dtype="int64") * 9).items.dtype == np.uint16
    assert open_source(-some(9, 4, 4, dtype="int32")).items.dtype == np.float32
    assert open_source(some(9, 4, 4) > 99).items.dtype == np.bool_
    assert open_source(torch.rand(9, 4, 4).bfloat16()).items.dtype == np.float32


def test_the_kind_can_be_asked_for() -> None:
    assert open_source(some(9, 16), kind="image").items.shape == (9, 4, 4, 1)
    assert open_source(some(9, 4, 4), kind="vector").items.shape == (9, 16)
    with pytest.raises(BadInput, match="aren't square pictures"):
        open_source(some(9, 15), kind="image")
    with pytest.raises(UnknownName, match="did you mean 'image'"):
        open_source(some(9, 15), kind="imag")
    with pytest.raises(BadInput, match="can't be read as 'vector'"):
        open_source("digits", kind="vector")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.array([{}, []], dtype=object), "object, not numbers"),
        (np.array([["a"], ["b"]]), "not numbers"),
        (np.zeros(9), r"has the shape \(9,\)"),
        (np.zeros((0, 4, 4)), "has the shape"),
        (np.full((9, 2), np.nan), "item 0 holds NaN"),
        (np.concatenate((np.zeros((5, 4, 4)), np.full((1, 4, 4), np.inf))), "item 5 holds NaN or infinite"),
        (np.zeros((5, 192, 2)), "sequences of points"),
        ((np.zeros((5, 4)), np.zeros(4)), "of one length"),
        ({"x": np.zeros((5, 4)), "label": np.zeros(4)}, "5 items, but labels"),
        ({"a": np.zeros((5, 4)), "b": np.zeros((5, 4))}, r"several arrays that could be the data \(a, b\)"),
        ({"label": np.zeros(5)}, "no array to learn from"),
        ({"x_train": np.zeros((5, 4)), "x_test": np.zeros((5, 3))}, "different shapes"),
        ([], "the list is empty"),
        (None, "not NoneType"),
        ([np.zeros((4, 4)), np.full((4, 4), np.nan)], "item 1 holds NaN"),
    ],
)
def test_what_cant_be_learnt_from_is_refused_in_a_sentence(data: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        open_source(data)


def test_labels_in_memory() -> None:
    source = open_source((some(6, 4, 4), ["cat", "dog"] * 3))
    assert source.columns["label"].categories == ("cat", "dog")
    source = open_source({"images": some(6, 4, 4), "labels": torch.tensor([0, 2] * 3), "class_names": ["a", "b", "c"]})
    assert source.columns["label"].categories == ("a", "b", "c")
    mixed = open_source(([some(4, 4), some(5, 7), some(4, 5)], [0, 1, 0]))
    assert mixed.items[1].shape == (5, 7)
    assert mixed.columns["label"].values.tolist() == [0, 1, 0]


def test_npz_with_parts_labels_and_further_columns(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", train_images=some(12, 4, 4), test_images=some(5, 4, 4) + 1, train_labels=np.arange(12) % 3,
                        test_labels=np.arange(5) % 3)  # fmt: skip
    source = open_source(tmp_path / "a.npz")
    assert source.split is not None
    assert source.split["holdout"].tolist() == [12, 13, 14, 15, 16]
    assert source.columns["label"].values.tolist() == [0, 1, 2] * 4 + [0, 1, 2, 0, 1]
    np.savez(tmp_path / "b.npz", points=some(40, 2, dtype="float32"), tone=np.arange(40) % 4, tone_names=["a", "b", "c", "d"],
             weight=np.linspace(0, 0.5, 40), split=np.array(["train", "test"] * 20))  # fmt: skip
    source = open_source(tmp_path / "b.npz")
    assert source.kind == "vector"
    assert source.columns["tone"].categories == ("a", "b", "c", "d")
    assert source.columns["weight"].categories == ()
    assert source.split is not None
    assert len(source.split["holdout"]) == 20
    assert source.conditions == ()


def test_bit_packed_pictures(tmp_path: Path) -> None:
    pixels = some(9, 6, 11) > 128
    np.savez(tmp_path / "a.npz", images_packed=np.packbits(pixels, axis=-1), shape=np.array(pixels.shape))
    assert np.array_equal(open_source(tmp_path / "a.npz").items[..., 0], pixels)
    np.savez(tmp_path / "a.npz", images_packed=np.packbits(pixels, axis=-1), shape=np.array([9, 6, 80]))
    with pytest.raises(BadInput, match="doesn't unpack"):
        open_source(tmp_path / "a.npz")


def test_npy_is_mapped_and_pairs_are_one_set(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", some(12, 4, 4))
    source = open_source(tmp_path / "images.npy")
    base = source.items
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    np.save(tmp_path / "labels.npy", np.arange(12) % 2)
    assert open_source(tmp_path).columns["label"].categories == ("0", "1")


def test_npz_files_named_by_split_are_one_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", x=some(12, 4, 4), y=np.arange(12) % 2)
    np.savez(tmp_path / "test.npz", x=some(5, 4, 4) + 1, y=np.arange(5) % 2)
    source = open_source(tmp_path)
    assert source.split is not None
    assert len(source.split["train"]) == 12


class _Trap:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    for protocol in (0, 2, 5):
        (tmp_path / "a.npy").write_bytes(pickle.dumps(_Trap(sprung), protocol))
        with pytest.raises(BadInput, match=r"pickle|isn't a NumPy array"):
            open_source(tmp_path / "a.npy")
        (tmp_path / "a.npz").write_bytes((tmp_path / "a.npy").read_bytes())
        with pytest.raises(BadInput, match=r"pickle|isn't a NumPy array"):
            open_source(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.array([_Trap(sprung)], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="Python objects"):
        open_source(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=np.array([_Trap(sprung)], dtype=object))
    with pytest.raises(BadInput, match="Python objects"):
        open_source(tmp_path / "a.npz")
    assert not sprung.exists()


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", some(12, 4, 4))
    whole = (tmp_path / "a.npy").read_bytes()
    for cut in (3, 40, 200):
        (tmp_path / "a.npy").write_bytes(whole[:cut])
        with pytest.raises(BadInput, match=r"damaged|isn't a NumPy"):
            open_source(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=some(12, 4, 4))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(BadInput, match="can't be read"):
        open_source(tmp_path / "a.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(BadInput, match="more than are read at once"):
        open_source(tmp_path / "a.npz")


def idx_bytes(array: np.ndarray, code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape) + array.tobytes()


def write_idx(folder: Path, zipped: bool = False, prefix: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for split, count in (("train", 20), ("t10k", 12)):
        for part, array in (("images-idx3", some(count, 5, 4)), ("labels-idx1", (np.arange(count) % 3).astype(np.uint8))):
            content = idx_bytes(array)
            path = folder / f"{prefix}{split}-{part}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_folders_pair_images_and_labels(tmp_path: Path, zipped: bool) -> None:
    write_idx(tmp_path / "set", zipped)
    source = open_source(tmp_path / "set")
    assert source.items.shape == (32, 5, 4, 1)
    assert np.array_equal(source.items[:20, ..., 0], some(20, 5, 4))
    assert source.split is not None
    assert source.split["holdout"].tolist() == list(range(20, 32))
    assert source.columns["label"].categories == ("0", "1", "2")
    single = open_source(next((tmp_path / "set").glob("train-images*")))
    assert len(single.items) == 20
    assert single.columns["label"].values.tolist() == [number % 3 for number in range(20)]


def test_idx_twice_counts_once_in_a_zip_too_and_two_sets_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "set")
    write_idx(tmp_path / "set", zipped=True)
    source = open_source(tmp_path / "set")
    assert len(source.items) == 32
    assert "counted once" in " ".join(source.notes)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in (tmp_path / "set").glob("*.gz"):
            archive.write(path, f"raw/{path.name}")
    assert len(open_source(tmp_path / "set.zip").items) == 32
    write_idx(tmp_path / "set", prefix="emnist-letters-")
    with pytest.raises(BadInput, match=r"2 data sets .*emnist-letters"):
        open_source(tmp_path / "set")


def test_idx_that_lies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    for content, words in ((b"\x80\x04text", "isn't an IDX file"), (idx_bytes(some(20, 5, 4))[:-3], "but there are only"),
                           (idx_bytes(some(20, 5, 4)) + b"x", "but there are more"),
                           (gzip.compress(idx_bytes(some(20, 5, 4)))[:-20], "can't be read"),
                           (b"\0\0\x08\x03" + b"\xff" * 12, "more than are read")):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(BadInput, match=words):
            open_source(path)


def test_large_idx_files_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "set")
    monkeypatch.setattr(idx, "_MAPPED", 100)
    from morelike.data.files import FolderFiles

    mapped = idx.read_idx(FolderFiles(tmp_path / "set"), "train-images-idx3-ubyte")
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, some(20, 5, 4))


def test_idx_of_wider_numbers(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 60).reshape(5, 12)
    (tmp_path / "points.idx").write_bytes(idx_bytes(values.astype(">f4"), 0x0D))
    source = open_source(tmp_path / "points.idx")
    assert source.kind == "vector"
    assert source.items.dtype == np.float32
    assert np.allclose(source.items, values)


def cifar_archive(path: Path, batches: int = 5) -> np.ndarray:
    records = some(batches * 4 + 4, 3073)
    records[:, 0] %= 10
    with tarfile.open(path, "w:gz") as archive:
        for number in range(batches + 1):
            content = records[number * 4 : number * 4 + 4].tobytes()
            name = f"data_batch_{number + 1}.bin" if number < batches else "test_batch.bin"
            member = tarfile.TarInfo(f"../../cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return records


def test_cifar10_binary_edition(tmp_path: Path) -> None:
    records = cifar_archive(tmp_path / "cifar-10-binary.tar.gz")
    source = open_source(tmp_path / "cifar-10-binary.tar.gz")
    assert source.items.shape == (24, 32, 32, 3)
    assert np.array_equal(source.items[7].transpose(2, 0, 1).reshape(-1), records[7, 1:])
    assert source.columns["label"].categories[0] == "airplane"
    assert source.columns["label"].values.tolist() == records[:, 0].tolist()
    assert source.split is not None
    assert source.split["holdout"].tolist() == [20, 21, 22, 23]
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_cifar10_pickles_and_damage_are_refused(tmp_path: Path) -> None:
    (tmp_path / "py").mkdir()
    (tmp_path / "py" / "data_batch_1").write_bytes(pickle.dumps({}))
    with pytest.raises(BadInput, match=r"never opened\. Get the binary edition"):
        open_source(tmp_path / "py")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "data_batch_1.bin").write_bytes(b"x" * 3000)
    with pytest.raises(BadInput, match="3,000 bytes is damaged"):
        open_source(tmp_path / "bin")
    cifar_archive(tmp_path / "cifar-10-binary.tar.gz")
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes((tmp_path / "cifar-10-binary.tar.gz").read_bytes()[:3000])
    with pytest.raises(BadInput, match=r"can't be read|damaged"):
        open_source(tmp_path / "cifar-10-binary.tar.gz")


def test_encoded_pictures_with_offsets(tmp_path: Path) -> None:
    def blob(count: int, start: int) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        for number in range(count):
            stream = io.BytesIO()
            Image.new("RGB", (8, 8), (start + number, 0, 0)).save(stream, "PNG")
            parts.append(stream.getvalue())
        return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)])

    (train, train_offsets), (test, test_offsets) = blob(12, 0), blob(5, 100)
    arrays = {"train_jpeg": train, "train_offsets": train_offsets, "train_labels": np.arange(12) % 2, "test_jpeg": test,
              "test_offsets": test_offsets, "test_labels": np.arange(5) % 2, "classes": np.array(["a", "b"])}  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    source = open_source(tmp_path / "a.npz")
    assert [int(item[0, 0, 0]) for item in source.items] == [*range(12), *range(100, 105)]
    assert source.columns["label"].categories == ("a", "b")
    assert source.split is not None
    assert source.split["holdout"].tolist() == [12, 13, 14, 15, 16]
    np.savez(tmp_path / "a.npz", **{**arrays, "train_offsets": train_offsets[::-1]})
    with pytest.raises(BadInput, match="offsets must rise"):
        open_source(tmp_path / "a.npz")
