"""Autoencoder to ids: a picture as a small grid of codes, from a learnt book or of rounded numbers.

B batch, * the example's shape, D numbers of a code, T places, K codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.abilities import Condition, Encodes
from ..core.contract import Batch, Generator, Learner, Net, Optim, Player, Terms, all_given
from ..core.errors import BadInput
from ..core.noise import Noise
from ..core.settings import check_ranges
from ..core.spec import Array, Conditions, Spec, Tokens, spatial
from ..maths.quantise import ids_of_levels, levels_of_ids, nearest, rounded, straight_through

_DEAD = 0.1
"""A code that is chosen less than so many times as often as the average one is moved to a place where it is needed."""
_MOST_PLACES = 64
_VECTOR_PLACES = 4


@dataclass(frozen=True, slots=True)
class VQSettings:
    """The codes. Raises BadInput for what is none."""

    quantiser: Literal["vq", "fsq"] = "vq"
    """"vq": the nearest vector of a book that follows the encoder; "fsq": each number rounded to a few levels, no book."""
    codes: int = 256
    """K of the book."""
    size: int = 16
    """D of the book's vectors."""
    levels: tuple[int, ...] = (8, 6, 5)
    """Of "fsq": how many for each number, 3 or more; their product is K."""
    halvings: int = 0
    """How often a picture's sides are halved; 0 = as often as leaves at most 64 places, at least once."""
    commitment: float = 0.25
    """Weight of the encoder's distance to its codes (van den Oord et al. 2017, eq. 3)."""
    decay: float = 0.98
    """Of the moving averages that the book follows."""
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.quantiser not in ("vq", "fsq"):
            raise BadInput(f"quantiser is vq or fsq, not {self.quantiser!r}")
        check_ranges(self, codes=(2, 1 << 16), size=(1, 1024), halvings=(0, 10), commitment=(0, 1e3), decay=(0, 0.9999))
        if not self.levels or min(self.levels) < 3 or math.prod(self.levels) > 1 << 16:
            raise BadInput(f"levels are whole numbers of at least 3 whose product is at most {1 << 16:,}, not {self.levels}")

    @property
    def vocab(self) -> int:
        """K."""
        return math.prod(self.levels) if self.quantiser == "fsq" else self.codes

    @property
    def width(self) -> int:
        """D."""
        return len(self.levels) if self.quantiser == "fsq" else self.size


class VQ(Generator, Encodes):
    """van den Oord et al. 2017, arXiv:1711.00937, with the book by moving averages (appendix A.1) and dead codes moved to the encoder's
    outputs (Dhariwal et al. 2020, arXiv:2005.00341, section 3.1); or finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505).

    It has no prior of its own: a sample draws each place's code as often as training items have it there, whatever the others are. `vqvae`
    learns how codes go together.
    """

    Settings = VQSettings
    settings: VQSettings
    latent: Tokens
    book: Tensor
    count: Tensor
    total: Tensor
    place_counts: Tensor

    def __init__(self, spec: Spec, conditions: Conditions, nets: Any = None, parts: Any = None, settings: Any = None) -> None:
        super().__init__(spec, conditions, nets, parts, settings)
        own = self.settings
        self.grid = grid_of(spec, own)
        places = math.prod(self.grid.shape[1:])
        # ids have no third dimension: those of a video are a sequence
        self.latent = Tokens(self.grid.shape[1:] if len(self.grid.shape) <= 3 else (places,), own.vocab)
        self.bounded = isinstance(spec, Array) and spec.bin > 0
        book = own.quantiser == "vq"
        self.register_buffer("book", Noise(0, own.codes, path=("book",)).normal((own.size,)) if book else torch.zeros(0, own.width))
        self.register_buffer("count", torch.zeros(own.codes if book else 0))
        self.register_buffer("total", torch.zeros_like(self.book))
        self.register_buffer("place_counts", torch.zeros(places, own.vocab))

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        return None if isinstance(spec, Array) else "it codes real-valued arrays; ids and mixed rows are codes already"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: VQSettings) -> dict[str, Net]:
        grid = grid_of(spec, settings)
        plain = {} if spatial(spec) else {"kind": "mlp"}
        return {"encoder": Net("encoder", spec, grid, plain), "decoder": Net("decoder", grid, spec, plain)}

    def players(self) -> list[Player | Learner]:
        return [Player("autoencoder", list(self.parameters()), self._loss, optim=Optim("adam", lr=self.settings.lr), after=self._follow)]

    def _vectors(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B*T,D) what the encoder says of each place."""
        grid: Tensor = self.nets["encoder"](x, condition, given).float()
        return grid.flatten(2).transpose(1, 2).reshape(-1, grid.shape[1])

    def _quantised(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """(ids (B*T,), values (B*T,D)) with a gradient for "fsq"."""
        if self.settings.quantiser == "fsq":
            values = rounded(vectors, self.settings.levels)
            return ids_of_levels(values, self.settings.levels), values
        ids = nearest(vectors.detach(), self.book)
        return ids, self.book[ids]

    def _decode(self, values: Tensor, batch: int, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """(B,*) from values (B*T,D)."""
        grid = values.view(batch, -1, values.shape[1]).transpose(1, 2).reshape(batch, *self.grid.shape)
        x = self.nets["decoder"](grid, condition, given).float()
        return torch.tanh(x) if self.bounded else x

    def _loss(self, batch: Batch) -> Terms:
        vectors = self._vectors(batch.data, batch.condition, batch.given)
        _, values = self._quantised(vectors)
        apart = (vectors - values.detach()).square().mean(1).view(batch.size, -1).mean(1)
        passed = values if self.settings.quantiser == "fsq" else straight_through(vectors, values)
        error = (self._decode(passed, batch.size, batch.condition, batch.given) - batch.data).square().flatten(1).mean(1)
        weight = 0.0 if self.settings.quantiser == "fsq" else self.settings.commitment
        return {"loss": error + weight * apart, "squared-error": error.detach(), "commitment": apart.detach()}

    def _follow(self, batch: Batch) -> None:
        """Counts of codes at each place, and the book's moving averages."""
        vectors = self._vectors(batch.data, batch.condition, batch.given)
        ids, _ = self._quantised(vectors)
        decay = self.settings.decay
        chosen = F.one_hot(ids, self.latent.vocab).float()
        self.place_counts.mul_(decay).add_(chosen.view(batch.size, -1, self.latent.vocab).sum(0))
        if self.settings.quantiser == "fsq":
            return
        self.count.mul_(decay).add_(chosen.sum(0), alpha=1 - decay)
        self.total.mul_(decay).add_(chosen.T @ vectors, alpha=1 - decay)
        alive = self.count > _DEAD * self.count.mean()
        fresh = vectors[batch.noise[:1].integers(len(vectors), (len(self.book),), "revived")[0]]
        self.book.copy_(torch.where(alive[:, None], self.total / self.count.clamp(min=1e-9)[:, None], fresh))
        # a moved code counts as an average one, so that it has time to be chosen
        self.count.copy_(torch.where(alive, self.count, self.count.mean()))
        self.total.copy_(torch.where(alive[:, None], self.total, self.count[:, None] * fresh))

    def sample(self, condition: Condition = None, *, noise: Noise, **dials: Any) -> Tensor:
        """One pass; there are no dials."""
        edges = (self.place_counts + 1e-6).cumsum(1)
        u = noise.uniform((len(edges),), "codes")
        ids = torch.stack([torch.searchsorted(own, u[:, place] * own[-1]) for place, own in enumerate(edges)], 1)
        return self.decode(ids.clamp(max=self.latent.vocab - 1), condition)

    def decode(self, z: Tensor, condition: Condition = None) -> Tensor:
        """(B,*) from ids (B, *latent)."""
        flat = z.flatten()
        values = levels_of_ids(flat, self.settings.levels) if self.settings.quantiser == "fsq" else self.book[flat]
        return self._decode(values, len(z), *all_given(condition))

    def encode(self, x: Tensor, condition: Condition = None) -> Tensor:
        """(B, *latent) int64 ids: of a picture a grid of them."""
        return self._quantised(self._vectors(x, *all_given(condition)))[0].view(len(x), *self.latent.shape)


def grid_of(spec: Spec, settings: VQSettings) -> Array:
    """The Spec of the encoder's output: D channels on a smaller grid, or at four places for a vector."""
    if not spatial(spec):
        return Array((settings.width, _VECTOR_PLACES))
    sizes = spec.shape[1:]
    most = max(1, math.ceil(math.log2(max(sizes))))
    count = settings.halvings or next(
        (n for n in range(1, most + 1) if math.prod(-(-size // 2**n) for size in sizes) <= _MOST_PLACES), most
    )
    return Array((settings.width, *(-(-size // 2**count) for size in sizes)))
