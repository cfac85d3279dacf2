"""Where datasets come from: how an upload was read, or of which dataset it is a part."""

from __future__ import annotations

from sqlalchemy import insert, select

from service.domain.errors import FieldError, InvalidSpec
from service.domain.origins import Origin
from service.store.encoding import is_storable
from service.store.sessions import ReadSession, WriteSession
from service.store.tables import DatasetOriginRow


def record(s: WriteSession, dataset_id: str, origin: Origin) -> None:
    """Remember where a dataset that was just registered comes from.

    Raises:
        InvalidSpec: a word for missing is no text that can be stored.
    """
    odd = next((word for word in origin.na if not is_storable(word)), None)
    if odd is not None:
        detail = f"Expected words without NUL and lone surrogates in options.na. Received {odd!a}."
        raise InvalidSpec(detail, errors=[FieldError(loc=("options", "na"), msg=detail)])
    told = {"dataset_id": dataset_id, "origin": origin.model_dump(mode="json")}
    s.execute(insert(DatasetOriginRow), [told])


def of(s: ReadSession, dataset_id: str) -> Origin:
    """Return where a dataset comes from; of a built-in one, and of one from before, nothing."""
    query = select(DatasetOriginRow.origin).where(DatasetOriginRow.dataset_id == dataset_id)
    told = s.scalar(query)
    return Origin() if told is None else Origin.model_validate(told)
