"""The entry of this task in `rnnnlp.tasks.TASKS`."""

from rnnnlp.tasks.word_lm import evaluate, train
from rnnnlp.tasks.word_lm.config import WordLMOptions, WordLMTraining
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.training.task import Task

TASK = Task(
    name="word_lm",
    command="pretrain",
    title="Word language models in both directions",
    about="language models of words in both directions, from which a classifier can start",
    use="rnnnlp train sentiment --from {run} --data DATA",
    fit="WordLM({options}).fit(texts)",
    options=WordLMOptions,
    training=WordLMTraining,
    network=WordLMNetwork,
    begin=train.begin,
    reopen=train.reopen,
    evaluate=evaluate.evaluate,
    report=evaluate.report,
    merged=evaluate.merged,
    leave_out=("label_smoothing",),
    check=train.check,
)
