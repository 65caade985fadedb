"""The model card: the README.md of a run folder."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from rnnnlp.config import written_duration
from rnnnlp.display import command_line, markdown, markdown_code, visible, visible_json
from rnnnlp.errors import UserError, dashed
from rnnnlp.text.hub import is_hub_name
from rnnnlp.text.sources import GIVEN, is_file_name
from rnnnlp.training.model_folder import CARD, QUANTIZATION, SavedModel
from rnnnlp.training.network import Network
from rnnnlp.training.options import TrainingConfig
from rnnnlp.training.task import Task, network_options

EVALUATED = """\
These are the best of the evaluations during training. For a language model they were measured on parallel segments of
the text. For the exact figures of a whole split"""
CROSS_VALIDATED = """\
These are of a cross-validation with {folds} folds, in which each text was left out of training once. They are a little
too good: the same predictions chose the best evaluation, and fitted the calibration. The model was then trained on all
texts. For figures of other texts"""
QUANTIZATION_TITLE, HUB_TITLE = "## Quantization", "## From the Hub"  # of sections of the card
METRICS_OF_HUB = {  # the Hub's names of our figures
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro F1"),
    "perplexity": ("perplexity", "Perplexity per token"),
    "bits_per_char": ("bits_per_char", "Bits per character"),
}


class Measured(NamedTuple):
    """The figures of a model before and after its weights were quantized, and what they were measured on."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def command_of(task: Task, config: TrainingConfig, network: Network) -> str:
    """The command that trains this network again, with every option that is not a default.

    Options that training may choose are written out even where they have their defaults.
    """
    words = ["rnnnlp", *task.command.split()]
    for name, value in given_options(task, config, network):
        if isinstance(value, bool):
            words.append(dashed(name) if value else dashed(f"no_{name}"))
        else:
            text = written_duration(value) if name == "budget" else str(value)
            words += [f"{dashed(name)}={text}"] if text.startswith("-") else [dashed(name), text]
    return command_line(*words)


def call_of(task: Task, config: TrainingConfig, network: Network) -> str:
    """The call in Python that trains this network again, as `command_of`."""
    options = ", ".join(f"{n}={v!r}" for n, v in given_options(task, config, network) if n != "data")
    return task.fit.format(options=options)


def given_options(task: Task, config: TrainingConfig, network: Network) -> Iterator[tuple[str, Any]]:
    """The options that train this network again, but those that have their defaults and are not chosen in training."""
    auto, inherited = task.auto_options(), config.inherited
    values = network.config.to_mapping() | config.to_mapping()
    for field in (*fields(task.options), *network_options(network.config_type)):
        name, value = field.name, values[field.name]
        is_of_the_run = name in inherited or name == "report_to"
        if not is_of_the_run and value is not None and (value != field.default or name in auto):
            yield name, value


def model_card(
    task: Task, network: Network, config: TrainingConfig, *, steps: int, seconds: float, validation: dict[str, Any]
) -> str:
    """What the model is, how it was trained, and its figures on validation."""
    parameters = sum(p.value.size for p in network.parameters().values())
    rows = [(markdown(name), value) for name, value in validation.items() if isinstance(value, float)]
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in rows)
    in_python = config.data == GIVEN
    folds = config.cross_validation_folds
    measured = "--data DATA" if in_python or folds else "--split validation"
    data = "texts that were given in Python," if in_python else markdown_code(config.data)
    return f"""# {task.title}

A recurrent network with {parameters:,} parameters, trained by rnnnlp on {data}
for {steps:,} steps ({seconds:,.0f} seconds).

    {visible(call_of(task, config, network) if in_python else command_of(task, config, network))}

Use it with

    {task.use.format(run="RUN")}

## Figures on validation

{CROSS_VALIDATED.format(folds=folds) if folds else EVALUATED} run `rnnnlp evaluate RUN {measured}`.

| figure | value |
| --- | --- |
{figures}

## Model

```json
{visible_json(json.dumps(network.config.to_mapping(), indent=2, ensure_ascii=False))}
```
"""


def with_quantization(card: str, measured: Measured | None = None) -> str:
    """A model card that says that the weights are rounded to int8, with the figures before and after, if there are."""
    card, _ = without_section(card, QUANTIZATION_TITLE)  # that of an earlier quantization
    section = f"""{QUANTIZATION_TITLE}

The weights are rounded to int8, with a float32 scale for each row of a matrix. All other figures here are from before.
"""
    if measured is not None:
        before, after = measured
        rows = [f"| {markdown(n)} | {v:.4f} | {after[n]:.4f} |\n" for n, v in before.items() if isinstance(v, float)]
        section += f"""
On {markdown(before["split"])} of {markdown_code(before["data"])}:

| figure | before | int8 |
| --- | --- | --- |
{"".join(rows)}"""
    return f"{card}\n\n{section}"


def without_section(card: str, title: str) -> tuple[str, str]:
    """A card without its section of this title, and the section, which is empty if there is none."""
    before_it, _, rest = card.partition(f"\n{title}\n")
    section, heading, behind_it = rest.partition("\n## ")
    return f"{before_it}{heading}{behind_it}".rstrip(), section


def card_for_hub(
    card: str,
    model: SavedModel,
    config: Mapping[str, Any],
    repo: str,
    evaluated: Sequence[Mapping[str, Any]],
    *,
    language: str | None,
    license: str | None,
    local_data: bool = False,
) -> str:
    """A model card with the YAML that the Hub reads, and how the model is used from there.

    Args:
        card: The card. What its own YAML says stays, but for what is given here.
        model: The model.
        config: The content of its `config.json`.
        repo: Its name on the Hub.
        evaluated: What `evaluate` measured, the figures of each data set.
        language: The language of the texts.
        license: The identifier of the licence.
        local_data: Whether the training data are known to be files or folders of this computer.

    Raises:
        UserError: If its own YAML cannot be read.
    """
    from huggingface_hub import ModelCardData

    body, own = text_and_yaml(card)
    data, cell = config.get("training", {}).get("data") or "", config["model"].get("cell")
    results = results_for_hub(model, evaluated)
    if QUANTIZATION in config and not results:  # its figures are of the float32 weights
        own = {name: value for name, value in own.items() if name not in ("metrics", "model-index")}
    metadata: dict[str, Any] = {
        "library_name": "rnnnlp",
        "pipeline_tag": model.pipeline_tag,
        "tags": ["rnnnlp", *([cell] if cell else [])],
        "datasets": [data.partition(":")[0]] if is_of_hub(data) and not local_data else None,
        "metrics": list(dict.fromkeys(result.metric_type for result in results)) or None,
    }
    metadata |= own | {k: v for k, v in {"language": language, "license": license}.items() if v}
    if results:
        metadata.pop("model-index", None)
        metadata |= {"eval_results": results, "model_name": repo.partition("/")[2]}
    yaml = ModelCardData(ignore_metadata_errors=True, **metadata).to_yaml()
    return f"---\n{yaml}\n---\n\n{used_from_hub(body, repo, model.public_class)}\n"


def text_and_yaml(card: str) -> tuple[str, dict[str, Any]]:
    """The text of a card, and what the YAML at its top says. UserError if that cannot be read."""
    from huggingface_hub import ModelCard

    if not card.startswith("---"):
        return card, {}
    try:
        old = ModelCard(card, ignore_metadata_errors=True)
        return old.text, old.data.to_dict()  # type: ignore[no-untyped-call]
    except Exception as error:  # those of YAML, and others for a value of a strange type
        raise UserError(
            f"the YAML at the top of {CARD} cannot be read ({' '.join(str(error).split())[:200]}); correct it, or "
            "remove it"
        ) from None


def results_for_hub(model: SavedModel, evaluated: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What `evaluate` measured of a model, as an `EvalResult` for each figure that the Hub has a name for."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=model.pipeline_tag or "other",
            dataset_type=name_of_data(of_data["data"]),
            dataset_name=name_of_data(of_data["data"]),
            dataset_split=of_data["split"],
            metric_type=metric,
            metric_name=shown,
            metric_value=round(float(of_data[figure]), 6),
        )
        for of_data in evaluated
        for figure, (metric, shown) in METRICS_OF_HUB.items()
        if isinstance(of_data.get(figure), int | float) and abs(of_data[figure]) <= sys.float_info.max  # no NaN
    ]


def used_from_hub(text: str, repo: str, public_class: str | None) -> str:
    """The text of a card whose commands, and a call in Python, use the model `repo` of the Hub."""
    text, section = without_section(text.lstrip(), HUB_TITLE)  # that of an earlier name on the Hub
    earlier = re.search(r'from_pretrained\("([^"]+)"\)', section)
    run = re.escape(earlier[1]) if earlier else "RUN"
    text = re.sub(rf"rnnnlp predict (?:--model )?{run}(?!\S)", f"rnnnlp predict --model {repo}", text)
    text = re.sub(rf"(rnnnlp (?:generate|evaluate|train \w+ --from)) {run}(?![^\s`])", rf"\1 {repo}", text)
    if public_class is None:
        return text
    return f"""{text}

{HUB_TITLE}

```python
from rnnnlp import {public_class}

model = {public_class}.from_pretrained("{repo}")
```"""


def name_of_data(data: str) -> str:
    """How a card names data: as they were given, but only the last part of a path on this computer."""
    return data if is_of_hub(data) else os.path.basename(data.rstrip("/\\")) or data


def is_of_hub(data: str) -> bool:
    """Whether this can be the name of a data set of the Hub, and is not that of a file or folder."""
    return is_hub_name(data) and not is_file_name(os.path.basename(data)) and not os.path.exists(data)
