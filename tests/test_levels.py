"""Levels from files to ids and back, drawn, judged, linked, extended and repaired."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import morelike
from conftest import Runner
from morelike.core.errors import BadInput, Refused
from morelike.core.noise import Noise
from morelike.data.level import LevelCodec
from morelike.data.level_draw import draw_levels
from morelike.data.level_rooms import link, usable
from morelike.data.level_tiles import SOKOBAN, Legend
from morelike.data.open import open_source
from morelike.house import levels as house
from morelike.house.model import Model
from morelike.house.prepare import prepare
from morelike.house.recipe import Recipe
from morelike.judges.domain import DomainScores
from morelike.judges.level import Level, solved
from morelike.judges.scores import Shown
from morelike.maths.reach import joined, steps

LEGEND = {"tiles": {"X": ["solid", "ground"], "-": ["passable", "empty"], "E": ["enemy", "hazard"], "o": ["coin", "passable"]}}
ROOMS = {"F": "floor", "W": "wall", "D": "door", "-": "void", "P": "element (lava, water)"}


def side(seed: int, width: int = 24, height: int = 6) -> str:
    """A level with steps, gaps of at most two, enemies and coins."""
    numbers = np.random.default_rng(seed)
    grid = np.full((height, width), "-")
    for column in range(width):
        rise = 0 if column > 2 and column % 7 < numbers.integers(3) else 1 + int(numbers.integers(2))
        grid[height - rise :, column] = "X"
        if rise and numbers.random() < 0.2:
            grid[height - rise - 1, column] = "E"
        if numbers.random() < 0.1:
            grid[1, column] = "o"
    return "\n".join("".join(row) for row in grid)


def folder(tmp_path: Path, count: int = 12) -> Path:
    place = tmp_path / "side"
    place.mkdir()
    (place / "legend.json").write_text(json.dumps(LEGEND))
    for number in range(count):
        (place / f"level-{number:02d}.txt").write_text(side(number) + "\n")
    return place


def codec(levels: list[str], **settings: object) -> LevelCodec:
    return LevelCodec.fit(levels, legend=json.dumps(LEGEND), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("settings", "shape"), [({"form": "columns"}, (48,)), ({"form": "grid"}, (6, 8)), ({"form": None}, (48,))])
def test_levels_go_to_ids_and_back(settings: dict[str, str], shape: tuple[int, ...]) -> None:
    levels = [side(number, 24) for number in range(30)]
    made = codec(levels, window=8, **settings)
    assert made.spec.shape == shape
    found = made.pieces(levels, dense=True)
    assert found is not None
    x, owner = found
    assert len(x) == 30 * 17
    # window 3 of level 2 is columns 3 to 10
    rows = levels[2].split("\n")
    assert made.decode(x)[2 * 17 + 3] == "\n".join(row[3:11] for row in rows)
    assert (owner == np.repeat(np.arange(30), 17)).all()
    again = LevelCodec.restore(json.loads(json.dumps(made.state())))
    assert (again.encode(made.decode(x[:50])) == x[:50]).all()
    sparse = made.pieces(levels, dense=False)
    assert sparse is not None
    assert len(sparse[0]) == 30 * 9


WALL = "\n".join(["--X---"] * 5 + ["XXXXXX"])


def test_the_way_through_a_level_is_learnt_with_it() -> None:
    levels = ["\n".join(["-" * 6] * 5 + ["XXXXXX"]), WALL, *(side(number, 6) for number in range(10))]
    made = codec(levels)
    tiles = len(made.layout.tiles)
    assert made.layout.way
    # three tiles of four are passed through
    assert made.spec.vocab == tiles + 3
    marks = made.encode(levels).reshape(-1, 6, 6).transpose(0, 2, 1) >= tiles
    # who can walk does, and nobody gets past a wall of five
    assert np.argwhere(marks[0]).tolist() == [[4, column] for column in range(6)]
    assert not marks[1].any()
    assert marks[2:].any(1).all()
    assert made.decode(made.encode(levels)) == levels
    assert made.grid_of(made.encode(levels)).max() < tiles
    again = LevelCodec.restore(json.loads(json.dumps(made.state())))
    assert (again.encode(levels) == made.encode(levels)).all()
    plain = codec(levels, way=False)
    assert (plain.spec.vocab, plain.layout.way) == (tiles, False)
    assert codec([WALL] * 12).layout.way is False
    with pytest.raises(BadInput, match=r"codec\.way=true is for levels of a platformer that are learnt in columns"):
        codec(levels, form="grid", way=True)


def test_windows_without_a_way_are_not_learnt() -> None:
    made = codec([side(number) for number in range(30)], window=4)
    walled = "\n".join(row[:5] + "X" + row[6:] for row in side(1).split("\n"))
    cut = ["\n".join(row[start : start + 4] for row in walled.split("\n")) for start in range(21)]
    good = [one for one in cut if steps(made.machine()._kinds[made.tiles_of(one)]) is not None]  # type: ignore[union-attr]
    found = made.pieces([walled], dense=True)
    assert found is not None
    assert made.decode(found[0]) == good
    assert 10 < len(good) < 21
    assert len(found[1]) == len(good)


def test_levels_that_are_climbed_are_cut_along_their_rows() -> None:
    tall = ["\n".join("".join(column) for column in zip(*side(number, 30).split("\n"), strict=True)) for number in range(12)]
    made = codec(tall, window=10)
    found = made.pieces(tall, dense=True)
    assert found is not None
    assert made.layout.form == "rows"
    assert made.decode(found[0])[5] == "\n".join(tall[0].split("\n")[5:15])
    assert made.machine() is None


def test_other_heights_are_filled_from_above_or_cut() -> None:
    made = codec([*(side(number) for number in range(20)), side(3, height=7)], window=8)
    low, high = side(1, height=5), side(2, height=7)
    assert made.decode(made.encode([low]))[0].split("\n")[0] == "-" * 8
    assert made.decode(made.encode([high]))[0].split("\n")[-1] == high.split("\n")[-1][:8]
    assert "1 levels have more or fewer than 6 rows" in made.describe()[0]


def test_a_folder_of_levels_with_a_legend(tmp_path: Path) -> None:
    source = open_source(folder(tmp_path))
    assert (source.kind, len(source.items)) == ("level", 12)
    assert "legend.json" in source.why_kind
    assert "difficulty" in source.columns
    prepared = prepare(Recipe(data=str(tmp_path / "side"), codec={"window": 12}, condition=("difficulty",)))
    assert prepared.train.x.shape[1] == 72
    # the condition is that of the window, not of its level
    wanted = prepared.codec.difficulty(prepared.raw(prepared.train, slice(7, 8))[0])  # type: ignore[attr-defined]
    assert prepared.conditions["difficulty"].decode(prepared.train.condition["difficulty"][7:8])[0] == pytest.approx(wanted, abs=1e-5)


def test_a_zip_beside_its_legend_and_folders_of_games(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text(json.dumps(LEGEND))
    with zipfile.ZipFile(tmp_path / "levels.zip", "w") as packed:
        for number in range(12):
            packed.writestr(f"{'first' if number < 6 else 'second'}/{number}.txt", side(number))
    source = open_source(tmp_path)
    assert source.columns["game"].categories == ("first", "second")
    assert open_source(tmp_path / "levels.zip").items[3] == side(3)


def test_few_levels_are_split_where_they_are_opened(tmp_path: Path) -> None:
    source = open_source(folder(tmp_path, 6))
    assert {name: len(rows) for name, rows in (source.split or {}).items()} == {"train": 4, "validation": 1, "holdout": 1}
    single = tmp_path / "one"
    single.mkdir()
    (single / "legend.json").write_text(json.dumps(LEGEND))
    (single / "long.txt").write_text(side(0, 200))
    parts = open_source(single / "long.txt")
    assert "".join(part.split("\n")[0] for part in parts.items) == side(0, 200).split("\n")[0]


def test_numbered_puzzles_and_their_splits(tmp_path: Path) -> None:
    level = "######\n#@$ .#\n######"
    for part, count in (("train", 12), ("valid", 3), ("test", 3)):
        text = "".join(f"; {number}\n{level.replace('@$', '@$' if number % 2 else '$@')}\n\n" for number in range(count))
        (tmp_path / f"{part}.txt.gz").write_bytes(gzip.compress(text.encode()))
    source = open_source(tmp_path)
    assert {name: len(rows) for name, rows in (source.split or {}).items()} == {"train": 12, "validation": 3, "holdout": 3}
    made = LevelCodec.fit(source.items, **source.settings)  # type: ignore[arg-type]
    assert (made.layout.game, made.layout.counts, made.spec.shape) == ("sokoban", (1, 1), (18,))
    assert made.broken("######\n# $ .#\n######") == "no player"


@pytest.mark.parametrize(("files", "message"), [
    ({"a.txt": "XX-\nX-\n", "l.json": json.dumps(LEGEND)}, r"a\.txt, row 2: it has 2 tiles, but the rows before it 3"),
    ({"a.txt": "XX-\nX?-\n", "l.json": json.dumps(LEGEND)}, r"a\.txt, row 2, column 2: the tile '\?' isn't in l\.json"),
    ({"a.txt": "X-\n", "l.json": '{"X": "solid", "-": "empty", "X": "passable"}'}, r"l\.json says two things of the tile 'X'"),
    ({"a.txt": "XX-\n", "l.json": '{"X": ["solid", "passable"], "-": "empty"}'}, r"l\.json contradicts itself: the tile 'X'"),
    ({"a.txt": "XX-\n", "l.json": json.dumps(LEGEND), "m.json": '{"X": "solid", "-": "wall"}'}, r"several legends, l\.json, m\.json"),
    ({"a.txt": "XX-\n", "legend.json": '{"tiles": {"X": "solid",'}, r"legend\.json is no legend: it is no JSON"),
    ({"a.txt": "XX-\n", "legend.json": '{"tiles": {"XX": "solid", "-": "empty"}}'}, r"legend\.json: a tile is one character, not 'XX'"),
    ({"a.txt": "\n\n", "l.json": json.dumps(LEGEND)}, r"a\.txt holds no level"),
    ({"r.json": '[["XX", "--"], ["XX", "-"]]', "l.json": json.dumps(LEGEND)}, r"r\.json, level 1, row 2: it has 1 tiles"),
])  # fmt: skip
def test_bad_files_are_a_sentence(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=message):
        open_source(tmp_path)


def test_sizes_that_are_no_one_data_set_are_refused() -> None:
    with pytest.raises(BadInput, match="most have 6"):
        codec([*(side(number) for number in range(9)), side(1, height=20)])
    with pytest.raises(BadInput, match=r"between 2 and 24, the columns of the shortest level"):
        codec([side(number) for number in range(9)], window=99)
    with pytest.raises(BadInput, match=r"codec\.form must be one of"):
        codec([side(0)], form="spiral")
    made = codec([side(number, 60) for number in range(9)], window=20)
    with pytest.raises(BadInput, match=r"item 0 is 6 rows of 10 tiles, but at least 6 rows of 20 tiles are needed"):
        made.encode([side(0, 10)])


def test_legends_say_what_tiles_are() -> None:
    legend = Legend.of(json.dumps({"a": "Element + block", "b": ["solid", "damaging"], "c": "floor", "d": ["solid", "openable"]}), "l")
    assert legend.kinds("abcd").tolist() == [1, 3, 0, 0]
    assert Legend(SOKOBAN).game("#@$. ") == "sokoban"
    assert Legend.of(json.dumps(ROOMS), "l").game("FWD") == "rooms"


def test_pictures_tell_tiles_apart(tmp_path: Path) -> None:
    words = [["player"], ["box"], ["goal"], ["enemy"], ["coin"], ["pipe", "top-left pipe"], ["pipe", "right pipe"], ["cannon"], ["door"],
             ["question block"], ["full question block"], ["breakable"], ["stair"], ["platform"], ["damaging"], ["element"], ["block"],
             ["wall"], ["void"], ["solid"], ["empty"], ["box", "goal"], ["player", "goal"]]  # fmt: skip
    tiles = [chr(ord("a") + number) for number in range(len(words))]
    legend = Legend({tile: frozenset(own) for tile, own in zip(tiles, words, strict=True)})
    draw_levels(["".join(tiles)], legend, tmp_path / "all.png")
    page = np.asarray(Image.open(tmp_path / "all.png"))[8:20, 8:]
    pictures = {page[:, at * 12 : at * 12 + 12].tobytes() for at in range(len(tiles))}
    assert len(pictures) == len(tiles)


def room(*doors: str) -> np.ndarray:
    """A room with doors on the sides named."""
    grid = np.full((7, 7), "W")
    grid[2:5, 2:5] = "F"
    for name, places in (("up", (slice(0, 2), 3)), ("down", (slice(5, 7), 3)), ("left", (3, slice(0, 2))), ("right", (3, slice(5, 7)))):
        if name in doors:
            grid[places] = "D"
    return grid


def dungeon_codec() -> LevelCodec:
    return LevelCodec.fit(["\n".join("".join(row) for row in room("up", "left"))] * 3, legend=json.dumps(ROOMS))


def test_dungeons_are_joined_and_have_no_doors_to_nowhere() -> None:
    own = dungeon_codec()
    every = [room("up", "down", "left", "right"), room("up", "down"), room("left", "right"), room("down"), room("up", "right")]
    pool = [own.tiles_of("\n".join("".join(row) for row in one)).astype(np.int64) for one in every]
    assert all(usable(own, one) for one in pool)
    for seed in range(20):
        made = link(own, pool, 9, Noise(seed, 1))
        grid = np.array([list(row) for row in made.level.split("\n")])
        walk = np.isin(grid, ["F", "D"])
        assert made.rooms == 9
        assert made.links >= 8
        assert joined(walk, walk)
        # nobody steps out of the dungeon
        outside = np.pad(grid, 1, constant_values="-") == "-"
        near = outside[:-2, 1:-1] | outside[2:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
        assert not (near & (grid == "D")).any()
    # doors that don't face each other are no way through
    apart = room("down"), np.roll(room("up"), 1, 1)
    with pytest.raises(Refused, match="only 1 of 2 rooms"):
        link(own, [own.tiles_of("\n".join("".join(row) for row in one)).astype(np.int64) for one in apart], 2, Noise(0, 1))
    lonely = [own.tiles_of("\n".join("".join(row) for row in room("down"))).astype(np.int64)]
    with pytest.raises(Refused, match="only 1 of 4 rooms"):
        link(own, lonely, 4, Noise(0, 1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = tmp_path_factory.mktemp("levels")
    return morelike.train(str(folder(place)), model="markov", out=str(place / "run"), steps=2, **{"codec.window": 10})


def kinds_of(model: Model, level: str) -> np.ndarray:
    own = model.codec
    assert isinstance(own, LevelCodec)
    return own.layout.legend.kinds(own.layout.tiles)[own.tiles_of(level)]


def test_levels_that_are_drawn_can_be_played_at_any_length(model: Model) -> None:
    assert all(steps(kinds_of(model, level)) is not None for level in model.sample(40))
    long = model.sample(5, columns=37)
    assert {len(row) for level in long for row in level.split("\n")} == {37}
    assert all(steps(kinds_of(model, level)) is not None for level in long)
    assert any(steps(kinds_of(model, level)) is None for level in model.sample(40, rules=False))
    assert model.sample(3, columns=37) == long[:3]
    with pytest.raises(BadInput, match="columns must be a whole number from 10"):
        model.sample(1, columns=4)
    with pytest.raises(BadInput, match=r"rooms=\.\.\. isn't for these levels: they take columns"):
        model.sample(1, rooms=4)


def test_levels_go_on_and_stay_playable(model: Model) -> None:
    level = side(5)
    found = house.extend(model.package, level, 3, 9, {}, 0, {})
    assert all([row[:24] for row in one.split("\n")] == level.split("\n") for one in found)
    assert {len(one.split("\n")[0]) for one in found} == {33}
    assert all(steps(kinds_of(model, one)) is not None for one in found)
    wall = "\n".join(["X" * 12] * 6)
    with pytest.raises(BadInput, match="can't be walked through"):
        house.extend(model.package, wall, 1, 4, {}, 0, {})


def test_levels_that_go_on_are_written(model: Model, morelike_cli: Runner, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(side(5) + "\n")
    ended = morelike_cli("extend", model.folder, "--file", tmp_path / "own.txt", "-n", "2", "--length", "6", "--out", tmp_path / "on.json")
    assert "2 levels: " in ended.out
    found = json.loads((tmp_path / "on.json").read_text())
    assert [len(level[0]) for level in found] == [30, 30]
    assert [row[:24] for row in found[0]] == side(5).split("\n")


def test_levels_between_two_files(tmp_path: Path, morelike_cli: Runner) -> None:
    folder(tmp_path)
    settings = {"codec.window": 8, "train.batch": 4}
    made = morelike.train(str(tmp_path / "side"), model="text-vae", steps=2, size="xs", judge=False, out=str(tmp_path / "m"), **settings)  # type: ignore[arg-type]
    for number in (1, 2):
        (tmp_path / f"{number}.txt").write_text(side(number, 8) + "\n")
    ended = morelike_cli("interpolate", tmp_path / "m", tmp_path / "1.txt", tmp_path / "2.txt", "-n", "3")
    levels = ended.out.strip("\n").split("\n")
    assert len(levels) == 18
    assert all(steps(kinds_of(made, "\n".join(levels[start : start + 6]))) is not None for start in (0, 6, 12))
    missing = morelike_cli("interpolate", tmp_path / "m", tmp_path / "1.txt", tmp_path / "none.txt")
    assert missing.code == 2
    assert "there is no file" in missing.err


def test_a_short_level_makes_all_windows_short_and_is_said() -> None:
    made = codec([side(1, 5), *(side(number, 60) for number in range(11))])
    assert made.layout.width == 5
    assert "the shortest level has 5 columns, so 5 of each are seen at once; half of the levels have 60 or more" in made.describe()[0]
    assert not any("the shortest level" in line for line in codec([side(number, 60) for number in range(12)]).describe())


def test_a_gap_is_filled_so_that_the_level_can_be_played(model: Model) -> None:
    rows = np.array([list(row) for row in side(5).split("\n")])
    rows[:, 11:14] = "X"
    blocked = "\n".join("".join(row) for row in rows)
    assert steps(kinds_of(model, blocked)) is None
    found = house.restore(model.package, blocked, (10, 0, 5, 6), 2, {}, 0, {})
    assert 0 < found.kept <= found.drawn == 64
    for level in found.levels:
        made = np.array([list(row) for row in level.split("\n")])
        assert (np.delete(made, np.s_[10:15], 1) == np.delete(rows, np.s_[10:15], 1)).all()
        assert steps(kinds_of(model, level)) is not None
    with pytest.raises(BadInput, match="doesn't lie in the level of 6 rows of 24 tiles"):
        house.restore(model.package, blocked, (20, 0, 9, 6), 1, {}, 0, {})
    with pytest.raises(BadInput, match="the box is 12 tiles long, and this model sees 10"):
        house.restore(model.package, blocked, (2, 0, 12, 6), 1, {}, 0, {})


def test_files_that_are_written_are_read_again(model: Model, tmp_path: Path) -> None:
    own, levels = model.codec, model.sample(3)
    assert isinstance(own, LevelCodec)
    for ending in (".txt", ".json"):
        own.write(levels, tmp_path / f"three{ending}", ending)
        assert own.read(tmp_path / f"three{ending}") == levels
    own.write(levels, tmp_path / "each", "")
    assert [own.read(path)[0] for path in sorted((tmp_path / "each").iterdir())] == levels
    (tmp_path / "strange.txt").write_text("XZ\n--\n")
    with pytest.raises(BadInput, match=r"strange\.txt, row 1, column 2: the tile 'Z'"):
        own.read(tmp_path / "strange.txt")


def test_scores_against_hand_computed_values() -> None:
    flat, wall = "--------\n--------\n--E-----\nXXXXXXXX", "XXXXXXXX\n--------\n--------\n--------"
    made = codec([flat, wall])
    judge = Level(made.facts(), [flat] * 4)
    shown = Shown("generated", np.arange(4), {}, items=np.array([flat, flat, flat, wall], object))
    found = DomainScores(judge.scores(), judge.reference, 0).measure(shown)
    assert found["playable"].value == pytest.approx(0.75)
    assert found["copied-windows"].value == pytest.approx(0.75)
    # of 32 tiles one is E in three of four levels
    assert found["tiles"].value == pytest.approx(1 / 32 - 3 / 4 / 32)
    assert found["difficulty"].value == pytest.approx(0.25)
    assert found["path-length"].value == pytest.approx(0)
    features = judge.extractor()(np.array([flat, wall], object))
    assert np.abs(features[0] - features[1]).max() > 0.1


def test_sokoban_scores_count_what_a_search_solves() -> None:
    good, stuck = "######\n#@$ .#\n######", "######\n#$@ .#\n######"
    made = LevelCodec.fit([good, stuck], legend=json.dumps({tile: sorted(words) for tile, words in SOKOBAN.items()}))
    judge = Level(made.facts(), [good] * 3)
    scores = {score.name: score.function([good, stuck, good.replace("@", " ")]) for score in judge.scores() if score.how == "mean"}
    assert scores["solvable"].tolist() == [True, False, False]
    assert scores["well-formed"].tolist() == [True, True, False]
    assert (judge.way(good), judge.way(stuck)) == (2, None)


@pytest.fixture(scope="module")
def pusher(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Of rooms of 5 x 3 with one box, which can be pushed home."""
    place, numbers = tmp_path_factory.mktemp("sokoban"), np.random.default_rng(0)
    (place / "rooms").mkdir()
    for number in range(30):
        inner = np.full(15, " ")
        inner[numbers.choice(15, 2, replace=False)] = ["@", "."]
        free = [at for at in (6, 7, 8) if inner[at] == " "]
        inner[numbers.choice(free)] = "$"
        rows = ["".join(row) for row in inner.reshape(3, 5)]
        (place / "rooms" / f"{number:02d}.txt").write_text("\n".join(["#" * 7, *(f"#{row}#" for row in rows), "#" * 7]) + "\n")
    return morelike.train(str(place / "rooms"), model="markov", out=str(place / "run"), steps=2)


def test_a_puzzle_is_repaired_until_a_search_solves_it(pusher: Model) -> None:
    own = pusher.codec
    assert isinstance(own, LevelCodec)
    assert own.layout.game == "sokoban"
    stuck = "#######\n#$   .#\n#     #\n#@    #\n#######"
    found = house.restore(pusher.package, stuck, (1, 1, 3, 3), 2, {}, 0, {})
    assert len(found.levels) == 2 <= found.kept <= found.drawn <= house.ROUNDS * 2 * house.TRIES
    for level in found.levels:
        answer = solved(own, level)
        assert answer is not None
        assert answer.answer == "solved"
        assert [row[4:] for row in level.split("\n")] == [row[4:] for row in stuck.split("\n")]
    # the box in the corner lies beside the gap
    with pytest.raises(Refused, match=rf"none of {house.ROUNDS * house.TRIES} ways .*no solution"):
        house.restore(pusher.package, stuck, (4, 3, 2, 1), 1, {}, 0, {})
