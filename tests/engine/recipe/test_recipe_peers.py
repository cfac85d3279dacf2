"""Steps against other libraries, with the difference of definition where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.engine.recipe import (
    Category,
    MemoryColumns,
)
from service.engine.recipe.view import View
from tests.engine.recipe.drawn import DRAW, GAPS, X, baked, learned, matrix


def test_components_are_scikit_learns_up_to_their_sign_when_the_columns_are_centred() -> None:
    from sklearn.decomposition import PCA

    fitted = learned([{"step": "center"}, {"step": "pca"}], X)
    peer = PCA(n_components=5).fit_transform(matrix(X))
    found = baked(fitted, X)
    signs = np.sign((found * peer).sum(axis=0))
    np.testing.assert_allclose(found, peer * signs, rtol=1e-9, atol=1e-9)


def test_means_and_medians_are_scikit_learns() -> None:
    from sklearn.impute import SimpleImputer

    for step, strategy in (("impute_mean", "mean"), ("impute_median", "median")):
        peer = SimpleImputer(strategy=strategy).fit_transform(matrix(GAPS))
        np.testing.assert_allclose(
            baked(learned([{"step": step}], GAPS), GAPS), peer, rtol=1e-13, atol=1e-15
        )


def test_the_most_common_level_is_scikit_learns_and_of_equals_the_first() -> None:
    from sklearn.impute import SimpleImputer

    cells = ["b", "a", None, "b", "c", "a"]
    source = MemoryColumns({"f": Category(cells)})
    fitted = learned([{"step": "impute_mode"}], source)
    peer = SimpleImputer(strategy="most_frequent", missing_values=None)
    expected = peer.fit_transform(np.array(cells, dtype=object)[:, np.newaxis])[2, 0]
    view = View(source, fitted.steps, None, fitted.levels)
    assert view.levels("f")[view.codes("f")[2]] == expected == "a"


def test_neighbors_by_gower_are_scikit_learns_by_city_blocks_of_columns_scaled_to_their_range() -> (
    None
):
    from sklearn.neighbors import NearestNeighbors

    cells = matrix(X).copy()
    cells[:20, 0] = np.nan
    source = MemoryColumns(dict(zip(X.types, cells.T, strict=True)))
    fitted = learned([{"step": "impute_knn", "columns": "x0", "neighbors": 4}], source)
    scaled = cells[:, 1:] / np.ptp(cells[:, 1:], axis=0)
    peer = NearestNeighbors(n_neighbors=4, metric="manhattan").fit(scaled[20:])
    near = peer.kneighbors(scaled[:20], return_distance=False) + 20
    np.testing.assert_allclose(baked(fitted, source)[:20, 0], cells[near, 0].mean(axis=1))


def test_a_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import LinearRegression

    fitted = learned([{"step": "impute_linear", "columns": "x0"}], GAPS)
    cells = matrix(GAPS)
    complete = cells[np.isfinite(cells).all(axis=1)]
    peer = LinearRegression().fit(complete[:, 1:], complete[:, 0])
    found = baked(fitted, GAPS)
    gaps = np.isnan(cells[:, 0])
    able = gaps & np.isfinite(cells[:, 1:]).all(axis=1)
    assert able.any()
    np.testing.assert_allclose(found[able, 0], peer.predict(cells[able, 1:]), rtol=1e-9)
    # R would fill in no row at all, as some of them lack other columns too.
    assert np.isnan(found[gaps & ~able, 0]).all()


def test_powers_are_scikit_learns_but_for_the_search() -> None:
    from sklearn.preprocessing import PowerTransformer

    peer = PowerTransformer("yeo-johnson", standardize=False).fit(matrix(X))
    said: dict[str, Any] = learned([{"step": "yeo_johnson"}], X).steps[0].learned()
    # R searches lambda to 1e-4, scikit-learn to 1.5e-8.
    np.testing.assert_allclose(list(said["lambda"].values()), peer.lambdas_, atol=2e-4)


def test_dummies_are_scikit_learns_one_hot_columns_without_the_first() -> None:
    from sklearn.preprocessing import OneHotEncoder

    cells = DRAW.choice(["u", "v", "w"], 50)
    source = MemoryColumns({"f": Category([str(cell) for cell in cells])})
    peer = OneHotEncoder(drop="first", sparse_output=False).fit_transform(cells[:, np.newaxis])
    np.testing.assert_array_equal(baked(learned([{"step": "dummy"}], source), source), peer)


def test_bins_are_scikit_learns_quantiles() -> None:
    from sklearn.preprocessing import KBinsDiscretizer

    fitted = learned([{"step": "discretize", "columns": "x0", "num_breaks": 5}], X)
    peer = KBinsDiscretizer(5, encode="ordinal", quantile_method="linear")
    expected = peer.fit_transform(X.numeric("x0")[:, np.newaxis])[:, 0]
    # Equal but at a quantile itself, where R closes an interval above and scikit-learn below.
    view = View(X, fitted.steps, None, fitted.levels)
    cuts = peer.bin_edges_[0]
    apart = np.min(np.abs(X.numeric("x0")[:, np.newaxis] - cuts), axis=1) > 1e-12
    np.testing.assert_array_equal(view.codes("x0")[apart], expected[apart])


def test_polynomials_are_orthonormal_and_span_the_powers() -> None:
    fitted = learned([{"step": "poly", "columns": "x0", "degree": 4}], X)
    found = baked(fitted, X)[:, -4:]
    np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-12)
    powers = np.vander(X.numeric("x0"), 5)
    residual = found - powers @ np.linalg.lstsq(powers, found, rcond=None)[0]
    np.testing.assert_allclose(residual, 0, atol=1e-9)


def test_splines_are_natural_and_span_scipys() -> None:
    from scipy.interpolate import CubicSpline

    fitted = learned([{"step": "ns", "columns": "x0", "deg_free": 4}], X)
    said: dict[str, Any] = fitted.steps[0].learned()
    knots = sorted([*said["boundary_knots"]["x0"], *said["knots"]["x0"]])
    grid = np.linspace(knots[0], knots[-1], 101)
    source = MemoryColumns(dict.fromkeys(X.types, grid))
    basis = np.column_stack([np.ones(101), baked(fitted, source)[:, -4:]])
    for place in range(len(knots)):
        cardinal = CubicSpline(knots, np.eye(len(knots))[place], bc_type="natural")(grid)
        fit = basis @ np.linalg.lstsq(basis, cardinal, rcond=None)[0]
        np.testing.assert_allclose(fit, cardinal, atol=1e-10)
    # Beyond the boundary they are straight lines.
    beyond = MemoryColumns({name: knots[-1] + np.arange(5.0) for name in X.types})
    np.testing.assert_allclose(np.diff(baked(fitted, beyond)[:, -4:], 2, axis=0), 0, atol=1e-12)
