"""The training of a printed script: rows, epochs, and what ends them."""

from __future__ import annotations

from service.domain.history import higher_is_better
from service.engine.artifact import Artifact
from service.engine.scripts.python_network import of_logits
from service.engine.scripts.python_text import literal


def main_function(artifact: Artifact, backend: str) -> str:
    """Return the function that reads, trains epoch by epoch and saves."""
    spec, engine = artifact.spec, artifact.spec.engine
    lines = ["def main():", "    table = read(sys.argv[1])"]
    if engine.validation_dataset is not None:
        lines += [
            "    n = len(table)",
            "    table = pd.concat([table, read(sys.argv[2])], ignore_index=True)",
        ]
    else:
        lines += [
            "    # The last rows validate, as Keras divides them.",
            "    n = math.floor(len(table) * (1.0 - VALIDATION_SPLIT))",
        ]
    lines += [
        '    x = table.drop(columns=NOT_PREDICTORS, errors="ignore")',
        "    x = x.astype({c: float for c in numeric(x)})",
        "    levels = {c: sorted(x[c][:n].dropna().unique()) for c in nominal(x)} | LEVELS",
        "    x, n = recipe(x, levels, n)",
        "    table = table.loc[x.index]",
        '    x = x.to_numpy("float64").astype("float32")',
    ]
    if artifact.levels is not None:
        lines += [
            "    codes = table[OUTCOMES[0]].map({level: at for at, level in enumerate(CLASSES)})",
            '    y = np.eye(len(CLASSES), dtype="float32")[codes.astype(int)]',
        ]
    else:
        lines.append('    y = table[OUTCOMES].to_numpy("float32")')
    parts = "x[{0}], y[{0}]"
    fit = ["x[order]", "y[order]"]
    if spec.case_weights is not None:
        lines.append(f'    weights = table[{spec.case_weights!r}].to_numpy("float32")')
        parts += ", weights[{0}]"
        fit.append("sample_weight=weights[order]")
    if engine.class_weight is not None and artifact.levels is not None:
        given = [float(engine.class_weight.get(level, 1.0)) for level in artifact.levels]
        weight = dict(enumerate(given))
        fit.append(f"class_weight={literal(weight)}")
    if engine.validates():
        fit.append(f"validation_data=({parts.format('n:')})")
    fit.append("batch_size=BATCH_SIZE, epochs=1, shuffle=False, verbose=0")
    lines += [
        "    model = network(n)",
        *_before(artifact),
        "    for epoch in range(1, EPOCHS + 1):",
        "        order = generator(1, SHUFFLE_SEED, epoch).permutation(n)",
    ]
    if any(artifact.network.dropouts):
        lines += [
            "        for layer in model.layers:",
            "            if isinstance(layer, RecordedDropout):",
            "                layer.begin(epoch)",
        ]
    lines += [
        "        told = model.fit(",
        *(f"            {argument}," for argument in fit),
        "        ).history",
        "        told = {name: values[0] for name, values in told.items()}",
        '        print(epoch, *(f"{name} {value:.5f}" for name, value in told.items()))',
        *_after(artifact),
        *_end(artifact, backend),
        "    model.save(sys.argv[-1])",
        "",
        "",
        'if __name__ == "__main__":',
        "    main()",
    ]
    return "\n".join(lines)


def _before(artifact: Artifact) -> list[str]:
    if artifact.spec.engine.early_stopping is None:
        return []
    return ["    best, wait, kept = None, 0, None"]


def _after(artifact: Artifact) -> list[str]:
    """Return what stops the training, behind each epoch."""
    rule, lines = artifact.spec.engine.early_stopping, []
    if artifact.spec.engine.terminate_on_nan:
        lines += ['        if not math.isfinite(told["loss"]):', "            break"]
    if rule is None:
        return lines
    better = (
        f"value - {rule.min_delta!r} > best"
        if higher_is_better(rule.monitor)
        else f"value + {rule.min_delta!r} < best"
    )
    lines += [
        f'        value, wait = told["{rule.monitor}"], wait + 1',
        f"        if best is None or {better}:",
        "            best, wait, kept = value, 0, model.get_weights()",
        f"        elif wait >= {rule.patience} and epoch > 1:",
        "            break",
    ]
    return lines


def _end(artifact: Artifact, backend: str) -> list[str]:
    rule, lines = artifact.spec.engine.early_stopping, []
    if rule is not None and rule.restore_best_weights:
        lines += ["    if kept is not None:", "        model.set_weights(kept)"]
    if any(artifact.network.dropouts):
        lines += [
            "    # The file has Keras's own Dropout: it opens without this script.",
            "    layers = [",
            "        keras.layers.Dropout(one.rate) if isinstance(one, RecordedDropout) else one",
            "        for one in model.layers",
            "    ]",
            "    model = keras.Sequential([keras.Input(model.input_shape[1:]), *layers])",
        ]
    if of_logits(artifact, backend):
        lines.append("    model = keras.Sequential([model, keras.layers.Softmax()])")
    return lines
