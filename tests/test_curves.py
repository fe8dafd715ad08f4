"""Outlines: files of points, B-splines, airfoils measured against closed forms, crossings against brute force, judges."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

import morelike
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise
from morelike.data.curve import CurveCodec
from morelike.data.curve_file import outline_of, read_file, write_file
from morelike.data.curve_items import Outline, is_airfoil, outline, sides_of
from morelike.data.curve_measures import measured
from morelike.data.open import open_source
from morelike.judges.curve import Curves, bending
from morelike.judges.domain import DomainScores
from morelike.judges.scores import Shown
from morelike.maths import airfoil
from morelike.maths.bspline import clamped, periodic
from morelike.maths.outline import centre, crossing, roundness, signed_area
from morelike.maths.panel import lift
from morelike.tasks.searching import search
from morelike.testing import check_codec


def naca(thickness: float, camber: float = 0.0, place: float = 0.4, points: int = 60, closed: bool = True) -> np.ndarray:
    """(2 * points + 1, 2) of a NACA four-digit airfoil (Jacobs, Ward, Pinkerton 1933), thickness laid off upright from the camber line."""
    x = (1 - np.cos(np.linspace(0, math.pi, points + 1))) / 2
    last = 0.1036 if closed else 0.1015
    half = 5 * thickness * (0.2969 * np.sqrt(x) - 0.1260 * x - 0.3516 * x**2 + 0.2843 * x**3 - last * x**4)
    front = camber / place**2 * (2 * place * x - x**2)
    back = camber / (1 - place) ** 2 * (1 - 2 * place + 2 * place * x - x**2)
    line = np.where(x < place, front, back)
    upper, lower = np.stack([x, line + half], 1), np.stack([x, line - half], 1)
    return np.concatenate([upper[::-1], lower[1:]])


def family(count: int = 40, seed: int = 0) -> list[Outline]:
    """NACA airfoils of many thicknesses and cambers."""
    numbers = np.random.default_rng(seed)
    return [outline(naca(*numbers.uniform((0.06, 0.0), (0.2, 0.06)), place=numbers.uniform(0.3, 0.5))) for _ in range(count)]


def blob(seed: int, points: int = 90) -> Outline:
    """A smooth closed outline that doesn't cross itself."""
    numbers = np.random.default_rng(seed)
    turn = np.arange(points) / points * 2 * math.pi
    waves = sum(numbers.normal(0, 0.1 / k) * np.cos(k * turn + numbers.uniform(0, 6)) for k in (2, 3, 4))
    return outline(np.stack([(1 + waves) * np.cos(turn), (1 + waves) * np.sin(turn)], 1) * 30 + 7)


def dat(points: np.ndarray, name: str = "NACA") -> str:
    return name + "\n" + "".join(f" {x:.6f}  {y:.6f}\n" for x, y in points)


def lednicer(points: np.ndarray, counts: tuple[int, int] | None = None) -> str:
    nose = len(points) // 2
    upper, lower = points[: nose + 1][::-1], points[nose:]
    first, second = counts or (len(upper), len(lower))
    rows = ["".join(f" {x:.6f}  {y:.6f}\n" for x, y in side) for side in (upper, lower)]
    return f"NACA\n  {first}.   {second}.\n\n" + "\n".join(rows)


def test_splines_are_the_library_s() -> None:
    at = np.linspace(0, 1, 57)
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, 7), np.ones(3)])
    assert clamped(at, 9) == pytest.approx(BSpline.design_matrix(at, knots, 3).toarray(), abs=1e-12)
    even = periodic(np.array([0.0, 0.1, 1.0, 1.1]), 10)
    assert even[:2] == pytest.approx(even[2:])
    assert even.sum(1) == pytest.approx(np.ones(4))
    assert periodic(np.array([0.37]), 10) == pytest.approx(np.roll(periodic(np.array([0.27]), 10), 1))
    # a cubic is a spline of every set of knots
    cubic = at**3 - at
    assert clamped(at, 9) @ np.linalg.lstsq(clamped(at, 9), cubic, rcond=None)[0] == pytest.approx(cubic, abs=1e-10)


@pytest.mark.parametrize(("thick", "camber"), [(0.12, 0.0), (0.08, 0.02), (0.18, 0.06)])
def test_naca_airfoils_are_measured_as_their_digits_say(thick: float, camber: float) -> None:
    item = outline(naca(thick, camber))
    own = sides_of(item)
    assert airfoil.most_thickness(own) == pytest.approx(thick, rel=2e-3)
    assert airfoil.most_camber(own) == pytest.approx(camber, abs=2e-4)
    assert airfoil.nose_radius(own) == pytest.approx(1.1019 * thick**2, rel=0.12)
    back = airfoil.decoded(airfoil.coded(own))
    assert np.abs(np.concatenate([back.upper - own.upper, back.lower - own.lower])).max() < 1.5e-3
    turned = item.points @ np.array([[0.8, 0.6], [-0.6, 0.8]]) * 250 + [3, -40]
    for other in (turned, turned[::-1]):
        assert airfoil.most_thickness(sides_of(Outline(other))) == pytest.approx(thick, rel=2e-3)
        assert airfoil.most_camber(sides_of(Outline(other))) == pytest.approx(camber, abs=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-6, 6), min_size=airfoil.NUMBERS, max_size=airfoil.NUMBERS))
def test_no_code_of_an_airfoil_crosses_itself(code: list[float]) -> None:
    own = airfoil.decoded(np.array(code))
    assert (own.thickness[1:-1] > 0).all()
    assert crossing(own.points(), True) is None


def test_a_property_is_met_exactly() -> None:
    own = sides_of(outline(naca(0.12, 0.02)))
    for thick, camber in ((0.09, None), (None, 0.035), (0.15, 0.0), (0.1, -0.02)):
        found = airfoil.scaled(own, thick, camber)
        assert airfoil.most_thickness(found) == pytest.approx(thick or 0.12, rel=2e-3)
        assert airfoil.most_camber(found) == pytest.approx(0.02 if camber is None else camber, abs=1e-4)
    flat = airfoil.scaled(sides_of(outline(naca(0.1))), None, 0.03)
    assert airfoil.most_camber(flat) == pytest.approx(0.03, rel=1e-3)


def joukowski(back: float, up: float) -> tuple[np.ndarray, float, float]:
    """(points of a Joukowski airfoil, its circle's radius, the angle of no lift in radians)."""
    middle = complex(-back, up)
    radius = abs(1 - middle)
    angle = math.asin(up / radius)
    z = middle + radius * np.exp(1j * (np.linspace(0, 2 * math.pi, 401) - angle))
    w = z + 1 / z
    return np.stack([w.real, w.imag], 1), radius, angle


@pytest.mark.parametrize(("back", "up"), [(0.1, 0.0), (0.1, 0.05), (0.05, 0.1)])
def test_lift_is_that_of_the_closed_form(back: float, up: float) -> None:
    points, radius, none = joukowski(back, up)
    nose = points[np.hypot(*(points - points[0]).T).argmax()]
    chord = points[0] - nose
    for degrees in (0.0, 5.0):
        attack = math.radians(degrees) + math.atan2(chord[1], chord[0])
        exact = 8 * math.pi * radius * math.sin(attack + none) / math.hypot(*chord)
        assert lift(points, degrees) == pytest.approx(exact, rel=0.015, abs=1e-3)


def brute_crossing(line: np.ndarray, closed: bool) -> bool:
    ends = np.concatenate([line, line[:1]]) if closed else line
    count = len(ends) - 1
    for one in range(count):
        for other in range(one + 2, count):
            if closed and one == 0 and other == count - 1:
                continue
            matrix = np.stack([ends[one + 1] - ends[one], ends[other] - ends[other + 1]], 1)
            if abs(np.linalg.det(matrix)) > 1e-12:
                at = np.linalg.solve(matrix, ends[other] - ends[one])
                if (at > 0).all() and (at < 1).all():
                    return True
    return False


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 9), st.booleans())
def test_crossings_are_those_of_brute_force(seed: int, points: int, closed: bool) -> None:
    line = np.random.default_rng(seed).uniform(0, 1, (points, 2))
    assert (crossing(line, closed) is not None) == brute_crossing(line, closed)


def test_circles_have_the_measures_of_circles() -> None:
    turn = np.arange(400) / 400 * 2 * math.pi
    circle = np.stack([3 * np.cos(turn) + 5, 3 * np.sin(turn) - 2], 1)
    assert signed_area(circle) == pytest.approx(9 * math.pi, rel=1e-3)
    assert centre(circle) == pytest.approx([5, -2])
    assert roundness(circle) == pytest.approx(1, abs=1e-3)
    assert roundness(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])) == pytest.approx(math.pi / 4)
    # a half disc's centre lies 4 r / (3 pi) from its straight side, unlike the mean of its points
    half = circle[:201] - [5, -2]
    assert centre(half) == pytest.approx([0, 4 / math.pi], abs=1e-3)


def test_both_formats_of_dat_give_one_outline() -> None:
    points = naca(0.12, 0.02)
    selig = outline_of(dat(points), "a.dat")
    for text in (lednicer(points), lednicer(points).replace("\n", "\r\n"), "# by hand\n" + dat(points), dat(points * 100)):
        found = outline_of(text, "a.dat")
        assert found.closed
        assert sides_of(found).upper == pytest.approx(sides_of(selig).upper, abs=1e-5)
    bare = dat(points).split("\n", 1)[1]
    assert outline_of(bare, "a.dat") == selig


@pytest.mark.parametrize(("text", "name", "why"), [
    (lednicer(naca(0.12), (61, 58)), "a.dat", "line 2 says 61 and 58 points, but 122 follow"),
    (dat(naca(0.12)[:90]), "a.dat", r"open: its first point \(line 2\) and its last one \(line 91\)"),
    (dat(naca(0.12)[:108]), "a.dat", r"open: its first point \(line 2\) and its last one \(line 109\)"),
    (dat(naca(0.12, points=8)), "a.dat", "17 different points; 20"),
    (dat(naca(0.12)).replace("0.500000", "nan", 1), "a.dat", "line 32 .*finite"),
    (dat(naca(0.12)).replace("0.500000", "1e400", 1), "a.dat", "line 32 .*finite"),
    (dat(naca(0.12)) + dat(naca(0.1)), "a.dat", "line 123 .*two outlines"),
    (dat(naca(0.12)) + "\n" + dat(naca(0.1)).split("\n", 1)[1], "a.dat", "line 124 begins a second outline"),
    (dat(naca(0.12)) + " 1.0 0.0 0.3\n", "a.dat", "line 123 has 3 numbers"),
    (dat(np.stack([np.cos(np.arange(40.0)), np.sin(np.arange(40) * 2.1)], 1)), "a.csv", "crosses itself: the line after point"),
    ("", "a.dat", "no rows"), ("x,y\n", "a.csv", "no rows"),
    ("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(30)), "a.csv", "one straight line"),
    ("x,y\n" + "0,1e12\n" * 30, "a.csv", "beyond a billion"),
])  # fmt: skip
def test_bad_files_are_refused_in_a_sentence_with_their_line(text: str, name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=why):
        outline_of(text, name)
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=f"{name}: .*{why}"):
        read_file(tmp_path / name)


def test_a_folder_names_what_it_leaves_out(tmp_path: Path) -> None:
    for number in range(12):
        points = naca(0.08 + number / 100, 0.02)
        (tmp_path / f"n{number}.dat").write_text(dat(points) if number % 2 else lednicer(points))
    (tmp_path / "wrong.dat").write_text(lednicer(naca(0.12), (3, 4)))
    crossed = naca(0.12, 0.02)
    crossed[20:50, 1] -= 0.2
    (tmp_path / "crossed.dat").write_text(dat(crossed))
    source = open_source(tmp_path)
    assert source.kind == "curve"
    assert len(source.items) == 12
    assert {file for file, _ in source.skipped} == {"wrong.dat", "crossed.dat"}
    assert source.settings == {"form": "airfoil"}
    assert source.columns["thickness"].values == pytest.approx([float(t) for t in measured(source.items, "thickness", "airfoil")])
    with pytest.raises(BadInput, match=r"no outline that can be read: wrong.dat: .*line 2"):
        open_source(tmp_path / "wrong.dat", kind="curve")


def test_an_npz_and_a_zip_of_the_same_outlines_count_once(tmp_path: Path) -> None:
    shapes = [naca(0.08 + number / 100, 0.01) for number in range(12)]
    names = [f"n{number}" for number in range(12)]
    split = ["train"] * 9 + ["test"] * 3
    np.savez(tmp_path / "all.npz", xy=np.array(shapes, np.float32), names=np.array(names), split=np.array(split), drag=np.arange(12) / 7)
    with zipfile.ZipFile(tmp_path / "dat.zip", "w") as archive:
        for name, points in zip(names, shapes, strict=True):
            archive.writestr(f"{name}.dat", dat(points))
    source = open_source(tmp_path, condition="thickness,drag")
    assert source.notes == ("dat.zip holds the same outlines, counted once",)
    assert source.split is not None
    assert source.split["holdout"].tolist() == [9, 10, 11]
    assert source.conditions == ("thickness", "drag")
    assert len(open_source(tmp_path / "dat.zip").items) == 12
    broken = np.array(shapes)
    broken[3, 5] = np.nan
    np.savez(tmp_path / "all.npz", xy=broken, names=np.array(names))
    [(where, why)] = open_source(tmp_path / "all.npz").skipped
    assert where == "all.npz, row 3 (n3)"
    assert "point 6" in why


def test_other_arrays_and_tables_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "series.dat").write_text("t y\n" + "".join(f"{t} {math.sin(t)}\n" for t in range(60)))
    assert open_source(tmp_path / "series.dat").kind == "series"
    np.savez(tmp_path / "a.npz", xy=np.random.default_rng(0).normal(size=(30, 4)))
    assert open_source(tmp_path / "a.npz").kind == "vector"
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(40)))
    assert open_source(tmp_path / "t.csv").kind == "table"
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in blob(1).points.tolist()))
    assert open_source(tmp_path / "t.csv", kind="curve").items[0].points == pytest.approx(blob(1).points)


@pytest.mark.parametrize("form", ["airfoil", "closed", "open"])
def test_codec_laws(form: str) -> None:
    items = family(6) if form == "airfoil" else [blob(seed) for seed in range(5)]
    if form == "open":
        items = [outline(item.points[: 60 + 5 * number], closed=False) for number, item in enumerate(items)]
    codec = CurveCodec.fit(items)
    assert codec.form == form
    check_codec(codec, items)
    assert max(codec.misfit(item).max() for item in items) < 0.01
    assert any("come back within" in line for line in codec.describe())
    assert all(codec.broken(item) is None for item in codec.decode(codec.encode(items)))


def test_sizes_and_directions_stay_and_places_are_lost() -> None:
    items = [outline(blob(seed).points * (1 + seed)) for seed in range(4)]
    codec = CurveCodec.fit(items)
    for name in ("area", "perimeter", "aspect", "roundness"):
        values = codec.measured(name, codec.encode(items))
        assert values == pytest.approx(measured(items, name, "closed"), rel=0.01)
    assert codec.measured("label", codec.encode(items)) is None
    moved = outline(np.roll(items[1].points[::-1], 17, axis=0) + 1000)
    assert codec.encode([moved]) == pytest.approx(codec.encode([items[1]]), abs=1e-4)


def test_wrong_wishes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"codec\.form must be one of airfoil, closed, open"):
        CurveCodec.fit(family(3), form="wing")
    with pytest.raises(BadInput, match=r"codec\.knots"):
        CurveCodec.fit(family(3), knots=2)
    with pytest.raises(BadInput, match="some outlines are closed and others open"):
        CurveCodec.fit([blob(1), Outline(blob(2).points, closed=False)])
    codec = CurveCodec.fit(family(3))
    with pytest.raises(BadInput, match="outline 0: "):
        codec.encode([blob(3)])
    with pytest.raises(BadInput, match="outline 0 is open"):
        codec.encode([Outline(naca(0.1), closed=False)])
    assert is_airfoil(blob(3)) is not None


@pytest.mark.parametrize("ending", [".dat", ".csv", ".npz", ".svg", ""])
def test_what_is_written_can_be_read_again(ending: str, tmp_path: Path) -> None:
    items = family(1 if ending == ".dat" else 3)
    path = tmp_path / f"out{ending}"
    write_file(items, path, ending)
    if ending == ".svg":
        assert path.read_text().count("<path") == 3
        return
    if ending == ".csv":
        rows = np.loadtxt(path, delimiter=",", skiprows=1)
        assert rows[rows[:, 0] == 2, 1:] == pytest.approx(items[2].points, abs=1e-7)
        return
    found = [read_file(file)[0] for file in sorted(path.iterdir())] if ending == "" else read_file(path)
    for item, back in zip(items, found, strict=True):
        assert back.points == pytest.approx(item.points, abs=1e-7)


def test_several_outlines_are_not_put_into_one_dat(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="name a folder"):
        write_file(family(2), tmp_path / "a.dat", ".dat")


def test_judges_tell_waves_and_crossings() -> None:
    items = family(60)
    codec = CurveCodec.fit(items)
    domain = Curves(codec.facts(), items)
    others = family(60, 1)
    wavy = [Outline(item.points + [0, 1] * (0.003 * np.sin(80 * item.points[:, :1]))) for item in others]
    scores = {score.name: DomainScores([score], items, 0) for score in domain.scores()}

    def value(name: str, shown: list[Outline]) -> float:
        found = scores[name].measure(Shown("generated", np.arange(len(shown)), {}, items=np.array([*shown, None], dtype=object)[:-1]))
        return found[name].value

    assert value("bending", wavy) > value("bending", others) + 0.3
    assert value("turns", wavy) > value("turns", others) + 0.3
    assert value("thickness", others) < 0.4
    assert value("uncrossed", others) == 1
    crossed = [Outline(np.concatenate([item.points[:30], item.points[30:50][::-1], item.points[50:]])) for item in others]
    assert value("uncrossed", crossed) == 0
    assert bending(wavy[0], "airfoil") > bending(others[0], "airfoil") + 1


@pytest.fixture(scope="module")
def wings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wings")
    for number, item in enumerate(family(60)):
        (folder / f"{number:02d}.dat").write_text(dat(item.points))
    return folder


@pytest.fixture(scope="module")
def model(wings: Path, tmp_path_factory: pytest.TempPathFactory) -> morelike.Model:
    out = tmp_path_factory.mktemp("runs") / "wings"
    return morelike.train(str(wings), model="realnvp", condition="thickness", size="xs", steps=60, judge=False, out=str(out))


def test_drawn_airfoils_keep_their_rules_and_are_met_exactly(model: morelike.Model, tmp_path: Path) -> None:
    items = model.sample(5, where={"thickness": 0.12}, seed=1)
    assert all(model.codec.broken(item) is None for item in items)  # type: ignore[attr-defined]
    assert measured(items, "thickness", "airfoil") != pytest.approx(np.full(5, 0.12), rel=1e-6)
    exact = model.sample(5, where={"thickness": [0.1, 0.14]}, seed=1, exact=True)
    assert measured(exact, "thickness", "airfoil") == pytest.approx([0.1, 0.14, 0.1, 0.14, 0.1], rel=1e-3)
    with pytest.raises(BadInput, match="needs a number to be met"):
        model.sample(1, exact=True)
    with pytest.raises(BadInput, match="exact is true or false"):
        model.sample(1, where={"thickness": 0.1}, exact="yes")
    model.codec.draw(items, tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 1000


def test_from_one_file_to_another(model: morelike.Model, wings: Path) -> None:
    first, last = wings / "00.dat", wings / "01.dat"
    items = model.interpolate(first, str(last), 3, where={"thickness": 0.1})
    for end, item in ((first, items[0]), (last, items[2])):
        assert np.abs(sides_of(read_file(end)[0]).upper - sides_of(item).upper).max() < 0.01


def test_latents_are_searched_for_a_property(model: morelike.Model) -> None:
    found = model.optimise(["camber=0.05"], n=3)
    own = found.errors()["camber"]
    assert own["after"] < 0.2 * own["before"]  # type: ignore[operator]
    assert found.measured["camber"] == pytest.approx(np.full(3, 0.05), abs=0.003)
    assert found.nats is not None
    with pytest.raises(UnknownName, match="camber"):
        model.optimise(["cambre=0.05"])


def test_search_finds_the_top_of_a_hill_within_its_norms() -> None:
    start = Noise(0, 4).normal((6,))
    top = torch.tensor([1.0, -1.0, 0.5, 0.0, 0.0, 2.0])
    z, worth = search(lambda z: -(z - top).square().sum(1), start, (0.0, 5.0), Noise(1, 4), rounds=120)
    assert worth.min() > -1e-3
    again, _ = search(lambda z: -(z - top).square().sum(1), start[:2], (0.0, 5.0), Noise(1, 2), rounds=120)
    assert torch.allclose(again, z[:2], atol=1e-5)
    inside, _ = search(lambda z: z[:, 0], start, (0.0, 1.5), Noise(1, 4))
    assert inside.norm(dim=1).max() <= max(1.5, float(start.norm(dim=1).max())) + 1e-5


def test_a_dent_is_found_where_it_is(model: morelike.Model) -> None:
    items = family(12, 3)
    own = sides_of(items[4])
    dent = 0.006 * np.exp(-0.5 * ((airfoil.AT - 0.6) / 0.02) ** 2)
    items[4] = Outline(airfoil.Sides(own.upper, own.lower + dent).points())
    found = model.inspect(items)
    first = found.rows()[0]
    assert first["name"] == "outline 4"
    assert first["where"].startswith("lower side at 0.6")
    assert first["score"] > 1
    assert all(row["score"] < first["score"] / 2 for row in found.rows()[1:])
