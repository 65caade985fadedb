"""The model card: the README.md of a run folder."""

import json
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnnlp.models.config import option
from rnnnlp.models.model import Model
from rnnnlp.training.config import CHOSEN, CHOSEN_FOR_CLASSIFIERS, FROM_DATA, FROM_PRETRAINED, Combining


class Kind(NamedTuple):
    """What a card says of a kind of model: its name, the command that trains one, and one that uses it.

    And the options that are written out even where they have their defaults: without them others may be chosen.
    """

    title: str
    command: str
    use: str
    chosen: tuple[str, ...] = ()


KINDS = {
    "char_lm": Kind("Character language model", "train charlm", 'rnnnlp generate RUN --prompt "..."', CHOSEN),
    "sentiment": Kind(
        "Sentiment classifier",
        "train sentiment",
        'rnnnlp predict RUN "a text" "another text"',
        CHOSEN_FOR_CLASSIFIERS,
    ),
    "bidirectional_lm": Kind(
        "Language models of words in both directions", "pretrain", "rnnnlp train sentiment --from RUN --data DATA"
    ),
}


def command_of(config: Any, model: Model) -> str:
    """The command that trains this model again, with every option that is not a default."""
    kind = KINDS[model.model_type]
    words = ["rnnnlp", *kind.command.split()]
    taken = FROM_PRETRAINED if getattr(config, "from_", None) is not None else ()
    for part in (config, model.config):
        defaults = {name: field.default for name, field in type(part).__dataclass_fields__.items()}
        for name, value in part.to_mapping().items():
            derived = name in taken or (part is model.config and name in FROM_DATA)
            if derived or value is None or (value == defaults[name] and name not in kind.chosen):
                continue
            spelled = option(name)
            if isinstance(value, bool):
                words += [spelled if value else f"--no-{spelled[2:]}"]
            else:
                text = f"{value:g}s" if name == "budget" else str(value)
                words += [f"{spelled}={text}"] if text.startswith("-") else [spelled, text]
    return shlex.join(words)


def model_card(model: Model, config: Any, *, steps: int, seconds: float, validation: dict[str, Any]) -> str:
    """What the model is, how it was trained, and its figures on validation."""
    parameters = sum(p.value.size for p in model.parameters().values())
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in validation.items() if isinstance(value, float))
    kind = KINDS[model.model_type]
    return f"""# {kind.title}

A recurrent network with {parameters:,} parameters, trained by rnnnlp on `{config.data}`
for {steps:,} steps ({seconds:,.0f} seconds).

    {command_of(config, model)}

Use it with

    {kind.use}

## Figures on validation

The best of the evaluations during training, which for a language model read the text in pieces side by side. For the
exact figures of a whole split run `rnnnlp evaluate RUN --split validation`.

| figure | value |
| --- | --- |
{figures}

## Model

```json
{json.dumps(model.config.to_mapping(), indent=2, ensure_ascii=False)}
```
"""


def committee_card(config: Combining, rows: Sequence[dict[str, Any]], together: dict[str, Any]) -> str:
    """What the committee is of: `rows` have a run, its weight and its figures, `together` has the figures of all."""
    words = ["rnnnlp", "combine", *config.runs, "--out", "RUN"]
    for name in ("data", "text_column", "label_column"):
        if (value := getattr(config, name)) is not None:
            words += [option(name), value]
    members = "\n".join(
        f"| {row['run']} | {row['data'] or 'not known'} | {weight_of(row)} "
        f"| {row['accuracy']:.4f} | {row['loss']:.4f} |"
        for row in rows
    )
    return f"""# Committee of classifiers

Classifiers that were trained apart by rnnnlp, and whose logits are added, each with its weight.

    {shlex.join(words)}

Use it with

    {KINDS["sentiment"].use}

## Figures on validation

On the {together["examples"]:,} validation texts of `{config.data}`, to which the weights were fitted: on other texts
they are a little worse. For the figures of a split that nothing was fitted to run `rnnnlp evaluate RUN --split test`.

| run | trained on | weight | accuracy | loss, calibrated |
| --- | --- | --- | --- | --- |
{members}
| together | | | {together["accuracy"]:.4f} | {together["loss"]:.4f} |

The expected calibration error of all together is {together["expected_calibration_error"]:.4f}.
"""


def weight_of(row: dict[str, Any]) -> str:
    """The weight of a run in a committee, for a person."""
    return f"{row['weight']:.4g}" if row["weight"] else "0 (left out)"
