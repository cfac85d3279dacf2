"""The walk itself: upload, look, recipe, fits, history, predictions, and what it left behind."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from service.demo.client import Client
from service.demo.plan import PlannedFit, Task, fits_of, recipe, task_of
from service.demo.tables import TEST, TRAIN

WORKER_SECONDS = 120.0
SHOWN_ROWS = 5
PICTURE_PIXELS = 280


@dataclass(frozen=True, kw_only=True)
class Done:
    """A fit that ended: its job, its model, and its epochs' summary."""

    fit: PlannedFit
    job: Mapping[str, Any]
    model: Mapping[str, Any]
    history: Mapping[str, Any]


class Walk:
    """The steps in order; each says on the console what it asks and what it learned."""

    def __init__(self, client: Client, console: Console, pictures: Path) -> None:
        self._client = client
        self._console = console
        self._pictures = pictures
        self.saved: list[Path] = []

    def look(self, training: Mapping[str, Any], test: Mapping[str, Any], task: Task) -> None:
        """Show the outcome's distribution and, where rows are pictures, one of them."""
        for name, dataset in ((TRAIN, training), (TEST, test)):
            self._console.print(
                f"  {name}: {dataset['n_rows']:,} rows, {dataset['n_columns']:,} columns"
            )
        for remark in task.remarks:
            self._console.print(f"  {remark}", markup=False)
        if task.mode == "classification":
            rows = self._client.get(f"/v1/datasets/{TRAIN}/tab", column=task.outcome)["data"]
            table = Table(
                "level", "n", "prop", title=f"{task.outcome} in train", title_justify="left"
            )
            for row in rows[:20]:
                table.add_row(str(row["level"]), f"{row['n']:,}", f"{row['prop']:.4f}")
            self._console.print(table)
        self._save("bar.svg", f"/v1/datasets/{TRAIN}/plots/bar.svg", column=task.outcome)
        if task.side:
            path = f"/v1/datasets/{TRAIN}/rows/1/image.png"
            self._save("digit.png", path, width=task.side, height=task.side)
            enlarge(self.saved[-1])

    def preview(self, task: Task) -> None:
        """Prepare the recipe on the training rows and say what it made of both tables."""
        steps = recipe(task, scaled=True)
        body = {
            "training": TRAIN,
            "new_data": TEST,
            "outcome": task.outcome,
            "recipe": steps,
            "count": 1,
        }
        seen = self._client.post("/v1/recipes/preview", body)
        names = ", ".join(step["step"] for step in steps)
        self._console.print(
            f"  {names}: train becomes {seen['training']['n_rows']:,} x "
            f"{seen['training']['n_columns']:,}, test {seen['new_data']['n_rows']:,} x "
            f"{seen['new_data']['n_columns']:,}; {len(seen['removed'])} columns removed"
        )

    def fit_all(self, task: Task, n_rows: int) -> list[Done]:
        """Submit every fit, follow each one's epochs, and return them as they ended."""
        columns = (
            TextColumn("  {task.description:<24}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]:<44}"),
        )
        with Progress(*columns, console=self._console) as progress:
            # All at once: a worker with two slots trains the next fit while this one is followed,
            # and the events of a fit that has begun are told from its first.
            submitted = []
            for fit in fits_of(task, n_rows):
                job = self._client.post("/v1/jobs", fit.body(task, TRAIN, TEST))
                total = job["progress"]["epochs"]
                bar = progress.add_task(fit.label, total=total, start=False, told="queued")
                submitted.append((fit, job["id"], bar))
            return [self._follow(progress, *each) for each in submitted]

    def _follow(self, progress: Progress, fit: PlannedFit, job_id: str, bar: TaskID) -> Done:
        for kind, data in self._client.events(job_id):
            if kind == "state" and data["state"] == "running":
                progress.start_task(bar)
            if kind == "epoch":
                _show_epoch(progress, bar, data)
        job = self._client.finished(job_id)
        history = self._client.get(f"/v1/jobs/{job_id}/epochs", limit=1)
        told = f"{_score(job)}, {_seconds(job):.1f} s"
        if history["stopped_epoch"]:
            told += f", stopped at {history['stopped_epoch']}, best {history['best_epoch']}"
        run = history["epochs_run"]
        progress.update(bar, total=run, completed=run, told=told)
        progress.stop_task(bar)
        model = self._client.get(f"/v1/models/{job['model_id']}")
        return Done(fit=fit, job=job, model=model, history=history)

    def history(self, done: Done) -> None:
        """Save the learning curve of a fit, as a drawing and as a picture."""
        for kind in ("svg", "png"):
            self._save(f"history.{kind}", f"/v1/jobs/{done.job['id']}/plots/history.{kind}")

    def predict(self, done: Done, task: Task) -> None:
        """Ask the model about the first test rows and set its answers beside the truth."""
        rows = self._client.get(f"/v1/datasets/{TEST}/rows", start=1, count=SHOWN_ROWS)["data"]
        asked = [{name: row[name] for name in row if name != task.outcome} for row in rows]
        classes = task.mode == "classification"
        kinds = "class,prob" if classes else "numeric"
        path = f"/v1/models/{done.model['id']}/predictions"
        answers = self._client.post(path, {"rows": asked}, type=kinds)["rows"]
        heads = (
            ("row", "truth", "predicted", "probability")
            if classes
            else ("row", "truth", "predicted")
        )
        table = Table(*heads, title=f"What model {done.model['name']} says", title_justify="left")
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
            cells = [str(number), _cell(row[task.outcome])]
            if classes:
                label = answer[".pred_class"]
                cells += [str(label), f"{answer[f'.pred_{label}']:.4f}"]
            else:
                cells.append(_cell(answer[".pred"]))
            table.add_row(*cells)
        self._console.print(table)

    def report(self, fits: list[Done], task: Task) -> None:
        """Print the chapter's table for this data."""
        table = Table(title="The chapter's table for this data", title_justify="left")
        table.add_column("fit")
        for heading in (f"test {task.metrics[0]}", "epochs run", "seconds", "parameters"):
            table.add_column(heading, justify="right")
        for done in fits:
            value = done.job["evaluations"][0]["metrics"][task.metrics[0]]
            table.add_row(
                done.fit.label,
                "none" if value is None else f"{value:.4f}",
                str(done.history["epochs_run"]),
                f"{_seconds(done.job):.1f}",
                f"{done.model['n_parameters']:,}",
            )
        self._console.print(table)
        base = fits[0].job["evaluations"][0]["baseline"]
        if base["value"] is not None:
            self._console.print(
                f"  Always the {base['kind']}: {base['metric']} {base['value']:.4f}"
            )

    def _save(self, name: str, path: str, **query: Any) -> None:
        self._pictures.mkdir(parents=True, exist_ok=True)
        target = self._pictures / name
        target.write_bytes(self._client.picture(path, **query))
        self.saved.append(target)


def enlarge(picture: Path) -> None:
    """Rewrite a small picture, a pixel a value, so large that a person sees it."""
    from PIL import Image

    with Image.open(picture) as small:
        factor = max(1, PICTURE_PIXELS // small.width)
        large = small.resize(
            (small.width * factor, small.height * factor), Image.Resampling.NEAREST
        )
    large.save(picture)


def walk(
    client: Client,
    console: Console,
    pictures: Path,
    tables: tuple[Any, Any],
    outcome: str,
) -> list[Path]:
    """Make the walk with two registered datasets and return the pictures that it saved."""
    training, test = tables
    task = task_of(training, test, outcome)
    way = Walk(client, console, pictures)
    way.look(training, test, task)
    console.print("[bold]Recipe[/]")
    way.preview(task)
    console.print("[bold]Fits[/]")
    started = time.monotonic()
    fits = way.fit_all(task, training["n_rows"])
    console.print(f"  {len(fits)} fits in {time.monotonic() - started:.1f} s")
    console.print("[bold]History and predictions[/]")
    way.history(fits[-1])
    way.predict(fits[-1], task)
    way.report(fits, task)
    return way.saved


def _show_epoch(progress: Progress, bar: TaskID, record: Mapping[str, Any]) -> None:
    told = f"epoch {record['epoch']}"
    for name in ("loss", "val_loss"):
        if name in record:
            value = record[name]
            told += f", {name} " + ("diverged" if value is None else f"{value:.4f}")
    progress.update(bar, completed=record["epoch"], told=told)


def _score(job: Mapping[str, Any]) -> str:
    name, value = next(iter(job["evaluations"][0]["metrics"].items()))
    return f"{name} undefined" if value is None else f"{name} {value:.4f}"


def _seconds(job: Mapping[str, Any]) -> float:
    start, end = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (end - start).total_seconds()


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
