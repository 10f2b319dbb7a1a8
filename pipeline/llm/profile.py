"""What one server can do with one model, learned from what it refuses and remembered for the life of the process."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.llm.trouble import Trouble

log = logging.getLogger(__name__)

Format = Literal["json_schema", "json_object", "prompt"]
LADDER: tuple[Format, ...] = ("json_schema", "json_object", "prompt")
"""How structured output is asked for, best first. From ``json_object`` down the schema stands in the prompt."""


def below(level: Format) -> Format:
    """The next step down the ladder; the last is its own."""
    return LADDER[min(LADDER.index(level) + 1, len(LADDER) - 1)]


def lower(one: Format, other: Format) -> Format:
    """The one that asks less of the server."""
    return LADDER[max(LADDER.index(one), LADDER.index(other))]


@dataclass
class Profile:
    """Starts with everything switched on; :meth:`adapt` takes away what the server says it does not take."""

    format: Format = "json_schema"
    refused: set[str] = field(default_factory=set)
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def parameters(self, level: Format, schema_name: str, schema: dict[str, Any], **wanted: float | None) -> dict[str, Any]:
        """The request's parameters beside model and messages; what is ``None`` or refused is left out."""
        given: dict[str, Any] = {
            name: value for name, value in wanted.items() if value is not None and name not in self.refused and name != "max_tokens"
        }
        if wanted.get("max_tokens") is not None and self.tokens_field not in self.refused:
            given[self.tokens_field] = wanted["max_tokens"]
        if level == "json_schema":
            given["response_format"] = {"type": "json_schema", "json_schema": {"name": schema_name, "strict": True, "schema": schema}}
        elif level == "json_object":
            given["response_format"] = {"type": "json_object"}
        return given

    def adapt(self, trouble: Trouble, sent: dict[str, Any], level: Format) -> str | None:
        """Learn from a 400 or 422. Returns which parameter the server does not take, where the request should be sent again without."""
        if trouble.http_status not in (400, 422):
            return None
        blamed = self._blamed(trouble, sent)
        if blamed is None:
            return None
        if blamed == "response_format":
            if self.format == level:
                self.format = below(level)
        elif blamed == "max_tokens" and self.tokens_field == "max_tokens":
            self.tokens_field = "max_completion_tokens"
        else:
            self.refused.add(blamed)
        log.info("the server refused %s (%s); going on without", blamed, trouble.words)
        return blamed

    @staticmethod
    def _blamed(trouble: Trouble, sent: dict[str, Any]) -> str | None:
        """Which of the parameters sent the server complains about: by its ``param``, else by its words, else the format (the likeliest)."""
        optional = [name for name in sent if name not in ("model", "messages")]
        if trouble.param:
            for name in optional:
                if trouble.param.split(".")[0] == name:
                    return name
        words = trouble.words.lower()
        for name in optional:
            if name in words:
                return name
        if "response_format" in optional and any(word in words for word in ("schema", "json", "format", "grammar", "guided")):
            return "response_format"
        return None
