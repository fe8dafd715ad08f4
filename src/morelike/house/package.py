"""A saved model: one folder of JSON and safetensors that loads without the data and without executing anything.

`card.json` (what it is), `weights.safetensors`, `codec.safetensors`, `samples/` (some examples and the seed that made
them). The card is written last and holds every file's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .. import __version__
from ..core import registry
from ..core.abilities import Density, abilities
from ..core.contract import Codec, Trainable
from ..core.errors import BadPackage, Refused
from ..core.spec import Row, Tokens, elements, lift, lift_all, spec_from_json, spec_to_json
from ..nets.adapter import adapt, addon
from ..training.state import put, weights
from .build import build, resolved
from .recipe import OWN, Recipe
from .sampling import draw

FORMAT = 1
_LARGEST_CARD = 32 << 20
_CARD = {
    "settings": dict, "nets": dict, "optim": dict, "abilities": list, "spec": dict, "conditions": dict, "kind": str, "codecs": dict,
    "recipe": dict, "versions": dict, "files": dict,
}  # fmt: skip
"""What every card holds."""
_OWN_DIGEST = "card_sha256"
_LARGEST_RANK = 1024
_LARGEST_EXAMPLE = 1 << 28
"""Most numbers in one example that a card may claim."""
FILES = ("weights.safetensors", "codec.safetensors", "samples/samples.safetensors")


@dataclass(slots=True)
class Package:
    """A model with everything that is needed to use it."""

    model: Trainable
    codec: Codec
    conditions: dict[str, Codec]
    recipe: Recipe
    card: dict[str, Any] = field(default_factory=dict)
    """What `card.json` says beyond the parts: scores, data, plan, licence."""
    pools: dict[str, Tensor] = field(default_factory=dict)
    """Held-out values of each condition that is no class, to draw it from."""


def save(package: Package, folder: Path, samples: Mapping[str, Tensor] | None = None) -> None:
    """Writes the package. The card comes last, under a temporary name first: without it the folder is no model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "card.json").unlink(missing_ok=True)
    plain, arrays = _split_state({"x": package.codec, **{f"condition {name}": codec for name, codec in package.conditions.items()}})
    _save_tensors(folder / FILES[0], _added(package.model) if package.recipe.tune == "adapter" else weights(package.model))
    _save_tensors(folder / FILES[1], arrays)
    _save_tensors(folder / FILES[2], {**(samples or {}), **{f"pool {name}": values for name, values in package.pools.items()}})
    card = {
        **package.card,
        "format": FORMAT,
        "family": package.recipe.model,
        **resolved(package.recipe, package.model),
        "abilities": abilities(type(package.model)),
        "spec": spec_to_json(package.model.spec),
        "conditions": {name: spec_to_json(spec) for name, spec in package.model.conditions.items()},
        "kind": package.codec.kind,
        "codecs": plain,
        "recipe": package.recipe.model_dump(exclude_none=True),
        "versions": {"morelike": __version__, "torch": torch.__version__, "numpy": np.__version__},
        "files": {name: _digest(folder / name) for name in FILES},
    }
    write_card(folder, card)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Replaces the card in one move, with a checksum of what else it says: `verify` notices an edited one."""
    new = folder / "card.json.new"
    try:
        new.write_text(json.dumps({**card, _OWN_DIGEST: card_digest(card)}, indent=1), encoding="utf-8")
        os.replace(new, folder / "card.json")
    finally:
        new.unlink(missing_ok=True)


def load(folder: Path, custom: type[Trainable] | None = None) -> Package:
    """Builds the model by name and fills in the weights. Raises BadPackage, naming the file, for anything missing, truncated,
    foreign or from a newer version; a model of the user's own class loads only with that class as `custom`."""
    card = read_card(folder)
    try:
        recipe = Recipe.parse(card["recipe"])
        if custom is None and str(recipe.model).startswith(OWN):
            raise Refused(f"this package needs the class {str(recipe.model)[len(OWN) :]}; pass it: morelike.load(path, model=...)")
        spec = spec_from_json(card["spec"])
        if not 0 < elements(spec) <= _LARGEST_EXAMPLE:
            raise ValueError(f"examples of the shape {spec.shape}")
        conditions = {name: spec_from_json(values) for name, values in card["conditions"].items()}
        recipe = recipe.model_copy(update={"settings": card["settings"], "nets": _nets(card["nets"]), "optim": card["optim"]})
        codecs = _restore_codecs(card["codecs"], read_tensors(folder / FILES[1]))
        x = codecs.pop("x")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadPackage(f"{folder / 'card.json'} is damaged or foreign: {error!r}") from error
    model = build(recipe, spec, conditions, custom=custom)
    if recipe.tune == "adapter":
        _add_on(model, folder, card)
    else:
        put(model, read_tensors(folder / FILES[0]))
    labels = {name.removeprefix("condition "): codec for name, codec in codecs.items()}
    if x.spec != spec or any(conditions.get(name) != codec.spec for name, codec in labels.items()):
        raise BadPackage(f"{folder}: the codecs make other examples than the model learned; the files belong to different models")
    kept = read_tensors(folder / FILES[2])
    pools = {name.removeprefix("pool "): lift(conditions[name.removeprefix("pool ")], values)
             for name, values in kept.items() if name.removeprefix("pool ") in conditions and name.startswith("pool ")}
    return Package(model.eval(), x, labels, recipe, card, pools)


def _nets(nets: Mapping[str, Any]) -> dict[str, Any]:
    """A card's nets; one that doesn't say the `patch` of a conv net is from when there was none."""
    return {name: {"patch": 1, **net} if net.get("kind") == "conv" else net for name, net in nets.items()}


def _add_on(model: Trainable, folder: Path, card: Mapping[str, Any]) -> None:
    """Fills a model with its base's weights and puts the folder's add-on to them. Raises BadPackage."""
    put(model, read_tensors(base_of(folder, card) / FILES[0]))
    rank, alpha = card["base"].get("rank"), card["base"].get("alpha")
    if not isinstance(rank, int) or not 1 <= rank <= _LARGEST_RANK or not isinstance(alpha, int | float):
        raise BadPackage(f"{folder / 'card.json'} is damaged or foreign: an add-on of rank {rank!r}, alpha {alpha!r}")
    adapt(model, rank, alpha)
    saved = read_tensors(folder / FILES[0])
    if _added(model).keys() != saved.keys():
        raise BadPackage(f"{folder / FILES[0]} is no add-on of this model")
    put(model, {**weights(model), **saved})


def _added(model: Trainable) -> dict[str, Tensor]:
    """What a run that trains an add-on changes: the add-on, and buffers. What it stands on stays where it is."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {**{name: value for name, value in weights(model).items() if name not in parameters}, **addon(model)}


def base_of(folder: Path, card: Mapping[str, Any]) -> Path:
    """The folder of the model that an add-on stands on: beside the add-on as when it was made, else as it was named then.

    Raises BadPackage, naming both, where it is at neither place or has other weights.
    """
    base = card.get("base")
    if not isinstance(base, Mapping) or not all(isinstance(base.get(key), str) for key in ("path", "given", "weights")):
        raise BadPackage(f"{folder / 'card.json'} is damaged or foreign: it is an add-on and names no base")
    places = list(dict.fromkeys((Path(os.path.normpath(folder / base["path"])), Path(base["given"]))))
    found = [place for place in places if (place / FILES[0]).is_file()]
    for place in found:
        if _digest(place / FILES[0]) == base["weights"]:
            return place
    if not found:
        where = " nor ".join(str(place) for place in places)
        raise BadPackage(f"{folder} is an add-on to {base['given']}, which is not there ({where}): put that model back")
    raise BadPackage(f"{folder} is an add-on to {base['given']}, but the weights of {found[0]} are others than those it was trained on")


def rebased(card: Mapping[str, Any], folder: Path, target: Path) -> dict[str, Any]:
    """The card of an add-on that moves from `folder` to `target`: its base is named from there."""
    path = os.path.relpath(base_of(folder, card).resolve(), target.resolve())
    return {**card, "base": {**card["base"], "path": Path(path).as_posix()}}


def weights_digest(card: Mapping[str, Any]) -> str:
    """SHA-256 of the weights' file, as the card has it."""
    return str(card["files"].get(FILES[0]))


def read_card(folder: Path) -> dict[str, Any]:
    """The card, checked for its format and for the files it names. Raises BadPackage."""
    path = folder / "card.json"
    if not folder.is_dir():
        raise BadPackage(f"{folder} is no folder; a saved model is a folder with a card.json")
    if (folder / "link.json").is_file():
        parts = f"{folder / 'parent'} and {folder / 'child'}"
        raise BadPackage(f"{folder} holds linked tables, which are sampled, judged, verified and shown only; its parts are models: {parts}")
    if not path.is_file():
        unfinished = any((folder / part / "training").is_dir() for part in ("", "parent"))
        hint = "its training is not finished: run the same `morelike train` again to go on" if unfinished else "it is no saved model"
        raise BadPackage(f"{folder} has no card.json: {hint}")
    if path.stat().st_size > _LARGEST_CARD:
        raise BadPackage(f"{path} is larger than {_LARGEST_CARD >> 20} MB: no card of ours")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        version = int(card["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadPackage(f"{path} is damaged or foreign ({error!r})") from error
    if version > FORMAT:
        raise BadPackage(f"{folder} has format {version}, this Morelike reads up to {FORMAT}: install a newer one")
    for key, kind in _CARD.items():
        if not isinstance(card.get(key), kind):
            raise BadPackage(f"{path} is damaged or foreign (its {key!r} is missing or no {kind.__name__})")
    for name in FILES:
        if not (folder / name).is_file():
            raise BadPackage(f"{folder} is incomplete: {name} is missing")
    return card  # type: ignore[no-any-return]


def card_digest(card: Mapping[str, Any]) -> str:
    """SHA-256 of what a card says beside its own checksum, however it is laid out."""
    plain = json.loads(json.dumps({key: value for key, value in card.items() if key != _OWN_DIGEST}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def edited(card: Mapping[str, Any]) -> bool:
    """Whether the card was changed since it was written; older cards hold no checksum of their own and can't tell."""
    return _OWN_DIGEST in card and card[_OWN_DIGEST] != card_digest(card)


def wrong_files(folder: Path, card: Mapping[str, Any]) -> list[str]:
    """The files whose SHA-256 is not the card's."""
    return [name for name in FILES if not (folder / name).is_file() or _digest(folder / name) != card["files"].get(name)]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises BadPackage; nothing else than safetensors is ever opened."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadPackage(f"{path} can't be read as safetensors ({error}): truncated, foreign, or a pickle, never opened") from error


def kept_samples(package: Package, n: int, condition: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """n samples under n rows of conditions, to be kept beside the model; of ids and rows also their log-probability, where it is exact."""
    x = draw(package.model, n, condition, seed=0)
    kept = {"x": x, **{f"condition {name}": value for name, value in condition.items()}}
    if isinstance(package.model.spec, Tokens | Row) and isinstance(package.model, Density) and package.model.tight == "exact":
        kept["log_prob"] = _log_prob(package.model, x, condition)
    return kept


def _log_prob(model: Density, x: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    """(n,) nats, on the CPU."""
    device = model.device  # type: ignore[attr-defined]
    with torch.inference_mode():
        own = lift_all(model.conditions, {name: value.to(device) for name, value in condition.items()})  # type: ignore[attr-defined]
        return model.log_prob(x.to(device), own).cpu()


def redraw_difference(package: Package, samples: Mapping[str, Tensor]) -> float:
    """The largest difference between the package's kept samples and now, in x's units: real numbers are drawn again.

    Of ids the log-probability is compared, in nats, where one was kept: on another machine rounding may flip an id, after which all
    are others. Without it they are drawn again, and the answer is how many differ. Raises BadPackage where none are kept.
    """
    if "x" not in samples or samples["x"].shape[1:] != package.model.spec.shape:
        raise BadPackage(f"{FILES[2]} holds no samples of this model")
    condition = {name.removeprefix("condition "): value for name, value in samples.items() if name.startswith("condition ")}
    if "log_prob" in samples and isinstance(package.model, Density):
        now = _log_prob(package.model, samples["x"], condition)
        if now.shape != samples["log_prob"].shape:
            raise BadPackage(f"{FILES[2]} holds {len(samples['log_prob'])} log-probabilities of {len(now)} samples")
        return float((now.double() - samples["log_prob"].double()).abs().max())
    x = draw(package.model, len(samples["x"]), condition, seed=0)
    if isinstance(package.model.spec, Tokens):
        return float((x != samples["x"]).sum())
    # what is missing in both is the same
    return float((x.double().nan_to_num(1e9) - samples["x"].double().nan_to_num(1e9)).abs().max())


def _save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    new = path.with_suffix(".new")
    try:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, new)
        # safetensors makes files that only their owner can read; a package is to be shared
        new.chmod(0o644)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _split_state(codecs: Mapping[str, Codec]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """JSON values and arrays of the codecs' states, apart."""
    plain: dict[str, Any] = {}
    arrays: dict[str, Tensor] = {}
    for name, codec in codecs.items():
        state = codec.state()
        plain[name] = {"kind": codec.kind, "state": {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}}
        arrays |= {f"{name}/{key}": torch.from_numpy(np.array(value)) for key, value in state.items() if isinstance(value, np.ndarray)}
    return plain, arrays


def _restore_codecs(plain: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> dict[str, Codec]:
    found: dict[str, Codec] = {}
    for name, values in plain.items():
        own = {key.removeprefix(f"{name}/"): value.numpy() for key, value in arrays.items() if key.startswith(f"{name}/")}
        found[name] = registry.kind(values["kind"]).load().restore({**values["state"], **own})  # type: ignore[attr-defined]
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
