"""The leader that events tell is the first row of the table at that moment."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.tune.candidates import Candidate
from service.domain.tune.leading import Leading
from service.domain.tune.ranking import ranked
from service.domain.tune.results import TrialResult, scores_of, trials_of

CANDIDATES = {
    trial: Candidate(trial=trial, config=f"Model{trial}", values={"units": trial}, spec=None)
    for trial in range(1, 6)
}
ESTIMATES = st.sampled_from([None, 0.25, 0.5, 0.75])


@st.composite
def told(draw: st.DrawFn) -> list[TrialResult]:
    """Results of candidates on folds, in any order; some stopped by a race, some undefined."""
    keys = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), unique=True, max_size=15))
    return [
        TrialResult(
            trial=trial,
            fold=fold,
            ending="completed",
            scores=draw(
                st.one_of(st.just({}), st.fixed_dictionaries({"rmse": ESTIMATES, "mae": ESTIMATES}))
            ),
            pruned_at=draw(st.sampled_from([None, None, 2, 6])),
        )
        for trial, fold in keys
    ]


@settings(max_examples=300)
@given(told(), st.sampled_from(["rmse", "mae"]))
def test_the_leader_is_the_first_row_that_has_an_estimate(
    results: list[TrialResult], metric: str
) -> None:
    leading, seen = Leading(metric), list[TrialResult]()
    assert leading.row() is None
    for each in results:
        leading.add([each], CANDIDATES)
        seen.append(each)
        table = ranked(scores_of(seen), trials_of(list(CANDIDATES.values()), seen), metric)
        first = table[0]
        assert leading.row() == (None if first.mean is None else first.as_row())
