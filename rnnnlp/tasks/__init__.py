"""What can be trained: one folder a task, with the same file names in each.

config.py      the options, and what a run folder stores of them
network.py     the network: forward, and backward below it
objective.py   what the training loop drives
defaults.py    options that the user leaves open, chosen from data and time
train.py       beginning and reopening a run
evaluate.py    the figures of a trained network, and how they are shown
estimator.py   the public class
task.py        the entry of the registry
"""

from importlib import import_module

from rnnnlp.errors import UserError
from rnnnlp.training.task import Task

# The only registry of tasks: the name, also `model_type` in config.json, and the package that has `TASK`.
TASKS = {
    "char_lm": "rnnnlp.tasks.char_lm",
    "word_lm": "rnnnlp.tasks.word_lm",
    "sentiment": "rnnnlp.tasks.sentiment",
}


def load_task(name: str) -> Task:
    """The task of this name."""
    task: Task = import_module(f"{TASKS[name]}.task").TASK
    return task


def task_of(model_type: str, folder: object) -> Task:
    """The task whose models have this type in `config.json`.

    Raises:
        UserError: If no task has; `folder` is where the model is.
    """
    for task in map(load_task, TASKS):
        if model_type in (task.name, *task.also_opens):
            return task
    known = ", ".join(TASKS)
    raise UserError(f"{folder} holds a model of type {model_type}; known are {known}: use the version that wrote it")
