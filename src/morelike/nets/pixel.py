"""The gated PixelCNN: at every place a net that sees only what comes before, with two stacks so that nothing there stays unseen.

B batch, C channels, H rows, W columns; p side of a patch, K = C p p values of a patch, D width, P parameters of one value.
Places are patches in rows from the top, left to right; the values of a patch follow channel by channel, then row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.spec import Array, Conditions
from .blocks import fold, unfold
from .condition import ConditionEncoder

Pick = Callable[[Tensor, tuple[int, int, int]], Tensor]
"""Chooses a value: (its parameters (B,P), its channel, row and column) -> (B,)."""
Added = tuple[Tensor | None, Tensor | None]
"""What a condition adds to the upper and to the other stack of a layer, (B,2D,1,1)."""


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """Two stacks of `depth` gated layers of `width` channels over patches, `head` features for each value of a patch."""

    width: int = 64
    depth: int = 8
    patch: int = 2
    """Side of the square of pixels that is one place: 1 is van den Oord et al.'s; 2 takes a quarter of the time."""
    head: int = 32


class CausalConv(nn.Module):
    """A convolution that looks up (`rows` of them, to both sides) or left (`rows` = 0), its own place included unless `strict`.

    Its weight is kept as a matrix, so that an optimiser of matrices takes it.
    """

    def __init__(self, inputs: int, outputs: int, rows: int, columns: int, strict: bool = False) -> None:
        super().__init__()
        self.up, self.kernel, self.inputs = rows > 0, (max(1, rows), columns), inputs
        self.before = (rows if rows else columns) - 1 + strict
        self.matrix = nn.Parameter(torch.empty(outputs, self.kernel[0] * columns * inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.matrix, std=self.matrix.shape[1] ** -0.5)

    @property
    def weight(self) -> Tensor:
        return self.matrix.view(-1, *self.kernel, self.inputs).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C',H,W)."""
        # padded at both ends and cut: cheaper than a padded copy
        if self.up:
            return F.conv2d(x, self.weight, self.bias, padding=(self.before, self.kernel[1] // 2))[:, :, : x.shape[2]]
        return F.conv2d(x, self.weight, self.bias, padding=(0, self.before))[..., : x.shape[3]]

    def room(self, like: Tensor) -> Tensor:
        """Zeros for all that is seen of a picture (B,_,H,W), with those before its edge."""
        batch, _, height, width = like.shape
        return like.new_zeros(batch, self.inputs, *((height + self.before, width) if self.up else (1, width + self.before)))

    def put(self, room: Tensor, x: Tensor, at: int) -> None:
        """Keeps row or column number `at` of what comes in."""
        room.narrow(2 if self.up else 3, self.before + at, 1).copy_(x)

    def step(self, room: Tensor, at: int) -> Tensor:
        """Row or column number `at` of what goes out."""
        if self.up:
            return F.conv2d(room.narrow(2, at, self.kernel[0]), self.weight, self.bias, padding=(0, self.kernel[1] // 2))
        return F.conv2d(room.narrow(3, at, self.kernel[1]), self.weight, self.bias)


class Mix(nn.Module):
    """The same matrix at every place; `mask` (outputs, inputs) says which entries there are."""

    mask: Tensor | None

    def __init__(self, inputs: int, outputs: int, mask: Tensor | None = None, zero: bool = False) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mask", mask, persistent=False)
        if not zero:
            nn.init.normal_(self.matrix, std=inputs**-0.5)

    @property
    def weight(self) -> Tensor:
        return self.matrix if self.mask is None else self.matrix * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,H,W) -> (B,C',H,W)."""
        return F.conv2d(x, self.weight[:, :, None, None], self.bias)


def gated(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) of the two halves of the channels (van den Oord et al. 2016, arXiv:1606.05328, eq. 2)."""
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()


def total(x: Tensor, *more: Tensor | None) -> Tensor:
    """The sum of what there is."""
    for each in more:
        x = x if each is None else x + each
    return x


class GatedLayer(nn.Module):
    """One layer of both stacks (arXiv:1606.05328, figure 2); the upper one has a skip too."""

    def __init__(self, inputs: int, width: int, first: bool, embedding: int) -> None:
        super().__init__()
        rows, columns = (3, 7) if first else (2, 3)
        self.first = first
        self.above = CausalConv(inputs, 2 * width, rows, columns, strict=first)
        self.left = CausalConv(inputs, 2 * width, 0, rows, strict=first)
        self.link, self.out = Mix(width, 2 * width), Mix(width, width, zero=not first)
        self.condition = nn.Linear(embedding, 4 * width, bias=False) if embedding else None

    def added(self, vector: Tensor | None) -> Added:
        """Of a condition's vector (B,E)."""
        if self.condition is None or vector is None:
            return None, None
        above, left = self.condition(vector)[..., None, None].chunk(2, 1)
        return above, left

    def look_up(self, seen: Tensor, v: Tensor, *added: Tensor | None) -> tuple[Tensor, Tensor]:
        """(the upper stack, what it hands to the other one), from what `above` has seen."""
        new = gated(total(seen, *added))
        return (new if self.first else v + new), self.link(new)

    def look_left(self, seen: Tensor, h: Tensor, *added: Tensor | None) -> Tensor:
        """The other stack, from what `left` has seen."""
        new: Tensor = self.out(gated(total(seen, *added)))
        return new if self.first else h + new


class PatchHead(nn.Module):
    """Parameters of the K values of a patch from its features, each value knowing those before it (masks: Germain et al. 2015,
    arXiv:1502.03509)."""

    def __init__(self, width: int, values: int, features: int, parameters: int) -> None:
        super().__init__()
        self.values, self.features, self.parameters_each = values, features, parameters
        number = torch.arange(values)
        of_feature, of_output = number.repeat_interleave(features), number.repeat_interleave(parameters)
        self.context = Mix(width, values * features)
        self.own = Mix(values, values * features, (of_feature[:, None] > number[None]).float())
        self.mix = Mix(values * features, values * features, (of_feature[:, None] >= of_feature[None]).float(), zero=True)
        self.out = Mix(values * features, values * parameters, (of_output[:, None] == of_feature[None]).float(), zero=True)

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """(B,D,h,w) and (B,K,h,w) -> (B,KP,h,w)."""
        u = F.silu(self.context(features) + self.own(x))
        out: Tensor = self.out(F.silu(u + self.mix(u)))
        return out

    def steps(self, features: Tensor, value_of: Callable[[int, Tensor], Tensor]) -> Tensor:
        """(B,K): the values of one patch, each from `value_of` its number and parameters (B,P); of features (B,D,1,1)."""
        context = self.context(features)[..., 0, 0]
        x: Tensor = context.new_zeros(len(context), self.values)
        u = torch.zeros_like(context)
        own, mix, out, n, p = self.own.weight, self.mix.weight, self.out.weight, self.features, self.parameters_each
        for k in range(self.values):
            mine, to = slice(k * n, k * n + n), slice(k * p, k * p + p)
            u[:, mine] = F.silu(context[:, mine] + F.linear(x[:, :k], own[mine, :k], self.own.bias[mine]))
            second = F.silu(u[:, mine] + F.linear(u[:, : k * n + n], mix[mine, : k * n + n], self.mix.bias[mine]))
            x[:, k] = value_of(k, F.linear(second, out[to, mine], self.out.bias[to]))
        return x


class GatedPixelCNN(nn.Module):
    """`forward(x, condition, given)`: (B,C,H,W) -> (B,CP,H,W), the P parameters of every value from those before it alone.

    `parameters` is CP.
    """

    def __init__(self, spec: Array, parameters: int, conditions: Conditions, settings: PixelSettings) -> None:
        super().__init__()
        if min(settings.width, settings.depth, settings.patch, settings.head) < 1:
            raise ValueError("width, depth, patch and head must be at least 1")
        channels, self.height, self.width = spec.shape
        own, self.patch, self.channels = settings, settings.patch, channels
        self.each = parameters // channels
        values = channels * own.patch**2
        self.condition = ConditionEncoder(conditions, own.width)
        # a channel of ones tells the edge from a value of 0
        embedding = own.width if conditions else 0
        self.layers = nn.ModuleList(GatedLayer(own.width if n else values + 1, own.width, not n, embedding) for n in range(own.depth))
        self.places = nn.Parameter(torch.zeros(1, 2 * own.width, -(-self.height // own.patch), -(-self.width // own.patch)))
        self.head = PatchHead(own.width, values, own.head, self.each)

    def _stack(self) -> list[GatedLayer]:
        return cast("list[GatedLayer]", list(self.layers))

    def forward(self, x: Tensor, condition: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        vector = self.condition(condition, given, len(x))
        patches = fold(F.pad(x, (0, -self.width % self.patch, 0, -self.height % self.patch)), self.patch)
        v = torch.cat((patches, torch.ones_like(patches[:, :1])), 1).contiguous(memory_format=torch.channels_last)
        h = v
        for layer in self._stack():
            above, left = layer.added(vector)
            v, linked = layer.look_up(layer.above(v), v, above, self.places if layer.first else None)
            h = layer.look_left(layer.left(h), h, linked, left)
        out = self.head(h, patches)
        # parameters of a value side by side: (B,K,P) -> (B,P,K), unfolded one by one
        out = out.view(len(x), -1, self.each, *out.shape[2:]).transpose(1, 2).flatten(0, 1)
        out = unfold(out, self.patch)[..., : self.height, : self.width]
        return out.reshape(len(x), self.each, self.channels, self.height, self.width).transpose(1, 2).flatten(1, 2)

    def draw(self, condition: Mapping[str, Tensor], given: Mapping[str, Tensor], batch: int, pick: Pick) -> Tensor:
        """(B,C,H,W), value by value. Of either stack only the new row or column is worked out, from what is kept of the others
        (Ramachandran et al. 2017, arXiv:1704.06001)."""
        vector = self.condition(condition, given, batch)
        added = [layer.added(vector) for layer in self._stack()]
        patches = self.places.new_zeros(batch, self.head.values, *self.places.shape[2:])
        first, above = self._stack()[0], [layer.above.room(patches) for layer in self._stack()]
        above[0][:, -1, first.above.before :] = 1
        for row in range(patches.shape[2]):
            linked = self._new_row(above, row, added)
            left = [layer.left.room(patches) for layer in self._stack()]
            left[0][:, -1, :, first.left.before :] = 1
            for column in range(patches.shape[3]):
                features = self._new_column(left, column, [own[..., column : column + 1] for own in linked], added)
                new = self.head.steps(features, partial(self._value, pick, (row, column)))
                patches[:, :, row, column] = new
                left[0][:, :-1, 0, first.left.before + column] = new
            above[0][:, :-1, first.above.before + row] = patches[:, :, row]
        return unfold(patches, self.patch)[..., : self.height, : self.width]

    def _new_row(self, above: list[Tensor], row: int, added: list[Added]) -> list[Tensor]:
        """What the upper stack hands over for a row, from the rows before it, layer by layer."""
        linked: list[Tensor] = []
        v = above[0][:, :, :1]
        for number, layer in enumerate(self._stack()):
            if number:
                layer.above.put(above[number], v, row)
            place = self.places[:, :, row : row + 1] if layer.first else None
            v, link = layer.look_up(layer.above.step(above[number], row), v, added[number][0], place)
            linked.append(link)
        return linked

    def _new_column(self, left: list[Tensor], column: int, linked: list[Tensor], added: list[Added]) -> Tensor:
        """(B,D,1,1): the other stack's features of one place."""
        h = left[0][..., :1]
        for number, layer in enumerate(self._stack()):
            if number:
                layer.left.put(left[number], h, column)
            h = layer.look_left(layer.left.step(left[number], column), h, linked[number], added[number][1])
        return h

    def _value(self, pick: Pick, at: tuple[int, int], k: int, parameters: Tensor) -> Tensor:
        """The value number k of the patch `at`; 0 where it lies outside the picture."""
        channel, inside = divmod(k, self.patch**2)
        row, column = (self.patch * side + step for side, step in zip(at, divmod(inside, self.patch), strict=True))
        if row >= self.height or column >= self.width:
            return parameters.new_zeros(len(parameters))
        return pick(parameters, (channel, row, column))
