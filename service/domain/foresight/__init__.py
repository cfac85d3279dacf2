"""What a dataset's profile tells of each step's result, before anything is computed."""

# Each of these teaches `foreseen` its steps.
from service.domain.foresight import factors, filling, keeping, making  # noqa: F401
from service.domain.foresight.standing import Before, Foreseen, Standing, foreseen, standing_of

__all__ = ["Before", "Foreseen", "Standing", "foreseen", "standing_of"]
