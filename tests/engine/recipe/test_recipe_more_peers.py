"""More steps against other libraries: powers, curves, directions, fewer columns, dates, products.

Without a peer: `nzv` (caret's own rule), `impute_lower` (R draws at random), `divide`, `select` and
`remove` (nothing is learned).
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn.preprocessing import Normalizer, OneHotEncoder, PolynomialFeatures

from service.engine.recipe import Category, MemoryColumns
from service.engine.recipe.view import View
from tests.engine.recipe.drawn import GAPS, X, baked, learned, matrix

DRAW = np.random.default_rng(12)
POSITIVE = MemoryColumns({f"p{at}": DRAW.lognormal(at, 0.6, 150) for at in range(3)})


def test_box_cox_is_scipys_but_for_the_search() -> None:
    fitted = learned([{"step": "box_cox"}], POSITIVE)
    said: Any = fitted.steps[0].learned()["lambda"]
    for place, name in enumerate(POSITIVE.types):
        values = POSITIVE.numeric(name)
        # R searches between -5 and 5 to 1e-4, scipy without bounds to 1.5e-8.
        assert said[name] == pytest.approx(stats.boxcox_normmax(values, method="mle"), abs=2e-4)
        peer = special.boxcox(values, said[name])
        # Near 1 a power less 1 loses digits, to a few steps of a double at 1.
        found = baked(fitted, POSITIVE)[:, place]
        np.testing.assert_allclose(found, peer, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("step", "peer"),
    [
        ({"step": "log", "offset": 1}, special.log1p),
        ({"step": "log", "base": 2}, np.log2),
        ({"step": "sqrt"}, np.sqrt),
        ({"step": "inverse"}, np.reciprocal),
    ],
    ids=str,
)
def test_curves_are_numpys(step: dict[str, Any], peer: Any) -> None:
    found = baked(learned([step], POSITIVE), POSITIVE)
    np.testing.assert_allclose(found, peer(matrix(POSITIVE)), rtol=1e-12, atol=1e-15)


def test_the_logit_is_scipys() -> None:
    shares = MemoryColumns({"s": DRAW.random(100)})
    found = baked(learned([{"step": "logit"}], shares), shares)
    np.testing.assert_allclose(found, special.logit(matrix(shares)), rtol=1e-12, atol=1e-15)


def test_directions_are_scikit_learns() -> None:
    found = baked(learned([{"step": "spatialsign"}], X), X)
    np.testing.assert_allclose(found, Normalizer().fit_transform(matrix(X)), rtol=1e-13)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_no_pair_that_is_left_correlates_above_the_threshold(method: str) -> None:
    draw = np.random.default_rng(1)
    base = draw.normal(size=(300, 2))
    cells = base @ draw.normal(size=(2, 8)) + draw.normal(size=(300, 8))
    source = MemoryColumns({f"c{at}": cells[:, at] for at in range(8)})
    frame = pd.DataFrame(cells, columns=list(source.types))
    above = frame.corr(method=method).abs().to_numpy() - np.eye(8) > 0.6  # type: ignore[arg-type]
    assert above.any()
    left = learned([{"step": "corr", "threshold": 0.6, "method": method}], source).outputs
    kept = [int(name[1:]) for name in left]
    assert not above[np.ix_(kept, kept)].any()
    # None was dropped for nothing: each of those correlates with another one.
    gone = [at for at in range(8) if at not in kept]
    assert gone
    assert above[gone].any(axis=1).all()


def test_what_lincomb_leaves_has_the_rank_of_all_and_is_independent() -> None:
    cells = DRAW.normal(size=(60, 4))
    wide = np.column_stack([cells, cells[:, 0] + cells[:, 1], cells[:, 2] * 3, cells[:, 3] + 1])
    source = MemoryColumns({f"c{at}": wide[:, at] for at in range(7)})
    left = learned([{"step": "lincomb"}], source).outputs
    kept = wide[:, [int(name[1:]) for name in left]]
    assert len(left) == np.linalg.matrix_rank(wide) == np.linalg.matrix_rank(kept)


def test_gaps_are_counted_and_left_out_as_pandas_does() -> None:
    frame = pd.DataFrame(matrix(GAPS), columns=list(GAPS.types))
    share = frame.isna().mean()
    cut = float(share.median())
    left = learned([{"step": "filter_missing", "threshold": cut}], GAPS).outputs
    assert list(left) == list(share.index[share <= cut])
    said: Any = learned([{"step": "naomit"}, {"step": "center"}], GAPS).steps[1].learned()
    assert said["mean"] == pytest.approx(frame.dropna().mean().to_dict(), rel=1e-12)


def test_rare_levels_are_scikit_learns_infrequent_ones() -> None:
    cells = [str(cell) for cell in DRAW.choice(["u", "v", "w", "x"], 200, p=[0.5, 0.4, 0.06, 0.04])]
    source = MemoryColumns({"f": Category(cells)})
    steps = [{"step": "other", "threshold": 0.1}, {"step": "dummy", "one_hot": True}]
    peer = OneHotEncoder(min_frequency=0.1, sparse_output=False)
    expected = peer.fit_transform(np.array(cells)[:, np.newaxis])
    np.testing.assert_array_equal(baked(learned(steps, source), source), expected)


def test_a_level_of_its_own_for_what_is_new_and_what_is_missing_as_pandas_fills_them() -> None:
    source = MemoryColumns({"f": Category(["a", "b", None])})
    fitted = learned([{"step": "novel"}, {"step": "unknown"}], source)
    cells = pd.Series(["b", "z", None, "a"], dtype=object)
    view = View(MemoryColumns({"f": Category(list(cells))}), fitted.steps, None, fitted.levels)
    found = [view.levels("f")[code] for code in view.codes("f")]
    assert (
        found
        == cells.where(cells.isin(["a", "b"]) | cells.isna(), "new").fillna("unknown").to_list()
    )


def test_a_dates_parts_are_pandas() -> None:
    days = [datetime.date(1969, 12, 29) + datetime.timedelta(days=97 * at) for at in range(120)]
    epoch = datetime.date(1970, 1, 1)
    source = MemoryColumns({"d": np.array([(day - epoch).days for day in days])}, {"d": "date"})
    features = ["year", "month", "dow", "doy", "quarter"]
    step = {"step": "date", "features": features, "label": False, "keep_original_cols": False}
    found = baked(learned([step], source), source).T
    dates = pd.Series(pd.to_datetime(days)).dt
    # R counts Sunday as 1, pandas Monday as 0.
    expected = [dates.year, dates.month, (dates.day_of_week + 1) % 7 + 1, dates.day_of_year]
    np.testing.assert_array_equal(found, [*expected, dates.quarter])


def test_products_are_scikit_learns_interactions_and_ratios_numpys() -> None:
    three = MemoryColumns({name: X.numeric(name) for name in ("x1", "x2", "x3")})
    found = baked(learned([{"step": "interact", "columns": "all_predictors"}], three), three)
    peer = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    np.testing.assert_allclose(found, peer.fit_transform(matrix(three)), rtol=1e-14)
    step = {"step": "ratio", "columns": ["x1", "x2"], "denom": "x3", "keep_original_cols": False}
    cells = matrix(three)
    found = baked(learned([step], three), three)
    np.testing.assert_allclose(found, cells[:, :2] / cells[:, 2:], rtol=1e-14)
