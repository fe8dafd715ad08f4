"""Bad or odd input through the command line: handled and said, or refused in one sentence with exit code 2 and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import TINY, Ended, Runner

FAST = ("--model", "pca", "--no-judge", "--quiet")
"""A training of a closed form, well below a second."""
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refused(ended: Ended, *words: str) -> None:
    """One sentence on standard error, exit code 2, no stack trace, nothing on standard output."""
    assert ended.code == 2, (ended.out, ended.err)
    assert ended.out == ""
    assert "Traceback" not in ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last


def state(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pictures(folder: Path, count: int, size: tuple[int, int] = (8, 8), classes: int = 0) -> Path:
    """`count` different grey pictures, in class folders where `classes` > 0."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % classes}" if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(place / f"{number:03d}.png")
    return folder


def huge_png(path: Path, width: int, height: int) -> None:
    """A header that claims width x height grey pixels, and nearly nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


@pytest.mark.parametrize("verb", ["check", "train"])
def test_missing_path_and_empty_folder(verb: str, morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(morelike_cli(verb, "nowhere"), "'nowhere'")
    refused(morelike_cli(verb, "digitz"), "did you mean 'digits'")
    Path("empty").mkdir()
    refused(morelike_cli(verb, "empty"), "empty")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def spoil(folder: Path) -> None:
    """A text file, a zero-byte one, a truncated one and a lying one among the pictures."""
    whole = (folder / "000.png").read_bytes()
    (folder / "text.txt").write_text("hello")
    (folder / "zero.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "lies.png").write_text("I am no picture, whatever my name says")


def test_bad_files_among_good_ones_are_named_and_counted(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "data", 40)
    spoil(folder)
    found = morelike_cli("check", folder, "--json").json
    assert found["items"] == 40
    assert {row["file"] for row in found["skipped"]} == {"zero.png", "cut.png", "lies.png", "text.txt"}
    text = morelike_cli("check", folder).out
    assert "4 files left out" in text
    assert "zero.png" in text
    ended = morelike_cli("train", folder, "--model", "pca", "--no-judge", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "left out: zero.png" in ended.err


def test_more_than_a_tenth_bad_is_refused(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "data", 20)
    spoil(folder)
    refused(morelike_cli("train", folder, *FAST, "--out", tmp_path / "run"), "3 of 23", "cut.png")
    assert not (tmp_path / "run").exists()


def test_mixed_sizes_and_one_pixel(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mixed", 20)
    for number, size in enumerate([(1, 1), (5, 9), (30, 7)]):
        Image.fromarray(np.full(size, 10 * number, dtype=np.uint8)).save(folder / f"other{number}.png")
    assert "different sizes" in morelike_cli("check", folder).out
    assert morelike_cli("train", folder, *FAST, "--out", tmp_path / "run").code == 0
    points = pictures(tmp_path / "points", 20, size=(1, 1))
    assert morelike_cli("check", points, "--json").json["shape"] == [1, 1, 1]
    assert morelike_cli("train", points, *FAST, "--out", tmp_path / "points-run").code == 0
    assert morelike_cli("sample", tmp_path / "points-run", "-n", 2, "--out", tmp_path / "x.npy").code == 0
    assert np.load(tmp_path / "x.npy").shape == (2, 1, 1, 1)


def test_huge_picture_is_judged_by_its_header(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "data", 20)
    huge_png(folder / "huge.png", 30_000, 30_000)
    found = morelike_cli("check", folder, "--json").json
    assert [row["file"] for row in found["skipped"]] == ["huge.png"]
    assert "megapixels" in found["skipped"][0]["why"]
    alone = tmp_path / "alone"
    alone.mkdir()
    huge_png(alone / "huge.png", 30_000, 30_000)
    refused(morelike_cli("train", alone, *FAST, "--out", tmp_path / "run"), "megapixels")
    assert not (tmp_path / "run").exists()


def test_a_setting_that_the_codec_does_not_have_is_named(morelike_cli: Runner, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.Generator(np.random.PCG64(0)).normal(size=(40, 3)))
    ended = morelike_cli("train", tmp_path / "rows.npy", "--model", "pca", "--out", tmp_path / "model", "codec.binarise=true")
    assert ended.code == 2
    assert "unknown setting of the vector codec 'binarise'" in ended.err
    assert not (tmp_path / "model").exists()


def test_scores_that_need_more_items_are_listed_as_refused(morelike_cli: Runner, tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.save(tmp_path / "few.npy", points)
    assert morelike_cli("train", tmp_path / "few.npy", *FAST, "--out", tmp_path / "run").code == 0
    ended = morelike_cli("judge", tmp_path / "run", "--json")
    assert ended.code == 0
    few = [score for score in ended.json["scores"].values() if "refused" in score]
    assert few
    assert any("needs at least" in score["refused"] for score in few)
    assert "not scored" in morelike_cli("judge", tmp_path / "run").out
    gate = next(name for name, score in ended.json["scores"].items() if "refused" in score)
    assert morelike_cli("judge", tmp_path / "run", "--min", f"{gate}=1").code == 1


def test_a_single_class_is_no_condition(morelike_cli: Runner, tmp_path: Path) -> None:
    found = morelike_cli("check", pictures(tmp_path / "data", 20, classes=1), "--json").json
    assert found["conditions"] == []
    assert any("single class" in note for note in found["notes"])
    noise = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "one.npz", x=noise, label=np.zeros(20, dtype=np.int64))
    found = morelike_cli("check", tmp_path / "one.npz", "--json").json
    assert found["conditions"] == []
    assert any("nothing to condition on" in note for note in found["notes"])
    refused(morelike_cli("train", tmp_path / "one.npz", *FAST, "--condition", "label", "--out", tmp_path / "run"), "condition")


def test_constant_images(morelike_cli: Runner, tmp_path: Path) -> None:
    same = np.full((30, 4, 4), 7, dtype=np.uint8)
    np.save(tmp_path / "same.npy", same)
    refused(morelike_cli("train", tmp_path / "same.npy", *FAST, "--out", tmp_path / "run"), "identical")
    assert not (tmp_path / "run").exists()
    shades = same + np.arange(30, dtype=np.uint8)[:, None, None]
    np.save(tmp_path / "shades.npy", shades)
    assert any("one colour" in note for note in morelike_cli("check", tmp_path / "shades.npy", "--json").json["notes"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(30, 3), (30, 4, 4)])
def test_arrays_that_are_not_finite(value: float, shape: tuple[int, ...], morelike_cli: Runner, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[17].flat[1] = value
    np.save(tmp_path / "x.npy", values)
    for verb in ("check", "train"):
        refused(morelike_cli(verb, tmp_path / "x.npy"), "17")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_object_arrays_are_never_unpickled(morelike_cli: Runner, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Trap(tmp_path / "sprung")] * 20, dtype=object), allow_pickle=True)
    refused(morelike_cli("check", tmp_path / "x.npy"))
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 something else altogether")


FILES = ("weights.safetensors", "codec.safetensors", "card.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spoiled", [Path.unlink, cut, foreign])
def test_damaged_packages(name: str, spoiled: Callable[[Path], None], own_model: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    spoiled(own_model / name)
    before = state(own_model)
    refused(morelike_cli("sample", own_model, "-n", 2, "--out", tmp_path / "x.npz"), name)
    refused(morelike_cli("judge", own_model, "--json"), name)
    assert state(own_model) == before
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "codec.safetensors", "samples/samples.safetensors"])
def test_pickle_posing_as_weights_is_never_opened(name: str, own_model: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    marker = tmp_path / "sprung"
    (own_model / name).write_bytes(pickle.dumps(Trap(marker)))
    if name.startswith("samples/"):
        assert morelike_cli("verify", own_model).code == 1
    else:
        refused(morelike_cli("sample", own_model, "-n", 1), name)
    assert not marker.exists()
    # the trap works
    pickle.loads((own_model / name).read_bytes())
    assert marker.exists()


def edited(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def test_newer_foreign_and_mixed_up_packages(own_model: Path, morelike_cli: Runner) -> None:
    card = (own_model / "card.json").read_text()
    edited(own_model, format=99)
    for verb in ("info", "sample", "judge", "verify"):
        refused(morelike_cli(verb, own_model), "format 99", "newer")
    for text in ("[]", "{}", "null", '{"format": "x"}', '{"format": 1}', '{"format": 1, "files": 3, "recipe": 5}', "\x00\xff"):
        (own_model / "card.json").write_text(text)
        for verb in ("info", "sample", "judge", "verify"):
            refused(morelike_cli(verb, own_model), "card.json")
    (own_model / "card.json").write_text(card)
    for changes in (
        {"family": "vae", "recipe": {**json.loads(card)["recipe"], "model": "vae"}},
        {"recipe": {**json.loads(card)["recipe"], "model": "nonesuch"}},
        {"spec": {"kind": "array", "shape": [1, 9, 9], "bin": 0.1}},
        {"settings": {"unheard-of": 1}},
        {"spec": {"kind": "array", "shape": [100_000, 100_000, 100_000], "bin": 0.1}},
        {"spec": {"kind": "array", "shape": "abc", "bin": 0.1}},
        {"codecs": {}},
        {"codecs": {"x": {"kind": "nonesuch", "state": {}}}},
        {"histograms": {}},
        {"files": 3},
    ):
        edited(own_model, **changes)
        refused(morelike_cli("sample", own_model, "-n", 1))
        (own_model / "card.json").write_text(card)
    refused(morelike_cli("info", own_model / "card.json"), "folder")
    refused(morelike_cli("compare", own_model, own_model / "nowhere"), "nowhere")


def test_checkpoint_that_is_damaged(own_model: Path, morelike_cli: Runner) -> None:
    (own_model / "card.json").unlink()
    cut(own_model / "training" / "checkpoint.safetensors")
    before = state(own_model)
    refused(morelike_cli("train", *TINY, "--no-judge", "--out", own_model), "checkpoint.safetensors")
    assert state(own_model) == before


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "/proc/nothing/here"])
def test_targets_that_cannot_be_written(place: str, trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("mine")
    target = tmp_path / place
    refused(morelike_cli("train", "digits", *FAST, "--out", target), str(target))
    refused(morelike_cli("sample", trained, "-n", 1, "--out", f"{target}/x.png"), str(target))
    assert state(tmp_path) == {"a-file": b"mine"}


def test_full_disk_while_saving(morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise FULL

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("morelike.house.package.save_file", full)
        refused(morelike_cli("train", "digits", *FAST, "--out", folder), "disk is full")
    assert not (folder / "card.json").exists()
    assert not list(folder.rglob("*.new"))
    assert morelike_cli("train", "digits", *FAST, "--out", folder).code == 0
    assert morelike_cli("verify", folder).code == 0


def test_full_disk_in_the_words_of_safetensors(morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    def full(tensors: object, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise SafetensorError(f"Error while serializing: I/O error: No space left on device (os error {errno.ENOSPC})")

    monkeypatch.setattr("morelike.house.package.save_file", full)
    refused(morelike_cli("train", "digits", *FAST, "--out", tmp_path / "run"), "disk is full")
    assert not list(tmp_path.rglob("*.new"))


def test_full_disk_while_judging_leaves_the_model_whole(own_model: Path, morelike_cli: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise FULL

    before = state(own_model)
    monkeypatch.setattr("morelike.house.package.os.replace", full)
    refused(morelike_cli("judge", own_model, "--quiet"), "disk is full")
    assert state(own_model) == before


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(errno.EACCES, "no"), OSError(errno.EROFS, "read-only")])
def test_other_failures_of_the_machine_are_sentences(error: Exception, morelike_cli: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("morelike.house.verbs.prepare", failing)
    refused(morelike_cli("check", "digits"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "difusion"), "did you mean 'diffusion'"),
        (("--model", "features"), "no generator"),
        (("--size", "huge"), "size"),
        (("--kind", "imag"), "did you mean 'image'"),
        (("--condition", "labl"), "did you mean 'label'"),
        (("--seed", "99999999999999999999"), "seed"),
        (("--device", "tpu"), "device"),
        (("--minutes", "-3"), "--minutes"),
        (("--minutes", "1e9"), "--minutes"),
        (("bach=3",), "did you mean 'batch'"),
        (("batch=0",), "batch"),
        (("batch=many",), "batch"),
        (("batch",), "key=value"),
        (("solver=fast",), "solver"),
        (("solver=3",), "solver"),
        (("settings.nonsense=3",), "nonsense"),
        (("nets.nonsense.width=3",), "nonsense"),
        (("nets.denoiser.nonsense=3",), "nonsense"),
        (("nets.denoiser.width=wide",), "width"),
        (("optim.nobody.lr=3",), "nobody"),
        (("optim.denoiser.nonsense=3",), "nonsense"),
        (("optim.denoiser.lr=fast",), "lr"),
        (("optim.denoiser.lr=-1",), "lr"),
        (("optim.denoiser.betas=[0.9, 2.0]",), "betas"),
        (("lr=nan",), "lr"),
        (("--model", "dcgan", "latent=-1"), "latent"),
        (("--model", "dcgan", "loss=none"), "loss"),
        (("--model", "gmm", "components=0"), "components must be from 1"),
        (("--model", "pca", "rank=-2"), "rank"),
        (("--model", "vae", "latent=-2"), "latent"),
        (("codec.nonsense=3",), "nonsense"),
        (("train.nonsense=3",), "nonsense"),
        (("=3",), "key=value"),
        (("--recipe", "no-such-file.toml"), "no-such-file.toml"),
    ],
)
def test_unknown_names_and_values(words: tuple[str, ...], said: str, morelike_cli: Runner, tmp_path: Path) -> None:
    steps = () if words[0] == "--minutes" else ("--steps", "5")
    refused(morelike_cli("train", "digits", "--size", "xs", *steps, *words, "--quiet", "--out", tmp_path / "run"), said)
    assert list(tmp_path.iterdir()) == []


BAD_RECIPES = ("this is = no toml =", "unheard = 1", "[train]\nunheard = 1", "seed = 'x'", "\xff", "data = 5", "train = 5")


@pytest.mark.parametrize("text", BAD_RECIPES)
def test_recipes_that_are_none(text: str, morelike_cli: Runner, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(text.encode("latin-1"))
    refused(morelike_cli("train", "digits", "--recipe", path, "--out", tmp_path / "run"))
    assert [found.name for found in tmp_path.iterdir()] == ["recipe.toml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-n", "0"), "not 0"),
        (("-n", "-5"), "-5"),
        (("-n", "999999999999"), "999999999999"),
        (("--where", "label=11"), "11"),
        (("--where", "label=three"), "'three'"),
        (("--where", "lable=3"), "did you mean 'label'"),
        (("--where", "label"), "NAME=VALUE"),
        (("--where", "label="), "NAME=VALUE"),
        (("guidanc=2",), "did you mean 'guidance'"),
        (("guidance=much",), "guidance"),
        (("steps=0",), "steps"),
        (("lr=1",), "lr"),
        (("guidance=nan",), "guidance"),
        (("--out", "x.jpeg"), ".npz"),
        (("--out", "nowhere/x.npz"), "nowhere"),
    ],
)
def test_samples_that_cannot_be(words: tuple[str, ...], said: str, trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    before = set(trained.iterdir())
    words = tuple(str(tmp_path / word) if word.startswith(("x.", "nowhere/")) else word for word in words)
    refused(morelike_cli("sample", trained, *words), said)
    assert set(trained.iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_other_data_is_refused_by_judge(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    before = state(trained)
    refused(morelike_cli("judge", trained, "--data", "ring8"))
    refused(morelike_cli("judge", trained, "--data", tmp_path / "nowhere"), "nowhere")
    refused(morelike_cli("judge", trained, "--min", "recall="), "SCORE=NUMBER")
    assert state(trained) == before


def test_two_trainings_into_one_folder(morelike_cli: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = (
        "import sys\nfrom pathlib import Path\nfrom morelike.house.lock import locked\n"
        f"with locked(Path({str(folder)!r})):\n    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        before = state(folder)
        refused(morelike_cli("train", "digits", *FAST, "--out", folder), f"process {holder.pid}", "--out")
        refused(morelike_cli("train", "digits", *FAST, "--out", folder, "--fresh"), f"process {holder.pid}")
        assert state(folder) == before
        holder.stdin.write("\n")
    assert morelike_cli("train", "digits", *FAST, "--out", folder).code == 0


def test_a_lock_left_by_a_dead_process_is_no_hindrance(morelike_cli: Runner, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "run"
    (folder / "training").mkdir(parents=True)
    (folder / "training" / "lock").write_text(str(gone.pid))
    assert morelike_cli("train", "digits", *FAST, "--out", folder).code == 0
    assert not (folder / "training" / "lock").exists()


def test_exit_codes_of_the_real_process(tmp_path: Path) -> None:
    for words, code in ((["check", str(tmp_path / "nowhere")], 2), (["sample"], 2), (["--version"], 0)):
        done = subprocess.run([sys.executable, "-m", "morelike", *words], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
    shutil.rmtree(tmp_path)
