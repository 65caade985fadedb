"""What requests and answers look like; the description at /openapi.json is made from it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from pydantic_core import PydanticCustomError

from rnnnlp.kernels import CELLS
from rnnnlp.tasks.char_lm.generate import Sampling

# A list without a maximum length fails at the first mistake in it: a request has room for a million.
DEFAULT = Sampling()
Name = Annotated[str, Field(max_length=500)]
Position = Annotated[int, Field(ge=0, le=10**9)]


class RequestBody(BaseModel):
    """A request: unknown fields are refused, and so are numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, given: Any) -> Any:
        """Stops at the first unknown field: pydantic lists all of them, which may be a million."""
        if isinstance(given, dict):
            for name in given:
                if name not in cls.model_fields:
                    raise PydanticCustomError(
                        "extra_forbidden", "there is no field {name}", {"name": ascii(name)[:100]}
                    )
        return given


class LabelThreshold(RequestBody):
    """Predict the label if its probability is at least this."""

    label: Name
    probability: float = Field(ge=0, le=1)


class PredictRequest(RequestBody):
    """Texts to classify."""

    texts: Annotated[list[str], FailFast()] = Field(
        min_length=1, description="one text or more", examples=[["What a lovely film."]]
    )
    model: Name | None = Field(
        None, description="its name in /v1/models; by default the first classifier, or with by_script one for each text"
    )
    explain: bool = Field(False, description="also return the contribution of each word")
    threshold: LabelThreshold | None = None


class WordContribution(BaseModel):
    """The contribution of the characters from `start` to `end` (exclusive; code points), in nats of log-odds."""

    start: int
    end: int
    text: str
    weight: float


class Prediction(BaseModel):
    """What the model says of one text."""

    label: str | int | float | bool
    probabilities: dict[str, float]
    unknown_words: float = Field(description="the share of words that the model does not know")
    words: list[WordContribution] | None = None


class PredictResponse(BaseModel):
    """An answer for each text, in order."""

    model: str = Field(description="the name of the model; with by_script those of all that were chosen")
    predictions: list[Prediction]


class GenerateRequest(RequestBody):
    """A prompt, and how the text after it is sampled."""

    prompt: str = Field("", examples=["It was"])
    model: Name | None = Field(None, description="its name in /v1/models; the first language model by default")
    length: int = Field(DEFAULT.length, ge=0, le=10**9, description="maximum number of tokens")
    temperature: float = Field(DEFAULT.temperature, ge=0, le=100)
    top_k: int = Field(DEFAULT.top_k, ge=0, le=10**9)
    top_p: float = Field(DEFAULT.top_p, gt=0, le=1)
    repetition_penalty: float = Field(DEFAULT.repetition_penalty, gt=0, le=100)
    repetition_window: int = Field(DEFAULT.repetition_window, ge=1, le=10_000)
    stop: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field([], max_length=20)
    seed: int | None = Field(None, ge=0, lt=2**53, description="the same seed gives the same text")
    stream: bool = Field(False, description="send the text as it is made, as server-sent events")


class GenerateResponse(BaseModel):
    """A generated text; streamed, `text` comes in parts and the rest in the last event."""

    model: str
    text: str
    seed: int
    reason: str = Field(description="what ended it: length, stop, time or shutdown")
    unknown: list[str] = Field(description="characters of the prompt that the model does not know")


class HiddenUnit(RequestBody):
    """One hidden unit: what of it is shown."""

    layer: int = Field(ge=0, le=1000)
    index: int = Field(ge=0, le=10**6)
    value: Name = Field("h", description="h, another state, or a gate of the cell")


class InspectRequest(RequestBody):
    """A text to look at through a language model."""

    text: str = Field(min_length=1)
    model: Name | None = None
    unit: HiddenUnit | None = None
    rank: bool = Field(False, description="also rank the units by how well they track something")
    marked: list[Annotated[list[Position], Field(min_length=2, max_length=2)]] = Field(
        [], max_length=200, description="places of your own to track: start and end"
    )


class InspectedToken(BaseModel):
    """The characters from `start` to `end`, and how the model saw them come."""

    start: int
    end: int
    surprise: float | None = Field(description="-log p in nats")
    likeliest: list[tuple[str, float]] = Field(description="what is likeliest after it, with its probability")
    value: float | None = None


class RankedUnit(BaseModel):
    """A unit that tracks something."""

    layer: int
    index: int
    correlation: float


class InspectResponse(BaseModel):
    """A text through the eyes of a language model."""

    model: str
    tokens: list[InspectedToken]
    values: list[str] = Field(description="what can be shown of a unit")
    layers: int
    units: int = Field(description="of a layer")
    ranked: dict[str, list[RankedUnit]] | None = None


class UnrollRequest(RequestBody):
    """A small network over a short text."""

    text: str = Field("to be or not to be", min_length=2, max_length=60)
    hidden_size: int = Field(8, ge=1, le=16)
    spectral_radius: float = Field(1.0, ge=0, le=4, description="spectral radius of the recurrent weights of each gate")
    bptt: int | None = Field(None, ge=1, le=60, description="where truncation cuts; nowhere by default")
    seed: int = Field(1, ge=0, lt=2**31)
    cells: list[str] = Field(sorted(CELLS), max_length=len(CELLS), description="what is unrolled, side by side")


class ServedModel(BaseModel):
    """A model that is served."""

    name: str
    kind: str
    labels: list[str] | None = None


class ModelsResponse(BaseModel):
    """All models that are served."""

    models: list[ServedModel]
    by_script: bool = Field(description="whether the script of each text chooses its model where none is named")
    version: str
    limits: dict[str, float]


class ErrorResponse(BaseModel):
    """Why a request was refused."""

    error: str


def refusals(*more: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its description."""
    return {status: {"model": ErrorResponse} for status in (400, 401, 403, 408, 413, 415, 421, 422, 429, 503, *more)}
