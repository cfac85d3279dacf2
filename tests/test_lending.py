"""Executors that slots lend one another: only idle ones, and given back before they are closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from service.executors.inline import InlineExecutor
from service.executors.port import Executor
from service.lending import Lending

pytestmark = pytest.mark.timeout(30)


def lending(count: int) -> tuple[Lending, list[Executor]]:
    """Return a lending whose slots have all offered their executors."""
    made, executors = Lending(count), [InlineExecutor(device="cpu") for _ in range(count)]
    for index, each in enumerate(executors):
        made.offer(index, each)
    return made, list(executors)


@contextmanager
def busy(found: Lending, index: int) -> Iterator[None]:
    """Let a slot's own thread use its executor."""
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        with found.used(index, 0.0) as mine:
            assert mine
            begun.set()
            done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_slot_borrows_the_others_in_their_order_and_not_its_own() -> None:
    found, executors = lending(3)
    with found.used(1, 0.0) as mine, found.borrowed(1) as others:
        assert mine
        assert others == (executors[0], executors[2])


def test_one_slot_borrows_nothing() -> None:
    found, _ = lending(1)
    with found.used(0, 0.0), found.borrowed(0) as others:
        assert others == ()


def test_one_that_trains_is_not_borrowed_and_not_waited_for() -> None:
    found, executors = lending(3)
    with busy(found, 2):
        started = time.monotonic()
        with found.used(0, 0.0), found.borrowed(0) as others:
            assert others == (executors[1],)
        assert time.monotonic() - started < 5


def test_what_is_lent_is_not_used_by_its_own_slot_until_it_is_returned() -> None:
    found, _ = lending(2)
    with found.used(0, 0.0), found.borrowed(0):
        with found.used(1, 0.05) as mine:
            assert not mine
        # Nor was it given back by who could not have it.
        with found.used(1, 0.05) as mine:
            assert not mine
    with found.used(1, 0.0) as mine:
        assert mine


def test_what_is_lent_is_returned_when_the_borrower_fails() -> None:
    found, _ = lending(3)
    with pytest.raises(RuntimeError), found.borrowed(0):
        raise RuntimeError
    for index in range(3):
        with found.used(index, 0.0) as mine:
            assert mine


def test_two_borrowers_share_what_is_idle_and_wait_for_nobody_for_ever() -> None:
    found, executors = lending(4)
    with busy(found, 1), found.used(0, 0.0), found.borrowed(0) as first:
        assert first == (executors[2], executors[3])
        with found.borrowed(1) as second:
            assert second == ()


def test_one_that_is_just_being_started_is_waited_for() -> None:
    found, late = Lending(2), InlineExecutor(device="cpu")
    found.offer(0, InlineExecutor(device="cpu"))
    waiting = threading.Event()
    borrowed: list[tuple[Executor, ...]] = []

    def borrow() -> None:
        waiting.set()
        with found.borrowed(0) as others:
            borrowed.append(others)

    thread = threading.Thread(target=borrow)
    thread.start()
    assert waiting.wait(5)
    found.offer(1, late)
    thread.join(10)
    assert borrowed == [(late,)]


def test_those_that_do_not_come_up_are_waited_for_once_and_not_one_after_the_other() -> None:
    found = Lending(50, start_seconds=0.1)
    ready = InlineExecutor(device="cpu")
    found.offer(49, ready)
    started = time.monotonic()
    with found.borrowed(0) as others:
        # One that is ready is borrowed even after the time for the others is over.
        assert others == (ready,)
    assert time.monotonic() - started < 4


def test_a_slot_closes_its_executor_only_after_the_borrower_returned_it() -> None:
    found, executors = lending(2)
    closed, order = threading.Event(), list[str]()

    def leave() -> None:
        with found.used(1, 10.0) as mine, closing(executors[1]):
            assert mine
            order.append("closed")
        closed.set()

    thread = threading.Thread(target=leave)
    with found.borrowed(0) as others:
        assert others == (executors[1],)
        thread.start()
        assert not closed.wait(0.2)
        order.append("returned")
    assert closed.wait(10)
    thread.join()
    assert order == ["returned", "closed"]
