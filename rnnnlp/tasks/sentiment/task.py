"""The entry of this task in `rnnnlp.tasks.TASKS`."""

from rnnnlp.tasks.sentiment import train
from rnnnlp.tasks.sentiment.config import EnsembleOptions, SentimentOptions, SentimentTraining
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.evaluate import evaluate, merged
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.report import report
from rnnnlp.training.task import Task

TASK = Task(
    name="sentiment",
    command="train sentiment",
    title="Sentiment classifier",
    about="a classifier on labelled texts",
    use='rnnnlp predict {run} "a text" "another text"',
    fit="SentimentClassifier({options}).fit(texts, labels)",
    options=SentimentOptions,
    training=SentimentTraining,
    network=SentimentNetwork,
    begin=train.begin,
    reopen=train.reopen,
    evaluate=evaluate,
    report=report,
    merged=merged,
    evaluations=("label_column", "mistakes", "threshold", "baseline"),
    also_opens={Ensemble.model_type: EnsembleOptions},
    opens=load_predictor,
    check=train.check,
)
