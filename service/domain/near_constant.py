"""The rule by which `nzv` drops a column."""

from __future__ import annotations


def is_near_constant(
    counts: tuple[int, int], n_unique: int, n_rows: int, freq_cut: float, unique_cut: float
) -> bool:
    """Return whether `nzv` drops a column, by recipes 1.0.4's rule.

    It does when at most one distinct value occurs, or when the most common value occurs more than
    `freq_cut` times as often as the next one while the distinct values are at most `unique_cut`
    percent of the rows: `counts[0] / counts[1] > freq_cut and 100 * n_unique / n_rows <=
    unique_cut`. Missing values count among the rows and not among the values.
    """
    if n_unique <= 1:
        return True
    return counts[0] / counts[1] > freq_cut and 100 * n_unique / n_rows <= unique_cut
