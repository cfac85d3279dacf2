"""A model card: what a model is, where it comes from, how good it is, what it is not for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from service.domain.datasets import Dataset
from service.domain.evaluations import Evaluation
from service.domain.models import RegisteredModel
from service.engine.prediction_columns import InputColumns

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the card: facts by name, and sentences below them."""

    title: str
    facts: Facts = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """The whole card, after Mitchell et al., Model Cards for Model Reporting (2019)."""

    title: str
    sections: tuple[Section, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the card as objects and lists."""
        sections = [
            {"title": each.title, "facts": dict(each.facts), "notes": list(each.notes)}
            for each in self.sections
        ]
        return {"title": self.title, "sections": sections}

    def as_markdown(self) -> str:
        """Return the card as Markdown; names that hold its signs are quoted."""
        parts = [f"# {_plain(self.title)}"]
        for each in self.sections:
            parts.append(f"## {each.title}")
            if each.facts:
                rows = (f"| {_plain(name)} | {_plain(value)} |" for name, value in each.facts)
                parts.append("\n".join(["| | |", "|---|---|", *rows]))
            parts += [_plain(note) for note in each.notes]
        return "\n\n".join(parts) + "\n"

    def as_html(self) -> str:
        """Return the card as a page that loads nothing."""
        parts = [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>',
            f"<style>{_STYLE}</style></head><body><h1>{escape(self.title)}</h1>",
        ]
        for each in self.sections:
            parts.append(f"<h2>{escape(each.title)}</h2>")
            if each.facts:
                rows = "".join(
                    f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>"
                    for name, value in each.facts
                )
                parts.append(f"<table>{rows}</table>")
            parts += [f"<p>{escape(note)}</p>" for note in each.notes]
        return "\n".join([*parts, "</body></html>", ""])


_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;"
    "margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}th,td{text-align:"
    "left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;"
    "overflow-wrap:anywhere}th{font-weight:500;width:14rem}"
)


def card(
    model: RegisteredModel,
    *,
    dataset: Dataset | None,
    made_with: Mapping[str, str],
    inputs: InputColumns,
    warnings: Sequence[str],
) -> Card:
    """Return the card of a model.

    Args:
        model: with its spec and its evaluations.
        dataset: what it was trained on, None when that was removed.
        made_with: the device and the versions that it was trained with, by name.
        inputs: the columns that it reads.
        warnings: what its recipe warned of.
    """
    return Card(
        title=f"Model card: {model.name}, version {model.version}",
        sections=(
            _model(model),
            _data(model, dataset, inputs, warnings),
            _training(model, made_with),
            *(_evaluated(each) for each in model.evaluations),
            _limits(model, inputs),
        ),
    )


def _model(model: RegisteredModel) -> Section:
    facts = [
        ("id", model.id),
        ("made", f"{model.created_at:%Y-%m-%d %H:%M} UTC by job {model.job_id}"),
        ("kind", f"multilayer perceptron for {model.mode}"),
        ("outcome", ", ".join(model.outcome)),
    ]
    if model.levels is not None:
        facts.append(("classes", _some(model.levels)))
    facts += [
        ("parameters", f"{model.n_parameters:,}"),
        ("weights, SHA-256", model.weights_sha256),
        ("artifact, SHA-256", model.artifact_sha256),
        *((f"tag {name}", value) for name, value in model.tags.items()),
    ]
    return Section(title="Model", facts=tuple(facts))


def _data(
    model: RegisteredModel,
    dataset: Dataset | None,
    inputs: InputColumns,
    warnings: Sequence[str],
) -> Section:
    facts = [("SHA-256 of the table", model.dataset_sha256)]
    if dataset is not None:
        facts = [
            ("dataset", f"{dataset.name} ({dataset.id})"),
            ("rows", f"{dataset.n_rows:,}"),
            *facts,
        ]
    facts += [
        ("columns that it reads", f"{len(inputs.columns):,}: {_some(inputs.names)}"),
        ("predictors of the network", f"{len(model.predictors):,}"),
    ]
    steps = model.spec.get("recipe") or []
    facts += [(f"recipe step {at}", _step(step)) for at, step in enumerate(steps, 1)]
    gone = () if dataset is not None else ("The dataset itself was removed from the service.",)
    return Section(title="Training data", facts=tuple(facts), notes=(*gone, *warnings))


def _step(step: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in step.items() if name != "step" and value is not None}
    return f"{step['step']} {json.dumps(rest)}" if rest else str(step["step"])


def _training(model: RegisteredModel, made_with: Mapping[str, str]) -> Section:
    spec = model.spec
    arguments = {**dict(spec.get("model") or {}), **dict(spec.get("engine") or {})}
    facts = [
        (name, json.dumps(value) if not isinstance(value, str) else value)
        for name, value in arguments.items()
        if value is not None
    ]
    if model.stopped_epoch is not None:
        facts.append(("stopped early after epoch", str(model.stopped_epoch)))
    facts += [(f"trained with {name}", value) for name, value in made_with.items()]
    notes = (
        f"`POST /v1/jobs/{model.job_id}/replay` trains it again from the stored spec and data and "
        "compares the weights.",
    )
    return Section(title="Training", facts=tuple(facts), notes=notes)


def _evaluated(evaluation: Evaluation) -> Section:
    facts = [
        ("rows", f"{evaluation.n:,}"),
        *((name, _score(value)) for name, value in evaluation.metrics.items()),
        (
            f"baseline ({evaluation.baseline.kind}), {evaluation.baseline.metric}",
            _score(evaluation.baseline.value),
        ),
    ]
    notes = tuple(each.message for each in evaluation.warnings)
    return Section(title=f"Evaluation on {evaluation.dataset}", facts=tuple(facts), notes=notes)


def _limits(model: RegisteredModel, inputs: InputColumns) -> Section:
    notes = [
        "The scores above hold for rows like those that they were computed on; "
        f"`GET /v1/models/{model.name}/drift?dataset=` tells how far other rows are from the "
        "training data.",
    ]
    if not model.evaluations:
        notes.insert(0, "It was not evaluated: nothing is known of how good it is.")
    closed = [
        each.name
        for each in inputs.columns
        if each.levels is not None and each.name not in inputs.open
    ]
    if closed:
        notes.append(f"A level that training did not have is refused in {_some(closed)}.")
    if model.mode == "classification":
        notes.append("Every row gets one of the classes, also one that belongs to none of them.")
    return Section(title="Limits", notes=tuple(notes))


def _some(names: Sequence[str], most: int = 12) -> str:
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _score(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.5g}"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "|<>[]*_#" else sign for sign in line)
