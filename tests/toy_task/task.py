"""The entry of the toy task in `rnnnlp.tasks.TASKS`."""

from rnnnlp.training.task import Task
from tests.toy_task import evaluate, train
from tests.toy_task.config import ToyOptions, ToyTraining
from tests.toy_task.network import ToyNetwork

TASK = Task(
    name="toy",
    command="train toy",
    title="Toy model",
    about="a model that guesses letters from bags of letters",
    use="rnnnlp evaluate {run}",
    fit="Toy({options}).fit(texts)",
    options=ToyOptions,
    training=ToyTraining,
    network=ToyNetwork,
    begin=train.begin,
    reopen=train.reopen,
    evaluate=evaluate.evaluate,
    report=evaluate.report,
)
