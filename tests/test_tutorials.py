"""The tutorials' nets: the layers that were written down, in a game that works, and the worked figures of their page."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from morelike.core.contract import Batch, Net, Player
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens, class_label
from morelike.families.gan import LOSSES
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.nets.build import build as build_net

PICTURE, SMALL = Array((1, 28, 28), 2 / 255), Array((1, 8, 8), 2 / 255)
NAMES = [f"tutorial-{letter}" for letter in "abcdef"]
COUNTS = {
    "tutorial-a": (114_064, 100_609), "tutorial-b": (1_506_448, 1_492_993), "tutorial-c": (334_992, 233_985),
    "tutorial-d": (119_376, 108_801), "tutorial-e": (247_440, 533_505), "tutorial-f": (2_305_665, 212_865),
}  # fmt: skip
"""Parameters of generator and critic on 28 x 28, counted by hand: (inputs + 1) x units a linear layer, two a feature a norm."""
LINEAR = {
    "tutorial-a": ([100, 128, 784], [784, 128, 1]),
    "tutorial-b": ([100, 128, 256, 512, 1024, 784], [784, 1024, 512, 256, 128, 1]),
    "tutorial-c": ([784, 128, 256, 784], [784, 256, 128, 1]),
    "tutorial-d": ([100, 256, 128, 64, 784], [784, 128, 64, 1]),
    "tutorial-e": ([100, 128, 256, 784], [784, 512, 256, 1]),
}


def made(name: str, spec: Array = PICTURE, **settings: Any) -> Any:
    return build(Recipe(model=name, settings=settings), spec, {})


def batch_of(spec: Array = SMALL, sees: bool = True) -> Batch:
    noise = Noise(0, 32, path=("train",))
    return Batch(noise.uniform(spec.shape, "x") if sees else None, noise)


def widths(net: nn.Module) -> list[int]:
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    assert all(one.out_features == other.in_features for one, other in pairwise(layers))
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_table(name: str) -> None:
    nets = made(name).nets
    assert tuple(sum(p.numel() for p in nets[role].parameters()) for role in ("generator", "critic")) == COUNTS[name]


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_layers_are_those_of_the_table(name: str) -> None:
    nets = made(name).nets
    assert (widths(nets["generator"]), widths(nets["critic"])) == LINEAR[name]


def kinds(net: nn.Module) -> str:
    return " ".join(type(layer).__name__ for layer in net.modules() if not list(layer.children()))


def test_activations_and_norms_stand_where_they_were_written() -> None:
    generator = "Linear BatchNorm1d LeakyReLU BatchNorm1d Linear BatchNorm1d LeakyReLU Linear BatchNorm1d LeakyReLU Flatten Linear"
    critic = "Flatten Linear LeakyReLU Dropout Linear LeakyReLU Dropout Flatten Linear"
    nets = made("tutorial-d").nets
    assert (kinds(nets["generator"]), kinds(nets["critic"])) == (generator, critic)
    assert kinds(made("tutorial-c").nets["critic"]) == "Flatten Linear Sigmoid Linear Sigmoid Flatten Linear"


@pytest.mark.parametrize(("spec", "sides"), [(PICTURE, [7, 7, 14, 28]), (Array((3, 8, 12)), [2, 2, 4, 8])])
def test_the_convolutional_generator_doubles_a_quarter_twice(spec: Array, sides: list[int]) -> None:
    net = made("tutorial-f", spec).nets["generator"]
    seen: list[tuple[int, ...]] = []
    for layer in net.modules():
        if isinstance(layer, (nn.Unflatten, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda layer, given, out: seen.append(tuple(out.shape[1:])))
    out = net(torch.zeros(2, 100), {}, {})
    assert out.shape == (2, *spec.shape)
    assert [shape[1] for shape in seen] == sides
    assert [shape[0] for shape in seen] == [256, 128, 64, spec.shape[0]]


# the game


def turn(model: Any, player: Player, batch: Batch, rate: float) -> None:
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is own for own in player.params))
    player.loss(batch)["loss"].mean().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in player.params:
            assert parameter.grad is not None
            parameter.sub_(rate * parameter.grad / parameter.grad.norm().clamp(min=1e-12))
            parameter.grad = None


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_the_generator_passes_better_and_one_of_the_critic_tells_better(name: str) -> None:
    model = made(name, SMALL).eval()
    critic, generator = model.players()
    batch = batch_of()

    def look() -> tuple[float, float]:
        """Mean logit of made examples, and how far that of real ones lies above it."""
        terms = critic.loss(batch)
        return float(terms["fake-logit"].mean()), float((terms["real-logit"] - terms["fake-logit"]).mean())

    passed, _ = look()
    turn(model, generator, Batch(None, batch.noise), 1e-2)
    better, told = look()
    assert better > passed, "the generator's step goes through the critic, towards real"
    turn(model, critic, batch, 1e-2)
    assert look()[1] > told


def test_what_mixes_examples_is_declared() -> None:
    assert {name: [player.coupled for player in made(name, SMALL).players()] for name in NAMES} == {
        name: [name in ("tutorial-d", "tutorial-f")] * 2 for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_made_pictures_lie_where_data_lie(name: str) -> None:
    model = made(name, SMALL).eval()
    with torch.no_grad():
        drawn = model.sample(noise=Noise(0, 16))
    assert float(drawn.abs().max()) < 1
    assert float(drawn.min()) < 0 < float(drawn.max())


# worked figures of the page


def test_worked_figures_of_the_losses() -> None:
    real, drawn = torch.logit(torch.tensor([0.9, 0.7], dtype=torch.float64)).unbind()
    loss = LOSSES["non-saturating"]
    assert float(loss.generator(drawn)) == pytest.approx(0.35667, abs=5e-6)
    assert float(loss.critic(real, drawn)) == pytest.approx(0.10536 + 1.20397, abs=1e-5)
    assert float(loss.critic(real, drawn)) == pytest.approx(1.30933, abs=5e-6)
    assert float(loss.generator(drawn) + loss.critic(real, drawn)) == pytest.approx(1.66601, abs=5e-6)
    assert -math.log(0.9) - math.log(0.1) == pytest.approx(2.40795, abs=5e-6)


def test_worked_figures_of_two_sigmoids() -> None:
    """A loss that takes logits, given probabilities, can't come near 0 and hardly hears a caught generator."""
    logit = torch.tensor(-6.0, requires_grad=True)
    loss = LOSSES["non-saturating"].generator
    (once,) = torch.autograd.grad(loss(logit), logit)
    (twice,) = torch.autograd.grad(loss(torch.sigmoid(logit)), logit)
    assert (float(once), float(twice)) == (pytest.approx(-0.998, abs=5e-4), pytest.approx(-0.0012, abs=5e-5))
    one, none = torch.ones(()), torch.zeros(())
    assert float(loss(one)) == pytest.approx(0.313, abs=5e-4)
    assert float(LOSSES["non-saturating"].critic(one, none) - loss(one)) == pytest.approx(0.693, abs=5e-4)


def test_one_total_for_both_teaches_the_generator_to_be_caught() -> None:
    """With s = sigmoid(a), the slope in s of both players' terms together is tanh(s / 2), above 0: less of s is always better."""
    share = torch.linspace(0.01, 1, 50, dtype=torch.float64, requires_grad=True)
    loss = LOSSES["non-saturating"]
    total = loss.generator(share) + loss.critic(torch.zeros(50), share)
    (slope,) = torch.autograd.grad(total.sum(), share)
    torch.testing.assert_close(slope, torch.tanh(share.detach() / 2))


# what is refused


def test_wrong_sizes_are_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match=r"multiples of 4, not 30 x 9; the nearest are 32 x 8"):
        made("tutorial-f", Array((1, 30, 9)))
    with pytest.raises(Refused, match="pictures only"):
        made("tutorial-f", Array((64,)))
    assert made("tutorial-b", Array((1, 30, 9))).nets["generator"](torch.zeros(2, 100), {}, {}).shape == (2, 1, 30, 9)


@pytest.mark.parametrize("name", NAMES)
def test_conditions_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(Refused, match="--condition none"):
        build(Recipe(model=name), SMALL, {"label": class_label(3)})
    with pytest.raises(Refused, match="not ids"):
        build(Recipe(model=name), Tokens((5,), 4), {})


@pytest.mark.parametrize(
    ("layers", "error"), [("128 rleu", UnknownName), ("0", BadInput), ("999999 relu", BadInput), ("up64", BadInput), ("spread8", BadInput)]
)
def test_layers_that_make_no_net_are_refused(layers: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        build_net(Net("decoder", Array((10,)), Array((1, 6, 6)), {"kind": "layers", "layers": layers}), {})
