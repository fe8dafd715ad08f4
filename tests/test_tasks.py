"""What a trained model is asked to do: extend, restore, translate, explain, interpolate, classify; and text from `sample`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from conftest import Runner
from morelike.core.abilities import Continues, Infills
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens
from morelike.data.category import CategoryCodec
from morelike.data.text import TextCodec
from morelike.data.text_items import passages
from morelike.data.vector import VectorCodec
from morelike.house import heat_page, writing
from morelike.house.build import build
from morelike.house.model import Model, load
from morelike.house.package import Package, save
from morelike.house.recipe import Recipe
from morelike.maths.decoding import Dials, cut_at, decode
from morelike.maths.rules import parse
from morelike.tasks import between, classifying, continuing, restoring, rivals, translating
from morelike.tasks.surprise import surprise

ANIMALS, COLOURS = ("dog", "cat", "bird"), ("red", "blue")
LINES = [f"the {colour} {animal} sees the {other} {animal}" for colour in COLOURS for other in COLOURS for animal in ANIMALS]
STOP = 4


class Cycle(Continues, Infills):
    """0 1 2 3 0 1 ...: the next id is 0.9 likely, the other three of 0..3 share what is left evenly; the stop has probability `ends`."""

    def __init__(self, spec: Tokens, ends: float = 0.0) -> None:
        self.spec = spec
        rows = torch.full((5, spec.vocab), 0.1 / 3)
        for number in range(4):
            rows[number, (number + 1) % 4] = 0.9
        rows[4, :4] = 0.25
        if spec.stop is not None:
            rows = rows * (1 - ends)
            rows[:, spec.stop] = ends
        self.table = rows.log()

    def next(self, ids: Tensor, condition: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        before = torch.full((len(ids),), 4) if state is None else state
        after = ids[:, -1] if ids.shape[1] else before
        return self.table[after], after

    def surprise(self, x: Tensor, condition: Any = None) -> Tensor:
        before = torch.cat((torch.full((len(x), 1), 4), x[:, :-1]), 1)
        nats = -self.table[before, x]
        if self.spec.stop is None:
            return nats
        past = (x == self.spec.stop).long().cumsum(1) - (x == self.spec.stop).long() > 0
        return nats.masked_fill(past, 0.0)

    def infill(self, x: Tensor, known: Tensor, condition: Any = None, *, noise: Noise, **dials: Any) -> Tensor:
        return torch.where(known, x, noise.integers(4, x.shape[1:]))


def packaged(name: str, codec: Any, conditions: Mapping[str, Any] | None = None, card: Mapping[str, Any] | None = None) -> Package:
    """An untrained model of the smallest size."""
    recipe = Recipe(model=name, size="xs")
    conditions = dict(conditions or {})
    model = build(recipe, codec.spec, {key: own.spec for key, own in conditions.items()})
    return Package(model.eval(), codec, conditions, recipe, dict(card or {}))


@pytest.fixture(scope="module")
def writer() -> Model:
    """A transformer of lines that has learned for some seconds at most."""
    package = packaged("transformer", TextCodec.fit(LINES))
    x = torch.from_numpy(package.codec.encode(LINES)).long()
    optimiser = torch.optim.Adam(package.model.parameters(), lr=3e-3)
    package.model.train()
    torch.manual_seed(0)
    for _ in range(40):
        optimiser.zero_grad()
        package.model.surprise(x).sum(1).mean().backward()  # type: ignore[operator]
        optimiser.step()
    package.model.eval()
    return Model(package)


@pytest.fixture(scope="module")
def folder(writer: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "writer"
    save(writer.package, path)
    return path


def folder_of(package: Package, path: Path) -> Path:
    save(package, path)
    return path


@given(
    st.text(alphabet="abé語😀\n", max_size=20), st.lists(st.text(alphabet="abé語", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 60), max_size=8),
)  # fmt: skip
@settings(deadline=None)
def test_letters_are_the_decoded_text_up_to_the_first_stop_string(text: str, stops: list[str], cuts: list[int]) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    letters = continuing.Letters(pieces, stops)
    shown = [letters.take(number) for number in range(len(pieces))]
    assert "".join(shown) + letters.rest() == cut_at(text, stops)
    assert "\ufffd" not in "".join(shown)


def test_half_a_character_and_half_a_stop_string_wait() -> None:
    letters = continuing.Letters([b"\xe8\xaa", b"\x9e", b"E", b"ND", b"x"], ["END"])
    assert [letters.take(number) for number in (0, 1, 2, 4, 2, 3)] == ["", "語", "", "Ex", "", ""]
    assert letters.ended
    broken = continuing.Letters([b"\xe8\xaa"])
    assert broken.take(0) + broken.rest() == "\ufffd"


def test_streaming_gives_the_ids_of_the_batch_draw(writer: Model) -> None:
    codec = writer.codec
    assert isinstance(codec, TextCodec)
    prompt = "the red "
    prefix = torch.from_numpy(codec.ids([prompt]).astype(np.int64)).expand(3, -1)
    batch = decode(writer.generator, codec.spec, noise=Noise(7, 3, path=("sample",)), prefix=prefix)  # type: ignore[arg-type]
    wanted = [text.removeprefix(prompt) for text in codec.decode(batch.numpy())]
    assert writer.extend(prompt, 3, seed=7) == wanted
    streamed = ["".join(parts) for parts in zip(*writer.stream(prompt, 3, seed=7), strict=True)]
    assert streamed == wanted
    assert writer.extend(prompt, 1, seed=7) == wanted[:1]
    assert writer.extend(prompt, 3, seed=8) != wanted
    assert writer.extend("", 3, seed=7) == writer.sample(3, seed=7)


def test_the_constraint_is_on_what_is_written_not_on_the_prompt(writer: Model) -> None:
    for text in writer.extend("the red ", 4, constraint="regex:(dog|cat) sees"):
        assert text in ("dog sees", "cat sees")
    for text in writer.sample(6, constraint="regex:the (dog|bird)+ sees", seed=1):
        assert re.fullmatch("the (dog|bird)+ sees", text)
    assert all(text in " ".join(LINES) for text in writer.sample(2, constraint="regex:the red dog"))


def test_stop_strings_end_a_text(writer: Model) -> None:
    whole, cut = writer.sample(4, seed=2, temperature=0), writer.sample(4, seed=2, stop=["e"], temperature=0)
    assert cut == [cut_at(text, ["e"]) for text in whole]
    assert all("e" not in text for text in cut)
    assert writer.extend("the r", 1, stop=["e"], temperature=0)[0] == cut_at(writer.extend("the r", 1, temperature=0)[0], ["e"])


def test_a_prompt_beyond_the_context_is_cut_and_said(writer: Model) -> None:
    long = "the red dog sees " * 20
    found = writer.stream(long, length=5)
    assert "forgotten" in found.notes[0]
    window = writer.codec.spec.shape[0]
    assert found.whole() == writer.extend(long[-window:], length=5)
    assert writer.stream("the red", length=2).notes == []
    assert "'é'" in writer.stream("thé red").notes[0]


def test_a_running_text_says_what_decides_its_length() -> None:
    codec = TextCodec.fit(passages("text", [" ".join(LINES * 4)])[0])
    model = Model(packaged("gru", codec))
    with pytest.raises(Refused, match=rf"fills its window of {codec.window} ids; `extend` with --length"):
        model.sample(1, constraint="regex:[a-z]{3}")
    with pytest.raises(Refused, match="as many ids as --length says"):
        model.extend("the", length=5, constraint="regex:[a-z]{3}")
    assert re.fullmatch("[a-z]{3}", model.extend("the", length=3, constraint="regex:[a-z]{3}")[0])


def test_wrong_wishes_are_refused_before_drawing(writer: Model) -> None:
    with pytest.raises(UnknownName, match="temperature"):
        writer.extend("the", temprature=1.0)
    with pytest.raises(BadInput, match="streamed"):
        writer.stream("the", best_of=3)
    with pytest.raises(BadInput, match="known"):
        writer.stream("the", constraint="rgx:a")
    with pytest.raises(Refused, match="satisfies"):
        writer.stream("the", constraint="regex:[0-9]+")
    with pytest.raises(Refused, match="satisfies"):
        writer.sample(2, constraint="regex:[0-9]+")
    for n, length in ((0, 5), (2000, 5), (1, 0), (1000, 100_000)):
        with pytest.raises(BadInput):
            writer.stream("the", n, length)
    with pytest.raises(UnknownName, match="condition"):
        writer.stream("the", where={"label": "x"})


def test_surprise_of_a_long_text_is_exact_where_the_window_suffices() -> None:
    spec = Tokens((8,), 5, None)
    model = Cycle(spec)
    ids = Noise(0, 1).integers(4, (203,))[0]
    exact = model.surprise(ids[None])[0]
    for length in (0, 1, 7, 8, 9, 12, 13, 203):
        assert torch.allclose(surprise(model, spec, ids[:length]), exact[:length])


def test_explain_adds_up(writer: Model) -> None:
    text = "the blue bird sees the red bird"
    found = writer.explain(text)
    x = torch.from_numpy(writer.codec.encode([text])).long()
    assert found["nats"] + found["end"] == pytest.approx(-float(writer.generator.log_prob(x).detach()), rel=1e-4)  # type: ignore[operator]
    assert "".join(part["text"] for part in found["parts"]) == text
    assert sum(part["nats"] for part in found["parts"]) == pytest.approx(found["nats"])
    assert found["nats_per_character"] == pytest.approx(found["nats"] / len(text))
    strange = writer.explain("the blue bird szzs the red bird")
    worst = max(strange["parts"], key=lambda part: part["nats"])
    assert worst["nats"] > max(part["nats"] for part in found["parts"])
    for empty in ("", "\n"):
        with pytest.raises(BadInput, match="empty"):
            writer.explain(empty)
    both = writer.explain(f"{text}\nthe cat\n")
    assert both["nats"] == pytest.approx(found["nats"] + found["end"] + writer.explain("the cat")["nats"])
    assert both["notes"] == []
    assert "".join(part["text"] for part in writer.explain("the ﬁsh ß")["parts"]) == "the ﬁsh ß"


def test_bytes_of_one_character_are_explained_together() -> None:
    model = Model(packaged("transformer", TextCodec.fit(["語é", "éa語"], unit="bytes")))
    found = model.explain("a語é")
    assert [part["text"] for part in found["parts"]] == ["a", "語", "é"]


def test_the_page_escapes_and_loads_nothing(writer: Model) -> None:
    found = dict(writer.explain("the red dog"), notes=["<b>"])
    found["parts"] = [{"text": "<script>alert(1)</script>\n&", "nats": 9.0}]
    page = heat_page.page(found, 'a"<model>')
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
    assert "a&quot;&lt;model&gt;" in page
    assert not re.search(r"https?://|src=|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert [heat_page.level(nats) for nats in (0.0, 0.5, 1.5, 3.0, 5.0, 100.0)] == [0, 1, 2, 3, 4, 5]


def test_gaps_of_a_cycle_are_filled_with_what_belongs_there() -> None:
    spec = Tokens((12,), 4, None)
    model, noise = Cycle(spec), Noise(3, 1)
    torn = restoring.Torn(((0, 1), (3, 0), (2,)), (1, 2, 3))
    best = restoring.restore(model, spec, torn, 3, noise=noise)
    assert best[0].gaps == ((2,), (1,))
    assert best[0].nats == pytest.approx(-math.log(0.9), rel=1e-5)
    assert [one.nats for one in best] == sorted(one.nats for one in best if one.nats is not None)
    assert len({one.gaps for one in best}) == 3
    assert restoring.restore(model, spec, torn, 3, noise=noise) == best
    only = restoring.restore(model, spec, restoring.Torn(((0,), (3,)), (3,)), 1, noise=noise)
    assert len(only[0].gaps[0]) == 3


def test_a_gap_holds_no_stop_and_only_what_can_stand_there() -> None:
    spec = Tokens((12,), 5, STOP)
    model = Cycle(spec, ends=0.9)
    torn = restoring.Torn(((0, 1), (3,)), (1, 2), whole=lambda ids: 2 not in ids)
    for one in restoring.restore(model, spec, torn, 20, noise=Noise(1, 1)):
        assert STOP not in one.gaps[0]
        assert 2 not in one.gaps[0]
    with pytest.raises(Refused, match="none of the draws"):
        restoring.restore(model, spec, restoring.Torn(((0,), (1,)), (1,), whole=lambda _: False), 1, noise=Noise(1, 1))
    with pytest.raises(BadInput, match="reads 12"):
        restoring.restore(model, spec, restoring.Torn(((0,) * 12, (1,)), (1,)), 1, noise=Noise(1, 1))
    rule = parse("regex:c|cc").constraint(Tokens((12,), 5, None), [b"a", b"b", b"c", b"d", b""])
    held = restoring.restore(model, spec, restoring.Torn(((0, 1), (3,)), (1, 2, 3)), 5, noise=Noise(1, 1), constraint=rule)
    assert [one.gaps for one in held] == [((2,),), ((2, 2),)]


def test_infilling_keeps_what_is_known_and_forbids_the_stop() -> None:
    spec = Tokens((9,), 5, STOP)
    found = restoring.infill(Cycle(spec), spec, restoring.Torn(((0, 1), (3,)), (1, 2, 3)), 4, noise=Noise(2, 1))
    assert {len(one.gaps[0]) for one in found} == {2}
    assert all(one.nats is None and STOP not in one.gaps[0] for one in found)
    assert len({one.gaps for one in found}) == 4


def test_gaps_that_touch_give_no_text_twice() -> None:
    spec = Tokens((12,), vocab=5, stop=4)
    torn = restoring.Torn(((0, 1), (), (3,)), (1, 2))
    wholes = [(*one.gaps[0], *one.gaps[1]) for one in restoring.restore(Cycle(spec), spec, torn, 30, noise=Noise(0, 1))]
    assert len(wholes) == len(set(wholes)) > 5
    wholes = [(*one.gaps[0], *one.gaps[1]) for one in restoring.infill(Cycle(spec), spec, torn, 30, noise=Noise(0, 1))]
    assert len(wholes) == len(set(wholes))


def test_restore_gives_whole_texts(writer: Model) -> None:
    found = writer.restore("the red ___ sees the blue ___", 3)
    for variant in found["variants"]:
        first, second = variant["gaps"]
        assert variant["text"] == f"the red {first} sees the blue {second}"
    assert found["variants"][0]["nats_per_id"] <= found["variants"][-1]["nats_per_id"]
    held = writer.restore("the red ___ sees the blue dog", 5, constraint="regex:dog|bird")["variants"]
    assert sorted(variant["gaps"][0] for variant in held) == ["bird", "dog"]
    assert all(len(one["gaps"][0]) == 2 for one in writer.restore("the ___ dog", 2, 2)["variants"])
    with pytest.raises(BadInput, match="no gap"):
        writer.restore("the red dog")
    with pytest.raises(Refused, match="no gap of 1 to 12 ids"):
        writer.restore("the ___ dog", constraint="regex:[0-9]")


def test_a_longer_line_of_underscores_is_one_gap_and_gaps_that_touch_give_no_text_twice(writer: Model) -> None:
    assert writer.restore("the red _____ sees", 2) == writer.restore("the red ___ sees", 2)
    touching = [variant["text"] for variant in writer.restore("the red ___ ___", 20)["variants"]]
    assert len(touching) == len(set(touching)) == 20


def test_little_room_for_a_gap_is_said(writer: Model) -> None:
    whole = next(line for line in LINES if len(line) == max(map(len, LINES)))
    holed = f"{whole[:8]}___{whole[11:]}"
    found = writer.restore(holed, 1)
    assert len(found["variants"][0]["gaps"][0]) <= 3
    assert found["notes"] == [f"the model reads {len(whole)} ids at once: the text leaves 3 of them for its gap"]
    assert writer.restore(holed, 1, 3)["notes"] == []


def test_a_constraint_and_a_stop_string_exclude_each_other(writer: Model, translator: Model) -> None:
    rule = "regex:the [a-z ]+"
    calls: list[Callable[[], object]] = [
        lambda: writer.sample(1, constraint=rule, stop=["o"]), lambda: writer.extend("the", constraint=rule, stop=["o"]),
        lambda: translator.translate("god", constraint=rule, stop=["o"]),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(BadInput, match="cut at a stop string: leave out either"):
            call()


def test_line_ends_of_windows_are_no_strange_letters(writer: Model) -> None:
    assert writer.explain("the dog\r\nthe cat\r\n") == writer.explain("the dog\nthe cat")


def test_byte_pairs_fill_a_gap_with_whole_words() -> None:
    codec = TextCodec.fit(LINES * 4, unit="bpe", vocab=280)
    found = Model(packaged("gru", codec)).restore("the red ___ sees", 2)
    for variant in found["variants"]:
        assert variant["text"] == f"the red {variant['gaps'][0]} sees"


@pytest.fixture(scope="module")
def translator() -> Model:
    """Untrained: what it says means nothing, but it says it by the rules."""
    return Model(packaged("gru", TextCodec.fit(LINES), {"de": TextCodec.fit([line[::-1] for line in LINES])}))


def test_translations_do_not_depend_on_their_neighbours(translator: Model) -> None:
    lines = ["ein Hund", "", "d", "der der der", "   ", "tac eulb eht"]
    together = translator.translate(lines)
    assert together == [translator.translate(line) for line in lines]
    assert together[1] == together[4] == ""
    assert translator.translate(lines, temperature=0) == [translator.translate(line, temperature=0) for line in lines]
    drawn = translator.translate(lines, temperature=1.0, seed=1)
    assert drawn[2:] == translator.translate(["der Hund sieht", *lines[1:]], temperature=1.0, seed=1)[2:]
    assert drawn != translator.translate(lines, temperature=1.0, seed=2)
    assert translator.translate("der", constraint="regex:the (dog|cat)") in ("the dog", "the cat")
    with pytest.raises(UnknownName, match="beam"):
        translator.translate("der", beem=2)


def test_beam_is_four_unless_a_dial_draws() -> None:
    assert translating.beam_dials(Dials(temperature=0.7), {}).beam == 4
    assert translating.beam_dials(Dials(), {"beam": 2, "length_penalty": 0.0}) == Dials(beam=2, length_penalty=0.0)
    assert translating.beam_dials(Dials(top_k=5), {"temperature": 0.5}) == Dials(top_k=5, temperature=0.5)
    with pytest.raises(BadInput, match="beam"):
        translating.beam_dials(Dials(), {"beam": 2, "temperature": 0.5})


def test_the_arc_between_two_latents() -> None:
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    path = between.spherical(a, b, 5)
    assert torch.equal(path[0], a)
    assert torch.equal(path[-1], b)
    assert torch.allclose(path.norm(dim=1), torch.linspace(1, 2, 5))
    angles = torch.arccos((path[1:] * path[:-1]).sum(1) / (path[1:].norm(dim=1) * path[:-1].norm(dim=1)))
    assert torch.allclose(angles, torch.full((4,), math.pi / 8), atol=1e-5)
    assert torch.allclose(between.spherical(a, 3 * a, 3)[1], 2 * a)
    assert torch.isfinite(between.spherical(a, -a, 4)).all()
    for n in (1, 5000):
        with pytest.raises(BadInput):
            between.spherical(a, b, n)


def test_interpolation_begins_and_ends_with_what_was_given(morelike_cli: Runner, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    package = packaged("vae", VectorCodec.fit(rows))
    items = np.asarray(Model(package).interpolate("0.5,-1,0", "1,1,1", 4))
    assert items.shape == (4, 3)
    path = folder_of(package, tmp_path / "vae")
    found = morelike_cli("interpolate", path, "0.5,-1,0", "1,1,1", "-n", 4, "--json").json
    assert np.allclose(found["items"], items, atol=1e-5)
    assert "numbers with commas" in morelike_cli("interpolate", path, "a", "b").err
    assert "families that can" in morelike_cli("interpolate", folder_of(packaged("gmm", package.codec), tmp_path / "gmm"), 1, 2).err


def test_pictures_go_to_a_strip(morelike_cli: Runner, tmp_path: Path) -> None:
    from PIL import Image

    from morelike.data.image import ImageCodec

    pixels = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 1), dtype=np.uint8)
    path = folder_of(packaged("vae", ImageCodec.fit(pixels)), tmp_path / "vae")
    for number in range(2):
        Image.fromarray(pixels[number, :, :, 0]).save(tmp_path / f"{number}.png")
    ended = morelike_cli("interpolate", path, tmp_path / "0.png", tmp_path / "1.png", "-n", 3, "--out", tmp_path / "strip.png")
    assert ended.code == 0, ended.err
    wide, high = Image.open(tmp_path / "strip.png").size
    assert wide > 2 * high
    assert "no picture" in morelike_cli("interpolate", path, tmp_path / "9.png", tmp_path / "1.png").err
    pixelcnn = folder_of(packaged("pixelcnn", ImageCodec.fit(pixels)), tmp_path / "pixelcnn")
    refused = morelike_cli("interpolate", pixelcnn, 1, 2).err
    assert "pixelcnn can't interpolate; families that can: diffusion, vae, " in refused
    assert "more (morelike models)" in refused
    named = set(refused.strip().rsplit(": ", 1)[1].split(" and ")[0].split(", "))
    assert not named & {"vq-ae", "vqvae", "text-vae", "tvae", "cvae", "gaussian"}
    gan = folder_of(packaged("dcgan", ImageCodec.fit(pixels)), tmp_path / "gan")
    assert morelike_cli("interpolate", gan, 1, 2).code == 0
    assert (gan / "interpolation.png").is_file()
    assert "two whole numbers" in morelike_cli("interpolate", gan, tmp_path / "0.png", 2).err


def test_posterior_is_bayes_rule_and_never_takes_an_unseen_class() -> None:
    nats = np.log(np.array([[0.2, 0.1, 0.9], [1e-200, 3e-200, 1.0]]))
    found = np.exp(classifying.posterior(nats, np.array([1.0, 3.0, 0.0])))
    assert np.allclose(found, [[0.2 / 0.5, 0.3 / 0.5, 0], [0.1, 0.9, 0]])
    assert np.allclose(np.exp(classifying.posterior(nats * 1e4, np.ones(3))).sum(1), 1)


def test_calibration_error_and_log_loss_of_known_cases() -> None:
    real = np.zeros(10, dtype=np.int64)
    sure = np.log(np.tile([0.8, 0.2], (10, 1)))
    assert classifying.calibration_error(sure, real) == pytest.approx(0.2)
    real[:2] = 1
    assert classifying.calibration_error(sure, real) == pytest.approx(0.0)
    assert classifying.log_loss(sure, real) == pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)))
    pairs = classifying.worst_pairs(sure, real, ("a", "b"))
    assert pairs == [{"real": "b", "taken_for": "a", "count": 2, "share": 1.0}]


def test_the_fitted_sharpness_minimises_the_log_loss() -> None:
    draws = np.random.default_rng(0)
    nats = draws.normal(size=(600, 4))
    odds = np.exp(nats) / np.exp(nats).sum(1, keepdims=True)
    real = np.array([draws.choice(4, p=row) for row in odds])
    prior = np.ones(4)
    fitted = classifying.fitted_sharpness(3 * nats, prior, real)
    losses = {scale: classifying.log_loss(classifying.posterior(3 * nats, prior, fitted * scale), real) for scale in (0.95, 1.0, 1.05)}
    assert fitted == pytest.approx(1 / 3, rel=0.25)
    assert min(losses, key=losses.__getitem__) == 1.0


def test_where_every_validation_item_is_right_the_sharpness_stays_modest() -> None:
    real = np.arange(180) % 3
    nats = np.where(np.arange(3) == real[:, None], 0.0, -5.0)
    assert 1 < classifying.fitted_sharpness(nats, np.ones(3), real) < 3


def test_rivals_learn_texts_and_numbers() -> None:
    labels = np.array([0, 2] * 10)
    rows = np.arange(20.0)[:, None]
    for training in ([f"dog {n}" if n % 2 == 0 else f"katze {n}" for n in range(20)], rows % 2 * 5 + 0.01 * rows):
        for log_probs in rivals.rivals(training, labels, training, 3).values():
            assert (log_probs.argmax(1) == labels).all()
            assert np.isneginf(log_probs[:, 1]).all()
            assert np.allclose(np.exp(log_probs).sum(1), 1)
    assert rivals.rivals(["a", "b"], np.zeros(2, dtype=np.int64), ["a"], 2) == {}


def test_classify_from_the_verb(morelike_cli: Runner, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    x = np.concatenate([draws.normal(-2, 1, (150, 2)), draws.normal(2, 1, (150, 2))])
    np.savez(tmp_path / "two.npz", x=x, label=np.repeat([0, 1], 150))
    path = tmp_path / "pca"
    assert morelike_cli("train", tmp_path / "two.npz", "--model", "pca", "--no-judge", "--out", path).code == 0
    one = morelike_cli("classify", path, "--json", "--", "-2.5,-1.5").json
    assert one["label"] == "0"
    assert sum(one["probabilities"].values()) == pytest.approx(1)
    ended = morelike_cli("classify", path, "--json")
    found = ended.json
    by_name = {row["name"]: row for row in found["rows"]}
    assert set(by_name) == {"pca", "pca, calibrated", "naive Bayes", "logistic regression", "commonest class"}
    assert by_name["pca"]["accuracy"] > 0.95
    assert by_name["commonest class"]["accuracy"] < 0.75
    assert by_name["pca"]["low"] <= by_name["pca"]["accuracy"] <= by_name["pca"]["high"]
    shown = morelike_cli("classify", path)
    assert "naive Bayes" in shown.out
    assert "exact likelihood" in shown.out
    assert "not both" in morelike_cli("classify", path, "1,2", "--data", "x").err
    assert morelike_cli("classify", path, "--data", tmp_path / "none.npz").code == 2


def test_text_is_classified_under_each_label() -> None:
    label = CategoryCodec(["de", "en"])
    model = Model(packaged("gru", TextCodec.fit(LINES), {"label": label}, {"histograms": {"label": [1, 3]}}))
    found = model.classify("the dog")
    x = torch.from_numpy(model.codec.encode(["the dog"])).long()
    each = [float(model.generator.log_prob(x, {"label": torch.tensor([[k]])}).detach()) for k in range(2)]  # type: ignore[operator]
    odds = each[0] - each[1] + math.log(1 / 3)
    assert found["probabilities"]["de"] == pytest.approx(1 / (1 + math.exp(-odds)), rel=1e-5)
    with pytest.raises(BadInput, match="what is asked"):
        model.classify("the dog", where={"label": "de"})
    with pytest.raises(BadInput, match="--where label="):
        model.explain("the dog")
    assert model.explain("the dog", {"label": "en"})["nats"] > 0
    assert "label was drawn and is" in model.stream("the", length=3).notes[0]
    assert "differs" in model.stream("the", 2, length=3).notes[0]
    assert model.stream("the", length=3, where={"label": "de"}).notes == []
    assert "label was drawn" in model.restore("the ___ dog")["notes"][0]


def test_extend_prints_what_it_writes(folder: Path, morelike_cli: Runner, writer: Model, tmp_path: Path) -> None:
    wanted = writer.extend("the red ", 2, seed=3)
    ended = morelike_cli("extend", folder, "the red ", "-n", 2, "--seed", 3)
    assert ended.out == f"{wanted[0]}\n----- 2 of 2\n{wanted[1]}\n"
    assert morelike_cli("extend", folder, "the red ", "-n", 2, "--seed", 3, "--json").json["texts"] == wanted
    (tmp_path / "prompt.txt").write_text("the red ")
    assert morelike_cli("extend", folder, "--file", tmp_path / "prompt.txt", "--seed", 3).out == wanted[0] + "\n"
    assert morelike_cli("extend", folder, "temperature=0").out == writer.extend("", temperature=0)[0] + "\n"
    assert morelike_cli("extend", folder, "a=b", "temperature=0").code == 0


BAD = [
    (("extend", "the", "temprature=1"), "temperature"),
    (("extend", "the", "temperature=hot"), "number"),
    (("extend", "the", "--constraint", "fish"), "regex:PATTERN"),
    (("extend", "the", "--constraint", "regex:[0-9]+"), "satisfies"),
    (("extend", "the", "--file-is-missing"), "No such option"),
    (("extend", "--file", "nowhere.txt"), "there is no file nowhere.txt"),
    (("extend", "the", "--where", "label=3"), "unknown condition"),
    (("restore", "the dog"), "no gap"),
    (("restore",), "no text"),
    (("explain", ""), "empty"),
    (("explain",), "no text"),
    (("explain", "the", "--html", "nowhere/at/all.html"), "no folder"),
    (("translate", "der Hund"), "no text to translate from"),
    (("interpolate", "a", "b"), "families that can: "),
    (("classify", "the"), "no classes"),
    (("sample", "--constraint", "json:{"), "JSON"),
    (("sample", "--out", "x.npy"), ".jsonl"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD, ids=[" ".join(words)[:40] for words, _ in BAD])
def test_bad_input_ends_in_one_sentence(
    words: Sequence[str], sentence: str, folder: Path, morelike_cli: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verb, *rest = words
    ended = morelike_cli(verb, folder, *rest)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""
    assert list(tmp_path.iterdir()) == []


def test_files_in_other_encodings_are_read_and_said(folder: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("thé red dog sées the dog".encode("latin-1"))
    ended = morelike_cli("explain", folder, "--file", tmp_path / "latin.txt", "--json")
    assert ended.code == 0
    assert "isn't UTF-8" in ended.err
    assert "never saw 'é'" in ended.json["notes"][0]
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 10)
    assert "isn't text" in morelike_cli("explain", folder, "--file", tmp_path / "binary.txt").err
    (tmp_path / "empty.txt").write_bytes(b"")
    assert "empty" in morelike_cli("restore", folder, "--file", tmp_path / "empty.txt").err


def test_a_file_is_translated_line_by_line(translator: Model, morelike_cli: Runner, tmp_path: Path) -> None:
    path = folder_of(translator.package, tmp_path / "model")
    (tmp_path / "in.txt").write_bytes(b"der\r\n\r\neht\n")
    ended = morelike_cli("translate", path, "--file", tmp_path / "in.txt", "--out", tmp_path / "out.txt", "beam=2")
    assert ended.code == 0, ended.err
    lines = (tmp_path / "out.txt").read_text().split("\n")
    assert lines == [*translator.translate(["der", "", "eht"], beam=2), ""]
    assert morelike_cli("translate", path, "der", "beam=2").out == lines[0] + "\n"
    wrong = morelike_cli("translate", path, "der", "beam=2", "temperature=2")
    assert wrong.code == 2
    assert morelike_cli("translate", path, "--file", tmp_path / "none.txt", "--out", tmp_path / "other.txt").code == 2
    assert not (tmp_path / "other.txt").exists()


def test_explain_shows_and_writes(folder: Path, morelike_cli: Runner, tmp_path: Path) -> None:
    ended = morelike_cli("explain", folder, "the red dog", "--html", tmp_path / "heat.html")
    assert ended.code == 0
    assert "the red dog" in ended.out
    assert "nats per character" in ended.out
    assert (tmp_path / "heat.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_sampled_texts_are_printed_or_written(folder: Path, morelike_cli: Runner, writer: Model, tmp_path: Path) -> None:
    texts = writer.sample(3, seed=4)
    ended = morelike_cli("sample", folder, "-n", 3, "--seed", 4)
    assert ended.out == "".join(f"{text}\n" for text in texts)
    assert "one a line" in ended.err
    assert morelike_cli("sample", folder, "-n", 3, "--seed", 4, "--out", tmp_path / "a.txt").code == 0
    assert (tmp_path / "a.txt").read_text() == ended.out
    assert morelike_cli("sample", folder, "-n", 3, "--seed", 4, "--out", tmp_path / "a.jsonl").code == 0
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [{"text": text} for text in texts]
    held = morelike_cli("sample", folder, "-n", 3, "--constraint", "regex:the (dog|cat)")
    assert set(held.out.splitlines()) <= {"the dog", "the cat"}


def test_texts_with_line_ends_are_kept_apart() -> None:
    assert writing.as_text(["a", "", "b"]) == ("a\n\nb\n", "one a line")
    text, rule = writing.as_text(["a\n-----", "b"])
    assert text == "a\n-----\n------\nb\n"
    assert "------" in rule


def test_conditions_go_beside_the_items(tmp_path: Path) -> None:
    sizes, names = np.array([[1.0], [3.0]]), ["Hund", "Katze"]
    codecs = {"label": CategoryCodec(["x", "y"]), "size": VectorCodec.fit(sizes), "de": TextCodec.fit(names)}
    rows = {"label": np.array([[1], [0]]), "size": codecs["size"].encode(sizes), "de": codecs["de"].encode(names)}
    place = writing.target(str(tmp_path / "a.jsonl"), "text", 2)
    writing.write(place, ["a", "b"], TextCodec.fit(["a", "b"]), rows, codecs)
    found = [json.loads(line) for line in place.path.read_text().splitlines()]
    assert [(row["text"], row["label"], row["de"]) for row in found] == [("a", "y", "Hund"), ("b", "x", "Katze")]
    assert [row["size"] for row in found] == pytest.approx([1.0, 3.0])
    place = writing.target(str(tmp_path / "a.npz"), "vector", 2)
    writing.write(place, np.zeros((2, 2)), VectorCodec.fit(np.random.default_rng(0).normal(size=(9, 2))), rows, codecs)
    with np.load(place.path, allow_pickle=False) as arrays:
        assert arrays["size"] == pytest.approx([1.0, 3.0])
        assert arrays["de"].tolist() == ["Hund", "Katze"]
        assert arrays["label_names"][arrays["label"]].tolist() == ["y", "x"]


def test_a_saved_model_does_the_same(folder: Path, writer: Model) -> None:
    assert load(folder).extend("the blue ", 2, seed=1) == writer.extend("the blue ", 2, seed=1)
    assert isinstance(writer.codec.spec, Tokens)
    with pytest.raises(Refused, match="latent of this model is made of ids"):
        between._decoded(_IdLatent(), torch.zeros(2, 3), 3, None)  # type: ignore[arg-type]


class _IdLatent:
    latent = Tokens((3,), 4)
    other = Array((3,))
