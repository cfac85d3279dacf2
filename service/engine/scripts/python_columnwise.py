"""Steps that drop columns or rows, or change columns one by one, as lines of pandas."""

from __future__ import annotations

from collections.abc import Mapping

from service.engine.scripts.python_text import Asked, Writer, literal


def _zv(asked: Asked) -> list[str]:
    return [f"x = x.drop(columns=[c for c in {asked.chosen} if x[c][:n].nunique() <= 1])"]


def _select(asked: Asked) -> list[str]:
    return [f"x = x[{asked.chosen}]"]


def _remove(asked: Asked) -> list[str]:
    return [f"x = x.drop(columns={asked.chosen})"]


def _naomit(asked: Asked) -> list[str]:
    return [
        f"kept = x[{asked.chosen}].notna().all(axis=1).to_numpy(copy=True)",
        "kept[n:] = True",
        "x, n = x[kept], int(kept[:n].sum())",
    ]


def _each(*body: str) -> Writer:
    """Return the writer of a step that changes columns, all numeric, by the same arithmetic."""

    def write(asked: Asked) -> list[str]:
        return [f"columns = {asked.chosen}", "seen = x[columns][:n]", *body]

    return write


_normalize = _each(
    "sd = seen.std()",
    "sd = sd.where(sd >= np.finfo(float).eps, 1.0)",
    "x[columns] = (x[columns] - seen.mean().fillna(0.0)) / sd",
)
_center = _each("x[columns] = x[columns] - seen.mean().fillna(0.0)")


def _scale(asked: Asked) -> list[str]:
    return [
        f"columns = {asked.chosen}",
        "sd = x[columns][:n].std()",
        f"divisor = (sd * {asked.step.factor}).where(sd >= np.finfo(float).eps, 1.0)",
        "x[columns] = x[columns] / divisor",
    ]


def _range(asked: Asked) -> list[str]:
    low, high = asked.step.min, asked.step.max
    lines = [
        f"columns = {asked.chosen}",
        "low, high = x[columns][:n].min().fillna(0.0), x[columns][:n].max().fillna(0.0)",
        "width = (high - low).where(high != low, 1.0)",
        f"x[columns] = (x[columns] - low) * {high - low!r} / width + {low!r}",
    ]
    if asked.step.clipping:
        lines.append(f"x[columns] = x[columns].clip({low!r}, {high!r})")
    return lines


def _divide(asked: Asked) -> list[str]:
    return [f"columns = {asked.chosen}", f"x[columns] = x[columns] / {asked.step.by!r}"]


def _log(asked: Asked) -> list[str]:
    logs = {2.0: "np.log2({})", 10.0: "np.log10({})"}
    form = logs.get(asked.step.base, f"np.log({{}}) / np.log({asked.step.base!r})")
    if asked.step.signed:
        size = "x[columns].abs()"
        value = f"(np.sign(x[columns]) * {form.format(size)}).mask({size} < 1, 0.0)"
    else:
        value = form.format(
            f"x[columns] + {asked.step.offset!r}" if asked.step.offset else "x[columns]"
        )
    return [f"columns = {asked.chosen}", f"x[columns] = {value}"]


def _sqrt(asked: Asked) -> list[str]:
    return [f"columns = {asked.chosen}", "x[columns] = np.sqrt(x[columns])"]


def _inverse(asked: Asked) -> list[str]:
    return [f"columns = {asked.chosen}", f"x[columns] = 1 / (x[columns] + {asked.step.offset!r})"]


def _filled(asked: Asked) -> list[str]:
    whole = [name for name in asked.fitted.columns if name in asked.integers]
    if getattr(asked.step, "trim", 0.0):
        values = literal(dict(zip(asked.fitted.columns, asked.fitted.values, strict=True)))
        return [
            f"# Means without {asked.step.trim:g} of the values at either end, as in the service.",
            f"x = x.fillna({values})",
        ]
    what = asked.step.step.removeprefix("impute_")
    lines = [f"columns = {asked.chosen}", f"values = x[columns][:n].{what}()"]
    if whole:
        lines += [
            "# Columns of whole numbers stay so.",
            f"whole = {literal(whole)}",
            "values[whole] = np.rint(values[whole])",
        ]
    return [*lines, "x[columns] = x[columns].fillna(values)"]


def _powers(asked: Asked) -> list[str]:
    lambdas = literal(dict(zip(asked.fitted.columns, asked.fitted.lambdas, strict=True)))
    return [
        "# Each lambda as the service found it in these rows by maximum likelihood.",
        f"for c, power in {lambdas}.items():",
        f"    x[c] = {asked.step.step}(x[c], power)",
    ]


COLUMNWISE: Mapping[str, Writer] = {
    "zv": _zv,
    "select": _select,
    "remove": _remove,
    "naomit": _naomit,
    "normalize": _normalize,
    "center": _center,
    "scale": _scale,
    "range": _range,
    "divide": _divide,
    "log": _log,
    "sqrt": _sqrt,
    "inverse": _inverse,
    "impute_mean": _filled,
    "impute_median": _filled,
    "box_cox": _powers,
    "yeo_johnson": _powers,
}
