"""Noise, Spec and registry: what everything else stands on."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from morelike.core import registry
from morelike.core.errors import BadInput, UnknownName
from morelike.core.noise import Noise, _mix, _mix_array
from morelike.core.settings import build_settings
from morelike.core.spec import Array, Field, Row, Tokens, elements, lift, live, spec_from_json, spec_to_json


def test_a_row_draws_the_same_whatever_its_neighbours() -> None:
    whole = Noise(3, 100, path=("a",)).under("b", 4)
    part = Noise(3, torch.tensor([17, 5]), path=("a",)).under("b", 4)
    for draw in ("normal", "uniform"):
        assert torch.equal(getattr(whole, draw)((3, 5))[[17, 5]], getattr(part, draw)((3, 5)))
    assert torch.equal(whole[torch.tensor([17, 5])].normal((3,)), part.normal((3,)))
    assert torch.equal(whole.integers(10, (4,))[[17, 5]], part.integers(10, (4,)))


GOLDEN_INTEGERS = [[454, 467, 435], [699, 165, 51]]
GOLDEN_UNIFORMS = [0.9004539, 0.8259802, 0.7570141, 0.8964632]


def test_golden_values_hold_for_ever() -> None:
    noise = Noise(0, 2, path=("golden",))
    assert noise.integers(1000, (3,)).tolist() == GOLDEN_INTEGERS
    assert noise.uniform((2,)).flatten().tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-7)


@pytest.mark.parametrize("name", ["seed", "path", "name", "nested"])
def test_other_names_give_independent_draws(name: str) -> None:
    base = Noise(0, 2000, path=("x",))
    other = {"seed": Noise(1, 2000, path=("x",)), "path": Noise(0, 2000, path=("y",)), "name": base, "nested": base.under("x")}[name]
    a, b = base.normal((4,)).flatten(), other.normal((4,), "other" if name == "name" else "normal").flatten()
    correlation = float(torch.corrcoef(torch.stack((a, b)))[0, 1])
    assert abs(correlation) < 4 / math.sqrt(8000)


def test_normals_have_the_moments_and_tails_of_normals() -> None:
    x = Noise(5, 2000).normal((100,)).flatten().double()
    n = len(x)
    assert abs(float(x.mean())) < 5 / math.sqrt(n)
    assert abs(float(x.square().mean()) - 1) < 5 * math.sqrt(2 / n)
    assert abs(float((x**4).mean()) - 3) < 5 * math.sqrt(96 / n)
    assert abs(float((x.abs() > 1.959964).double().mean()) - 0.05) < 5 * math.sqrt(0.05 * 0.95 / n)


def test_uniforms_are_flat_and_never_reach_the_ends() -> None:
    u = Noise(6, 1000).uniform((200,)).flatten()
    assert float(u.min()) > 0
    assert float(u.max()) < 1
    counts = torch.histc(u, 20, 0, 1)
    chi = float(((counts - 10_000) ** 2 / 10_000).sum())
    assert chi < 50  # 19 degrees of freedom: beyond 50 with probability 0.0001


def test_pairs_of_neighbouring_rows_are_independent() -> None:
    x = Noise(7, 20_000).normal((2,))
    for a, b in ((x[:-1, 0], x[1:, 0]), (x[:, 0], x[:, 1])):
        assert abs(float(torch.corrcoef(torch.stack((a, b)))[0, 1])) < 5 / math.sqrt(20_000)


def test_choice_follows_its_weights() -> None:
    counts = torch.bincount(Noise(8, 20_000).choice(torch.tensor([1.0, 0.0, 3.0])), minlength=3)
    assert counts[1] == 0
    assert abs(int(counts[2]) / 20_000 - 0.75) < 0.02


@pytest.mark.parametrize(
    "spec",
    [
        Array((3, 4, 5), 2 / 255), Array((1, 4, 5), 2.0, 255), Array((2,)), Tokens((7,), 11, stop=2), Tokens((2, 3), 5),
        Row((Field("a", 3), Field("b", bin=0.5))),
    ],
)  # fmt: skip
def test_specs_survive_json(spec: Array | Tokens | Row) -> None:
    assert spec_from_json(spec_to_json(spec)) == spec
    assert elements(spec) == math.prod(spec.shape)


def test_live_ends_after_the_first_stop_and_skips_missing_values() -> None:
    ids = torch.tensor([[1, 2, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    assert live(Tokens((4,), 3, stop=0), ids).tolist() == [[True, True, True, False], [True] * 4, [True, False, False, False]]
    assert live(Array((2,)), torch.tensor([[1.0, math.nan]])).tolist() == [[True, False]]


def test_lift_maps_levels_to_the_unit_range() -> None:
    x = lift(Array((2,), 2 / 255), torch.tensor([[0, 255]], dtype=torch.uint8))
    assert x.tolist() == [[-1.0, pytest.approx(1.0)]]


def test_grey_levels_are_drawn_with_their_own_probability() -> None:
    spec, grey = Array((1, 16, 16), 2.0, 255), torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(4_000, -1, -1, -1)
    x = lift(spec, grey, Noise(0, 4_000))
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    white = (x > 0).float().mean(0).flatten()
    assert (white[0], white[255]) == (0.0, 1.0)
    expected = torch.arange(256) / 255
    error = (white - expected) / (expected * (1 - expected) / 4_000).sqrt().clamp(min=1e-3)
    assert float(error.abs().max()) < 4.5
    assert float(error.square()[1:255].mean()) == pytest.approx(1.0, abs=0.3)


def test_noise_is_mixed_to_the_same_bits_by_both_libraries() -> None:
    words = Noise(0, 64).integers(1 << 62, (9,), "words") * 4 - (1 << 63)
    mixed = _mix_array(words.numpy().view("uint64").copy())
    assert torch.equal(torch.from_numpy(mixed.view("int64")), _mix(words))


def test_narrow_numbers_draw_the_same_black_and_white() -> None:
    for grey in (1, 3, 16, 255):
        levels = torch.arange(grey + 1, dtype=torch.uint8).repeat(2_000 // grey + 1).expand(3, -1)
        noise = Noise(0, 3)
        limits = levels.int() * (65_535 // grey) - 32_768
        white = noise.halves(levels.shape[1:], "grey").clamp(max=32_766) < limits
        assert torch.equal(lift(Array(tuple(levels.shape[1:]), 2.0, grey), levels, noise), white.float() * 2 - 1)


def test_a_grey_item_without_noise_has_one_draw_whatever_its_neighbours() -> None:
    spec = Array((1, 5, 7), 2.0, 255)
    grey = Noise(3, 50).integers(256, spec.shape).to(torch.uint8)
    x = lift(spec, grey)
    assert torch.equal(x, lift(spec, grey.flip(0)).flip(0))
    assert torch.equal(x[7:8], lift(spec, grey[7:8]))
    assert torch.equal(lift(spec, ((x + 1) * 127.5).to(torch.uint8)), x), "black and white are what they are"
    assert len(x.unique(dim=0)) == 50
    assert float(x.mean()) == pytest.approx(float(grey.float().mean()) / 127.5 - 1, abs=0.05)
    other = lift(spec, grey, Noise(1, 50))
    assert not torch.equal(other, lift(spec, grey, Noise(2, 50)))


def test_every_registry_line_loads_and_says_what_it_is() -> None:
    for line in registry.FAMILIES.values():
        assert line.load().__name__ == line.target.split(":")[1]
        assert line.purpose
        assert line.paper
    for kind in registry.KINDS.values():
        # Two names may share a codec: `lines` is text read another way.
        assert kind.load().kind == registry.kind(kind.load().kind).name  # type: ignore[attr-defined]
        assert kind.load() is registry.kind(kind.load().kind).load()  # type: ignore[attr-defined]
        assert kind.default in registry.FAMILIES


_ZERO = {
    "latent", "halvings", "code", "categories", "continuous", "full", "steps", "above", "orders", "top_k", "features", "history", "grid",
    "period",
}  # fmt: skip
"""Counts of which 0 means something: a default of the family's own, or none."""


def test_every_number_of_a_family_has_a_range() -> None:
    for line in registry.FAMILIES.values():
        settings = line.load().Settings  # type: ignore[attr-defined]
        for f in dataclasses.fields(settings):
            value = getattr(settings(), f.name)
            if isinstance(value, bool | str) or not isinstance(value, int | float) or f.name.endswith("lr") or f.name in _ZERO:
                continue  # learning rates are checked for all families together, by `build`
            with pytest.raises(BadInput, match=f"{f.name}"):
                settings(**{f.name: 0 if isinstance(value, int) else -1000.0})


@pytest.mark.parametrize(
    ("name", "key", "value", "sentence"),
    [
        ("gmm", "components", 0, "components must be from 1 to 4,096, not 0"),
        ("pca", "rank", 0, "rank must be from 1 to 65,536, not 0"),
        ("masked", "draws", 0, "draws must be from 1 to 65,536, not 0"),
        ("wgan-gp", "penalty", -1.0, "penalty must be from 0 to 1,000,000, not -1"),
    ],
)
def test_a_number_out_of_its_range_is_refused_in_a_sentence(name: str, key: str, value: float, sentence: str) -> None:
    with pytest.raises(BadInput, match=f"^{sentence}$"):
        build_settings(registry.family(name).load(), {key: value})


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'diffusion'"):
        registry.family("difusion")


def test_public_names_are_not_hidden_by_rooms_of_the_same_name() -> None:
    import morelike
    import morelike.house.verbs

    for name in ("train", "load", "check", "judge", "compare", "models", "Model", "Recipe", "Generator", "Codec"):
        assert callable(getattr(morelike, name)), name
