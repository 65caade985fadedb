"""The JavaScript of an exported page in node, with libraries and models that are made up."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import rnnnlp.exchange
from rnnnlp.tasks.char_lm.generate import Sampling
from rnnnlp.text import Classes
from tests.exchange.test_web import skip
from tests.node import in_node

LIBRARIES = {
    "ort.wasm.min.mjs": """
        export const env = { wasm: {} };
        export class Tensor {}
        const half = { data: new Array(100).fill(0.5) };
        const session = { run: async () => ({ logits: half, probabilities: half }) };
        export const InferenceSession = { create: async () => session };
    """,
    "tokenizers.min.mjs": """
        export class Tokenizer {
            constructor(content) { this.vocabulary = content.model.vocab; }
            encode(text) { return { ids: text.split(" ").filter(Boolean).map((word) => this.vocabulary[word]) }; }
        }
    """,
}
WRITER = """
    const { LanguageModel } = await import("./rnnnlp.js");
    const description = { tokenizer_kind: "char", separator: "", states: [], vocab_size: 2 };
    const session = { run: async () => ({ logits: { data: [0, 1] } }) };
    const tokenizer = { vocabulary: { a: 0, b: 1 }, unknown: null, encode: () => [0] };
    const model = new LanguageModel(description, session, tokenizer);
"""
CLASSIFIED = """
    const { Classifier } = await import("./rnnnlp.js");
    const probabilities = { data: [0.8, 0.2, 0.2, 0.8] };
    const session = { run: async () => ({ logits: probabilities, probabilities }) };
    const model = new Classifier({ label_type: given[0], labels: given[1], inputs: [] }, session, []);
    return (await model.classify(["a", "b"])).map((answer) => answer.label);
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `rnnnlp.js` and its libraries, as modules of node."""
    if shutil.which("node") is None:
        skip("node is not installed")
    folder = tmp_path_factory.mktemp("modules")
    shutil.copy(Path(rnnnlp.exchange.__file__).with_name("web") / "rnnnlp.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "vendor").mkdir()
    for name, content in LIBRARIES.items():
        (folder / "vendor" / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("int", ["1", "-20"]),
        ("float", ["0.5", "2.0"]),
        ("bool", ["False", "True"]),
        ("bool", ["false", "true"]),
        ("str", ["1", "true"]),
        ("class", ["bad", "good"]),
    ],
)
def test_labels_have_the_type_of_the_training(kind: str, names: list[str], modules: Path):
    expected = list(Classes(tuple(names), kind).labels)
    found = in_node(modules, CLASSIFIED, [kind, names])
    assert found == expected
    assert [isinstance(label, str) for label in found] == [isinstance(label, str) for label in expected]


def test_an_integer_that_would_lose_digits_stays_a_string(modules: Path):
    names = [str(2**53), str(2**53 - 1)]
    assert in_node(modules, CLASSIFIED, ["int", names]) == [names[0], 2**53 - 1]


def test_the_share_of_unknown_words_is_that_of_the_member_that_knows_most(modules: Path):
    def tokenizer(*known: str) -> dict[str, Any]:
        vocabulary = {word: k for k, word in enumerate(("<unk>", *known))}
        return {"model": {"vocab": vocabulary, "unk_token": "<unk>"}, "normalizer": None, "pre_tokenizer": {}}

    inputs = [
        {"tokenizer": name, "ids": f"ids of {name}", "lengths": f"lengths of {name}", "max_length": 9, "blank": 0}
        for name in ("one", "other")
    ]
    description = {"kind": "classifier", "labels": ["bad", "good"], "label_type": "str", "inputs": inputs}
    files = {
        "model.json": description,
        "model.onnx": None,
        "one": tokenizer("good", ",", "film"),
        "other": tokenizer("bad"),
    }
    texts = ["good film", "good , strange", "strange", "bad", "", " \t"]
    code = """
        const { open } = await import("./rnnnlp.js");
        const read = async (name) => new TextEncoder().encode(JSON.stringify(given.files[name]));
        const model = await open(new URL("file:///"), read);
        return (await model.classify(given.texts)).map((answer) => answer.unknownWords);
    """
    assert in_node(modules, code, {"files": files, "texts": texts}) == [0, 0.5, 1, 0, 0, 0]


def test_the_length_of_a_text_is_by_default_that_of_python(modules: Path):
    code = f'{WRITER} return (await model.generate("a", {{ temperature: 0, topK: undefined }})).length;'
    assert in_node(modules, code) == Sampling().length


def test_a_text_may_begin_with_any_character(modules: Path):
    code = f"""{WRITER}
        model.tokens[1] = new TextEncoder().encode("\\ufeff");
        const parts = [];
        const text = await model.generate("a", {{ length: 2, temperature: 0, onText: (part) => parts.push(part) }});
        return [text, parts];
    """
    assert in_node(modules, code) == ["\ufeff\ufeff", ["\ufeff", "\ufeff"]]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            *("{ top_k: 5 }", "TypeError"),
            "there is no option top_k; there are length, temperature, topK, random, onText and signal",
        ),
        ("{ seed: 1 }", "TypeError", "there is no option seed; there are length"),
        ('{ length: "5" }', "TypeError", "length must be a number"),
        ("{ onText: 1 }", "TypeError", "onText must be a function"),
        ("{ length: 1.5 }", "RangeError", "length is 1.5; it must be an integer of at least 0"),
        ("{ topK: -1 }", "RangeError", "topK is -1; it must be an integer of at least 0"),
        ("{ temperature: -1 }", "RangeError", "temperature is -1; it must be at least 0 and finite"),
        ("{ temperature: NaN }", "RangeError", "temperature is NaN; it must be at least 0 and finite"),
    ],
)
def test_options_that_cannot_be_are_refused(options: str, kind: str, message: str, modules: Path):
    code = f'{WRITER} return model.generate("a", {options}).then(() => null, (error) => [error.name, error.message]);'
    name, said = in_node(modules, code)
    assert name == kind
    assert said.startswith(message)
