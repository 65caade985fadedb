"""`rnnnlp export --to web`: a folder with a page that classifies or writes text in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.exchange.onnx_export import LANGUAGE_MODEL, Content, OnnxExport, content_of, refuse_file, write_export
from rnnnlp.files import write_atomically
from rnnnlp.text.rules import PORTABLE
from rnnnlp.text.words import LearnedTokenizer
from rnnnlp.training.model_folder import CARD

PAGE = Path(__file__).parent / "web"
VENDOR = "vendor"
LIBRARIES = {"onnxruntime-web": "1.30.0", "@huggingface/tokenizers": "0.2.0"}  # with which the page is tested
FILES = {  # of `node_modules`, and their names in the folder
    "onnxruntime-web/dist/ort.wasm.min.mjs": "ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    "@huggingface/tokenizers/dist/tokenizers.min.mjs": "tokenizers.min.mjs",
}
LONGEST_INSTALLATION = 600  # seconds
CLASSIFY = 'const [answer] = await model.classify(["a text"]); // its label, probabilities and unknownWords'
WRITE = 'await model.generate("It was", { length: 500, temperature: 0.8, topK: 0 }); // also: random, onText, signal'


def export_web(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    libraries: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> OnnxExport:
    """Writes a trained model into the new folder `out`, with a page that runs it in a browser.

    The page needs two JavaScript libraries, of 14 MB. They are too large for each wheel of this package, so npm
    installs them here.

    Args:
        folder: A run folder, an ensemble or a saved model.
        out: The new folder.
        libraries: A `node_modules` folder that has the libraries already.
        overwrite: Whether to replace an earlier export that is in `out`.

    Raises:
        UserError: As for `export_onnx`, or if the libraries cannot be installed, or if the tokenizer is one of version
            0.2, which JavaScript cannot read.
    """
    refuse_file(out)
    content = content_of(folder)
    _require_portable(content)
    given = None if libraries is None else library_files(Path(os.path.expanduser(libraries)))
    page = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    page[CARD] = readme(content).encode()

    def finish(new: Path) -> None:
        (new / VENDOR).mkdir()
        for name, data in (given or installed_libraries()).items():
            write_atomically(new / VENDOR / name, data, sync=False)

    return write_export(folder, out, content, page, overwrite=overwrite, folders=(VENDOR,), finish=finish)


def _require_portable(content: Content) -> None:
    for tokenizer in content.tokenizers.values():
        if isinstance(tokenizer, LearnedTokenizer) and tokenizer.portable().rules < PORTABLE:
            raise UserError(
                "the tokenizer of this model was trained by an earlier version, and its patterns cannot be read in a "
                f"browser; train again, or use {option('to')} onnx"
            )


def installed_libraries() -> dict[str, bytes]:
    """The files of the libraries, which npm installs in a temporary folder."""
    with tempfile.TemporaryDirectory() as place:
        return library_files(install_libraries(Path(place)))


def install_libraries(place: Path) -> Path:
    """The `node_modules` folder of the libraries, which npm installs in an empty folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"the page needs {' and '.join(LIBRARIES)}, and npm is not there to install them; install Node.js, or give "
            f"{option('libraries')} a node_modules folder that has them"
        )
    (place / "package.json").write_text(json.dumps({"private": True, "dependencies": LIBRARIES}), encoding="utf-8")
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, errors="replace", timeout=LONGEST_INSTALLATION
        )
        reason = " ".join(done.stderr.split())[-300:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        reason = f"it took more than {LONGEST_INSTALLATION} seconds"
    if reason:
        raise UserError(
            f"npm could not install {' and '.join(LIBRARIES)} ({reason}); check the connection, or give "
            f"{option('libraries')} a node_modules folder that has them"
        )
    return place / "node_modules"


def library_files(node_modules: Path) -> dict[str, bytes]:
    """What the page needs of the libraries, with a list of their licences, by name in its folder.

    Raises:
        UserError: If they are not all there.
    """
    files, lines = {}, []
    try:
        for source, name in FILES.items():
            path = node_modules / source
            files[name] = path.read_bytes()
        for library in LIBRARIES:
            path = node_modules / library / "package.json"
            package = json.loads(path.read_bytes())
            if not isinstance(package, dict) or not package.keys() >= {"version", "license"}:
                raise ValueError("it has no version or no license")
            lines.append(f"{library} {package['version']}, licence {package['license']}")
    except (OSError, ValueError, RecursionError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"{path} cannot be read ({cause}); give {option('libraries')} the node_modules folder into which "
            f"npm has installed {' and '.join(f'{name}@{version}' for name, version in LIBRARIES.items())}"
        ) from None
    return {**files, "LIBRARIES.txt": ("\n".join(lines) + "\n").encode()}


def readme(content: Content) -> str:
    """How the folder is used."""
    what, example = "classifies texts", CLASSIFY
    if content.description["kind"] == LANGUAGE_MODEL:
        what, example = "writes text", WRITE
    return f"""# A page that {what}

The model runs in the browser. Browsers do not load a page of this kind from a file, so any web server must hand out the
files. For yourself:

    python3 -m http.server --directory . 8000

Then open <http://127.0.0.1:8000>. To publish the page, upload the folder to any static hosting. What visitors
type stays on their computers.

`rnnnlp.js` is for pages of your own:

```js
import {{ open }} from "./rnnnlp.js";
const model = await open(new URL("./", import.meta.url));
{example}
```
"""
