from __future__ import annotations

import pytest

from service.domain.errors import Conflict, InvalidSpec, NotFound
from service.domain.jobs import JobState
from service.store import aliases, claims, evaluations, jobs, models
from service.store.database import Database
from tests.store import samples


def test_a_succeeded_job_has_its_model_and_what_it_was_asked_to_evaluate(
    database: Database,
) -> None:
    model = samples.train(database, name="relu-30")
    assert (model.name, model.version) == ("relu-30", 1)
    assert model.levels == ("no", "yes")
    job = samples.get(database, model.job_id)
    assert job.model_id == model.id
    assert job.evaluations == model.evaluations
    assert job.evaluations[0].id.startswith("ev_")
    assert (job.device, job.versions) == ("cpu: 2 cores", {"keras": "3.15.1"})
    assert model.spec == job.spec
    with database.read() as s:
        assert models.get(s, model.id) == model


def test_the_model_of_a_nameless_job_has_the_jobs_id_for_a_name(database: Database) -> None:
    model = samples.train(database)
    assert model.name == model.job_id
    with database.read() as s:
        assert models.get(s, model.job_id) == model


def test_a_name_means_its_highest_version(database: Database) -> None:
    made = [samples.train(database, name="m") for _ in range(11)]
    assert [model.version for model in made] == list(range(1, 12))
    with database.read() as s:
        assert models.get(s, "m") == made[10]
        assert models.get(s, "m@2") == made[1]


@pytest.mark.parametrize(
    "ref",
    ["m@0", "m@3", "m@x", "m@", "@1", "m@1@1", "n", "", "\x00", "mdl_" + "0" * 26, "m@" + "9" * 40],
)
def test_a_reference_that_means_nothing_is_not_found(database: Database, ref: str) -> None:
    samples.train(database, name="m")
    with database.read() as s, pytest.raises(NotFound):
        models.get(s, ref)
    with database.read() as s, pytest.raises(NotFound):
        models.served(s, ref)


def test_what_serves_a_model_finds_the_same_one_by_every_name_that_it_has(
    database: Database,
) -> None:
    made = [samples.train(database, name="m") for _ in range(11)]
    nameless = samples.train(database)
    with database.write() as s:
        aliases.put(s, "champion", "m@3")
    for ref in ("m", "m@2", "champion", made[4].id, nameless.id, nameless.job_id):
        with database.read() as s:
            found, whole = models.served(s, ref), models.get(s, ref)
        assert found.model_dump() == whole.model_dump(include=set(type(found).model_fields))
    with database.write() as s:
        aliases.put(s, "champion", "m@7")
    with database.read() as s:
        assert models.served(s, "champion").id == made[6].id


def test_an_unknown_name_is_answered_with_the_nearest(database: Database) -> None:
    samples.train(database, name="relu-30")
    with database.read() as s, pytest.raises(NotFound, match="'relu-30'"):
        models.get(s, "relu30")


def test_the_number_of_a_deleted_version_is_never_given_again(database: Database) -> None:
    first, second = samples.train(database, name="m"), samples.train(database, name="m")
    with database.write() as s:
        models.delete(s, "m@2")
        assert models.get(s, "m") == first
        models.delete(s, first.id)
    assert samples.get(database, second.job_id).model_id is None
    assert samples.get(database, second.job_id).evaluations == second.evaluations
    assert samples.get(database, second.job_id).state is JobState.SUCCEEDED
    assert samples.train(database, name="m").version == 3


def test_later_evaluations_are_the_models_and_not_the_jobs(database: Database) -> None:
    model = samples.train(database)
    with database.write() as s:
        later = models.add_evaluation(s, model.id, samples.evaluation(None, id="ev_mine"))
    assert later.id == "ev_mine"
    with database.read() as s:
        assert models.get(s, model.id).evaluations == (*model.evaluations, later)
        assert jobs.get(s, model.job_id).evaluations == model.evaluations
        assert models.page(s).data[0].evaluations == (*model.evaluations, later)


def test_evaluations_are_found_by_id_and_paged_newest_first(database: Database) -> None:
    model, other = samples.train(database), samples.train(database)
    with database.write() as s:
        made = [models.add_evaluation(s, model.id, samples.evaluation(None)).id for _ in range(4)]
    (asked,) = model.evaluations
    with database.read() as s:
        first = evaluations.page(s, model.job_id, limit=3)
        second = evaluations.page(s, model.job_id, limit=3, after=first.next)
        assert evaluations.get(s, model.job_id, made[2]).id == made[2]
        for ref in (other.evaluations[0].id, "", "\x00", "ev_none"):
            with pytest.raises(NotFound, match="evaluation of this model"):
                evaluations.get(s, model.job_id, ref)
        with pytest.raises(InvalidSpec):
            evaluations.page(s, model.job_id, after=model.id)
    assert [each.id for each in first.data + second.data] == [*made[::-1], asked.id]
    assert (first.has_more, second.has_more) == (True, False)


def test_a_model_is_shown_with_its_latest_evaluations(database: Database) -> None:
    model = samples.train(database)
    with database.write() as s:
        made = [
            models.add_evaluation(s, model.id, samples.evaluation(None)).id
            for _ in range(evaluations.SHOWN + 2)
        ]
    with database.read() as s:
        shown = models.get(s, model.id).evaluations
        assert [each.id for each in shown] == made[2:]
        assert jobs.get(s, model.job_id).evaluations == model.evaluations


def test_pages_of_models_are_newest_first_without_spec_and_levels(database: Database) -> None:
    made = [samples.train(database, name=f"m{number % 2}").id for number in range(5)]
    with database.read() as s:
        first = models.page(s, limit=3)
        second = models.page(s, limit=3, after=first.next)
        named = models.page(s, name="m1")
    assert [model.id for model in first.data + second.data] == made[::-1]
    assert (first.has_more, second.has_more) == (True, False)
    assert [model.id for model in named.data] == [made[3], made[1]]
    assert all(model.spec == {} and model.levels is None for model in first.data)


def test_an_alias_points_at_a_model_and_can_be_moved(database: Database) -> None:
    old, new = samples.train(database, name="m"), samples.train(database, name="m")
    with database.write() as s:
        made = aliases.put(s, "champion", "m@1")
        assert (made.model_id, made.name, made.version) == (old.id, "m", 1)
        assert models.get(s, "champion") == old
        moved = aliases.put(s, "champion", new.id)
        assert aliases.page(s).data == [moved]
        assert models.get(s, "champion") == new
        # An alias of an alias is where that one points now.
        assert aliases.put(s, "second", "champion").model_id == new.id
        aliases.delete(s, "champion")
        with pytest.raises(NotFound):
            models.get(s, "champion")
        with pytest.raises(NotFound, match="'second'"):
            aliases.delete(s, "secondd")
        with pytest.raises(NotFound):
            aliases.get(s, "\x00")


def test_an_aliased_model_is_not_deleted(database: Database) -> None:
    model = samples.train(database, name="m")
    with database.write() as s:
        aliases.put(s, "champion", "m")
    with pytest.raises(Conflict, match="'champion'"), database.write() as s:
        models.delete(s, "m@1")
    with database.read() as s:
        assert models.get(s, "champion") == model


def test_aliases_and_model_names_are_one_namespace(database: Database) -> None:
    model = samples.train(database, name="m")
    job = samples.submit(database, name="later")
    for taken in ("m", "later"):
        with pytest.raises(Conflict, match="Expected a new name"), database.write() as s:
            aliases.put(s, taken, model.id)
    with database.write() as s:
        jobs.request_cancel(s, job.id)
        aliases.put(s, "later", model.id)
    with pytest.raises(Conflict, match="alias"), database.write() as s:
        jobs.retry(s, job.id)
    with pytest.raises(Conflict, match="alias"):
        samples.submit(database, name="later")
    # Even if a worker names a model so, nothing of its success is kept.
    job_id, token = samples.submit_and_claim(database)
    with pytest.raises(Conflict, match="alias"), database.write() as s:
        samples.succeed(s, job_id, token, "later")
    with database.write() as s:
        assert claims.heartbeat(s, job_id, token) is False
    with pytest.raises(InvalidSpec, match="form of an id"), database.write() as s:
        aliases.put(s, model.job_id, model.id)


def test_a_name_that_was_an_alias_goes_on_counting_versions(database: Database) -> None:
    gone, kept = samples.train(database, name="m"), samples.train(database, name="n")
    with database.write() as s:
        models.delete(s, gone.id)
        aliases.put(s, "m", kept.id)
        aliases.delete(s, "m")
    assert samples.train(database, name="m").version == 2


def test_pages_of_aliases_are_by_name(database: Database) -> None:
    model = samples.train(database, name="m")
    with database.write() as s:
        for alias in ("c", "a", "b"):
            aliases.put(s, alias, model.id)
    with database.read() as s:
        first = aliases.page(s, limit=2)
        second = aliases.page(s, limit=2, after=first.next)
    assert [one.alias for one in first.data + second.data] == ["a", "b", "c"]
    assert second.next is None
