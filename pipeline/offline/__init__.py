"""The offline writer: answers like an LLM server, from grammars, without a model."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value whose kind only the schema of a request knows."""
