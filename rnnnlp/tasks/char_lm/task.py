"""The entry of this task in `rnnnlp.tasks.TASKS`."""

from rnnnlp.tasks.char_lm import evaluate, train
from rnnnlp.tasks.char_lm.config import CharLMOptions, CharLMTraining
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.task import Task

TASK = Task(
    name="char_lm",
    command="train charlm",
    title="Character language model",
    about="a character language model on any text",
    use='rnnnlp generate {run} --prompt "..."',
    fit="CharLM({options}).fit(texts)",
    options=CharLMOptions,
    training=CharLMTraining,
    network=CharLMNetwork,
    begin=train.begin,
    reopen=train.reopen,
    evaluate=evaluate.evaluate,
    report=evaluate.report,
    merged=evaluate.merged,
    evaluations=("dynamic", "dynamic_lr"),
    check=train.check,
)
