"""The least height of a cohort, and the companion that a lower one gets.

XLA picks another kernel for very small products, and another kernel adds in another order. From
`lowest` to `TALLEST` (service.domain.plan keeps both) a fit's weights came out the same alone and
packed, whatever its neighbours. What is lower gets a companion: a network with a loss (rows without
one would be removed by the compiler) and a step size of 0.
"""

from __future__ import annotations

from service.domain.network import Network
from service.domain.plan import lowest
from service.engine.training.members import Member


def companions(members: tuple[Member, ...], backend: str, batch_size: int) -> tuple[Member, ...]:
    """Return the members with a companion behind them when they are lower than the window."""
    missing = lowest(backend, batch_size) - sum(member.height for member in members)
    if missing <= 0:
        return members
    first = members[0]
    depth = len(first.network.hidden)
    network = Network(
        predictors=first.network.predictors,
        hidden=(missing,) + (1,) * (depth - 1),
        activation="linear",
        dropouts=(0.0,) * depth,
        outputs=first.network.outputs,
        output_activation=first.network.output_activation,
    )
    companion = Member(
        network=network,
        penalties=(0.0,) * depth,
        mixture=0.0,
        learn_rate=0.0,
        seeds=(0, 0, 0),
        epochs=0,
    )
    return (*members, companion)
