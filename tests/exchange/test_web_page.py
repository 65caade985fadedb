"""The page of an exported model in a browser, with a model that fails. Needs Chromium and Playwright."""

import shutil
from pathlib import Path

import rnnnlp.exchange
from tests.exchange.test_web import page_of

FAILING = """
export class Classifier {
  labels = ["good", "bad"];
  async classify([text]) {
    if (text.includes("broken")) throw new Error("no memory");
    return [{ label: "good", probabilities: [0.9, 0.1], unknownWords: text.includes("strange") ? 0.5 : 0.3 }];
  }
}

class Writer {
  async generate(prompt, { onText }) {
    if (prompt.includes("broken")) throw new Error("no memory");
    onText(" film");
  }
}

export const open = async () => (location.search === "?writer" ? new Writer() : new Classifier());
"""


def test_an_error_is_taken_back(tmp_path: Path):
    for name in ("index.html", "page.js"):
        shutil.copy(Path(rnnnlp.exchange.__file__).with_name("web") / name, tmp_path)
    (tmp_path / "rnnnlp.js").write_text(FAILING)
    with page_of(tmp_path) as (page, address):
        from playwright.sync_api import expect

        page.goto(address)
        status, result = page.locator("#status"), page.locator("#result")
        page.fill("#text", "good")
        expect(result).to_be_visible()
        page.fill("#text", "broken")
        expect(status).to_have_text("Something went wrong: no memory")
        expect(result).to_be_hidden()  # what it shows is of the text before
        page.fill("#text", "good again")
        expect(result).to_be_visible()
        expect(page.locator("#unknown")).to_be_hidden()
        page.fill("#text", "strange")
        expect(page.locator("#unknown")).to_have_text(
            "The model does not know 50 % of the words. Do not rely on its prediction."
        )
        page.fill("#text", "good at last")
        expect(page.locator("#unknown")).to_be_hidden()
        expect(status).to_have_text("Ready. What you type stays on this computer.")
        expect(status).not_to_have_class("error")
        page.goto(f"{address}?writer")
        page.fill("#prompt", "broken")
        page.click("#write")
        expect(status).to_have_text("Something went wrong: no memory")
        page.fill("#prompt", "a good")
        page.click("#write")
        expect(page.locator("#output")).to_have_text("a good film")
        expect(status).to_have_text("Ready. What you type stays on this computer.")
