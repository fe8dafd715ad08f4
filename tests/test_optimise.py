"""The latent of a sequence that also says its properties: they are learnt, not told, and latents move towards a wanted one."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morelike
from morelike.core.contract import Batch, Player, all_given
from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Array, Tokens, class_label
from morelike.families.textvae import PropertyVAE, TextVAE
from morelike.house.latent_use import sentence
from morelike.nets.build import build
from morelike.tasks.optimising import ascend, typical

SPEC = Tokens((6,), vocab=3, stop=2)
CONDITIONS = {"share": Array((1,)), "label": class_label(2)}


def make(**settings: Any) -> Any:
    torch.manual_seed(0)
    values = PropertyVAE.Settings(latent=4, dropout=0.0, **settings)
    wants = PropertyVAE.wants(SPEC, CONDITIONS, values)
    told = {name: {**(CONDITIONS if net.told else {}), **net.also} for name, net in wants.items()}
    nets = {name: build(net, told[name], "xs", {}) for name, net in wants.items()}
    return PropertyVAE(SPEC, CONDITIONS, nets, None, values).eval()


def batch(size: int = 5) -> Batch:
    x = torch.randint(2, (size, 6), generator=torch.Generator().manual_seed(1))
    condition = {"share": x.float().mean(1, keepdim=True), "label": x[:, :1]}
    return Batch(x, Noise(1, size), *all_given(condition), 1.0)


def test_a_number_is_predicted_and_never_told() -> None:
    model, own = make(), batch()
    assert model.targets == ("share",)
    (player,) = model.players()
    assert isinstance(player, Player)
    other = Batch(own.data, own.noise, {**own.condition, "share": own.condition["share"] + 1}, own.given, 1.0)
    first, second = player.loss(own), player.loss(other)
    assert torch.equal(first["reconstruction"], second["reconstruction"])
    assert not torch.allclose(first["squared share"], second["squared share"])
    noise = Noise(3, 5)
    assert torch.equal(model.log_prob(own.data, own.condition, noise=noise), model.log_prob(own.data, other.condition, noise=noise))
    flipped = {**own.condition, "label": 1 - own.condition["label"]}
    assert not torch.allclose(model.log_prob(own.data, own.condition, noise=noise), model.log_prob(own.data, flipped, noise=noise))


def test_a_wrong_property_costs_half_its_square_where_it_is_given() -> None:
    free, dear = make(property_weight=0.0), make(property_weight=6.0)
    own = batch()
    given = {**own.given, "share": torch.tensor([True, True, False, True, True])}
    own = Batch(own.data, own.noise, own.condition, given, 1.0)
    without, terms = (model.players()[0].loss(own) for model in (free, dear))
    assert torch.allclose(terms["loss"] - without["loss"], 0.5 * 6.0 * terms["squared share"] / 6, atol=1e-5)
    assert terms["squared share"][2] == 0
    mean, log_variance = dear._posterior(own.data, own.condition, own.given)
    z = mean + torch.exp(0.5 * log_variance) * own.noise.normal((4,), "posterior")
    assert torch.allclose(terms["squared share"][0], (dear.predict(z)["share"] - own.condition["share"]).square()[0, 0], atol=1e-5)


def test_text_vae_is_told_its_numbers() -> None:
    values = TextVAE.Settings(latent=4)
    assert set(TextVAE.wants(SPEC, CONDITIONS, values)) == {"encoder", "decoder"}
    assert all(net.told for net in TextVAE.wants(SPEC, CONDITIONS, values).values())


@pytest.mark.parametrize("numbers", [1, 8, 64])
def test_nine_tenths_of_the_prior_are_typical(numbers: int) -> None:
    low, high = typical(numbers)
    norms = torch.randn(20_000, numbers, generator=torch.Generator().manual_seed(0)).norm(dim=1)
    share = float(((norms >= low) & (norms <= high)).float().mean())
    assert share == pytest.approx(0.9, abs=0.01 if numbers > 1 else 0.04)


def test_latents_climb_to_the_optimum_within_their_norms() -> None:
    goal = torch.tensor([3.0, 4.0, 0.0])
    start = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    free = ascend(lambda z: -(z - goal).square().sum(1), start, (0.0, 10.0), steps=300)
    assert torch.allclose(free, goal.expand(6, 3), atol=0.02)
    held = ascend(lambda z: -(z - goal).square().sum(1), start, (1.0, 2.5), steps=300)
    assert torch.allclose(held, (goal / 2).expand(6, 3), atol=0.02)


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of chains of carbon and oxygen with their weight, where RDKit is installed."""
    pytest.importorskip("rdkit", reason="RDKit is not installed")
    folder, draw = tmp_path_factory.mktemp("chains"), random.Random(0)
    with (folder / "chains.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["smiles", "mol_weight"])
        for _ in range(300):
            carbons = draw.randint(1, 9)
            end = draw.choice(["", "O", "N"])
            rows.writerow(["C" * carbons + end, 14.027 * carbons + 2.016 + {"": 0, "O": 15.999, "N": 15.015}[end]])
    morelike.train(
        str(folder / "chains.csv"), "molecule-vae", condition=["mol_weight"], steps=100, size="xs", batch=48, out=folder / "model",
        judge=False, latent=4, free_bits=1.0, lr=0.01, dropout=0.0,
    )  # fmt: skip
    return folder / "model"


def test_optimised_molecules_are_nearer_to_the_wanted_weight(chains: Path) -> None:
    model: Any = morelike.load(chains)
    found = model.optimise("mol_weight=110", n=12)
    assert np.allclose(found.predicted["mol_weight"], 110, atol=5)
    errors = found.errors()["mol_weight"]
    assert errors["items"] == 12
    assert errors["after"] < 0.6 * errors["before"]
    light = model.optimise("mol_weight=40", start="CCCCO", n=3)
    assert np.nanmean(light.measured["mol_weight"]) < np.nanmean(found.measured["mol_weight"])
    assert [row["item"] for row in model.optimise("mol_weight=110", n=12).rows()] == [row["item"] for row in found.rows()]
    assert len(model.interpolate("CC", "CCCCCCO", n=3)) == 3


def test_what_the_latent_carries_is_in_the_card(chains: Path) -> None:
    told = morelike.info(chains)["latent"]
    assert told["nats"] > 1.0
    assert told["active"] > 0
    assert "next to nothing" not in sentence(told)
    assert "next to nothing" in sentence({"nats": 0.02, "active": 0.0})


def test_the_divergence_of_the_prior_itself_is_zero() -> None:
    model, own = make(), batch()
    model._posterior = lambda *_: (torch.zeros(5, 4), torch.zeros(5, 4))
    assert torch.equal(model.divergence(own.data, own.condition), torch.zeros(5))
    model._posterior = lambda *_: (torch.ones(5, 4), torch.zeros(5, 4))
    assert torch.allclose(model.divergence(own.data, own.condition), torch.full((5,), 2.0))


def test_what_is_predicted_can_not_be_told(chains: Path) -> None:
    model: Any = morelike.load(chains)
    with pytest.raises(BadInput, match="predicts, not what it is told"):
        model.sample(2, where={"mol_weight": 50})
    assert len(model.sample(5)) == 5
    with pytest.raises(UnknownName, match="logp"):
        model.optimise("logp=2")
    with pytest.raises(BadInput, match="which value is wanted"):
        model.optimise("mol_weight")
    assert math.isfinite(float(model.score(["CCO"]).nats[0]))


def test_models_without_a_head_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(random.Random(1).choice("ab") * 3 + str(i % 7) for i in range(60)))
    kept: Any = {"kind": "lines", "steps": 1, "size": "xs", "judge": False}
    plain: Any = morelike.train(str(tmp_path / "lines.txt"), "text-vae", out=tmp_path / "plain", **kept)
    with pytest.raises(Refused, match="molecule-vae"):
        plain.optimise("length=3")
    bare: Any = morelike.train(str(tmp_path / "lines.txt"), "molecule-vae", out=tmp_path / "bare", **kept)
    with pytest.raises(Refused, match="--condition NAME"):
        bare.optimise("length=3")
