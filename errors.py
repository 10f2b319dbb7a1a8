"""The errors a user can cause: each is one sentence saying what happened and what to do about it.

Everything that is not a :class:`StudioError` is a bug and is logged with its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class StudioError(Exception):
    """A sentence for the user.

    *template* is the English sentence with ``{name}`` fields, *facts* fill them. The template doubles as the key under
    which `assets/i18n/` holds the same sentence in other languages, so a page can say it in the reader's own.
    """

    def __init__(self, template: str, **facts: object) -> None:
        super().__init__(template.format(**facts))
        self.template = template
        self.facts = facts


class ConfigError(StudioError):
    """A setting or a flag has a value that cannot be used. Names the variable."""


class UploadError(StudioError):
    """A file that was handed in cannot be used. Names the file and the limit it breaks."""


class NotFoundError(StudioError):
    """What an id names does not exist (any more)."""


class ConflictError(StudioError):
    """Somebody else changed it first, or it is not in a state in which this can be done."""


class EditError(StudioError):
    """What an author wrote by hand cannot be kept. *problems* are sentences of their own, one for each place."""

    def __init__(self, problems: Sequence[StudioError]) -> None:
        super().__init__("{problems}", problems=" ".join(map(str, problems)))
        self.problems = tuple(problems)


class StorageError(StudioError):
    """The database or the disk refused. *passing* says that it may work later (full, locked, read-only), as opposed to damaged."""

    def __init__(self, template: str, *, passing: bool = False, **facts: object) -> None:
        super().__init__(template, **facts)
        self.passing = passing


class WriterError(StudioError):
    """The writer (the LLM server) did not give a usable answer. Quotes the server's own words.

    *kind* is one word that a page can translate: ``refused``, ``unreachable``, ``unauthorised``, ``rejected``, ``overloaded``, ``invalid``.
    """

    def __init__(self, kind: str, template: str, **facts: object) -> None:
        super().__init__(template, **facts)
        self.kind = kind
