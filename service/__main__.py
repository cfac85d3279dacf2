"""The command line: `fitpoint`, which is `python -m service`.

Imports that cost something stand inside the commands, so that `--help` stays instant.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import service
from service.baking.command import bake
from service.domain.errors import FitpointError
from service.executors.lifeline import die_with_parent

if TYPE_CHECKING:
    from service.settings import Settings

# Misuse of the command line and bad settings alike, as typer itself exits.
MISUSE = 2
FAILED = 1

app = typer.Typer(
    name="fitpoint",
    help="Train Keras multilayer perceptrons over HTTP and serve what was trained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# How a command of ours tells another one to end with it.
Parent = Annotated[int | None, typer.Option(hidden=True)]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(service.__version__)
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Serve, but train nothing.")] = (
        False
    ),
    parent: Parent = None,
) -> None:
    """Migrate, serve the API, and supervise one worker."""
    settings = _settings()
    _live_with(parent, signal.SIGTERM)

    from service.logs import configure_logs
    from service.server import NotLoopback
    from service.server import serve as run

    configure_logs(process="api")

    def announce(address: str) -> None:
        worker = "none: start one with `fitpoint worker`" if no_worker else "one, supervised"
        typer.echo(
            f"Fitpoint {service.__version__}\n"
            f"  address  {address}\n"
            f"  docs     {address}/docs\n"
            f"  data     {settings.data_dir}\n"
            f"  worker   {worker}"
        )
        sys.stdout.flush()

    try:
        status = run(settings, host=host, port=port, with_worker=not no_worker, on_ready=announce)
    except NotLoopback as error:
        typer.echo(error, err=True)
        raise typer.Exit(MISUSE) from None
    raise typer.Exit(status)


@app.command()
def worker(
    device: Annotated[
        str, typer.Option(help="`auto`, `cpu`, or one GPU such as `gpu:0`.")
    ] = "auto",
    parent: Parent = None,
) -> None:
    """Claim jobs and train them, on this host or another with the same database and storage."""
    settings = _settings()
    _live_with(parent, signal.SIGTERM)
    if device not in ("auto", "cpu") and not (
        device.startswith("gpu:") and device.removeprefix("gpu:").isdecimal()
    ):
        typer.echo(
            f"Expected --device auto, cpu or gpu:N with N a number. Received '{device}'.", err=True
        )
        raise typer.Exit(MISUSE)

    from service.logs import configure_logs
    from service.storage.keeper import Keeper
    from service.worker import run_worker

    configure_logs(process="worker")
    with Keeper(settings):
        status = run_worker(settings, device)
    raise typer.Exit(status)


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema. `serve` does it too."""
    settings = _settings()

    from service.store import migrations

    settings.make_data_dir()
    before = migrations.current(settings.database_url)
    migrations.migrate(settings.database_url)
    after = migrations.current(settings.database_url)
    typer.echo(f"Schema {after}, as before." if before == after else f"Schema {before} -> {after}.")


@app.command()
def doctor(
    audit: Annotated[
        bool, typer.Option("--audit", help="Look at what is stored instead: its invariants.")
    ] = False,
) -> None:
    """Check this installation; one line each, status 1 where something would not work."""
    settings = _settings()

    from service import doctor

    failed = 0
    for finding in doctor.audit(settings) if audit else doctor.examine(settings):
        mark = {True: "ok  ", False: "FAIL"}[finding.works]
        typer.echo(f"{mark}  {finding.subject:<10}  {finding.detail}")
        failed += not finding.works
    raise typer.Exit(1 if failed else 0)


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
) -> None:
    """Remove files that no row names and nobody has changed for an hour. `serve` does it too."""
    settings = _settings()

    from contextlib import closing

    from service.storage.sweeper import sweep as run
    from service.store.database import Database

    with closing(Database.open(settings.database_url)) as database:
        found = run(settings.storage_root, database, dry_run=dry_run)
    if found is None:
        typer.echo("Another sweep or a backup is at work. Try again when it is done.", err=True)
        raise typer.Exit(FAILED)
    for left in found:
        typer.echo(f"{left.bytes:>14,}  {left.path.relative_to(settings.storage_root)}")
    said = "would be removed" if dry_run else "removed"
    typer.echo(f"{sum(left.bytes for left in found):>14,}  bytes of {len(found)} files {said}.")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
) -> None:
    """Save the database and every file that it names into a folder, while others go on."""
    settings = _settings()

    from service.storage.backup import backup as run

    saved = run(settings.database_url, settings.storage_root, folder)
    typer.echo(f"{len(saved.files)} files, {saved.bytes:,} bytes saved in {folder}.")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` made.", metavar="DIR")],
) -> None:
    """Put a backup into a data folder that has no database yet; then start `serve`."""
    settings = _settings()

    from service.storage.restore import restore as run

    put = run(folder, settings.database_url, settings.storage_root)
    typer.echo(f"{len(put.files)} files, {put.bytes:,} bytes restored, as of {put.created_at}.")


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    settings = _settings()

    import json

    from service.app import create_app

    typer.echo(json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False))


app.command()(bake)


@app.command()
def demo(
    data: Annotated[str, typer.Option(help="`digits` needs no network; `mnist` does.")] = "digits",
    train: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Your own training file.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Your own test file.")
    ] = None,
    outcome: Annotated[str, typer.Option(help="The column to predict in your own files.")] = "y",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the server's folder and print where it is.")
    ] = False,
) -> None:
    """Walk the whole workflow over real HTTP: upload, look, recipe, fits, history, predictions."""
    if data not in ("digits", "mnist"):
        typer.echo(f"Expected --data digits or mnist. Received '{data}'.", err=True)
        raise typer.Exit(MISUSE)
    if (train is None) != (test is None):
        typer.echo("Expected --train and --test together. Received one of them.", err=True)
        raise typer.Exit(MISUSE)

    from service.demo.run import run_demo

    own = None if train is None or test is None else (train, test)
    raise typer.Exit(run_demo(data=data, own=own, outcome=outcome, keep=keep))


def _settings() -> Settings:
    from service.settings import BadSettings, read_settings

    try:
        return read_settings()
    except BadSettings as error:
        typer.echo(error, err=True)
        raise typer.Exit(MISUSE) from None


def _live_with(parent: int | None, sent: signal.Signals) -> None:
    if parent is not None:
        die_with_parent(parent, sent=sent)


def main() -> None:
    """Run the command line; the entry point of `fitpoint`."""
    try:
        app(prog_name="fitpoint")
    except FitpointError as error:
        # Our own errors say what to do; where they were raised helps nobody.
        typer.echo(error.detail, err=True)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
