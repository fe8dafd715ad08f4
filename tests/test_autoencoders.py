"""Autoencoders: codes, their distribution, and the three players of a VAE-GAN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from morelike.core.contract import Batch, Player
from morelike.core.errors import BadInput
from morelike.core.noise import Noise
from morelike.core.spec import Array, class_label
from morelike.families.autoencoder import AdversarialAutoencoderSettings, Autoencoder, AutoencoderSettings
from morelike.families.vaegan import VAEGAN, VAEGANSettings
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.maths.penalty import zero_centred

SPEC = Array((1, 8, 8), 2 / 16)


def made(name: str, spec: Array = SPEC, **settings: Any) -> Any:
    """An untrained model of a family, small."""
    model = build(Recipe(model=name, size="xs", settings=settings), spec, {})
    return model.eval()


def batch_of(x: Tensor) -> Batch:
    return Batch(x, Noise(0, len(x)))


def pictures(count: int = 8) -> Tensor:
    return Noise(3, count).uniform(SPEC.shape, "x") * 2 - 1


def player(model: Any, name: str) -> Player:
    return next(own for own in model.players() if own.name == name)


def test_each_of_the_three_players_owns_its_own_net() -> None:
    model = made("vaegan")
    owned = [{id(parameter) for parameter in own.params} for own in model.players()]
    assert [own.name for own in model.players()] == ["critic", "encoder", "decoder"]
    assert sum(len(ids) for ids in owned) == len(set().union(*owned)) == len(list(model.parameters()))


def test_the_decoders_adversarial_gradient_makes_the_critic_believe() -> None:
    model: VAEGAN = made("vaegan")
    told: dict[str, Tensor] = {}
    decoder = player(model, "decoder")
    z = model.prior(Noise(1, 16))

    def belief() -> Tensor:
        return model._judge(model.decode(z), told, told)[0].mean()

    # the gradient of the loss's own term against that of -log D, written out by hand
    before = belief()
    wished = torch.autograd.grad(-torch.nn.functional.logsigmoid(belief()), list(decoder.params))
    found = torch.autograd.grad(model.adversarial(model.decode(z), told, told).mean(), list(decoder.params))
    flat = [torch.cat([part.flatten() for part in parts]) for parts in (wished, found)]
    assert torch.cosine_similarity(*flat, dim=0) > 0.9
    with torch.no_grad():
        for parameter, gradient in zip(decoder.params, found, strict=True):
            parameter -= 1e-3 * gradient / flat[1].norm()
    assert belief() > before


def test_the_decoders_whole_loss_is_likeness_and_belief() -> None:
    model: VAEGAN = made("vaegan", likeness=0.0)
    decoder = player(model, "decoder")
    batch = batch_of(pictures())
    loss = decoder.loss(batch)["loss"].mean()
    gradient = torch.autograd.grad(loss, list(decoder.params))
    rows = Noise(0, 8)
    with torch.no_grad():
        z, _ = model._code(batch)
    terms = [model.adversarial(model.decode(code), {}, {}).mean() for code in (z, model.prior(rows))]
    for one, other in zip(gradient, torch.autograd.grad(0.5 * sum(terms), list(decoder.params)), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_samples_follow_the_codes_of_each_class() -> None:
    nets = {"encoder": Pass(), "decoder": Pass()}
    model = Autoencoder(Array((2,)), {"label": class_label(2)}, nets, settings=AutoencoderSettings(latent=2))
    label = torch.arange(4000)[:, None] % 2
    x = Noise(0, 4000).normal((2,), "x") * torch.tensor([0.5, 2.0]) + 3.0 * label
    given = torch.ones(4000, dtype=torch.bool)
    model._follow(Batch(x, Noise(0, 4000), {"label": label}, {"label": given}))
    for name in (0, 1):
        drawn = model.sample({"label": torch.full((4000, 1), name)}, noise=Noise(5, 4000))
        assert torch.allclose(drawn.mean(0), torch.full((2,), 3.0 * name), atol=0.15)
        assert torch.allclose(drawn.std(0), torch.tensor([0.5, 2.0]), rtol=0.07)


class Pass(torch.nn.Module):
    """What comes in goes out."""

    def forward(self, x: Tensor, condition: Any, given: Any) -> Tensor:
        return x


def test_noise_and_sparsity_change_the_loss_as_they_say() -> None:
    x = Noise(0, 64).normal((2,), "x")
    nets = {"encoder": Pass(), "decoder": Pass()}
    plain, noisy, sparse = (
        Autoencoder(Array((2,)), {}, nets, settings=AutoencoderSettings(latent=2, **own)) for own in ({}, {"noise": 0.5}, {"sparse": 2.0})
    )
    assert plain._loss(batch_of(x))["loss"].abs().max() == 0
    assert noisy._loss(batch_of(x))["loss"].mean() == pytest.approx(0.25, rel=0.3)
    assert torch.allclose(sparse._loss(batch_of(x))["loss"], 2 * x.abs().mean(1))
    with pytest.raises(BadInput, match="noise must be from 0"):
        AutoencoderSettings(noise=-1)
    with pytest.raises(BadInput, match="weight must be from 0"):
        AdversarialAutoencoderSettings(weight=-1)
    with pytest.raises(BadInput, match="r1 must be from 0"):
        VAEGANSettings(r1=-1)


def test_the_penalty_is_the_squared_gradient() -> None:
    x = Noise(0, 5).normal((3,), "x")
    assert torch.allclose(zero_centred(lambda x: (x**2).sum(1), x), 4 * (x**2).sum(1))
