"""The plan: which fits train together, and what that costs.

Fits of one key train as one program. A cohort's height (its rows of the first kernel) is kept in a
window within which a fit's bits do not depend on its company, and cohorts are spread over slots,
children of one thread each: on two cores, two cohorts of 12 fits in two children are faster than
one of 24 in a child with two threads.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.cost import TYPICAL, Calibration, Rates, expected_bytes
from service.domain.planned_fit import PlannedFit
from service.domain.schema import Value
from service.domain.window import TALLEST, height_of

# One more cohort is one more program to compile. A second of a slot, which may have nothing else to
# do, is priced at this share of a second of waiting.
_PRICE_OF_A_SLOT: Final = 0.25


class Cohort(Value):
    """Fits that train together. `fits` are 0-based places in what was planned, in their order.

    `height` counts the rows of zeros that every cohort has at least one of. `bit_exact`
    promises that each fit's bits are those that it gets in any other company; where it does not,
    `reason` says why. `expected_seconds` count every epoch asked for (early stopping saves), None
    without a calibration; `expected_bytes` are what it holds at least.
    """

    fits: tuple[int, ...]
    height: int
    bit_exact: bool
    reason: str | None
    expected_seconds: float | None
    expected_bytes: int


class Plan(Value):
    """Cohorts in the order in which `slots` children take them, the costliest first.

    `expected_seconds` is from the first start to the last end. `expected_bytes` are those of the
    largest cohorts that the slots may hold at once.
    """

    cohorts: tuple[Cohort, ...]
    slots: int
    expected_seconds: float | None
    expected_bytes: int
    bit_exact: bool

    @property
    def n_fits(self) -> int:
        """How many fits are planned."""
        return sum(len(cohort.fits) for cohort in self.cohorts)

    def followed_by(self, later: Plan) -> Plan:
        """Return the plan of these fits and, once they have ended, of those of another plan.

        The places of the other one's fits come behind those of these.
        """
        shift = self.n_fits
        moved = tuple(
            cohort.model_copy(update={"fits": tuple(shift + place for place in cohort.fits)})
            for cohort in later.cohorts
        )
        seconds = (self.expected_seconds, later.expected_seconds)
        return Plan(
            cohorts=(*self.cohorts, *moved),
            slots=self.slots,
            expected_seconds=None if None in seconds else sum(each or 0.0 for each in seconds),
            expected_bytes=max(self.expected_bytes, later.expected_bytes),
            bit_exact=self.bit_exact and later.bit_exact,
        )


def plan(
    fits: Sequence[PlannedFit],
    *,
    slots: int,
    backend: str,
    calibration: Calibration | None = None,
) -> Plan:
    """Return cohorts in which every fit trains once.

    The same fits in another order give the same cohorts, up to fits that are equal to a plan.

    Args:
        fits: what is to be trained.
        slots: how many cohorts train at once, at least 1.
        backend: "tensorflow" or "jax"; the window depends on it.
        calibration: measured rates. Without them cohorts are weighed by typical ones, the plan
            tells no seconds, and no bits are promised to fits in company.

    Raises:
        ValueError: `slots` is below 1.
    """
    if slots < 1:
        raise ValueError(f"Expected at least 1 slot. Received {slots}.")
    packs = _spread(_Packer(fits, backend, calibration or TYPICAL), slots)
    cohorts = tuple(_cohort(fits, pack, calibration) for pack in packs)
    held = sorted((cohort.expected_bytes for cohort in cohorts), reverse=True)
    return Plan(
        cohorts=cohorts,
        slots=slots,
        expected_seconds=None if calibration is None else _makespan(packs, slots),
        expected_bytes=sum(held[:slots]),
        bit_exact=all(cohort.bit_exact for cohort in cohorts),
    )


def _cohort(fits: Sequence[PlannedFit], pack: _Pack, calibration: Calibration | None) -> Cohort:
    own = [fits[place] for place in pack.places]
    reason = _doubt(own, calibration)
    return Cohort(
        fits=pack.places,
        height=pack.height,
        bit_exact=reason is None,
        reason=reason,
        expected_seconds=pack.seconds if calibration is not None else None,
        expected_bytes=expected_bytes(own, pack.height),
    )


def _doubt(fits: Sequence[PlannedFit], calibration: Calibration | None) -> str | None:
    """Return why a cohort's bits are not promised, or None."""
    units = sum(fit.height for fit in fits)
    max_seconds = fits[0].max_seconds
    in_company = len(fits) > 1
    if in_company and calibration is None:
        return (
            "The worker has not yet checked on this machine that a fit's bits do not depend on its "
            "company; it does so when it has been idle for a while."
        )
    if in_company and calibration is not None and not calibration.alone_equals_packed:
        return (
            "On this machine the engine found that a fit's bits depend on its company; the same "
            "plan gives the same bits again."
        )
    if units > TALLEST:
        return (
            f"The first hidden layer has {units} units. Bits are known not to depend on company "
            f"up to {TALLEST} units; this fit trains alone, and again alone gives the same bits."
        )
    if max_seconds is not None:
        return (
            f"max_seconds={max_seconds:g} may end the fit by the clock, and the epochs that "
            "it gets by then depend on the machine and on its company."
        )
    return None


@dataclass(frozen=True, kw_only=True)
class _Pack:
    """A cohort to be: its fits' places in order, its height and its seconds by the rates.

    `rank` orders packs by content, so that the plan does not depend on the order of the input.
    """

    places: tuple[int, ...]
    key: str
    height: int
    seconds: float
    rank: tuple[Any, ...]


class _Packer:
    """Packs fits into cohorts whose heights stay in the window."""

    def __init__(self, fits: Sequence[PlannedFit], backend: str, rates: Rates) -> None:
        self._fits = fits
        self._backend = backend
        self._rates = rates
        self._keys = [fit.key for fit in fits]
        self._ranks = [_rank(fit, rates.own_seconds(fit), n) for n, fit in enumerate(fits)]
        self.lone: list[_Pack] = []
        self.groups: dict[str, list[int]] = {}
        for place, fit in enumerate(fits):
            if fit.height > TALLEST:
                self.lone.append(self._pack([place]))
            else:
                self.groups.setdefault(self._keys[place], []).append(place)

    def fewest(self, key: str) -> list[_Pack]:
        """Return the cohorts of a group, as few as keep to the window."""
        height = sum(self._fits[place].height for place in self.groups[key])
        return self.divided(key, math.ceil(height / TALLEST))

    def divided(self, key: str, count: int) -> list[_Pack]:
        """Return a group in `count` cohorts of like cost; in more where the window wants it."""
        return next(packs for n in itertools.count(count) if (packs := self._packs(key, n)))

    def _packs(self, key: str, count: int) -> list[_Pack] | None:
        """Place the costliest fit first, each in the cheapest bin; None when one finds no room."""
        bins: list[list[int]] = [[] for _ in range(count)]
        cheapest = [(0.0, 0, n) for n in range(count)]
        for place in sorted(self.groups[key], key=self._ranks.__getitem__):
            own_height, own_seconds = self._fits[place].height, -self._ranks[place][0]
            full = []
            while cheapest and cheapest[0][1] + own_height > TALLEST:
                full.append(heapq.heappop(cheapest))
            if not cheapest:
                return None
            seconds, height, n = cheapest[0]
            heapq.heapreplace(cheapest, (seconds + own_seconds, height + own_height, n))
            bins[n].append(place)
            for each in full:
                heapq.heappush(cheapest, each)
        return [self._pack(places) for places in bins if places]

    def _pack(self, places: Sequence[int]) -> _Pack:
        in_order = tuple(sorted(places))
        own = [self._fits[place] for place in in_order]
        units = sum(fit.height for fit in own)
        height = height_of(units, self._backend, own[0].batch_size)
        seconds = self._rates.expected_seconds(own, height)
        key = self._keys[in_order[0]]
        return _Pack(
            places=in_order,
            key=key,
            height=height,
            seconds=seconds,
            rank=(-seconds, key, *sorted(self._ranks[place] for place in places)),
        )


def _rank(fit: PlannedFit, own_seconds: float, place: int) -> tuple[Any, ...]:
    """Return what sorts fits: the costliest first, the place only between equal ones."""
    return (-own_seconds, fit.hidden, fit.epochs, fit.masked_units, place)


def _spread(packer: _Packer, slots: int) -> list[_Pack]:
    """Return cohorts, the costliest first: the fewest, and more as long as that is worth its price.

    The costliest group of the busiest slot is divided further while that shortens the whole time by
    more than the price of what it costs the slots.
    """
    divided = {key: packer.fewest(key) for key in packer.groups}
    while True:
        packs = _costliest_first(packer, divided)
        busiest = max(_in_slots(packs, slots), key=_seconds)
        key = next((pack.key for pack in busiest if len(pack.places) > 1), None)
        if key is None:
            return packs
        most = min(slots, len(packer.groups[key]) - len(divided[key]))
        counts = [len(divided[key]) + 2**n for n in range(most.bit_length())]
        trials = [{**divided, key: packer.divided(key, count)} for count in counts]
        prices = [_price(_costliest_first(packer, trial), slots) for trial in trials]
        if min(prices, default=math.inf) >= _price(packs, slots):
            return packs
        divided = trials[prices.index(min(prices))]


def _costliest_first(packer: _Packer, divided: Mapping[str, list[_Pack]]) -> list[_Pack]:
    packs = [*packer.lone, *itertools.chain.from_iterable(divided.values())]
    return sorted(packs, key=lambda pack: pack.rank)


def _makespan(packs: Sequence[_Pack], slots: int) -> float:
    return max(_seconds(taken) for taken in _in_slots(packs, slots))


def _price(packs: Sequence[_Pack], slots: int) -> float:
    return _makespan(packs, slots) + _PRICE_OF_A_SLOT * _seconds(packs)


def _seconds(packs: Sequence[_Pack]) -> float:
    return math.fsum(pack.seconds for pack in packs)


def _in_slots(packs: Sequence[_Pack], slots: int) -> list[list[_Pack]]:
    """Return each slot's packs; a pack goes to the slot that is free first (Graham, 1969)."""
    taken: list[list[_Pack]] = [[] for _ in range(slots)]
    free_at = [(0.0, slot) for slot in range(slots)]
    for pack in packs:
        seconds, slot = free_at[0]
        taken[slot].append(pack)
        heapq.heapreplace(free_at, (seconds + pack.seconds, slot))
    return taken
