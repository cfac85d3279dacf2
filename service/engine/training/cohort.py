"""Members packed into one program, trained epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from service.domain.history import EpochRecord
from service.domain.window import height_of
from service.engine.training import backend, penalty, seeding
from service.engine.training.layout import Layout
from service.engine.training.losses import finish_metric
from service.engine.training.members import Member
from service.engine.training.objective import Objective
from service.engine.training.program import State, program_of
from service.engine.training.rows import Data, in_batches
from service.engine.training.states import MemberState, after_record


class Cohort:
    """Members that train together from their states on.

    Those that have not ended have done the same number of epochs; one has not. `places` are their
    1-based numbers in the records.
    """

    def __init__(
        self,
        members: Sequence[Member],
        states: Sequence[MemberState],
        places: Sequence[int],
        objective: Objective,
        shuffle_seed: int,
        data: Data,
    ) -> None:
        engine = backend.load()
        self.members = tuple(members)
        self.places = tuple(places)
        self._objective = objective
        self._shuffle_seed = shuffle_seed
        self._data = data
        self._layout = Layout(self.members, self._height(self.members))
        self._array = engine.array
        self._program = program_of(self._layout, objective)
        self._states = list(states)
        # Of an epoch that compiled nothing, which only the first one may do.
        self._last_seconds = 0.0
        self._is_compiled = False
        first = next(state for state in states if state.ending is None)
        parameters = self._layout.pack([state.weights for state in states])
        slots = [
            self._layout.pack([state.slots[slot] for state in states])
            for slot in range(len(states[0].slots))
        ]
        steps = -(-data.n_rows // objective.batch_size)
        self._state = State(
            parameters=[engine.tensor(array) for array in parameters],
            slots=[
                [engine.tensor(slot[position]) for slot in slots]
                for position in range(len(parameters))
            ],
            shared=engine.tensor(np.float32(first.shared)),
            steps=engine.tensor(np.int32(first.epoch * steps)),
        )

    @property
    def endings(self) -> tuple[str | None, ...]:
        """How each member has ended, None for one that trains."""
        return tuple(state.ending for state in self._states)

    @property
    def epochs_done(self) -> int:
        """How many epochs the members that train have done."""
        return max(state.epoch for state in self._states)

    def seconds_saved_by_repacking(self, until: int | None = None) -> float:
        """Return what a cohort of those that still train would save until its end, at most.

        A member that has ended costs as much as before: its step size is 0. 0 while nobody has,
        and before the second epoch. `until` is the epoch at which they are paused.
        """
        still = [
            (member, min(member.epochs, until or member.epochs) - state.epoch)
            for member, state in zip(self.members, self._states, strict=True)
            if state.ending is None
        ]
        if len(still) == len(self.members) or not still:
            return 0.0
        spared = 1 - self._height([member for member, _ in still]) / self._layout.height
        return spared * self._last_seconds * max(left for _, left in still)

    def epoch(self) -> tuple[EpochRecord, ...]:
        """Train and validate one epoch; return the records of the members that trained in it."""
        started = time.perf_counter()
        epoch = self.epochs_done + 1
        trains = [state.ending is None for state in self._states]
        active = np.array(trains, np.float32)
        rates = np.array([member.learn_rate for member in self.members], np.float32) * active
        self._state, sums = self._program.train(
            self._state,
            self._data.rows,
            self._data.n_rows,
            in_batches(
                seeding.order(self._shuffle_seed, epoch, self._data.n_rows),
                self._objective.batch_size,
            ),
            self._mask(epoch, active),
            rates,
            active,
        )
        val_sums = (
            self._program.validate(self._state, self._data.validation, self._data.n_validation)
            if self._data.validation is not None
            else None
        )
        parameters = self._parameters() if self._looks_at_weights() else None
        seconds = time.perf_counter() - started
        self._last_seconds = seconds if self._is_compiled else 0.0
        self._is_compiled = True
        records = []
        for index, member in enumerate(self.members):
            if not trains[index]:
                continue
            weights = self._layout.unpack(parameters, index) if parameters is not None else None
            share = penalty.value(member, weights[0::2]) if weights is not None else 0.0
            record = EpochRecord(
                trial=self.places[index],
                epoch=epoch,
                values=self._values(sums, val_sums, index, share),
                seconds=seconds,
                samples_per_second=self._data.n_rows / seconds,
            )
            self._states[index] = after_record(self._states[index], member, record, weights)
            records.append(record)
        return tuple(records)

    def states(self) -> tuple[MemberState, ...]:
        """Return where every member stands, in order."""
        parameters = self._parameters()
        shared = float(self._array(self._state.shared))
        n_slots = len(self._state.slots[0])
        slots = [[self._array(own[slot]) for own in self._state.slots] for slot in range(n_slots)]
        return tuple(
            replace(
                state,
                weights=self._layout.unpack(parameters, index),
                slots=tuple(self._layout.unpack(slot, index) for slot in slots),
                shared=shared,
            )
            for index, state in enumerate(self._states)
        )

    def _height(self, members: Sequence[Member]) -> int:
        units = sum(member.height for member in members)
        return height_of(units, keras.config.backend(), self._objective.batch_size)

    def _looks_at_weights(self) -> bool:
        return any(
            any(member.penalties)
            or (member.early_stopping is not None and member.early_stopping.restore_best_weights)
            for member in self.members
        )

    def _values(self, sums: Any, val_sums: Any, index: int, share: float) -> dict[str, float]:
        """Return a record's values: each mean over rows, the penalty added to both losses."""
        values: dict[str, float] = {}
        for place, name in enumerate(("loss", *self._objective.metrics)):
            extra = share if name == "loss" else 0.0
            mean = float(sums[index, place]) / self._data.n_rows
            values[name] = finish_metric(name, mean) + extra
            if val_sums is not None:
                mean = float(val_sums[index, place]) / self._data.n_validation
                values[f"val_{name}"] = finish_metric(name, mean) + extra
        return values

    def _parameters(self) -> list[NDArray[np.float32]]:
        return [self._array(parameter) for parameter in self._state.parameters]

    def _mask(self, epoch: int, active: NDArray[np.float32]) -> NDArray[np.uint8] | None:
        """Return every dropout's mask, (steps, masked units, places), 0 for who has stopped."""
        n_rows, masks = self._data.n_rows, []
        for index, member in enumerate(self._layout.members):
            network = member.network
            for layer, rate in enumerate(network.dropouts):
                if rate > 0:
                    units = network.hidden[layer]
                    drawn = (
                        seeding.dropout_mask(member.seeds[1], epoch, layer, n_rows, units, rate)
                        if active[index]
                        else np.zeros((n_rows, units), np.uint8)
                    )
                    by_step = in_batches(drawn, self._objective.batch_size)
                    masks.append(by_step.transpose(0, 2, 1))
        return np.concatenate(masks, axis=1) if masks else None
