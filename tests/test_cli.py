"""The verbs, as a user types them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import morelike
from conftest import TINY, Runner
from morelike.cli.audience import Pace, RichAudience, duration, losses
from morelike.cli.drawing import pairs
from morelike.core.errors import BadInput
from morelike.data.category import CategoryCodec
from morelike.data.image import ImageCodec
from morelike.house import writing
from morelike.house.judging import smallest
from morelike.house.prepare import prepare
from morelike.training.loop import Trainer

VERBS = (
    "check", "train", "sample", "judge", "compare", "models", "info", "verify", "doctor",
    "extend", "restore", "translate", "restyle", "explain", "interpolate", "classify",
)  # fmt: skip


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_help_names_every_verb_and_needs_nothing_heavy(morelike_cli: Runner) -> None:
    ended = morelike_cli("--help")
    assert ended.code == 0
    assert all(f" {verb} " in ended.out for verb in VERBS)
    code = (
        "import sys\nfrom morelike.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'numpy', 'sklearn', 'morelike.house') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_and_unknown_verb(morelike_cli: Runner) -> None:
    from morelike import __version__

    assert morelike_cli("--version").out.strip() == __version__
    assert morelike_cli("trian").code == 2


def test_python_m_runs_it_and_ends_with_the_code() -> None:
    command = [sys.executable, "-m", "morelike", "info", "nowhere-at-all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: nowhere-at-all is no folder")
    assert done.stderr.count("\n") == 1


def test_train_leaves_model_report_and_recipe(trained: Path) -> None:
    card = json.loads((trained / "card.json").read_text())
    assert card["run"]["steps"] == 20
    assert card["verdict"]
    assert "<html" in (trained / "report.html").read_text()[:2000]
    assert tomllib.loads((trained / "recipe.toml").read_text())["train"]["steps"] == 20


def test_finished_run_prints_its_verdict_and_trains_nothing(trained: Path, morelike_cli: Runner) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    ended = morelike_cli("train", *TINY, "--out", trained)
    assert ended.code == 0
    assert json.loads((trained / "card.json").read_text())["verdict"] in ended.out
    assert f"report: {trained / 'report.html'}" in ended.out
    assert "finished" in ended.err
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_another_recipe_is_refused_naming_the_ways_out(trained: Path, morelike_cli: Runner) -> None:
    before = digest(trained / "weights.safetensors")
    ended = morelike_cli("train", *TINY, "--seed", "1", "--out", trained)
    assert ended.code == 2
    assert "--out" in ended.err
    assert "--fresh" in ended.err
    assert digest(trained / "weights.safetensors") == before


def test_ctrl_c_is_resumed_to_the_same_weights(
    trained: Path, morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_once = Trainer.step_once

    def interrupted(self: Trainer, step: int) -> None:
        if step == 13:
            raise KeyboardInterrupt
        step_once(self, step)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step_once", interrupted)
        stopped = morelike_cli("train", *TINY, "--no-judge", "--out", folder)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    assert "Traceback" not in stopped.err
    assert not (folder / "card.json").exists()
    assert "not finished" in morelike_cli("sample", folder, "-n", 1).err
    ended = morelike_cli("train", *TINY, "--no-judge", "--out", folder)
    assert ended.code == 0
    assert "taking up the run" in ended.err
    assert digest(folder / "weights.safetensors") == digest(trained / "weights.safetensors")


def test_recipe_repeats_the_run_and_fresh_starts_over(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    ended = morelike_cli("train", "--recipe", trained / "recipe.toml", "--no-judge", "--out", folder, "--json", "--quiet")
    assert ended.code == 0
    assert ended.err == ""
    assert ended.json == {"model": str(folder), "kind": "image"}
    assert digest(folder / "weights.safetensors") == digest(trained / "weights.safetensors")
    other = ("train", "--recipe", trained / "recipe.toml", "--no-judge", "--steps", 10, "--out", folder)
    assert morelike_cli(*other).code == 2
    assert morelike_cli("train", "no-such-data", "--fresh", "--out", folder).code == 2
    assert (folder / "card.json").is_file()
    assert morelike_cli(*other, "--fresh").code == 0
    assert json.loads((folder / "card.json").read_text())["run"]["steps"] == 10


def test_more_trains_on(own_model: Path, morelike_cli: Runner) -> None:
    before = digest(own_model / "weights.safetensors")
    ended = morelike_cli("train", *TINY, "--no-judge", "--more", "0.0001", "--out", own_model)
    assert ended.code == 0
    assert tomllib.loads((own_model / "recipe.toml").read_text())["train"]["steps"] == 30
    assert digest(own_model / "weights.safetensors") != before


def test_fresh_leaves_foreign_folders_alone(morelike_cli: Runner, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for words in (("--fresh",), ()):
        ended = morelike_cli("train", *TINY, "--out", tmp_path, *words)
        assert ended.code == 2
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_vectors_from_training_to_comparing(morelike_cli: Runner, tmp_path: Path) -> None:
    ended = morelike_cli("train", "ring8", "--model", "pca", "--no-judge", "--out", tmp_path / "ring")
    assert ended.code == 0
    assert 1 <= len(ended.err.splitlines()) <= 10
    assert f"morelike sample {tmp_path / 'ring'}" in ended.out
    drawn = morelike_cli("sample", tmp_path / "ring", "-n", 5, "--out", tmp_path / "x.npy")
    assert drawn.code == 0
    assert np.load(tmp_path / "x.npy").shape == (5, 2)
    assert morelike_cli("sample", tmp_path / "ring", "-n", 5).code == 0
    assert Image.open(tmp_path / "ring" / "samples.png").format == "PNG"
    assert "folder" in morelike_cli("sample", tmp_path / "ring", "-n", 5, "--out", tmp_path / "folder").err
    # a finished run that was not judged is judged now, not trained again
    judged = morelike_cli("train", "ring8", "--model", "pca", "--out", tmp_path / "ring", "--json")
    assert judged.json["verdict"]
    shutil.copytree(tmp_path / "ring", tmp_path / "again")
    compared = morelike_cli("compare", tmp_path / "ring", tmp_path / "again")
    assert compared.code == 0
    assert "*" in compared.out


def test_data_or_recipe_is_needed_and_times_are_checked(morelike_cli: Runner) -> None:
    assert "no data" in morelike_cli("train").err
    assert "both" in morelike_cli("train", "digits", "--minutes", 1, "--steps", 2).err
    for words in (("--minutes", "-1"), ("--minutes", "nan"), ("--minutes", "0"), ("--more", "inf")):
        ended = morelike_cli("train", "digits", *words)
        assert ended.code == 2
        assert words[0] in ended.err


def test_sample_npz_holds_the_sources_format_and_the_labels(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert morelike_cli("sample", trained, "-n", 10, "--where", "label=3", "--out", path).code == 0
    with np.load(path, allow_pickle=False) as found:
        assert sorted(found) == ["label", "label_names", "x"]
        assert found["x"].shape == (10, 8, 8, 1)
        assert found["x"].dtype == np.uint8
        assert found["label"].dtype == np.int64
        assert found["label"].tolist() == [3] * 10
        assert found["label_names"].tolist() == [str(digit) for digit in range(10)]


def test_same_seed_same_sample_at_any_number(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    found = {}
    for name, n, seed in (("few", 3, 5), ("many", 7, 5), ("other", 3, 6)):
        assert morelike_cli("sample", trained, "-n", n, "--seed", seed, "--out", tmp_path / f"{name}.npy").code == 0
        found[name] = np.load(tmp_path / f"{name}.npy")
    assert np.array_equal(found["few"], found["many"][:3])
    assert not np.array_equal(found["few"], found["other"])


def test_sample_folder_and_grid(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert morelike_cli("sample", trained, "-n", 4, "--where", "label=3", "--out", folder).code == 0
    assert sorted(path.name for path in folder.iterdir()) == [f"0000{i}-3.png" for i in range(4)]
    assert Image.open(folder / "00000-3.png").size == (8, 8)
    again = morelike_cli("sample", trained, "-n", 4, "--out", folder)
    assert again.code == 2
    assert "not empty" in again.err
    grid = tmp_path / "grid.png"
    grid.write_text("to be replaced")
    assert morelike_cli("sample", trained, "-n", 4, "--out", grid, "--quiet").out == ""
    assert Image.open(grid).format == "PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.png", "pictures"]


def test_dials_reach_the_sampler(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    for name, words in (("one", ()), ("two", ("steps=2", "guidance=2"))):
        assert morelike_cli("sample", trained, *words, "-n", 2, "--out", tmp_path / f"{name}.npy").code == 0
    assert not np.array_equal(np.load(tmp_path / "one.npy"), np.load(tmp_path / "two.npy"))


def test_judge_json_and_gates(own_model: Path, morelike_cli: Runner) -> None:
    ended = morelike_cli("judge", own_model, "--json", "--min", "recall.raw-pca64=0", "--min", "frechet.raw-pca64=1e-6")
    assert ended.code == 1
    found = ended.json
    assert {"model", "kind", "n", "scores", "verdict"} <= found.keys()
    assert found["kind"] == "image"
    assert {"value", "low", "high", "n", "floor", "ceiling", "better"} <= found["scores"]["recall.raw-pca64"].keys()
    assert "frechet.raw-pca64" in ended.err
    assert "gate failed: recall" not in ended.err


def test_malformed_gates_are_refused_at_once(trained: Path, morelike_cli: Runner) -> None:
    ended = morelike_cli("judge", trained, "--min", "recall")
    assert ended.code == 2
    assert "drawing" not in ended.err


def test_gates_on_scores_that_there_are_not_are_refused_before_drawing(trained: Path, morelike_cli: Runner) -> None:
    ended = morelike_cli("judge", trained, "--min", "recal.raw-pca64=0.1")
    assert ended.code == 2
    assert "did you mean 'recall.raw-pca64'" in ended.err
    assert "drawing" not in ended.err
    model = morelike.load(trained)
    known = smallest(prepare(model.package.recipe)).keys()
    assert all({name, name.rpartition("-")[0]} & known for name in model.card["scores"])


def test_a_name_may_hold_an_equals_sign() -> None:
    assert pairs(["a=b=1=2"], "--where", "x=1", ["a=b"]) == {"a=b": "1=2"}
    assert pairs(["a=b=1"], "--where", "x=1", ["a", "a=b"]) == {"a": "b=1"}
    assert pairs(["a=b=1", " c = d "], "--where", "x=1") == {"a": "b=1", "c": "d"}
    for wrong in ("a", "a=", "=b", " =b", "a= "):
        with pytest.raises(BadInput, match="NAME=VALUE"):
            pairs([wrong], "--where", "x=1")


def test_a_column_whose_name_holds_an_equals_sign_is_fixed(morelike_cli: Runner, tmp_path: Path) -> None:
    rows = "".join(f"{'pqr'[n % 3]},{'uv'[n % 2]}\n" for n in range(60))
    (tmp_path / "t.csv").write_text("a=b,city\n" + rows)
    assert morelike_cli("train", tmp_path / "t.csv", "--model", "bayesnet", "--no-judge", "--out", tmp_path / "m").code == 0
    ended = morelike_cli("sample", tmp_path / "m", "-n", 5, "--where", "a=b=q", "--where", "city=u", "--out", tmp_path / "s.csv")
    assert ended.code == 0, ended.err
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == ["q,u"] * 5


def test_compare_side_by_side(trained: Path, own_model: Path, morelike_cli: Runner) -> None:
    found = morelike_cli("compare", trained, own_model, "--json").json
    rows = found["models"]
    assert [row["model"] for row in rows] == [str(trained), str(own_model)]
    assert rows[0]["scores"] == rows[1]["scores"]
    assert found["verdict"][0].startswith("No difference is more than noise")
    assert morelike_cli("compare", trained).code == 2


def test_models_info_doctor(trained: Path, morelike_cli: Runner) -> None:
    rows = morelike_cli("models", "--json").json
    assert {"diffusion", "vae", "dcgan", "pca"} <= {row["name"] for row in rows}
    assert all(set(row) == {"name", "purpose", "paper", "specs", "abilities"} for row in rows)
    assert "features" not in {row["name"] for row in rows}
    assert "diffusion" in morelike_cli("models").out
    assert morelike_cli("info", trained, "--json").json == json.loads((trained / "card.json").read_text())
    assert "label (10 classes)" in morelike_cli("info", trained).out
    assert morelike_cli("doctor", "--json").json["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "torch" in morelike_cli("doctor").out


def test_verify_tells_changed_files(own_model: Path, morelike_cli: Runner) -> None:
    assert morelike_cli("verify", own_model).code == 0
    weights = own_model / "weights.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    ended = morelike_cli("verify", own_model, "--json")
    assert ended.code == 1
    assert ended.json["files"] == ["weights.safetensors"]
    assert "weights.safetensors" in morelike_cli("verify", own_model).out


def test_verify_tells_an_edited_card_but_not_one_laid_out_anew(own_model: Path, morelike_cli: Runner) -> None:
    path = own_model / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card))
    assert morelike_cli("verify", own_model).code == 0
    path.write_text(json.dumps(card | {"licence": "none whatever"}))
    ended = morelike_cli("verify", own_model)
    assert ended.code == 1
    assert "changed since it was saved: card.json" in ended.out
    del card["card_sha256"]
    path.write_text(json.dumps(card))
    assert morelike_cli("verify", own_model).code == 0


def test_check_says_what_was_understood(morelike_cli: Runner) -> None:
    found = morelike_cli("check", "digits", "--json").json
    assert (found["kind"], found["items"], found["shape"]) == ("image", 1797, [1, 8, 8])
    assert sum(found["splits"][part] for part in ("train", "validation", "holdout")) == 1797
    assert [column["name"] for column in found["conditions"]] == ["label"]
    assert "10 classes" in morelike_cli("check", "digits").out
    assert morelike_cli("check", "digits", "--condition", "none", "--json").json["conditions"] == []


def test_a_fault_of_ours_is_told_apart(morelike_cli: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Any]:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("morelike.house.verbs.models", broken)
    monkeypatch.delenv("MORELIKE_DEBUG", raising=False)
    ended = morelike_cli("models")
    assert ended.code == 3
    assert "report it" in ended.err
    assert "Traceback" not in ended.err
    monkeypatch.setenv("MORELIKE_DEBUG", "1")
    assert "Traceback" in morelike_cli("models").err


def test_time_left_follows_the_recent_rate() -> None:
    pace = Pace(0.0, 100)
    assert pace.left(1.0, 200) is None
    pace.add(10.0, 110)
    assert pace.left(10.0, 200) == pytest.approx(90.0)
    assert pace.left(15.0, 200) == pytest.approx(85.0)
    # ten times slower from here on: after the window only that counts
    for second in range(20, 191, 10):
        pace.add(float(second), 110 + (second - 10) // 10)
    assert pace.left(190.0, 200) == pytest.approx(10 * (200 - 128))
    assert pace.left(1e9, 200) == 0.0


def test_durations_and_losses_read_well() -> None:
    assert [duration(value) for value in (None, 0.2, 65, 7800)] == ["-:--", "0:01", "1:05", "2:10:00"]
    assert losses({"denoiser.loss": 0.51234, "denoiser.gradient": 3.0}) == "loss 0.512"
    assert losses({"critic.loss": 1.0, "generator.loss": 2.0, "critic.r1": 0.1}) == "critic 1, generator 2"


def test_plain_lines_are_few_and_bars_are_drawn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with RichAudience().watch("training", 1000) as bar:
        for done in range(1, 1001):
            bar.advance(done, {"a.loss": 1.0})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "training: 1,000 of 1,000, loss 1"
    with RichAudience(quiet=True).watch("training", 10) as bar:
        bar.advance(10, {})
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with RichAudience().watch("training", 10) as bar:
        bar.advance(5, {"a.loss": 1.0})
    found = capsys.readouterr()
    assert found.out == ""
    assert "50%" in found.err


FORMATS = [("uint8", 1, "L"), ("uint8", 3, "RGB"), ("uint8", 4, "RGBA"), ("uint16", 1, "I;16")]


@pytest.mark.parametrize(("dtype", "channels", "mode"), FORMATS)
def test_pngs_hold_pictures_as_they_are(dtype: str, channels: int, mode: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    items = rng.integers(0, np.iinfo(dtype).max, (3, 6, 5, channels), endpoint=True).astype(dtype)
    place = writing.target(str(tmp_path / "folder"), "image", 3)
    writing.write(place, items, ImageCodec.fit(items), {"name": np.array([[0], [1], [0]])}, {"name": CategoryCodec(["a/../b", "T-shirt"])})
    names = sorted(path.name for path in place.path.iterdir())
    assert names == ["00000-a_.._b.png", "00001-T_shirt.png", "00002-a_.._b.png"]
    with Image.open(place.path / names[1]) as picture:
        assert picture.mode == mode
        assert np.array_equal(np.asarray(picture).reshape(6, 5, channels), items[1])


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    items = np.zeros((2, 4, 4, 1), dtype=np.uint8)
    old = tmp_path / "x.npz"
    old.write_text("old")
    for out in (old, tmp_path / "folder"):
        place = writing.target(str(out), "image", 2)
        with monkeypatch.context() as patch:
            patch.setattr("os.replace", full)
            with pytest.raises(BadInput, match="No space left"):
                writing.write(place, items, ImageCodec((1, 4, 4), "uint8"), {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    assert old.read_text() == "old"


def test_page_of_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"10,000"):
        writing.target(str(tmp_path / "x.png"), "image", 10_001)


def test_endings_in_capitals_leave_nothing_else_behind(trained: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    ended = morelike_cli("sample", trained, "-n", 2, "--out", tmp_path / "x.NPY")
    assert ended.code == 0, ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.NPY"]


def test_a_size_of_nothing_is_refused(morelike_cli: Runner, tmp_path: Path) -> None:
    ended = morelike_cli("train", *TINY, "codec.size=0", "--out", tmp_path / "run")
    assert ended.code == 2
    assert "must be between 1 and" in ended.err
    assert not (tmp_path / "run").exists()


def test_a_package_can_be_read_by_others_and_a_foreign_tolerance_is_said(own_model: Path, morelike_cli: Runner) -> None:
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in own_model.rglob("*.safetensors") if "training" not in path.parts)
    card = json.loads((own_model / "card.json").read_text())
    (own_model / "card.json").write_text(json.dumps(card | {"tolerance": "x"}))
    ended = morelike_cli("verify", own_model)
    assert ended.code == 2
    assert "tolerance" in ended.err
