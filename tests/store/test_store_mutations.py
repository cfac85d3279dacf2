"""The list of mutations: each must still find its place, or the score says less than it seems."""

from __future__ import annotations

import pytest

from tests.store.mutations import ROOT, Mutation, mutations


@pytest.mark.parametrize("mutation", list(mutations()), ids=lambda mutation: mutation.name)
def test_a_mutation_finds_one_place_and_what_it_leaves_compiles(mutation: Mutation) -> None:
    assert mutation.times(ROOT) == 1
    source = (ROOT / "service" / "store" / mutation.file).read_text(encoding="utf-8")
    changed = source.replace(mutation.old, mutation.new)
    assert changed != source
    compile(changed, mutation.file, "exec")


def test_no_mutation_is_listed_twice() -> None:
    found = [(each.file, each.old, each.new) for each in mutations()]
    assert len(found) == len(set(found)) > 80
