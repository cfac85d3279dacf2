"""Steps on categories, and steps that make columns, as lines of pandas."""

from __future__ import annotations

from collections.abc import Mapping

from service.engine.scripts.python_text import Asked, Writer, dropped, literal


def _impute_mode(asked: Asked) -> list[str]:
    return [
        f"for c in {asked.chosen}:",
        "    counts = x[c][:n].value_counts().reindex(levels[c], fill_value=0)",
        "    if counts.sum():",
        "        x[c] = x[c].fillna(counts.idxmax())",
    ]


def _novel(asked: Asked) -> list[str]:
    return [
        f"for c in {asked.chosen}:",
        f"    x[c] = x[c].where(x[c].isna() | x[c].isin(levels[c]), {asked.step.new_level!r})",
        f"    levels[c] = [*levels[c], {asked.step.new_level!r}]",
    ]


def _unknown(asked: Asked) -> list[str]:
    return [
        f"for c in {asked.chosen}:",
        f"    x[c] = x[c].fillna({asked.step.new_level!r})",
        f"    levels[c] = [*levels[c], {asked.step.new_level!r}]",
    ]


def _other(asked: Asked) -> list[str]:
    share = "counts / max(counts.sum(), 1)" if asked.step.threshold < 1 else "counts"
    return [
        f"for c in {asked.chosen}:",
        "    counts = x[c][:n].value_counts().reindex(levels[c], fill_value=0)",
        f"    share = {share}",
        f"    common = [level for level in levels[c] if share[level] >= {asked.step.threshold!r}]",
        "    if len(common) < len(levels[c]):",
        "        common = common or [counts.idxmax()]",
        f"        x[c] = x[c].where(x[c].isna() | x[c].isin(common), {asked.step.other!r})",
        f"        levels[c] = [*common, {asked.step.other!r}]",
    ]


def _dummy(asked: Asked) -> list[str]:
    step, fitted = asked.step, asked.fitted
    of_levels, of_orders = {}, {}
    for name, factor, place in zip(fitted.made, fitted.factors, fitted.codes_of, strict=True):
        if name in fitted.contrasts:
            of_orders[name] = (factor, list(fitted.contrasts[name]))
        else:
            of_levels[name] = (factor, place)
    lines = [
        "# Of each new column the factor, and the place of the level at which it is 1.",
        f"places = {literal(of_levels)}",
        "made = {",
        "    name: (x[c] == levels[c][place]).where(x[c].isin(levels[c]))",
        "    for name, (c, place) in places.items()",
        "}",
    ]
    if of_orders:
        lines += [
            "# Polynomial contrasts of ordered factors: a value a level.",
            f"for name, (c, values) in {literal(of_orders)}.items():",
            "    made[name] = x[c].map(dict(zip(levels[c], values)))",
        ]
    rest = "" if step.keep_original_cols else f".drop(columns={asked.chosen})"
    return [
        *lines,
        f"made = pd.DataFrame(made, x.index)[{literal(fitted.made)}].astype(float)",
        f"x = pd.concat([x{rest}, made], axis=1)",
    ]


def _ratio(asked: Asked) -> list[str]:
    pairs = literal(dict(zip(asked.fitted.made, asked.fitted.pairs, strict=True)))
    return [
        f"pairs = {pairs}",
        "made = {name: x[above] / x[below] for name, (above, below) in pairs.items()}",
        *dropped(asked.fitted.dropped),
        "x = pd.concat([x, pd.DataFrame(made)], axis=1)",
    ]


def _interact(asked: Asked) -> list[str]:
    terms = literal(
        {n: list(t) for n, t in zip(asked.fitted.made, asked.fitted.terms, strict=True)}
    )
    return [
        f"terms = {terms}",
        "made = {name: x[term].prod(axis=1, skipna=False) for name, term in terms.items()}",
        "x = pd.concat([x, pd.DataFrame(made)], axis=1)",
    ]


def _pca(asked: Asked) -> list[str]:
    if not asked.fitted.made:
        return ["# No component: it does nothing."]
    rest = "" if asked.step.keep_original_cols else ".drop(columns=columns)"
    return [
        f"columns = {asked.chosen}",
        "_, _, rotation = np.linalg.svd(x[columns][:n].to_numpy(), full_matrices=False)",
        f"rotation = rotation[:{len(asked.fitted.made)}].T",
        "# A component's sign is free: its loading of largest size is positive.",
        "largest = np.abs(rotation).argmax(axis=0)",
        "rotation = rotation * np.sign(rotation[largest, np.arange(rotation.shape[1])])",
        f"names = {literal(asked.fitted.made)}",
        "made = pd.DataFrame(x[columns].to_numpy() @ rotation, x.index, names)",
        f"x = pd.concat([x{rest}, made], axis=1)",
    ]


MAKING: Mapping[str, Writer] = {
    "impute_mode": _impute_mode,
    "novel": _novel,
    "unknown": _unknown,
    "other": _other,
    "dummy": _dummy,
    "ratio": _ratio,
    "interact": _interact,
    "pca": _pca,
}
