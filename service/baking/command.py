"""The command `fitpoint bake`. What it imports stands inside, so that `--help` stays instant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from service.domain.errors import InvalidSpec

# As typer itself exits when an option is not what it should be.
_MISUSE = 2


def bake(
    training: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The file to learn from.")
    ],
    outcome: Annotated[list[str], typer.Option(help="A column to predict; repeat it for more.")],
    new_data: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="Another file to bake.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="The steps as JSON, or a file of it.")] = "[]",
    id: Annotated[list[str] | None, typer.Option(help="A column that names rows.")] = None,
    case_weights: Annotated[str | None, typer.Option(help="The column of weights.")] = None,
    options: Annotated[
        str | None, typer.Option(help="How to read the files: an upload's options as JSON.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help="Write a .csv, .csv.gz, .parquet or .arrow file."
        ),
    ] = None,
    formulas: Annotated[
        Literal["inert", "keep"],
        typer.Option(help="Of CSV: `inert` puts a ' before what a spreadsheet would run."),
    ] = "inert",
    count: Annotated[int, typer.Option(min=0, max=1000, help="First rows to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the preview's JSON.")] = False,
) -> None:
    """Prepare a recipe on a file and bake it or another: a report, or the table as a file."""
    from service.baking.report import report
    from service.baking.run import Asked
    from service.baking.run import bake as run

    asked = Asked(
        training=training,
        new_data=new_data,
        outcome=outcome,
        recipe=recipe,
        ids=id or (),
        case_weights=case_weights,
        options=options,
        count=count,
        output=output,
        formulas=formulas,
    )
    try:
        told = run(asked)
    except InvalidSpec as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(_MISUSE) from None
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
    elif output is None:
        typer.echo(report(told), nl=False)
    else:
        made = told["new_data"] or told["training"]
        typer.echo(f"{made['n_rows']:,} rows, {made['n_columns']:,} columns written: {output}")
