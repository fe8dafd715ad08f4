"""Pen drawings: SVG and JSON lines, moves of the pen, rules, judges."""

from __future__ import annotations

import gzip
import json
import math
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morelike
from morelike.cli import sketches
from morelike.cli.tasking import Words
from morelike.core.errors import BadInput
from morelike.data.open import open_source
from morelike.data.strokes import StrokesCodec
from morelike.data.strokes_file import drawing_of, read_file, write_file
from morelike.data.strokes_items import Drawing, drawing
from morelike.data.strokes_path import path_strokes
from morelike.data.strokes_svg import traced, transform
from morelike.house import drawings as house
from morelike.house.model import Model
from morelike.judges.domain import DomainScores
from morelike.judges.scores import Shown
from morelike.judges.strokes import Strokes, directions
from morelike.maths.constraint import DEAD
from morelike.maths.moves import PenRules, ids_of, lift_id, strokes_of
from morelike.maths.polyline import distances, simplified
from morelike.testing import check_codec


def svg_of(inner: str, head: str = 'viewBox="0 0 100 100"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{inner}</svg>'.encode()


def some(count: int, seed: int = 0) -> list[Drawing]:
    numbers = np.random.default_rng(seed)
    return [
        drawing([numbers.uniform(0, 100, (int(numbers.integers(1, 9)), 2)) for _ in range(numbers.integers(1, 5))], (0, 0, 100, 100))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("data", "ends"), [
    ("M10 20L30 40", [[10, 20], [30, 40]]),
    ("m10-20.5.5.5", [[10, -20.5], [10.5, -20]]),
    ("M0 0H10V5h-3v-5z", [[0, 0], [10, 0], [10, 5], [7, 5], [7, 0], [0, 0]]),
    ("M0,0 1,1 2,0", [[0, 0], [1, 1], [2, 0]]),
    ("", []),
])  # fmt: skip
def test_straight_paths(data: str, ends: list[list[float]]) -> None:
    found = path_strokes(data)
    assert np.concatenate(found or [np.zeros((0, 2))]).tolist() == ends


def test_curves_end_where_they_say_and_pass_where_they_must() -> None:
    for data in ("M0 0C0 10 10 10 10 0", "M0 0c0 10 10 10 10 0", "M0 0Q5 10 10 0", "M0 0A5 5 0 01 10 0", "M0 0a5 5 0 1110 0"):
        (stroke,) = path_strokes(data)
        assert stroke[-1] == pytest.approx([10, 0])
        assert np.diff(stroke[:, 0]).min() > -1e-9
    cubic = path_strokes("M0 0C0 10 10 10 10 0")[0]
    assert distances(np.array([[5, 7.5]]), *cubic[len(cubic) // 2 - 1 : len(cubic) // 2 + 1])[0] < 0.01
    circle = path_strokes("M0 0A5 5 0 1 1 10 0A5 5 0 1 1 0 0")[0]
    assert np.hypot(circle[:, 0] - 5, circle[:, 1]) == pytest.approx(np.full(len(circle), 5.0))
    # y points downwards, so "clockwise" is by way of smaller y
    assert circle[1, 1] < 0
    mirrored = path_strokes("M0 0C0 10 10 10 10 0S20-10 20 0")[0]
    again = path_strokes("M0 0C0 10 10 10 10 0C10-10 20-10 20 0")[0]
    assert mirrored == pytest.approx(again)
    assert path_strokes("M0 0Q5 10 10 0T20 0")[0] == pytest.approx(path_strokes("M0 0Q5 10 10 0Q15-10 20 0")[0])


@pytest.mark.parametrize("data", ["L1 1", "M1", "M0 0 L1 nan", "M0 0 C1 1", "M0 0 X3", "M0 0 L1e999 0", "M0 0A1 1 0 2 0 3 3"])
def test_wrong_paths_are_refused_with_their_place(data: str) -> None:
    with pytest.raises(BadInput, match="at character"):
        path_strokes(data)


def test_transforms_nest() -> None:
    found = traced(svg_of('<g transform="translate(10 20)"><g transform="scale(2) rotate(90)"><line x2="5"/></g></g><line x2="1"/>'))
    assert found.strokes[0] == pytest.approx(np.array([[10, 20], [10, 30]]))
    assert found.strokes[1] == pytest.approx(np.array([[0, 0], [1, 0]]))
    point = np.array([3.0, 4.0, 1.0])
    assert transform("rotate(90, 3, 4)") @ point == pytest.approx([3, 4])
    assert transform("skewX(45)") @ point == pytest.approx([7, 4])
    assert transform("skewY(45),matrix(1 0 0 1 0 1)") @ point == pytest.approx([3, 8])
    with pytest.raises(BadInput, match="transform"):
        transform("spin(3)")


def test_shapes_have_the_length_that_they_should() -> None:
    shapes = '<rect x="1" y="2" width="3" height="4"/><circle r="10"/><polygon points="0,0 3,0 3,4"/><polyline points="0 0 3 4"/>'
    strokes = traced(svg_of(shapes)).strokes
    lengths = [float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes]
    assert lengths == pytest.approx([14, 20 * math.pi, 12, 5], rel=2e-3)
    [round_one] = traced(svg_of('<rect width="4" height="6" rx="2" ry="1"/>')).strokes
    assert float(np.hypot(*np.diff(round_one, axis=0).T).sum()) == pytest.approx(9.688 + 8, rel=2e-3)  # an ellipse and two sides
    [nested] = traced(svg_of('<svg x="50" y="50" width="50" height="50" viewBox="0 0 10 10"><line x2="10" y2="10"/></svg>')).strokes
    assert nested == pytest.approx(np.array([[50.0, 50.0], [100.0, 100.0]]))
    hidden = '<defs><line x2="1"/></defs><g style="display: none"><line x2="1"/></g><text>a</text><path d=""/>'
    assert not traced(svg_of(hidden)).strokes


def test_lengths_in_per_cent_are_parts_of_the_view() -> None:
    inner = '<rect width="100%" height="50%"/><line x1="25%" y1="10%" x2="5e1%" y2="100%"/><circle cx="50%" cy="50%" r="10%"/>'
    found = traced(f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" viewBox="10 10 40 20">{inner}</svg>'.encode())
    assert found.canvas == (10, 10, 40, 20)
    rect, line, circle = found.strokes
    assert rect.max(0) == pytest.approx([40, 10])
    assert line == pytest.approx(np.array([[10, 2], [20, 20]]))
    assert circle.max(0) - circle.min(0) == pytest.approx(2 * 0.1 * math.hypot(40, 20) / math.sqrt(2), abs=1e-9)
    whole = b'<svg width="80" height="40"><svg viewBox="0 0 8 4"><line x2="8" y2="4"/></svg></svg>'
    assert traced(whole).strokes[0] == pytest.approx(np.array([[0, 0], [80, 40]]))
    with pytest.raises(BadInput, match="no number of pixels"):
        traced(b'<svg width="100%"><rect width="50%" height="3"/></svg>')


@pytest.mark.parametrize(("data", "why"), [
    (b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>', "entities"),
    (b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>', "entities"),
    (b"<svg><g>", "no XML"), (b"\x89PNG", "no XML"), (b"<html></html>", "no svg"), (svg_of("<g>" * 300 + "</g>" * 300), "deep"),
    (svg_of('<path d="M0 0Lx"/>'), "line 1: path data"), (svg_of('<polygon points="0,0 NaN,50 100,100 50,20"/>'), "no numbers"),
    (b'<svg><circle cx="50%" cy="5" r="25%"/></svg>', "r='25%'"),
    (svg_of('<g transform="scale(1e300)"><g transform="scale(1e300)"><line x2="9"/></g></g>'), "finite"),
])  # fmt: skip
def test_bad_svg_is_refused_in_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        traced(data)


@pytest.mark.parametrize(("line", "why"), [
    ('{"strokes": [[[1, NaN]]]}', "finite"), ('{"strokes": []}', "no strokes"), ('{"strokes": [[[1]]]}', r"\[x, y\]"),
    ('{"strokes": [[["a", 1]]]}', "no number"), ('{"drawing": [[[1, 2], [1]]]}', "2 x but 1 y"), ("[1]", "object"), ("{", "no JSON"),
    ('{"strokes": [[[1, 1e300]]]}', "billion"), ('{"strokes": ["M0 0", [[1, 2]]]}', "stroke 1"),
])  # fmt: skip
def test_bad_lines_are_named(line: str, why: str, tmp_path: Path) -> None:
    good = '{"strokes": [[[1, 2], [3, 4]]]}'
    (tmp_path / "d.jsonl").write_text(f"{good}\n\n{line}\n{good.replace('3', '9')}\n")
    source = open_source(tmp_path / "d.jsonl", kind="strokes")
    assert len(source.items) == 2
    assert source.skipped[0][0] == "d.jsonl, line 3"
    with pytest.raises(BadInput, match=rf"line 3: .*{why}"):
        read_file(tmp_path / "d.jsonl")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 100)), min_size=1, max_size=30), min_size=1, max_size=6),
       st.sampled_from(["moves", "stroke5"]), st.sampled_from([24, 200]))  # fmt: skip
def test_codec_laws(strokes: list[list[tuple[float, float]]], form: str, window: int) -> None:
    items = [drawing([np.array(stroke) for stroke in strokes], (0, 0, 50, 100)), *some(2)]
    check_codec(StrokesCodec.fit(items, form=form, window=window), items)


@pytest.mark.parametrize("form", ["moves", "stroke5"])
def test_what_comes_back_lies_on_the_lines_that_were_read(form: str) -> None:
    items = some(30)
    codec = StrokesCodec.fit(items, form=form)
    for item, back in zip(items, codec.decode(codec.encode(items)), strict=True):
        assert len(back.strokes) == len(item.strokes)
        for stroke, found in zip(item.unit(), back.unit(), strict=True):
            pieces = list(pairwise(found)) or [(found[0], found[0])]
            away = np.min([distances(stroke, *piece) for piece in pieces], axis=0)
            # half a cell's diagonal, and the tolerance of three quarters
            assert away.max() <= (math.sqrt(0.5) + 0.75) / 63 + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=40), st.floats(0.01, 5))
def test_simplified_lines_stay_near_and_stay_the_same(points: list[tuple[float, float]], tolerance: float) -> None:
    line = np.array(points)
    found = simplified(line, tolerance)
    assert np.array_equal(simplified(found, tolerance), found)
    if len(found) > 1:
        away = np.min([distances(line, *piece) for piece in pairwise(found)], axis=0)
        assert away.max() <= tolerance + 1e-9


def test_rules_hold_exactly_for_drawings_on_the_grid() -> None:
    """Of all sequences of up to 5 ids on a grid of 2 x 2, those that the machine takes are those that are written back the same."""
    side = 2
    rules = PenRules(side)
    for length in range(1, 6):
        for ids in product(range(lift_id(side) + 1), repeat=length):
            state = rules.start
            for number in ids:
                state = int(rules.step(np.array([state]))[0, number])
                if state == DEAD:
                    break
            taken = state != DEAD and bool(rules.accepts(np.array([state]))[0])
            strokes = strokes_of(ids, side)
            inside = all(((stroke >= 0) & (stroke < side)).all() for stroke in strokes)
            moves = all((np.diff(stroke, axis=0) != 0).any(1).all() for stroke in strokes)
            assert taken == (bool(strokes) and inside and moves and ids_of(strokes, side) == list(ids)), ids


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    items = some(5)
    for ending in (".jsonl", ".ndjson"):
        write_file(items, tmp_path / f"d{ending}", ending)
        for item, back in zip(items, read_file(tmp_path / f"d{ending}"), strict=True):
            for mine, own in zip(item.unit(), back.unit(), strict=True):
                assert own[[0, -1]] == pytest.approx(mine[[0, -1]], abs=0.005)
    write_file(items[:1], tmp_path / "d.svg", ".svg")
    (back,) = read_file(tmp_path / "d.svg")
    assert back.size == items[0].size
    assert np.concatenate(back.strokes) == pytest.approx(np.concatenate(items[0].strokes), abs=1e-3)
    write_file(items, tmp_path / "many.svg", ".svg")
    assert len(traced((tmp_path / "many.svg").read_bytes()).strokes) == sum(len(item.strokes) for item in items)
    write_file(items, tmp_path / "folder", "")
    assert len(open_source(tmp_path / "folder").items) == 5


def test_folders_are_classes_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for each in range(3):
            (tmp_path / name / f"{each}.svg").write_bytes(svg_of(f'<line x2="{10 + number + 20 * each}" y2="30"/>'))
    (tmp_path / "cat" / "words.svg").write_bytes(svg_of("<text>cat</text>"))
    source = open_source(tmp_path)
    assert source.kind == "strokes"
    assert source.conditions == ("folder",)
    assert source.columns["folder"].categories == ("cat", "dog")
    assert source.skipped == (("cat/words.svg", "it has no strokes, only 1 text; turn text into paths first"),)


def test_lines_of_the_known_collections(tmp_path: Path) -> None:
    quick = drawing_of({"word": "cat", "drawing": [[[0, 255], [0, 255]], [[7], [9]]]})
    assert quick.size == (255.0, 255.0)
    assert len(quick.strokes) == 2
    omniglot = drawing_of({"strokes": [[[10, -20, 0], [30, -90, 50]]]})
    assert omniglot.strokes[0].tolist() == [[10, 20], [30, 90]]
    assert drawing_of({"char": "い", "strokes": ["M1,2c3,4,5,6,7,8"]}).size == (109.0, 109.0)
    with gzip.open(tmp_path / "q.ndjson.gz", "wt") as stream:
        for number in range(6):
            stream.write(json.dumps({"word": "cat" if number % 2 else "hat", "drawing": [[[0, 9 * number + 1], [0, 20]]]}) + "\n")
    source = open_source(tmp_path / "q.ndjson.gz")
    assert source.kind == "strokes"
    assert source.columns["word"].categories == ("cat", "hat")


def test_scores_against_hand_computed_values() -> None:
    flat, tall = (Drawing((np.array([[0.0, 0.0], end]),), (100.0, 100.0)) for end in ([50.0, 0.0], [0.0, 50.0]))
    outside = Drawing((np.array([[0.0, 0.0], [120.0, 0.0]]), np.array([[1.0, 1.0]])), (100.0, 100.0))
    domain = Strokes({}, [flat, tall])
    items = np.empty(20, dtype=object)
    items[:] = [flat, flat, tall, outside] * 5
    found = DomainScores(domain.scores(), domain.reference, 0).measure(Shown("generated", np.arange(20), {}, items=items))
    assert found["on canvas"].value == pytest.approx(0.75)
    assert found["unique"].value == pytest.approx(3 / 20)
    assert found["strokes"].value == pytest.approx(0.25)
    assert found["points per stroke"].value == pytest.approx(0.2)
    assert found["ink"].value == pytest.approx(0.25)
    # the same line elsewhere and larger looks the same; turned it doesn't
    moved = Drawing((flat.strokes[0] * 1.5 + 10,), flat.size)
    assert directions(moved) == pytest.approx(directions(flat))
    assert not np.allclose(directions(tall), directions(flat))


def test_a_folder_of_files_of_lines_is_one_set_with_a_class_a_file(tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    for number, word in enumerate(("cat", "dog")):
        lines = [f'{{"drawing": [[[0, {place + 2}], [{number}, 9]]]}}\n' for place in range(20)]
        (tmp_path / "drawn" / f"{word}.ndjson").write_text("".join(lines))
    source = open_source(tmp_path / "drawn")
    assert len(source.items) == 40
    assert source.columns["label"].categories == ("cat", "dog")
    assert source.conditions == ("label",)


@pytest.fixture(scope="module")
def sketcher(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Of squares and what is in them, told whether that is a line or a cross."""
    place, numbers = tmp_path_factory.mktemp("sketches"), np.random.default_rng(0)
    for name, count in (("line", 1), ("cross", 2)):
        (place / "set" / name).mkdir(parents=True)
        for number in range(20):
            a, b = numbers.integers(10, 30, 2)
            ends = [f"M{a} {b}l40 40", f"M{a + 40} {b}l-40 40"][:count]
            paths = "".join(f'<path d="{data}"/>' for data in [f"M{a} {b}h40v40h-40z", *ends])
            (place / "set" / name / f"{number}.svg").write_bytes(svg_of(paths))
    return morelike.train(str(place / "set"), model="lstm", size="xs", steps=4, judge=False, out=str(place / "run"))


def test_a_drawing_goes_on(sketcher: Model) -> None:
    own = sketcher.codec
    assert isinstance(own, StrokesCodec)
    begun = drawing([np.array([[10.0, 10], [50, 10], [50, 50]])], (0, 0, 100, 100))
    first = own.cells(begun)[0]
    found = house.extend(sketcher.package, begun, 3, {"folder": "cross"}, 5, {})
    assert len(found) == 3
    for one in found:
        assert len(one.strokes) > 1
        assert np.array_equal(np.rint(one.unit()[0] * (own.side - 1)), first[0])
        assert own.broken(one) is None
    assert found == house.extend(sketcher.package, begun, 3, {"folder": "cross"}, 5, {})
    assert found != house.extend(sketcher.package, begun, 3, {"folder": "cross"}, 6, {})
    assert found[:2] == house.extend(sketcher.package, begun, 2, {"folder": "cross"}, 5, {})
    with pytest.raises(BadInput, match=r"no room among the \d+ places"):
        house.extend(sketcher.package, drawing([np.array([[x, 90 * (x % 2)] for x in range(90)], float)]), 1, {}, 0, {})
    with pytest.raises(BadInput, match="between 1 and 100"):
        house.extend(sketcher.package, begun, 0, {}, 0, {})


def test_the_verb_extend_writes_drawings(sketcher: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_file([drawing([np.array([[10.0, 10], [50, 10]])], (0, 0, 100, 100))], tmp_path / "a.svg", ".svg")
    words = Words(None, str(tmp_path / "a.svg"), where=["folder=line"])
    sketches.extend(sketcher, words, 2, str(tmp_path / "more.jsonl"), False)
    assert "2 drawings" in capsys.readouterr().out
    assert len(own := read_file(tmp_path / "more.jsonl")) == 2
    assert all(len(one.strokes) > 1 for one in own)
    with pytest.raises(BadInput, match=r"there is no file .*none\.svg"):
        sketches.extend(sketcher, Words(None, str(tmp_path / "none.svg")), 1, str(tmp_path / "b.svg"), False)
