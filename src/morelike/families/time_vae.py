"""TimeVAE: a variational autoencoder of series whose decoder is a sum of a trend, a season and the rest."""

from __future__ import annotations

from dataclasses import replace

from ..core.contract import Net
from ..core.spec import Array, Conditions, Spec
from .vae import VAE, VAESettings


class TimeVAE(VAE):
    """Desai, Freeman, Wang, Beaver 2021, arXiv:2111.08095, section 3: `vae` with a decoder that can be taken apart (`nets.trend`). The
    season's length is `nets.decoder.season`; without it there is a trend and the rest."""

    @classmethod
    def refuses(cls, spec: Spec, conditions: Conditions) -> str | None:
        signal = isinstance(spec, Array) and len(spec.shape) == 2 and not spec.bin
        return None if signal else "its decoder draws a trend and seasons, which only series have"

    @classmethod
    def wants(cls, spec: Spec, conditions: Conditions, settings: VAESettings) -> dict[str, Net]:
        found = super().wants(spec, conditions, settings)
        return {**found, "decoder": replace(found["decoder"], settings={"kind": "trend"})}
