"""Counted noise: a random number is a function of (seed, example, path, position), never of what was drawn before.

Sample number 17 gets the same noise whatever the batch size, and a resumed run needs no generator state. The mixing
function is SplitMix64's finaliser (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"); each
example starts its own stream at a hashed position. int64 arithmetic wraps, so every device gives the same bits.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNIT = 2.0**-23


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _mix_int(z: int) -> int:
    z = (z ^ (z >> 30)) * _MIX_1 & _MASK
    z = (z ^ (z >> 27)) * _MIX_2 & _MASK
    return z ^ (z >> 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's own keeps the sign)."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _mix(z: Tensor) -> Tensor:
    z = z.bitwise_xor(_shift(z, 30)).mul_(_signed(_MIX_1))
    z = z.bitwise_xor_(_shift(z, 27)).mul_(_signed(_MIX_2))
    return z.bitwise_xor_(_shift(z, 31))


def _mix_array(z: np.ndarray) -> np.ndarray:
    """`_mix` in place, of uint64."""
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(_MIX_1)
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= np.uint64(_MIX_2)
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def _key(key: int, name: str | int) -> int:
    word = name if isinstance(name, int) else zlib.crc32(name.encode()) | 1 << 40
    return _mix_int((key ^ _mix_int(word + _GOLDEN & _MASK)) + _GOLDEN & _MASK)


class Noise:
    """Random draws for a batch of examples. Shapes are per example; every draw names itself.

    Two draws under the same path and name are the same numbers: name each draw, and nest with `under`.
    """

    __slots__ = ("index", "key")

    def __init__(self, seed: int, index: Tensor | Sequence[int] | int, *, path: Sequence[str | int] = ()) -> None:
        """`index`: the examples' numbers, (B,) int64, or a count B for 0..B-1."""
        key = _key(0, seed)
        for name in path:
            key = _key(key, name)
        self.key = key
        self.index = torch.arange(index) if isinstance(index, int) else torch.as_tensor(index, dtype=torch.int64)

    @classmethod
    def _of(cls, key: int, index: Tensor) -> Noise:
        noise = object.__new__(cls)
        noise.key, noise.index = key, index
        return noise

    @property
    def size(self) -> int:
        return self.index.shape[0]

    def under(self, *names: str | int) -> Noise:
        """Noise of a nested name: independent of this one's draws and of its siblings'."""
        key = self.key
        for name in names:
            key = _key(key, name)
        return Noise._of(key, self.index)

    def __getitem__(self, rows: slice | Tensor) -> Noise:
        return Noise._of(self.key, self.index[rows])

    def shifted(self, by: Tensor) -> Noise:
        """Noise of examples with other numbers: each one's number and `by` (B,) int64."""
        return Noise._of(self.key, self.index + by)

    def to(self, device: torch.device | str) -> Noise:
        return Noise._of(self.key, self.index.to(device))

    def _words(self, name: str | int, count: int) -> Tensor:
        """(B, count) int64, all 64 bits random."""
        if self.index.device.type == "cpu":
            # the same bits in half the time: numpy shifts unsigned words, and starts its loops sooner
            first = _mix_array((self.index.numpy().view(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN) ^ np.uint64(_key(self.key, name)))
            places = np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN)
            return torch.from_numpy(_mix_array(first[:, None] + places).view(np.int64))
        start = _mix(self.index.add(1).mul_(_signed(_GOLDEN)).bitwise_xor_(_signed(_key(self.key, name))))
        steps = torch.arange(count, device=self.index.device).mul_(_signed(_GOLDEN))
        return _mix(start[:, None] + steps)

    def uniform(self, shape: Sequence[int], name: str | int = "uniform") -> Tensor:
        """(B, *shape) float32 in (0, 1): 23 bits, never 0 or 1."""
        count = math.prod(shape)
        words = self._words(name, (count + 1) // 2)
        pair = torch.stack((_shift(words, 41), (words >> 9).bitwise_and_((1 << 23) - 1)), 1)
        flat = pair.flatten(1)[:, :count].float().add_(0.5).mul_(_UNIT)
        return flat.view(self.size, *shape)

    def halves(self, shape: Sequence[int], name: str | int = "halves") -> Tensor:
        """(B, *shape) int16, all 16 bits random: where few bits will do, at a third of the cost of `uniform`."""
        count = math.prod(shape)
        return self._words(name, (count + 3) // 4).view(torch.int16)[:, :count].reshape(self.size, *shape)

    def normal(self, shape: Sequence[int], name: str | int = "normal") -> Tensor:
        """(B, *shape) float32, standard normal (Box and Muller 1958)."""
        count = math.prod(shape)
        half = (count + 1) // 2
        u = self.uniform((2, half), name)
        radius = u[:, 0].log().mul_(-2.0).sqrt_()
        angle = u[:, 1].mul(2.0 * math.pi)
        flat = torch.cat((radius * angle.cos(), radius * angle.sin()), 1)[:, :count]
        return flat.reshape(self.size, *shape)

    def integers(self, high: int, shape: Sequence[int], name: str | int = "integers") -> Tensor:
        """(B, *shape) int64 in 0..high-1; the bias of the remainder is below high / 2^63."""
        words = _shift(self._words(name, math.prod(shape)), 1)
        return words.remainder_(high).view(self.size, *shape)

    def choice(self, weights: Tensor, name: str | int = "choice") -> Tensor:
        """(B,) int64 drawn in proportion to `weights` (K,)."""
        edges = torch.cumsum(weights.double(), 0)
        u = self.uniform((), name).double().to(edges.device) * edges[-1]
        return torch.searchsorted(edges, u, right=True).clamp_(max=len(weights) - 1)
