"""The model card: the README.md of a run folder."""

import json
import shlex
from dataclasses import fields
from typing import Any

from rnnnlp.errors import dashed
from rnnnlp.training.model_folder import Network
from rnnnlp.training.options import TrainingConfig
from rnnnlp.training.task import Task, network_options


def command_of(task: Task, config: TrainingConfig, network: Network) -> str:
    """The command that trains this network again, with every option that is not a default.

    Options that training may choose are written out even where they have their defaults.
    """
    words, auto = ["rnnnlp", *task.command.split()], task.auto_options()
    inherited, of_network = getattr(config, "inherited", ()), network_options(network.config_type)
    for options, values in (
        (fields(task.options), config.to_mapping()),
        (of_network, network.config.to_mapping()),
    ):
        for field in options:
            name, value = field.name, values[field.name]
            if name in inherited or value is None or (value == field.default and name not in auto):
                continue
            if isinstance(value, bool):
                words.append(dashed(name) if value else dashed(f"no_{name}"))
            else:
                text = f"{value:g}s" if name == "budget" else str(value)
                words += [f"{dashed(name)}={text}"] if text.startswith("-") else [dashed(name), text]
    return shlex.join(words)


def model_card(
    task: Task, network: Network, config: TrainingConfig, *, steps: int, seconds: float, validation: dict[str, Any]
) -> str:
    """What the model is, how it was trained, and its figures on validation."""
    parameters = sum(p.value.size for p in network.parameters().values())
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in validation.items() if isinstance(value, float))
    return f"""# {task.title}

A recurrent network with {parameters:,} parameters, trained by rnnnlp on `{config.data}`
for {steps:,} steps ({seconds:,.0f} seconds).

    {command_of(task, config, network)}

Use it with

    {task.use.format(run="RUN")}

## Figures on validation

These are the best of the evaluations during training. For a language model they were measured on parallel segments of
the text. For the exact figures of a whole split run `rnnnlp evaluate RUN --split validation`.

| figure | value |
| --- | --- |
{figures}

## Model

```json
{json.dumps(network.config.to_mapping(), indent=2, ensure_ascii=False)}
```
"""
