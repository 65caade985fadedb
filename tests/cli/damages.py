"""What can become of the files of a model or a run, and the one line that opening it then says."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy

from rnnnlp.tasks.sentiment.ensemble import beside
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS

MODEL_FILES = ("config.json", "tokenizer.json")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(run: Path, **changes: object) -> None:
    config = json.loads((run / "config.json").read_text())
    config["model"] |= changes
    (run / "config.json").write_text(json.dumps(config))


def drop(run: Path, key: str) -> None:
    config = json.loads((run / "config.json").read_text())
    del config["model"][key]
    (run / "config.json").write_text(json.dumps(config))


def rewrite(run: Path, **changes: object) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | changes))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text().rstrip()[:-1] + text)


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def swap_characters(run: Path) -> None:
    path = run / "tokenizer.json"
    path.write_text(path.read_text().replace('"b"', '"B"'))


def seal(run: Path, weight: float = 0.0, **changes: object) -> None:
    """Damage with the right checksums, as someone would do it on purpose."""
    tensors = load_tensors(run / "model.safetensors", beside=MODEL_FILES)
    edit(run, **changes)
    tensors["head.bias"][0] = weight
    save_tensors(run / "model.safetensors", tensors, beside=MODEL_FILES)


def unseal(run: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(load_tensors(path, beside=MODEL_FILES)))


def drop_tensor(run: Path) -> None:
    tensors = load_tensors(run / "model.safetensors", beside=MODEL_FILES)
    tensors["spare"] = tensors.pop("head.bias")
    save_tensors(run / "model.safetensors", tensors, beside=MODEL_FILES)


def forge(run: Path, state: str) -> None:
    """Another training state in the last checkpoint, with the right checksums."""
    (last(run) / STATE).write_text(state)
    tensors = safetensors.numpy.load_file(last(run) / STATE_TENSORS)
    save_tensors(last(run) / STATE_TENSORS, tensors, beside=BESIDE_STATE)


def forge_state(run: Path, **changes: object) -> None:
    forge(run, json.dumps(json.loads((last(run) / STATE).read_bytes()) | changes))


def last(run: Path) -> Path:
    return run / "checkpoints" / "step-00000002"


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def weigh(run: Path, weights: list[float], **changes: object) -> None:
    """Other weights in an ensemble, with the right checksums."""
    edit(run, **changes)
    save_tensors(run / "model.safetensors", {"weights": np.array(weights)}, beside=beside(2))


def exchange(run: Path) -> None:
    """The two members of an ensemble in the other order."""
    for old, new in (("0", "2"), ("1", "0"), ("2", "1")):
        (run / "members" / old).rename(run / "members" / new)


Damage = tuple[Callable[[Path], object], str]

# What was done to the folder of a character model, and what the one line of `rnnnlp generate` says.
OF_A_MODEL: dict[str, Damage] = {
    "config missing": (lambda run: (run / "config.json").unlink(), "config.json is missing; the folder does not"),
    "config cut": (lambda run: cut(run / "config.json"), "config.json is damaged ("),
    "config nested": (lambda run: (run / "config.json").write_text("[" * 100_000), "config.json is damaged ("),
    "config of something else": (
        lambda run: (run / "config.json").write_text("{}"),
        "is not the configuration of a model; it must have format, model_type, model",
    ),
    "config of a later version": (lambda run: rewrite(run, format=2), "has format 2; this version reads format 1"),
    "config with more": (
        lambda run: rewrite(run, models={}),
        "unknown key 'models'; known are format, model_type, model, training",
    ),
    "config of other weights": (
        lambda run: rewrite(run, quantization="int4"),
        "quantization is 'int4'; this version reads int8: install the one that wrote it",
    ),
    "config of weights that are not int8": (
        lambda run: rewrite(run, quantization="int8"),
        "config.json is not the file that model.safetensors was saved with",
    ),
    "unknown key": (lambda run: edit(run, hiden_size=3), "unknown key 'hiden_size'"),
    "missing key": (lambda run: drop(run, "vocab_size"), "key 'vocab_size' is missing; the file is incomplete"),
    "wrong type": (lambda run: edit(run, hidden_size="many"), "--hidden-size is 'many'; it must be int"),
    "wrong value": (lambda run: edit(run, hidden_size=-3), "--hidden-size is -3; it must be at least 1"),
    "another size": (lambda run: edit(run, hidden_size=5), "config.json is not the file that model.safetensors was"),
    "wrong size": (lambda run: seal(run, hidden_size=3), "tensor recurrent.0.forward.W_x is float32 (16, 3) and must"),
    "huge size": (
        lambda run: seal(run, hidden_size=10**5),
        "holds 288 parameters and config.json describes 40003800072; they",
    ),
    "senseless size": (lambda run: edit(run, hidden_size=10**400), "--hidden-size is larger than any number that"),
    "a key twice": (
        lambda run: append(run / "config.json", ', "format": 1}'),
        "config.json is damaged (it has a key twice); restore it",
    ),
    "training of another kind": (lambda run: rewrite(run, training={"lr": "x"}), "config.json is not the file that"),
    "training no object": (lambda run: rewrite(run, training=[]), "training is []; it must be an object"),
    "wrong vocabulary": (lambda run: edit(run, vocab_size=5), "they are not of the same model"),
    "tokenizer missing": (
        lambda run: (run / "tokenizer.json").unlink(),
        "tokenizer.json is missing; the folder does not hold",
    ),
    "tokenizer cut": (
        lambda run: cut(run / "tokenizer.json"),
        "tokenizer.json is damaged ( ... ); restore it from a copy",
    ),
    "tokenizer of something else": (
        lambda run: (run / "tokenizer.json").write_text("{}"),
        "tokenizer.json is damaged, or not written by rnnnlp: it is not a char, byte, word, bpe tokenizer",
    ),
    "tokenizer enormous": (lambda run: os.truncate(run / "tokenizer.json", 1 << 36), "it has 68719476736 bytes"),
    "weights missing": (
        lambda run: (run / "model.safetensors").unlink(),
        "model.safetensors is missing; the folder does not",
    ),
    "weights cut": (
        lambda run: cut(run / "model.safetensors"),
        "model.safetensors is damaged ( ... ); restore it or train again",
    ),
    "weights empty": (
        lambda run: (run / "model.safetensors").write_bytes(b""),
        "model.safetensors is damaged ( ... ); restore it or train again",
    ),
    "weights of a larger model": (
        lambda run: save_tensors(
            run / "model.safetensors", {"more": np.zeros(2_000_000, np.float32)}, beside=MODEL_FILES
        ),
        "holds 2000000 parameters and config.json describes 288; they are not of the same model",
    ),
    "a tensor missing": (lambda run: drop_tensor(run), "is missing; it and config.json"),
    "weights flipped": (lambda run: flip_last_bit(run / "model.safetensors"), "its checksum is not the one in it"),
    "weights unsealed": (lambda run: unseal(run), "does not have the checksums that rnnnlp writes"),
    "weights not finite": (lambda run: seal(run, weight=np.nan), "head.bias has values that are not finite"),
    "another character": (lambda run: swap_characters(run), "tokenizer.json is not the file that model.safetensors"),
}

# Of a classifier, and what `rnnnlp evaluate` says.
OF_A_CLASSIFIER: dict[str, Damage] = {
    "a model of a later version": (
        lambda run: rewrite(run, model_type="tree"),
        "holds a model of type tree; known are char",
    ),
    "labels no list": (lambda run: edit(run, labels="good"), "--labels is 'good'; it must be a list of strings"),
    "labels of no type": (
        lambda run: edit(run, label_type="list"),
        "--label-type is list; it must be one of str, class, int",
    ),
    "labels twice": (
        lambda run: edit(run, labels=["good", "good"]),
        "--labels is ('good', 'good'); it must be different names",
    ),
    "labels too few": (lambda run: edit(run, labels=["good"]), "the only class is good; a classifier needs at least"),
}

# Of an ensemble of two, and what `rnnnlp predict` says.
OF_AN_ENSEMBLE: dict[str, Damage] = {
    "ensemble without its weights": (
        lambda run: (run / "model.safetensors").unlink(),
        "model.safetensors is missing; the folder does not",
    ),
    "ensemble with others": (lambda run: edit(run, labels=["good", "bad"]), "config.json is not the file that model"),
    "ensemble of a class twice": (
        lambda run: edit(run, labels=["good", "good"]),
        "--labels is ('good', 'good'); it must be different names",
    ),
    "ensemble of none": (lambda run: edit(run, members=0), "the number of members is 0; an ensemble has at least 1"),
    "ensemble of many": (
        lambda run: edit(run, members=2**50),
        "an ensemble has at least 1 and at most 1000",
    ),
    "ensemble of fewer": (
        lambda run: edit(run, members=1),
        "holds 2 weights and the ensemble has 1 members; restore it",
    ),
    "members no number": (lambda run: edit(run, members="two"), "--members is 'two'; it must be int"),
    "ensemble with more": (lambda run: edit(run, cell="gru"), "unknown key 'cell'; known are labels, members"),
    "last member missing": (lambda run: shutil.rmtree(run / "members" / "1"), "members/1 is missing; restore it"),
    "first member missing": (
        lambda run: shutil.rmtree(run / "members" / "0"),
        "0/model.safetensors is missing; the folder does",
    ),
    "member flipped": (
        lambda run: flip_last_bit(run / "members" / "1" / "model.safetensors"),
        "1/model.safetensors is not the file that model.safetensors was saved with",
    ),
    "member with another tokenizer": (
        lambda run: cut(run / "members" / "0" / "tokenizer.json"),
        "tokenizer.json is damaged ( ... ); restore it from a copy",
    ),
    "member of something else": (
        lambda run: rewrite(run / "members" / "0", model_type="ensemble"),
        "0 holds a model of type ensemble; one of type sentiment is needed here",
    ),
    "members exchanged": (lambda run: exchange(run), "0/model.safetensors is not the file that model.safetensors was"),
    "three weights": (
        lambda run: weigh(run, [1.0, 1.0, 1.0]),
        "model.safetensors holds 3 weights and the ensemble has 2 members; restore it or make",
    ),
    "weight below 0": (lambda run: weigh(run, [1.0, -0.5]), "the weights are 1.0, -0.5; none may be below 0, nor all"),
    "weights all 0": (lambda run: weigh(run, [0.0, 0.0]), "the weights are 0.0, 0.0; none may be below 0, nor all"),
    "weight not finite": (lambda run: weigh(run, [1.0, np.inf]), "tensor weights has values that are not finite"),
    "labels of no member": (
        lambda run: weigh(run, [1.0, 1.0], labels=["good", "bad"]),
        "members/0 has the labels negative, positive and ",
    ),
}

# Of a run that trained for two steps, and what `rnnnlp train charlm --resume` says.
OF_A_RUN: dict[str, Damage] = {
    "copied under another number": (
        lambda run: shutil.copytree(last(run), run / "checkpoints" / "step-00000099"),
        "step-00000099 holds the checkpoint of step 2; give it that number, or remove it",
    ),
    "tensors flipped": (lambda run: flip_last_bit(last(run) / STATE_TENSORS), "its checksum is not the one in it"),
    "tensors cut": (lambda run: cut(last(run) / STATE_TENSORS), "training_state.safetensors is damaged ("),
    "tensors of a larger model": (
        lambda run: save_tensors(
            last(run) / STATE_TENSORS, {"more": np.zeros(2_000_000, np.float32)}, beside=BESIDE_STATE
        ),
        "training_state.safetensors holds 2000000 values and the model needs ",
    ),
    "configuration cut": (lambda run: cut(last(run) / "config.json"), "step-00000002 to resume from step-00000000"),
    "weights missing": (
        lambda run: (last(run) / "model.safetensors").unlink(),
        "model.safetensors is missing; the folder does not",
    ),
    "weights of another step": (
        lambda run: shutil.copy(run / "checkpoints" / "step-00000000" / "model.safetensors", last(run)),
        "model.safetensors is not the file that training_state.safetensors was saved with",
    ),
    "state cut": (lambda run: cut(last(run) / STATE), "training_state.json is not the file that training_state.safe"),
    "state nested": (lambda run: forge(run, "[" * 100_000), "training_state.json is damaged ("),
    "state of something else": (lambda run: forge(run, "{}"), "is damaged: it must have step, seconds"),
    "step no number": (lambda run: forge_state(run, step="2"), "is damaged: step is '2'"),
    "step senseless": (lambda run: forge_state(run, step=10**30), "is damaged: step is 1000"),
    "no such batch": (
        lambda run: forge_state(run, position={"epoch": 0, "window": 10**9}),
        "is damaged (there is no batch 1000000000 in epoch 0); restore",
    ),
    "no random numbers": (lambda run: forge_state(run, rng={}), "training_state.json is damaged ("),
    "other data": (lambda run: forge_state(run, data="other"), "was trained on (the training data changed); give the"),
    "data no digests": (
        lambda run: forge_state(run, data={"the training text": [{}]}),
        "(the training text, the validation text, the text as a whole changed); give the place of those data, or begin",
    ),
    "figures that cannot be written": (
        lambda run: replace_by_folder(run / "metrics.jsonl"),
        "metrics.jsonl ... , then resume with: rnnnlp train charlm --resume ",
    ),
}
