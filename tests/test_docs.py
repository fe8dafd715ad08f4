"""The pages say what is: their commands and their Python run, their links lead somewhere, their tables name what is there.

Commands run as they stand, page by page, in an empty folder. A training that would take minutes is checked up to its
recipe, then a small model takes its place, so that the commands after it run too.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import runpy
import shlex
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import Runner
from morelike.cli import training
from morelike.core import registry
from morelike.core.abilities import abilities
from morelike.core.contract import Trainable
from morelike.data.music_midi import write_midi
from morelike.data.tune import Note, Tune, tidy
from morelike.house import verbs
from morelike.house.model import Model, load
from morelike.house.prepare import default_folder
from morelike.house.recipe import Recipe, Training

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/atlas.md", "docs/choosing.md",
         "docs/designs.md", "docs/diffusion.md", "docs/drawings.md", "docs/families.md", "docs/forecasting.md",
         "docs/from-tutorial.md", "docs/gan-troubles.md", "docs/judging.md", "docs/levels.md", "docs/log.md", "docs/molecules.md",
         "docs/music.md", "docs/pictures-as-conditions.md", "docs/restore.md", "docs/reward.md", "docs/series.md", "docs/tables.md",
         "docs/text.md", "docs/trajectories.md", "docs/translation.md", "docs/your-own-data.md")  # fmt: skip
MOST_STEPS = 50
"""Trainings of more steps, or of minutes, are not run."""


def text(page: str) -> str:
    path = ROOT / page
    if not path.is_file():
        pytest.skip(f"{page} is not written yet")
    return path.read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The page's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def written() -> list[str]:
    return [page for page in PAGES if (ROOT / page).is_file()]


def commands(page: str) -> list[str]:
    """The lines of a page's shell blocks."""
    return [line.strip() for block in blocks(page, "sh") for line in block.splitlines() if line.strip() and not line.startswith("#")]


def _my_texts(folder: Path) -> None:
    """A running text, a list, pairs and labelled lines, all small."""
    rng = np.random.default_rng(0)
    words = ["the", "sun", "moon", "and", "is", "warm", "cold", "Die", "The"]

    def sentence() -> str:
        return " ".join(rng.choice(words, rng.integers(4, 9))) + "."

    (folder / "my-text.txt").write_text("\n\n".join(sentence() for _ in range(200)), encoding="utf-8")
    (folder / "my-lines.txt").write_text("\n".join(dict.fromkeys(sentence() for _ in range(60))), encoding="utf-8")
    (folder / "my-sources.txt").write_text("the sun\nthe moon\n", encoding="utf-8")
    pairs = [(text, text.upper()) for text in dict.fromkeys(sentence() for _ in range(80))]
    (folder / "my-pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    ages, cities = rng.integers(18, 90, 120), rng.choice(["Bern", "Basel", "Zug"], 120)
    table = "".join(f"{age},{city},{age * 7.5 + 100:.1f}\n" for age, city in zip(ages, cities, strict=True))
    (folder / "my-table.csv").write_text("age,city,rent\n" + table, encoding="utf-8")
    (folder / "my-shop").mkdir()
    places, buyers = rng.choice(["north", "south"], 150), rng.integers(0, 150, 400)
    customers = "".join(f"C{7919 * row % 10007:05d},{place}\n" for row, place in enumerate(places))
    orders = "".join(f"C{7919 * row % 10007:05d},{rng.integers(1, 9)}\n" for row in buyers)
    (folder / "my-shop" / "customers.csv").write_text("id,region\n" + customers, encoding="utf-8")
    (folder / "my-shop" / "orders.csv").write_text("customer_id,pieces\n" + orders, encoding="utf-8")
    (folder / "my-rules.toml").write_text('[[range]]\ncolumn = "age"\nmin = 0\n', encoding="utf-8")
    heads, rings = ("CC(=O)N", "O", "CN", "S"), ("c1ccccc1", "C1CCCCC1", "c1ccncc1")
    molecules = [f"{head}{'C' * length}{ring}" for head in heads for length in range(6) for ring in rings]
    numbered = "".join(f"{smiles},{len(smiles) / 7:.2f},{0.4 + len(smiles) % 5 / 20:.2f}\n" for smiles in molecules)
    (folder / "my-molecules.csv").write_text("smiles,logp,qed\n" + numbered, encoding="utf-8")
    rows = [{"text": a, "label": "warm" if "warm" in a else "cold"} for a, _ in pairs]
    (folder / "my-labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _my_levels(folder: Path) -> None:
    """Twelve levels of steps and gaps with a legend, and one by itself."""
    rng = np.random.default_rng(0)
    (folder / "my-levels").mkdir()
    words = {"X": ["solid", "ground"], "-": ["passable", "empty"], "E": ["enemy"], "o": ["coin", "passable"]}
    (folder / "my-levels" / "legend.json").write_text(json.dumps({"tiles": words}), encoding="utf-8")
    for number in range(13):
        rises = [0 if column % 9 == 5 else 1 + int(rng.integers(2)) for column in range(60)]
        rows = ["".join("X" if row >= 8 - rise else "-" for rise in rises) for row in range(8)]
        place = folder / "my-level.txt" if number == 12 else folder / "my-levels" / f"{number}.txt"
        place.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _my_sensors(folder: Path) -> None:
    """Two channels by the hour."""
    values = np.random.default_rng(0).normal(0, 1, (300, 2)).cumsum(0)
    times = np.datetime64("2024-03-01T00", "h") + np.arange(300)
    rows = "".join(f"{time}:00,{a:.2f},{b:.2f}\n".replace("T", " ") for time, (a, b) in zip(times, values, strict=True))
    (folder / "my-sensors.csv").write_text("time,warmth,load\n" + rows, encoding="utf-8")


def _my_songs(folder: Path) -> None:
    """A folder of small MIDI files of two voices, and one more."""
    (folder / "my-songs").mkdir()
    for number in range(14):
        notes = [Note(60 - 12 * voice + (number + step) % 7, 4 * step, 4, voice) for step in range(8) for voice in range(2)]
        write_midi(Tune(tidy(notes), 32, 4), folder / "my-songs" / f"{number}.mid")
    shutil.copy(folder / "my-songs" / "3.mid", folder / "my-tune.mid")


def _my_airfoils(folder: Path) -> None:
    """A folder of airfoils of four digits."""
    (folder / "my-airfoils").mkdir()
    x = (1 - np.cos(np.linspace(0, np.pi, 41))) / 2
    for number in range(24):
        thick, bent = 0.06 + number / 200, number % 5 / 100 * 4 * x * (1 - x)
        half = 5 * thick * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4)
        sides = np.concatenate([np.stack([x, bent + half], 1)[::-1], np.stack([x, bent - half], 1)[1:]])
        rows = "".join(f" {across:.6f} {up:.6f}\n" for across, up in sides)
        (folder / "my-airfoils" / f"wing-{number}.dat").write_text(f"wing {number}\n{rows}", encoding="utf-8")


def _my_tracks(folder: Path) -> None:
    """Walkers who turn a little, and a map."""
    (folder / "my-tracks").mkdir()
    rng = np.random.default_rng(0)
    for name in ("square", "street"):
        rows = []
        for agent in range(20):
            moves = np.cumsum(0.1 * rng.normal(size=60)) + rng.uniform(0, 6)
            places = rng.uniform(0, 20, 2) + np.cumsum(0.48 * np.stack([np.cos(moves), np.sin(moves)], 1), 0)
            rows += [f"{agent * 12 + step}\t{agent}\t{x:.3f}\t{y:.3f}" for step, (x, y) in enumerate(places)]
        (folder / "my-tracks" / f"{name}.txt").write_text("\n".join(rows), encoding="utf-8")
    told = {"start": [0, 0], "goal": [12, 2], "obstacles": [{"circle": [5, 1, 1.5]}, {"polygon": [[8, -2], [9, -2], [9, 2], [8, 2]]}]}
    (folder / "my-map.json").write_text(json.dumps(told), encoding="utf-8")


@pytest.fixture
def reader(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: some pictures of two classes, and small models in place of those that take minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    values = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    for number, pixels in enumerate(values):
        folder = tmp_path / "my-pictures" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        for side, size in (("a", 4), ("b", 8)):
            pair = tmp_path / "my-pairs" / side
            pair.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[:size, :size]).save(pair / f"{number}.png")
        sets = tmp_path / "my-sets" / (("train" if number < 24 else "test") + "AB"[number % 2])
        sets.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(sets / f"{number % 24}.png")
    Image.fromarray(values[0, :4, :4]).save(tmp_path / "small.png")
    (tmp_path / "my-drawings").mkdir()
    for number, (x, y) in enumerate(values[:, 0, :2].tolist()):
        drawn = f'<svg viewBox="0 0 256 256"><path d="M9 9L{x} {y}Q9 99 99 9"/></svg>'
        (tmp_path / "my-drawings" / f"{number}.svg").write_text(drawn, encoding="utf-8")
    for make in (_my_texts, _my_levels, _my_songs, _my_airfoils, _my_sensors, _my_tracks):
        make(tmp_path)
    train_words, train_python = training.train, verbs.train

    def stand_in(folder: Path) -> None:
        shutil.copytree(trained, folder)

    def words(recipe: Recipe, wish: training.Wish, audience: Any) -> None:
        family: Any = registry.family("diffusion" if recipe.model in (None, "auto") else recipe.model).load()
        counted = (recipe.train.steps or MOST_STEPS + 1) <= MOST_STEPS
        told = recipe.data in ("my-pairs", "my-drawings") or recipe.condition == ["pool2"]
        own = Path(recipe.data).suffix in (".txt", ".tsv", ".jsonl", ".csv") or recipe.model == "cyclegan" or told
        own = own or recipe.data == "my-levels"
        own = own or recipe.data in ("my-songs", "my-airfoils", "my-tracks")
        if own and not counted and recipe.model != "bayesnet":
            size = {} if recipe.start else {"size": "xs"}
            default = "diffusion" if told else "table-ar" if recipe.data.endswith(".csv") else "transformer"
            default = "lstm" if "molecules" in recipe.data else default
            default = "ngram" if recipe.data == "my-levels" else default
            default = "spline-flow" if recipe.data == "my-airfoils" else default
            default = {"my-sensors.csv": "gaussian", "my-tracks": "goal-mixture"}.get(recipe.data, default)
            recipe = recipe.model_copy(update={"model": recipe.model or (None if recipe.start else default), **size})
            recipe.train = recipe.train.model_copy(update={"minutes": None, "steps": 2, "batch": 8})
            train_words(recipe, replace(wish, judge=False), audience)
        elif counted or family.wants.__func__ is Trainable.wants.__func__:  # type: ignore[attr-defined]
            train_words(recipe, wish, audience)
        else:
            stand_in(Path(wish.out) if wish.out is not None else default_folder(recipe))

    def python(*given: Any, **named: Any) -> Model:
        bound = inspect.signature(train_python).bind(*given, **named)
        if "minutes" not in bound.arguments:
            return train_python(*given, **named)
        stand_in(Path(bound.arguments["out"]))
        return load(bound.arguments["out"])

    monkeypatch.setattr(training, "train", words)
    monkeypatch.setattr(verbs, "train", python)
    return tmp_path


def _make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in words:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"the Makefile has no {target}"


def _pip(words: list[str]) -> None:
    assert words[0] == "install"
    for flag, value in pairwise(words):
        if flag == "-c":
            assert (ROOT / value).is_file(), value
        if flag == "-e":
            extras = re.findall(r"\w+", value.partition("[")[2])
            known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(extras) <= known.keys()
            assert (ROOT / value.partition("[")[0]).is_dir()


def _python(words: list[str]) -> None:
    assert words[:2] == ["-m", "venv"] or (ROOT / words[0]).is_file(), words


OTHERS: dict[str, Callable[[list[str]], None]] = {"make": _make, "pip": _pip, "python": _python, "python3": _python}


def check(line: str, morelike_cli: Runner) -> None:
    """Runs a line of the verbs; of other programs, looks whether what they are given is there."""
    words = shlex.split(line)
    while "=" in words[0]:
        words.pop(0)
    program = Path(words[0]).name
    if program != "morelike":
        assert program in OTHERS, f"no check for {line!r}"
        OTHERS[program](words[1:])
        return
    ended = morelike_cli(*words[1:])
    assert ended.code == 0, f"{line}\n{ended.out}{ended.err}"


@pytest.mark.parametrize("page", [page for page in written() if blocks(page, "sh")])
def test_commands_run(page: str, morelike_cli: Runner, reader: Path) -> None:
    if any("my-molecules" in line for line in commands(page)):
        pytest.importorskip("rdkit", reason="the extra `molecules` is not installed")
    for line in commands(page):
        check(line, morelike_cli)


def test_a_wrong_command_would_be_found(morelike_cli: Runner, reader: Path) -> None:
    wrong = ("morelike train digits --minuets 5", "morelike train digits --minutes 5 bacth=3", "make nothing", "curl x", "python3 gone.py")
    for line in wrong:
        with pytest.raises(AssertionError):
            check(line, morelike_cli)


@pytest.mark.parametrize("page", [page for page in written() if blocks(page, "python")])
def test_python_runs(page: str, reader: Path, morelike_cli: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    if page == "docs/your-own-data.md":
        # its Python loads what its commands trained
        for line in commands(page):
            if " runs/vae" in line and " train " in line and "--recipe" not in line:
                check(line, morelike_cli)
    for number, block in enumerate(blocks(page, "python")):
        if "import pandas" in block:
            pytest.importorskip("pandas", reason="the extra `tables` is not installed")
        script = reader / f"block_{number}.py"
        script.write_text(block)
        runpy.run_path(str(script), run_name=script.stem)
    printed = capsys.readouterr().out
    for expected in re.findall(r"^print\(.*\)  +# (.+)$", text(page), re.MULTILINE):
        assert expected in printed


@pytest.mark.parametrize("page", written())
def test_links_lead_somewhere(page: str) -> None:
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)
    gone = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target) and not ((ROOT / page).parent / target.partition("#")[0]).exists():
            gone.append(target)
    assert not gone


@pytest.mark.parametrize("page", written())
def test_no_figure_is_missing(page: str) -> None:
    assert "<!-- figure" not in text(page)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a line that holds `heading`."""
    below = text(page).partition(heading)[2]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table is not None, f"{page} has no table below {heading!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].strip().splitlines()[2:]]


def test_readme_names_every_family_and_verb() -> None:
    said = " ".join(cell for row in rows("README.md", "## What works today") for cell in row)
    names = set(re.findall(r"`([\w-]+)`", said))
    assert registry.FAMILIES.keys() <= names
    from morelike.cli.verbs import app

    assert {command.callback.__name__ for command in app.registered_commands if command.callback} <= names


def test_the_families_page_says_what_each_can_do() -> None:
    for cells in rows("docs/families.md", "## What each can do"):
        for name in re.findall(r"`([\w-]+)`", cells[0]):
            can = set(abilities(registry.FAMILIES[name].load()))
            assert bool(cells[1]) == bool(cells[2]) == bool(can & {"encodes", "prior"}), name
            assert (cells[1] == "two seeds") == ("encodes" not in can and "prior" in can), name
            assert bool(cells[3]) == bool(cells[4]) == ("density" in can), name
            assert bool(cells[5]) == ("infills" in can), name
    said = set(re.findall(r"`([\w-]+)`", text("docs/families.md")))
    assert {name for name, line in registry.FAMILIES.items() if "array" in line.specs and name != "features"} <= said


def test_judging_documents_the_scores_there_are(trained: Path) -> None:
    scores: dict[str, str] = {}
    for name, score in load(trained).card["scores"].items():
        scores[name.partition(".")[0]] = score.get("better", "")
    documented = {name: row[1] for row in rows("docs/judging.md", "## The scores") for name in re.findall(r"`([\w-]+)(?:\.\*)?`", row[0])}
    assert documented.keys() == scores.keys()
    for name, better in scores.items():
        assert documented[name].startswith(better), name
        assert re.search(rf"^\*\*`{name}`\*\*|and \*\*`{name}`\*\*", text("docs/judging.md"), re.MULTILINE), f"{name} is not explained"


def test_the_training_settings_are_those_there_are() -> None:
    said = {word for row in rows("docs/your-own-data.md", "## Settings") for word in re.findall(r"`(?:train\.)?(\w+)`", row[0])}
    assert Training.model_fields.keys() <= said


def test_environment_variables_are_those_that_are_read() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r"environ\.get\(\"(MORELIKE_\w+)\"", source))
    said = {name for page in written() for name in re.findall(r"MORELIKE_[A-Z]+", text(page))}
    assert said == read


def test_no_page_names_a_place_of_one_machine() -> None:
    for page in written():
        with contextlib.suppress(ValueError):
            at = text(page).index(str(Path.home()) + os.sep)
            pytest.fail(f"{page}: {text(page)[at : at + 40]}")
        assert not re.search(r"(?<![\w.-])/(work|tmp|home|root|Users)/", text(page)), page
