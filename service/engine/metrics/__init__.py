"""How good predictions are, by yardstick's definitions."""

from service.domain.evaluations import ConstantPrediction
from service.engine.metrics.evaluation import (
    by_class,
    confusion,
    evaluate,
    majority_or_mean,
)
from service.engine.metrics.outcome import Classified
from service.engine.metrics.registry import METRICS, metric_names
from service.engine.metrics.scoring import Scores, score, scores

__all__ = [
    "METRICS",
    "Classified",
    "ConstantPrediction",
    "Scores",
    "by_class",
    "confusion",
    "evaluate",
    "majority_or_mean",
    "metric_names",
    "score",
    "scores",
]
