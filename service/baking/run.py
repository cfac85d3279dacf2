"""Reads files as uploads are read, prepares a recipe on one of them and bakes it or another."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from service.api.bodies import parse
from service.api.validation import invalid, invalid_fields
from service.domain.datasets import (
    NOMINAL_TYPES,
    Column,
    ColumnOptions,
    Dataset,
    Ingested,
    ReadOptions,
)
from service.domain.errors import FieldError, InvalidSpec, NoSpace, Unavailable, is_disk_full
from service.domain.recipe import Recipe
from service.domain.roles import PreviewSpec
from service.domain.schema import Spec
from service.domain.spec_checks import wrong_ids, wrong_weights
from service.engine.tables.download import (
    DownloadFormat,
    csv_pieces,
    gzip_pieces,
    parquet_pieces,
)
from service.executors.parsing import parse_upload
from service.executors.previewing import preview_recipe

# By how a file's name ends; the longer ending first.
FORMATS: Mapping[str, DownloadFormat] = {
    ".csv.gz": "csv.gz",
    ".csv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
Formulas = Literal["inert", "keep"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for; `recipe` and `options` are JSON, or files of it."""

    training: Path
    new_data: Path | None
    outcome: Sequence[str]
    recipe: str
    ids: Sequence[str] = ()
    case_weights: str | None = None
    options: str | None = None
    count: int = 10
    output: Path | None = None
    formulas: Formulas = "inert"


def bake(asked: Asked) -> dict[str, Any]:
    """Prepare the recipe and return what `POST /v1/recipes/preview` answers; write the output.

    The output is the new data after the recipe, or the training data where there are none. New
    data are read with the training data's types, their categories as text: a level that the
    training rows did not have is for the recipe's steps to treat.

    Raises:
        InvalidSpec: the recipe, the options or the names are not what they should be.
        UnreadableFile, TooLarge, InvalidData: as an upload or a preview.
    """
    form = None if asked.output is None else _format(asked.output)
    spec = _spec(asked)
    options = ReadOptions()
    if asked.options is not None:
        options = parse(_json(asked.options, "options"), ReadOptions, "")
    with tempfile.TemporaryDirectory(prefix="fitpoint-bake-") as folder:
        datasets = Path(folder)
        training = parse_upload(asked.training, datasets, options)
        _check(spec, training, asked.training)
        new_data = None
        if asked.new_data is not None:
            as_in = _types(training.columns, options)
            plain = options.model_copy(update={"columns": {}})
            new_data = parse_upload(asked.new_data, datasets, plain, as_in=as_in)
        baked = datasets / "baked.arrow"
        told = preview_recipe(
            spec,
            datasets / training.path,
            None if new_data is None else datasets / new_data.path,
            written=baked if form is not None else None,
        )
        if form is not None and asked.output is not None:
            _write(baked, asked.output, form, options.na, asked.formulas)
    return told


def _format(path: Path) -> DownloadFormat:
    if not path.parent.is_dir():
        raise InvalidSpec(f"Expected an --output in a folder that exists. Received '{path}'.")
    for ending, form in FORMATS.items():
        if path.name.lower().endswith(ending):
            return form
    raise InvalidSpec(
        f"Expected an --output that ends with {', '.join(FORMATS)}. Received '{path.name}'."
    )


class _RecipeFile(Spec):
    recipe: Recipe


def _spec(asked: Asked) -> PreviewSpec:
    sent = _json(asked.recipe, "recipe")
    if sent.lstrip()[:1] == b"[":
        sent = b'{"recipe": %b}' % sent
    recipe = parse(sent, _RecipeFile, "").recipe
    try:
        return PreviewSpec(
            outcome=[*asked.outcome],
            case_weights=asked.case_weights,
            id=[*asked.ids] or None,
            recipe=recipe,
            count=asked.count,
        )
    except ValidationError as error:
        raise invalid(error, PreviewSpec, "") from None


def _json(text: str, what: str) -> bytes:
    """Return JSON that is given as such, or as the name of a file of it."""
    if text.lstrip()[:1] in ("[", "{"):
        return text.encode()
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise InvalidSpec(
            f"Expected --{what} to be JSON or a file of it. Received '{text[:200]}': "
            f"{error.strerror}."
        ) from error


def _check(spec: PreviewSpec, training: Ingested, path: Path) -> None:
    dataset = Dataset(
        id="",
        name=path.name,
        n_rows=training.n_rows,
        n_columns=len(training.columns),
        sha256=training.sha256,
        created_at=datetime.now(UTC),
        columns=training.columns,
    )
    wrong: list[FieldError] = [*wrong_weights(spec, dataset), *wrong_ids(spec, dataset)]
    if wrong:
        raise invalid_fields(wrong)


def _types(columns: Sequence[Column], options: ReadOptions) -> dict[str, ColumnOptions]:
    found = {}
    for column in columns:
        declared = options.columns.get(column.name)
        nominal = column.type in NOMINAL_TYPES and column.type != "logical"
        found[column.name] = ColumnOptions(
            type="text" if nominal else column.type,
            format=None if declared is None else declared.format,
        )
    return found


def _write(
    baked: Path, output: Path, form: DownloadFormat, na: Sequence[str], formulas: Formulas
) -> None:
    """Write the baked table; a file that is there is replaced once the new one is whole."""
    part = output.with_name(f".{output.name}.{uuid.uuid4().hex[:8]}")
    try:
        if form == "arrow":
            shutil.copyfile(baked, part)
        else:
            text = csv_pieces(baked, na, inert_text=formulas == "inert")
            packed = gzip_pieces(text) if form == "csv.gz" else text
            with part.open("wb") as file:
                file.writelines(parquet_pieces(baked) if form == "parquet" else packed)
        part.replace(output)
    except OSError as error:
        kind = NoSpace if is_disk_full(error) else Unavailable
        raise kind(f"'{output}' could not be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
