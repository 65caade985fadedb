"""All that a resume needs besides tensors, as one typed object: `training_state.json` of a checkpoint."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Self, get_args, get_type_hints

from rnnnlp.config import LARGEST_INTEGER
from rnnnlp.training.divergence import DivergenceDetector
from rnnnlp.training.earlier import EARLIER_DATA, STATE_KEYS


@dataclass
class TrainingState:
    """Where a run is, what it has reached, and where its random numbers are."""

    step: int = 0
    seconds: float = 0.0  # of training, in all sessions
    spent: float = 0.0  # seconds of the run before them, in pretraining and folds
    reserve: float = 0.0  # seconds to keep for the last evaluation
    lr_scale: float = 1.0  # halved at each rollback
    evaluations: int = 0  # how many have been made or skipped
    evaluated_at: int = -1  # the step of the last one
    best_score: float | None = None
    best_metrics: dict[str, Any] = field(default_factory=dict)
    evaluations_since_best: int = 0
    position: dict[str, Any] = field(default_factory=dict)  # in the data
    rng: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)  # the digest of each part: see `objective.Objective.fingerprint`
    made_with: dict[str, Any] = field(default_factory=dict)  # see `provenance.made_with`
    data_places: dict[str, Any] = field(default_factory=dict)  # see `data_places.places_of`
    divergence: dict[str, Any] = field(default_factory=lambda: DivergenceDetector().to_mapping())

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """The state in a JSON object, also in one of an earlier version.

        Raises:
            ValueError: If a key is missing or unknown, or a value is one that it cannot have.
        """
        hints = get_type_hints(cls)
        if not isinstance(content, dict):
            raise ValueError(f"it must have {', '.join(hints)}")
        content = {STATE_KEYS.get(key, key): value for key, value in content.items()}
        content.setdefault("divergence", DivergenceDetector().to_mapping())  # checkpoints of 0.1 may lack it
        content.setdefault("data_places", {})  # runs before 0.2 do not say
        content.setdefault("made_with", {})
        content.setdefault("spent", 0.0)
        if isinstance(content.get("data"), str):
            content["data"] = {EARLIER_DATA: content["data"]}
        if set(content) != set(hints):
            raise ValueError(f"it must have {', '.join(hints)}")
        for key, value in content.items():
            expected = tuple(getattr(kind, "__origin__", kind) for kind in (get_args(hints[key]) or (hints[key],)))
            if expected[0] is str and len(expected) > 1:  # dict[str, Any]
                expected = (dict,)
            senseless = isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) < LARGEST_INTEGER)
            if senseless or not isinstance(value, expected) or (isinstance(value, float) and math.isnan(value)):
                raise ValueError(f"{key} is {value!r}")
        return cls(**content)
