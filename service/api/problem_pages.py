"""What each kind of problem means, where its `type` points."""

from __future__ import annotations

from fastapi import APIRouter, Path, Request, Response

from service.api.answers import TEXT, cached
from service.api.openapi import NOT_MODIFIED, problems
from service.api.problem_kinds import KINDS
from service.domain.errors import NotFound
from service.domain.names import did_you_mean

router = APIRouter(prefix="/problems", tags=["operations"])


@router.get(
    "/{code}",
    response_class=Response,
    responses={
        200: {
            "description": "The explanation",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(404),
        **NOT_MODIFIED,
    },
)
def explain_problem(
    request: Request, code: str = Path(max_length=64, examples=["not-found"])
) -> Response:
    """What causes a kind of problem and what to do about it."""
    kind = KINDS.get(code)
    if kind is None:
        raise NotFound(
            f"Expected a kind of problem: {', '.join(KINDS)}.{did_you_mean(code, KINDS)}"
        )
    text = f"{kind.title} ({code}, status {kind.status})\n\n{kind.cause}\n{kind.cure}\n"
    return cached(request, text.encode(), TEXT)
