"""What calls cost: by the prices that are set, else by a list of prices that comes with a library and needs no network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from genai_prices import Usage, calc_price
from genai_prices.types import PriceCalculation


@dataclass(frozen=True)
class Prices:
    """Prices of *model* at *base_url*. *per_million*: US dollars for a million tokens (in, out), which win over the list."""

    model: str
    base_url: str
    per_million: tuple[float, float] | None = None

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float | None:
        """US dollars, or ``None`` where no price is known: an own server costs what its owner pays."""
        if self.per_million is not None:
            into, out = self.per_million
            return (prompt_tokens * into + completion_tokens * out) / 1e6
        if not self._listed:
            return None
        usage = Usage(input_tokens=prompt_tokens, cache_read_tokens=min(cached_tokens, prompt_tokens), output_tokens=completion_tokens)
        return float(self._calculated(usage).total_price)

    @cached_property
    def _listed(self) -> bool:
        try:
            self._calculated(Usage(input_tokens=1, output_tokens=1))
        except LookupError:
            return False
        return True

    def _calculated(self, usage: Usage) -> PriceCalculation:
        return calc_price(usage, model_ref=self.model, provider_api_url=self.base_url)
