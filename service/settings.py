"""What the environment says, read once at the edge and handed down as one frozen value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import ByteSize, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain.errors import Unavailable
from service.domain.names import nearest

PREFIX = "FITPOINT_"
# Read by the tests, which run in the same environment as the service they start.
TEST_PREFIX = "FITPOINT_TEST_"


class BadSettings(ValueError):
    """An environment variable that Fitpoint does not know or cannot read; one sentence each."""


class Settings(BaseSettings):
    """The settings in force. Every field is one environment variable, see `variables()`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        validate_default=True,
    )

    data_dir: Path = Field(
        default=Path("fitpoint-data"),
        description="Database, datasets and artifacts of the one-machine default.",
    )
    database_url: str = Field(
        default_factory=lambda data: f"sqlite:///{data['data_dir'] / 'fitpoint.sqlite'}",
        description=(
            "Where jobs, histories and models are remembered: a `sqlite:///` or "
            "`postgresql://` URL."
        ),
    )
    storage_url: str = Field(
        default_factory=lambda data: data["data_dir"].as_uri(),
        description="Where datasets and artifacts lie: a `file://` URL of a folder.",
    )
    executor: Literal["process", "inline"] = Field(
        default="process",
        description="`process` or `inline`: fits run in children of the worker, or in the worker.",
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Children of one worker: cohorts trained at once.",
    )
    max_upload_bytes: ByteSize = Field(
        default=ByteSize(4 * 2**30), gt=0, description="The largest upload, such as `4GiB`."
    )
    max_body_bytes: ByteSize = Field(
        default=ByteSize(8 * 2**20), gt=0, description="The largest JSON body, such as `8MiB`."
    )
    loaded_models: int = Field(
        default=16, ge=1, le=10_000, description="Models that the API holds ready to be asked."
    )
    min_free_bytes: ByteSize | None = Field(
        default=None,
        ge=0,
        description="With less free on a disk, uploads and jobs are refused; predictions go on.",
    )
    ballast_bytes: ByteSize = Field(
        default=ByteSize(64 * 2**20),
        ge=0,
        description="Kept beside the database, and let go when its disk is full so that jobs can "
        "end.",
    )
    trusted_network: bool = Field(
        default=False,
        description="`1` lets `serve` listen beyond loopback although it asks for no key.",
    )
    backend: Literal["tensorflow", "jax"] = Field(
        default="tensorflow",
        validation_alias="KERAS_BACKEND",
        description="What Keras trains with: `tensorflow` or `jax`.",
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError(
                "Expected a URL that begins with sqlite:///, then the file's path, or "
                "postgresql://user:password@host/name."
            )
        return value

    @field_validator("storage_url")
    @classmethod
    def _storage(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
            raise ValueError("Expected file:// followed by the absolute path of a folder.")
        return value

    @property
    def storage_root(self) -> Path:
        """The folder that `storage_url` names; `artifact_path` is relative to it."""
        return Path(unquote(urlsplit(self.storage_url).path))

    @property
    def datasets_dir(self) -> Path:
        """Where the canonical files of datasets lie, by their hash."""
        return self.storage_root / "datasets"

    @property
    def staging_dir(self) -> Path:
        """Where files grow before they are renamed into place; on the same disk as the storage."""
        return self.storage_root / "staging"

    def make_data_dir(self) -> None:
        """Make the data folder where it is not there yet.

        Raises:
            Unavailable: it cannot be made.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"Expected to make the folder {self.data_dir}. Received '{error.strerror}'. "
                "Let FITPOINT_DATA_DIR name a folder that this user may write."
            ) from error


def variables() -> dict[str, str]:
    """Return the environment variable of every setting, by the setting's name."""
    return {
        name: field.validation_alias
        if isinstance(field.validation_alias, str)
        else PREFIX + name.upper()
        for name, field in Settings.model_fields.items()
    }


def read_settings() -> Settings:
    """Return the settings of this process's environment.

    Raises:
        BadSettings: a FITPOINT_ variable that nobody reads, or a value that cannot be read.
    """
    complaints = _unknown(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        complaints += [_complaint(item) for item in error.errors()]
    if complaints:
        raise BadSettings("\n".join(complaints))
    return settings


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = sorted(variables().values())
    # Compared without the prefix, which would make any two of them look alike.
    tails = [name.removeprefix(PREFIX) for name in known]
    complaints = []
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(TEST_PREFIX) or upper in known:
            continue
        tail = nearest(upper.removeprefix(PREFIX), tails)
        hint = f"Did you mean {PREFIX}{tail}?" if tail else f"Known are {', '.join(known)}."
        complaints.append(f"{name}: Fitpoint reads no such variable. {hint}")
    return complaints


def _complaint(item: Any) -> str:
    # The location is the field's name, or the alias where it has one.
    place = str(item["loc"][0])
    message = str(item["msg"]).removeprefix("Value error, ").removesuffix(".")
    # A database URL carries a password: a message never repeats it.
    received = "" if place == "database_url" else f" Received '{str(item['input'])[:64]}'."
    return f"{variables().get(place, place)}: {message}.{received}"
