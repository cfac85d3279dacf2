"""The plan of a resolved fit and what it costs here, for a dry run and for the worker."""

from __future__ import annotations

from service.domain.cost import Calibration
from service.domain.plan import Plan, plan
from service.domain.planned_fit import planned
from service.domain.resolve import Resolved


def plan_of(found: Resolved, backend: str, calibration: Calibration | None) -> Plan:
    """Return a fit's plan; without a calibration it tells no seconds.

    However many slots the workers have, one fit takes one.
    """
    fit = planned(
        found.spec,
        rows=found.spec.dataset,
        n_rows=found.n_rows,
        n_validation=found.n_validation,
        predictors=len(found.predictors),
        outputs=found.outputs,
    )
    return plan([fit], slots=1, backend=backend, calibration=calibration)
