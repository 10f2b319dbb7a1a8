"""Every setting, its default and its meaning. Nothing else in the project reads the environment.

Values come from the environment or from a ``.env`` file in the working directory (the environment wins). Below the edge, code takes
values, not settings.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from errors import ConfigError

__all__ = ["Settings", "load_settings"]


class Settings(BaseSettings):
    """The product's settings. See `.env.example` for the same list with examples."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    # The writer: what answers LLM calls.
    openai_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENAI_API_KEY", "API_KEY"))
    """Key of the LLM server. With neither this nor OPENAI_BASE_URL the embedded offline writer answers."""
    openai_base_url: str | None = Field(None, validation_alias=AliasChoices("OPENAI_BASE_URL", "API_BASE"))
    """Address of any OpenAI-compatible server, with its ``/v1``."""
    openai_model: str = Field("gpt-5-mini", validation_alias=AliasChoices("OPENAI_MODEL", "MODEL"))
    """Model that writes text."""
    openai_vision_model: str | None = None
    """Model that is shown the picture; the same as OPENAI_MODEL when empty."""
    max_concurrent: int = Field(20, ge=1, le=2000)
    """LLM calls in flight at once, whoever starts them."""
    request_timeout: float = Field(120, gt=0, le=3600)
    """Seconds one LLM call may take before it is given up and tried again."""
    retry_budget: float = Field(600, ge=0, le=86400)
    """Seconds that failing calls of one step are retried for, all together."""
    temperature: float | None = Field(None, ge=0, le=2)
    """Sampling temperature; the server's own default when empty."""
    price_input: float | None = Field(None, ge=0)
    """US dollars for a million tokens sent; with PRICE_OUTPUT it wins over the built-in price list."""
    price_output: float | None = Field(None, ge=0)
    """US dollars for a million tokens answered."""
    stage_order: Literal["graph", "sequential"] = "graph"
    """``graph`` starts a stage as soon as what it needs is done; ``sequential`` runs the seven strictly in order."""
    offline_latency: float = Field(0.4, ge=0, le=60)
    """Seconds that the embedded offline writer takes for a call, so that a demo can be watched; 0: as fast as it can."""

    # Images.
    image_engine: Literal["auto", "diffusers", "preview"] = "auto"
    """``auto`` is ``diffusers`` where a GPU is seen or IMAGE_MODEL is set, else ``preview``."""
    image_model: str | None = Field(None, validation_alias=AliasChoices("IMAGE_MODEL", "ZIMAGE_MODEL_PATH"))
    """Hub id or folder of a diffusers pipeline."""
    image_size: str = "1024x1024"
    """Width x height in pixels."""
    image_steps: int = Field(9, ge=1, le=200)
    """Denoising steps."""
    image_guidance: float = Field(0, ge=0, le=30)
    """Guidance scale."""
    num_gpus: int | None = Field(None, ge=0, le=64)
    """GPUs to use; all that are seen when empty."""
    cpu_workers: int = Field(1, ge=1, le=64)
    """Image workers on a machine without a GPU."""
    image_timeout: float = Field(300, gt=0, le=86400)
    """Seconds one image may take before its worker is taken for hung."""
    gpu_pool: Literal["local", "ray"] = "local"
    """``local``: one process a GPU on this machine; ``ray``: actors on a cluster."""
    ray_address: str | None = None
    """Address of the Ray cluster; a local one is started when empty."""

    # The house.
    data_dir: Path = Path("data")
    """Folder of the database and all files."""
    host: str = "127.0.0.1"
    """Address the web server listens on."""
    port: int = Field(7860, ge=0, le=65535)
    """Port the web server listens on; 0 picks a free one."""
    root_path: str = ""
    """Path prefix behind a reverse proxy."""
    auth: Annotated[dict[str, SecretStr], NoDecode] = Field(default_factory=dict)
    """Logins, ``user:password`` separated by commas; open to all who reach the port when empty."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names under which the site may be asked for, beside localhost and addresses in numbers; see :attr:`hosts` for none."""
    forwarded_allow_ips: str = "127.0.0.1,::1"
    """Addresses (or networks) of reverse proxies that are believed when they say for whom they ask, and whether by https."""
    max_upload_mb: float = Field(20, gt=0, le=1024)
    """Largest file that may be uploaded."""
    disclosure: str = "Fictional AI persona. Any likeness to a real person is coincidental."
    """Line that goes into every export beside ``ai_generated: true``."""
    networks: Annotated[tuple[Literal["bluesky", "threads", "mastodon", "instagram", "weibo"], ...], NoDecode] = ()
    """Networks beside X whose limit of length every tweet is held to."""
    ui_language: Literal["auto", "en", "zh"] = "auto"
    """Language of the pages; ``auto`` follows the browser."""

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: dict[str, object]) -> dict[str, object]:
        """Values without the blanks around them (a key read from a file ends in a line break); one that is all blank means the default."""
        plain = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in plain.items() if value != ""}

    @field_validator("openai_base_url")
    @classmethod
    def _is_http_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # its words would repeat the address
            usable = False
        if not usable:
            raise ValueError("must start with http:// or https:// and name a host, for example http://127.0.0.1:8000/v1")
        return value.rstrip("/")

    @field_validator("image_size")
    @classmethod
    def _is_width_by_height(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{1,3}x[1-9][0-9]{1,3}", value):
            raise ValueError("must be WIDTHxHEIGHT in pixels, for example 1024x1024")
        return value

    @property
    def image_pixels(self) -> tuple[int, int]:
        """(width, height)."""
        width, height = map(int, self.image_size.split("x"))
        return width, height

    @field_validator("root_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("must be a path that starts with /, for example /studio")
        return value.rstrip("/")

    @field_validator("data_dir")
    @classmethod
    def _is_at_home(cls, value: Path) -> Path:
        try:
            return value.expanduser()
        except RuntimeError:
            raise ValueError("names a user's home that does not exist") from None

    @field_validator("auth", mode="before")
    @classmethod
    def _split_logins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        logins: dict[str, str] = {}
        for pair in filter(None, (part.strip() for part in value.split(","))):
            user, colon, password = pair.partition(":")
            if not (user and colon and password):
                raise ValueError("must be user:password, several separated by commas")
            logins[user] = password
        return logins

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(filter(None, (part.strip().lower() for part in value.split(","))))
        if not all(re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", host) for host in hosts):
            raise ValueError("must be host names without a port, separated by commas, for example studio.example.com,*.lan")
        return hosts

    @field_validator("networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return tuple(filter(None, (part.strip().lower() for part in value.split(",")))) if isinstance(value, str) else value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        try:
            for part in value.split(","):
                if part.strip() != "*":
                    ipaddress.ip_network(part.strip())
        except ValueError:
            raise ValueError("must be addresses or networks separated by commas, for example 127.0.0.1,172.16.0.0/12") from None
        return value

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which the site may be asked for; empty means any.

        Without ALLOWED_HOSTS that is any name, but for a site that is open to all and meant for this machine alone: a page of another
        site could make its own name mean this machine (DNS rebinding).
        """
        return self.allowed_hosts or (("localhost",) if not self.auth and self.host in ("127.0.0.1", "::1", "localhost") else ())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never reach a log."""
        key = self.openai_api_key
        address = urlsplit(self.openai_base_url or "")
        named = [address.username, address.password, *(value for _, value in parse_qsl(address.query))]
        values = [key.get_secret_value() if key else "", *named, *(password.get_secret_value() for password in self.auth.values())]
        return tuple(filter(None, values))

    @property
    def offline(self) -> bool:
        """True when the embedded offline writer answers."""
        return self.openai_api_key is None and self.openai_base_url is None

    @property
    def vision_model(self) -> str:
        """The model that is shown pictures."""
        return self.openai_vision_model or self.openai_model


def load_settings(**overrides: object) -> Settings:
    """Read the settings; *overrides* (from command-line flags, ``None`` means not given) win over environment and ``.env``.

    Raises :class:`ConfigError` with one sentence that names the first wrong variable; what may hold a secret is not repeated.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError("{sentence}", sentence=_sentence(error)) from None
    except UnicodeDecodeError:
        raise ConfigError(".env is not a UTF-8 text file.") from None
    except OSError as error:
        raise ConfigError(".env cannot be read: {reason}.", reason=error.strerror or error) from None


_NOT_REPEATED = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "AUTH"}
"""Variables whose value may hold a secret, as an address does that has a password or a key in it."""


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    variable = str(first["loc"][0]).upper() if first["loc"] else "A setting"
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    shown = "" if variable in _NOT_REPEATED else f" (it is {str(first['input'])[:80]!r})"
    return f"{variable}: {reason}{shown}."
