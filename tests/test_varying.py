"""A model told pictures and classes: what it learns of its conditions, and the tasks that begin at a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import morelike
from conftest import Runner
from morelike.core.abilities import Condition, Denoises
from morelike.core.errors import BadInput, MorelikeError, Refused
from morelike.core.noise import Noise
from morelike.core.spec import lift
from morelike.house import denoising, package, showing, verbs
from morelike.house.model import Model
from morelike.house.texts import drawn_conditions
from morelike.judges.told import Told, told_scores
from morelike.tasks.varying import descent, renoised, varied

DIGITS = load_digits()
PICTURES = np.rint(DIGITS.images * (255 / 16)).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Digits given their negatives and their classes."""
    folder = tmp_path_factory.mktemp("runs") / "negatives"
    data = {"x": PICTURES, "negative": 255 - PICTURES, "label": DIGITS.target}
    settings: dict[str, Any] = {"condition": ["negative", "label"], "drop": 0.1, "guidance": 1.0, "batch": 64, "watch": False}
    found = morelike.train(data, "diffusion", steps=250, size="xs", out=folder, judge=False, **settings)
    assert isinstance(found, Model)
    return found


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    path = tmp_path / "seven.png"
    Image.fromarray(PICTURES[7, :, :, 0]).save(path)
    return path


def error(made: np.ndarray, real: np.ndarray) -> float:
    return float(np.abs(made.astype(float) - real).mean())


def test_a_function_of_the_condition_is_learnt(model: Model) -> None:
    made = model.translate(list(255 - PICTURES[:40]))
    own, shuffled = error(made, PICTURES[:40]), error(made, np.roll(PICTURES[:40], 7, 0))
    assert own < 0.4 * shuffled, (own, shuffled)
    assert np.array_equal(made, model.translate(list(255 - PICTURES[:40]))), "the same seed makes something else"


def test_a_sample_is_told_a_picture(model: Model, tmp_path: Path) -> None:
    Image.fromarray(255 - PICTURES[7, :, :, 0]).save(tmp_path / "negative.png")
    made = model.sample(4, where={"negative": 255 - PICTURES[7]})
    assert error(made, PICTURES[7]) < 0.4 * error(made, PICTURES[8])
    assert np.array_equal(made, model.sample(4, where={"negative": str(tmp_path / "negative.png")}))
    assert model.folder is not None
    again = morelike.load(model.folder)
    assert np.array_equal(again.sample(3, seed=4), model.sample(3, seed=4)), "the pool of held-out conditions is another once loaded"
    assert verbs.verify(model.folder)["ok"]


def test_the_error_under_held_out_conditions_is_a_score() -> None:
    made = np.clip(PICTURES[:50] + 10.0, 0, 255)
    near, far = (told_scores(Told(items, PICTURES[:50])) for items in (made, np.roll(PICTURES[:50], 1, 0)))
    assert 0 < near.own["told-error"].value <= 10 / 255
    assert far.own["told-error"].value == pytest.approx(far.baselines["another item"]["told-error"])
    with pytest.raises(Refused, match="at least 20"):
        told_scores(Told(made[:5], PICTURES[:5]))


def test_the_report_shows_conditions_beside_answers(model: Model) -> None:
    condition = {"negative": torch.from_numpy(255 - PICTURES[:100].transpose(0, 3, 1, 2))}
    page = showing.told_page(model.package, condition, PICTURES[:100], PICTURES[:100])
    assert page["told_labels"] == ("negative", "made", "real") * 3
    assert page["told"].shape == (9 * 9 + 1, 10 * 9 + 1, 3)
    first, made = page["told"][1:9, 1:9, 0], page["told"][10:18, 1:9, 0]
    assert np.array_equal(255 - first, made)


def test_inverted_noise_comes_back(model: Model) -> None:
    x = lift(model.codec.spec, torch.from_numpy(model.codec.encode(PICTURES[:12])))
    condition = {"label": torch.from_numpy(DIGITS.target[:12, None])}
    with torch.no_grad():
        noise = model.generator.encode(x, condition)  # type: ignore[attr-defined]
        back = model.generator.decode(noise, condition)  # type: ignore[attr-defined]
    assert float((back - x).abs().mean()) < 0.03
    assert noise.shape == x.shape
    assert 0.6 < float(noise.std()) < 1.4


def test_between_two_pictures(model: Model, seven: Path) -> None:
    path = model.interpolate(str(seven), PICTURES[12], 3, where={"label": 7})
    assert error(path[0], PICTURES[7]) < 12
    assert error(path[2], PICTURES[12]) < 12


def test_a_picture_that_was_drawn_is_not_spelled_out(model: Model) -> None:
    condition = {"negative": torch.zeros(1, 1, 8, 8), "label": torch.zeros(1, dtype=torch.long)}
    assert drawn_conditions(model.package, condition, {"label": 0}) == [
        "negative was drawn and is a held-out picture; --where negative=... fixes it"
    ]


def test_strength_is_how_much_is_new(model: Model) -> None:
    errors = [error(model.vary(PICTURES[3], 6, strength), PICTURES[3]) for strength in (0.0, 0.3, 0.9)]
    assert errors[0] == 0
    assert 0 < errors[1] < errors[2]
    variations = model.vary(PICTURES[3], 4, 0.7)
    assert not np.array_equal(variations[0], variations[1])


class _Gaussian(Denoises):
    """x ~ N(mean, 1): E[x | x_t] in closed form."""

    def denoise(self, x_t: torch.Tensor, t: torch.Tensor, condition: Condition = None) -> torch.Tensor:
        t = t[:, None]
        mean = 2.0 if condition else 0.0
        return mean + (1 - t) / ((1 - t) ** 2 + t**2) * (x_t - (1 - t) * mean)


def test_the_way_of_a_gaussian_ends_in_it() -> None:
    start = Noise(0, 4000, path=("way",)).normal((1,), "start")
    *_, (t, x, clean) = descent(_Gaussian(), start, 1.0, {"mean": start}, steps=200)
    assert t == 0
    assert torch.equal(x, clean)
    assert abs(float(x.mean()) - 2) < 0.1
    assert abs(float(x.std()) - 1) < 0.05
    *_, (_, guided, _) = descent(_Gaussian(), start, 1.0, {"mean": start}, guidance=2.0, steps=50)
    assert float(guided.mean()) > 3, "guidance does not lead on"
    *_, (_, early, _) = descent(_Gaussian(), start, 1.0, {"mean": start}, guidance=2.0, steps=50, guided=(0.9, 1.0))
    assert 2.05 < float(early.mean()) < float(guided.mean()) - 0.2, "guidance acts outside its times"


def test_renoising_a_gaussian_keeps_its_law() -> None:
    x = Noise(1, 4000, path=("x",)).normal((1,), "x")
    made = renoised(_Gaussian(), x, 0.6, None, Noise(2, 4000, path=("new",)))
    assert abs(float(made.std()) - 1) < 0.06
    kept = float(torch.corrcoef(torch.stack((x[:, 0], made[:, 0])))[0, 1])
    assert 0.2 < kept < 0.8
    assert torch.equal(varied(_Gaussian(), x[:1], 0.0, {}, Noise(2, 3)), x[:1].expand(3, 1))


def test_only_what_removes_noise_is_animated(tmp_path: Path, morelike_cli: Runner) -> None:
    trained = morelike.train(PICTURES[:100], model="pca", out=tmp_path / "pca", judge=False)
    failed = morelike_cli("explain", trained.folder, "--out", tmp_path / "d.gif")
    assert failed.code == 2
    assert "makes an animation of models that remove noise from pictures, as pca doesn't" in failed.err


def test_latents_are_moved_where_nothing_denoises(tmp_path: Path) -> None:
    found = morelike.train(PICTURES[:400], "pca", judge=False, out=tmp_path / "pca")
    assert isinstance(found, Model)
    errors = [error(found.vary(PICTURES[3], 8, strength), PICTURES[3]) for strength in (0.0, 0.3, 1.0)]
    assert errors[0] < errors[1] < errors[2]
    assert found.vary(PICTURES[3], 8, 0.3).shape == (8, 8, 8, 1)


def test_a_picture_goes_to_another_class(model: Model, seven: Path) -> None:
    by_name, by_class = (model.translate(str(seven), to=to, from_="label=7") for to in ("label=1", "1"))
    assert by_name.shape == (1, 8, 8, 1)
    assert np.array_equal(by_name, by_class)
    assert not np.array_equal(by_name, model.translate(str(seven), to="4"))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"to": "label=12"}, "unknown label '12'"),
        ({"to": "colour=3"}, "'colour' is no class condition of this model; there is label"),
        ({"to": "3", "from_": "label=3"}, "the same class"),
        ({"from_": "3"}, "nothing says which class"),
        ({"to": "3", "where": {"label": 3}}, "by --to and --from alone"),
        ({"stop": ["x"]}, "are for texts"),
    ],
)
def test_ends_that_are_none_are_said(model: Model, how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MorelikeError, match=sentence):
        model.translate([PICTURES[7]], **how)


def test_what_cannot_vary_is_refused(model: Model) -> None:
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(BadInput, match=r"from 0 .* to 1"):
            model.vary(PICTURES[3], 2, strength)
    with pytest.raises(BadInput, match=r"there is no picture nowhere\.png"):
        model.vary("nowhere.png")
    blind = package.load(Path(__file__).parent / "packages" / "format-1")
    with pytest.raises(Refused, match="was not told pictures"):
        Model(blind).translate([PICTURES[7]])


def test_an_animation_goes_from_noise_to_the_sample(model: Model, tmp_path: Path) -> None:
    pages = denoising.frames(model.package, 3, {"label": 5})
    assert len({page.shape for page in pages}) == 1
    assert error(pages[-1], pages[-2]) < error(pages[-1], pages[0])
    for ending in denoising.FORMS:
        denoising.write(tmp_path / f"a{ending}", pages)
        with Image.open(tmp_path / f"a{ending}") as opened:
            assert opened.n_frames == len(pages)
    with pytest.raises(BadInput, match="from 1 to 64"):
        denoising.frames(model.package, 65, {})


def test_the_verbs(model: Model, seven: Path, tmp_path: Path, morelike_cli: Runner) -> None:
    folder = str(model.folder)
    done = morelike_cli("vary", folder, "--known", seven, "-n", "3", "--strength", "0.4", "--out", tmp_path / "v.png", "--json")
    assert json.loads(done.out)["strength"] == 0.4
    assert (tmp_path / "v.png").is_file()
    done = morelike_cli("translate", folder, seven, "--out", tmp_path / "t.png", "steps=3")
    assert "1 picture from negative to picture" in done.out
    many = tmp_path / "many"
    many.mkdir()
    for number in range(3):
        Image.fromarray(PICTURES[number, :, :, 0]).save(many / f"{number}.png")
    morelike_cli("translate", folder, many, "--to", "label=2", "--out", tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["0.png", "1.png", "2.png"]
    assert "label-2" in morelike_cli("translate", folder, seven, "--to", "label=2").out
    done = morelike_cli("sample", folder, "-n", "2", "--where", f"negative={seven}", "--out", tmp_path / "s.npz")
    assert np.load(tmp_path / "s.npz")["negative"].shape == (2, 8, 8, 1)
    morelike_cli("explain", folder, "-n", "2", "--out", tmp_path / "d.gif")
    with Image.open(tmp_path / "d.gif") as opened:
        assert opened.n_frames > 10
    failed = morelike_cli("vary", folder, "--known", seven, "--strength", "2")
    assert failed.code == 2
    assert "strength is the share that is drawn anew" in failed.err
    assert "unknown ending" in morelike_cli("explain", folder, "--out", tmp_path / "d.mp4").err
    failed = morelike_cli("explain", folder, seven, "--out", tmp_path / "d.webp")
    assert failed.code == 2
    assert "makes an animation without an item to look at" in failed.err
