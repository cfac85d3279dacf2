"""Pictures of how a model does: what is to be read is there, and equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from service.domain.evaluations import Confusion
from service.engine.judging.curve_points import CurveKind, class_curves, residuals
from service.engine.judging.permutation import Importance
from service.engine.metrics.scoring import judged
from service.engine.plots.canvas import PictureFormat
from service.engine.plots.confusion_square import MOST_NUMBERS, confusion_square
from service.engine.plots.curve_lines import MOST_COLOURED, curve_lines
from service.engine.plots.importance_bars import importance_bars
from service.engine.plots.reliability import reliability
from service.engine.plots.residual_dots import residual_dots
from service.engine.plots.worst_sheet import Sheet, worst_sheet
from tests.engine.judging.judged_models import LEVELS, classified, measured

Texts = Callable[[bytes], list[str]]
ODD = ("$a$", "<b>", "a name that is far longer than any legend can hold")
NOTHING = judged(np.empty(0), np.empty((0, 3)), LEVELS, "classification")
SHEET = Sheet(
    pixels=np.arange(18.0).reshape(2, 9), rows=(3, 12), truth=("4", "<9>"), estimate=("9", "$4$")
)
CONFUSION = Confusion(levels=("a", "<b>"), counts=((30, 5), (0, 1500)))
COLUMNS = [Importance("x1", 0.25, 0.01), Importance("$x2$", -0.01, float("nan"))]
DRAWN: dict[str, Callable[..., bytes]] = {
    "roc": partial(curve_lines, class_curves(classified(), ODD, "roc"), "roc"),
    "lift": partial(curve_lines, class_curves(classified(), ODD, "lift"), "lift"),
    "calibration": partial(reliability, class_curves(classified(), ODD, "calibration")),
    "residuals": partial(residual_dots, residuals(measured(), ["y"])),
    "confusion": partial(confusion_square, CONFUSION),
    "importance": partial(importance_bars, COLUMNS, "accuracy", n=200, times=5),
    "worst": partial(worst_sheet, SHEET),
}


@pytest.mark.parametrize("fmt", ["svg", "png"])
@pytest.mark.parametrize("name", sorted(DRAWN))
def test_equal_arguments_give_equal_bytes(name: str, fmt: PictureFormat) -> None:
    drawn = DRAWN[name](title="m@1 on t", fmt=fmt)
    assert DRAWN[name](title="m@1 on t", fmt=fmt) == drawn
    if fmt == "png":
        assert Image.open(BytesIO(drawn)).format == "PNG"


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_picture_says_what_was_judged_on_what(name: str, texts: Texts) -> None:
    assert any("m@1 on $t$" in word for word in texts(DRAWN[name](title="m@1 on $t$")))


@pytest.mark.parametrize("kind", ["roc", "pr", "gain", "lift"])
def test_curves_name_their_levels_and_areas(kind: CurveKind, texts: Texts) -> None:
    curves = class_curves(classified(), ODD, kind)
    words = texts(curve_lines(curves, kind))
    legend = [word.split("   ")[0] for word in words]
    assert {"$a$", "<b>"} <= set(legend)
    if kind == "roc":
        assert f"$a$   {curves[0].summary['roc_auc']:.3f}" in words
        assert "ROC curve, 3 levels against the rest" in words
    (alone,) = class_curves(classified(), ODD, kind, shown=["<b>"])
    assert not any("against the rest" in word for word in texts(curve_lines([alone], kind)))


def test_more_levels_than_colours_have_no_legend(texts: Texts) -> None:
    k = MOST_COLOURED + 1
    levels = [f"level {code}" for code in range(k)]
    prob = np.random.default_rng(1).dirichlet(np.ones(k), 60)
    rows = judged(np.arange(60) % k, prob, levels, "classification")
    for drawn in (
        curve_lines(class_curves(rows, levels, "roc"), "roc"),
        reliability(class_curves(rows, levels, "calibration")),
    ):
        assert not any(word.startswith("level") for word in texts(drawn))


def test_counts_stand_in_the_square_as_far_as_they_fit(texts: Texts) -> None:
    words = texts(confusion_square(CONFUSION))
    assert {"a", "<b>", "30", "5", "1,500", "truth", "prediction"} <= set(words)
    assert "1,535 rows, 1,530 rows on the diagonal" in words
    k = MOST_NUMBERS + 1
    counts = tuple(tuple(777 * (row == column) for column in range(k)) for row in range(k))
    many = Confusion(levels=tuple(f"l{code}" for code in range(k)), counts=counts)
    assert "777" not in texts(confusion_square(many))


def test_very_many_classes_stay_a_small_picture() -> None:
    k = 400
    counts = tuple(tuple(int(row == column) for column in range(k)) for row in range(k))
    many = Confusion(levels=tuple(f"l{code}" for code in range(k)), counts=counts)
    assert len(confusion_square(many)) < 1_000_000


def test_importance_names_the_columns_and_the_metric(texts: Texts) -> None:
    words = texts(DRAWN["importance"]())
    assert {"x1", "$x2$", "accuracy, worse by"} <= set(words)
    assert "200 rows, each column shuffled 5 times" in words


def test_the_sheet_has_a_picture_a_row_with_what_is_true_and_what_was_said(texts: Texts) -> None:
    words = texts(DRAWN["worst"]())
    assert {"4", "<9>", "9", "$4$", "row 3", "row 12"} <= set(words)


def test_nothing_to_see_is_said(texts: Texts) -> None:
    without = Sheet(pixels=np.empty((0, 9)), rows=(), truth=(), estimate=())
    for drawn in (
        curve_lines(class_curves(NOTHING, LEVELS, "lift"), "lift"),
        reliability(class_curves(NOTHING, LEVELS, "calibration")),
        residual_dots(residuals(judged(np.empty(0), np.empty(0), None, "regression"), ["y"])),
        confusion_square(Confusion(levels=("a", "b"), counts=((0, 0), (0, 0)))),
        worst_sheet(without),
    ):
        assert "There are no rows." in texts(drawn)
    nothing = importance_bars([], "accuracy", n=0, times=1)
    assert "The model reads no column." in texts(nothing)


def test_several_outcomes_have_a_panel_each(texts: Texts) -> None:
    draw = np.random.default_rng(1)
    truth = draw.normal(size=(50, 2))
    rows = judged(truth, truth + 0.1, None, "regression")
    words = texts(residual_dots(residuals(rows, ["$a$", "b"])))
    assert {"estimate of $a$", "estimate of b"} <= set(words)
