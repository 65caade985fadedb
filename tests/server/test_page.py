"""The page in a browser: each view works, nothing comes from elsewhere, nothing of a text is run.

`test_page_faults.py` has what goes wrong, and `test_page_modules.py` what needs no browser.

Needs Chromium and Playwright. RNNNLP_AXE is the path of `axe.min.js` (npm pack axe-core): the accessibility of each
view is then checked, too. `.ci/run` has both.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs rnnnlp[web]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import Page, Route, expect

from tests.server.conftest import MARKUP, PAGE_MILLISECONDS

VIEWS = ("write", "classify", "understand", "watch")
AXE = os.environ.get("RNNNLP_AXE")


def opened(page: Page, view: str) -> None:
    page.click(f"nav a[href='#{view}']")
    expect(page.locator(f"#view-{view}")).to_be_visible()
    assert page.locator("main section:visible").count() == 1


def accessible(page: Page) -> None:
    """axe-core finds no serious fault, if it is there."""
    if AXE:
        page.evaluate(Path(AXE).read_text(encoding="utf-8") + ";0")
        found: dict[str, Any] = page.evaluate("axe.run(document)")
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in serious] == []


def narrow(page: Page) -> None:
    """Nothing is wider than a telephone."""
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_write(page: Page):
    opened(page, "write")
    page.fill("#write-prompt", "He said: ")
    page.fill("#write-seed", "1")
    page.fill("#write-sliders-length", "200")
    page.select_option("#write-colour", "surprise")
    page.click("#write-start")
    expect(page.locator("#write-status")).to_contain_text("ended by: length")
    expect(page.locator("#write-text")).to_contain_text("He said: ")
    whole = page.locator("#write-text").text_content() or ""
    assert len(whole) == 209
    page.hover("#write-text [data-token='12']")
    expect(page.locator("#write-next .bar")).to_have_count(10)
    coloured = "[...document.querySelectorAll('#write-text span')].filter(s => s.style.backgroundColor).length"
    page.wait_for_function(f"{coloured} > 100")  # colours come after the text
    page.mouse.move(0, 0)
    page.press("#write-text", "ArrowRight")
    expect(page.locator("#write-text [data-token='13'].here")).to_have_count(1)
    page.click("#write-continue")
    expect(page.locator("#write-status")).to_contain_text("409 characters")
    assert (page.locator("#write-text").text_content() or "").startswith(whole)
    page.hover("#write-text [data-token='3']")
    page.select_option("#write-colour", "unit")
    expect(page.locator("#write-ranked option")).not_to_have_count(0)
    page.select_option("#write-feature", "line")
    page.select_option("#write-value", "f")
    expect(page.locator("#write-next")).to_contain_text("Value of the unit")
    page.evaluate(
        "getSelection().setBaseAndExtent(document.querySelector('#write-text').childNodes[0].firstChild, 0,"
        " document.querySelector('#write-text').childNodes[3].firstChild, 1)"
    )
    page.click("#write-mark")
    expect(page.locator("#write-feature")).to_have_value("marked")
    expect(page.locator("#write-text .mark")).not_to_have_count(0)
    accessible(page)
    narrow(page)


def written(page: Page, length: int) -> None:
    """Lets the model write this number of tokens, coloured by a unit."""
    opened(page, "write")
    page.fill("#write-prompt", "He said: ")
    page.fill("#write-sliders-length", str(length))
    page.select_option("#write-colour", "unit")
    page.click("#write-start")
    expect(page.locator("#write-status")).to_contain_text("ended by: length")


def test_text_is_marked_with_the_keyboard(page: Page):
    written(page, 50)
    expect(page.locator("#write-text [data-token]")).to_have_count(59)
    expect(page.locator("#write-ranked option")).not_to_have_count(0)
    page.mouse.move(0, 0)
    page.focus("#write-text")
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("getSelection().toString()") == "He s"
    page.focus("#write-mark")
    page.keyboard.press("Enter")
    expect(page.locator("#write-feature")).to_have_value("marked")
    expect(page.locator("#write-text .mark")).to_have_count(4)
    page.focus("#write-text")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("getSelection().toString()") == ""
    page.keyboard.press("Shift+End")
    assert len(page.evaluate("getSelection().toString()")) > 40
    expect(page.locator("#write-text .here")).to_have_count(1)
    left_alone = page.evaluate(
        """() => ["ctrlKey", "altKey", "metaKey"].map((name) => document.querySelector("#write-text").dispatchEvent(
            new KeyboardEvent("keydown", { key: "ArrowLeft", [name]: true, cancelable: true, bubbles: true })
        ))"""
    )
    assert left_alone == [True] * 3  # they are the browser's


def test_colours_of_a_unit_have_its_scale(page: Page):
    written(page, 200)
    tokens = "[...document.querySelectorAll('#write-text [data-token]')]"
    colours, end = (
        f"new Set({tokens}.map(s => s.style.backgroundColor)).size",
        time.monotonic() + PAGE_MILLISECONDS / 1000,
    )
    while page.evaluate(colours) <= 10 and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert page.evaluate(colours) > 10  # not the two of a sign


@pytest.mark.parametrize("when", ["at once", "in the middle"])
def test_an_error_of_a_generation_stays(page: Page, when: str):
    opened(page, "write")
    page.evaluate(
        """when => {
            const real = window.fetch;
            const part = new TextEncoder().encode('data: {"text": "no"}\\n\\n');
            const broken = () => new ReadableStream({ start(stream) {
                stream.enqueue(part);
                setTimeout(() => stream.error(new Error("no more")), 20);
            } });
            const answer = () => when === "at once"
                ? new Response(JSON.stringify({ error: "no more" }), { status: 429 })
                : new Response(broken());
            window.fetch = (url, given) => (String(url).includes("generate") ? answer() : real(url, given));
        }""",
        when,
    )
    page.select_option("#write-colour", "surprise")
    page.fill("#write-prompt", "He said: ")
    page.click("#write-start")
    expect(page.locator("#message")).to_contain_text("no more")
    page.wait_for_timeout(500)  # the prompt is looked at
    expect(page.locator("#message")).to_contain_text("no more")
    expect(page.locator("#write-status")).to_have_text("")


def test_a_text_can_be_stopped(page: Page):
    opened(page, "write")
    page.fill("#write-sliders-length", "2000")
    page.evaluate("document.querySelector('#write-start').click(); document.querySelector('#write-stop').click()")
    expect(page.locator("#write-status")).to_contain_text("ended by: you")
    expect(page.locator("#write-stop")).to_be_disabled()


def test_classify(page: Page):
    opened(page, "classify")
    page.select_option("#classify-model", "films")
    page.fill("#classify-input", "a good film <script>alert(1)</script> 😀 good")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: good")
    assert page.locator("#classify-result .words").text_content() == "a good film <script>alert(1)</script> 😀 good"
    page.select_option("#classify-label", "bad")
    page.fill("#classify-p", "0.01")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: bad")
    accessible(page)
    narrow(page)


def test_a_table_keeps_the_texts_that_were_classifyd(page: Page):
    opened(page, "classify")
    page.evaluate("document.dispatchEvent(new Event('language'))")
    expect(page.locator("#classify-rows")).to_be_hidden()
    page.select_option("#classify-model", "films")
    page.fill("#classify-paste", "text,title\na good film,x\na bad film,y\n")
    expect(page.locator("#classify-status")).to_have_text("2 rows.")
    page.click("#classify-all")
    expect(page.locator("#classify-rows tbody tr")).to_have_count(2)
    page.select_option("#classify-column", "1")
    page.evaluate("document.dispatchEvent(new Event('language'))")
    expect(page.locator("#classify-rows tbody tr").first).to_contain_text("a good film")


def test_labels_of_a_model_are_there_when_it_is_chosen(page: Page):
    opened(page, "classify")
    labels = page.locator("#classify-label option")
    expect(labels).to_have_text(["(the most probable label)", "bad", "good"])
    page.select_option("#classify-model", "odd")
    expect(labels.filter(has_text=MARKUP)).to_have_count(1)
    expect(labels).to_have_count(3)
    page.select_option("#classify-model", "films")
    expect(labels).to_have_text(["(the most probable label)", "bad", "good"])


def test_the_histogram_has_the_probability_of_the_prediction(page: Page):
    opened(page, "classify")
    page.select_option("#classify-model", "films")
    page.select_option("#classify-label", "bad")
    page.fill("#classify-p", "0")
    page.fill("#classify-paste", "text,title\na good film,x\n")
    expect(page.locator("#classify-status")).to_have_text("1 rows.")
    page.click("#classify-all")
    expect(page.locator("#classify-rows tbody tr")).to_contain_text("bad")
    p = float(page.locator("#classify-rows td").nth(2).text_content() or "")
    tenth = min(9, int(p * 10)) * 10
    picture = page.locator("#classify-histogram svg").first.get_attribute("aria-label") or ""
    assert f"{tenth} to {tenth + 10} %: 1 texts" in picture


def test_a_threshold_of_a_large_integer(page: Page):
    low, high = str(10**17), str(10**17 + 1)  # the same number in JavaScript
    prediction = {"label": 10**17, "probabilities": {low: 0.4, high: 0.6}, "words": [], "unknown_words": 0}
    page.route("**/v1/predict", lambda route: route.fulfill(json={"predictions": [prediction]}))
    opened(page, "classify")
    page.fill("#classify-input", "good")
    expect(page.locator("#classify-label option")).to_have_count(3)
    page.fill("#classify-p", "0.3")
    page.select_option("#classify-label", low)
    expect(page.locator("#classify-result .chosen").first).to_have_text(f"Prediction: {low}")
    page.fill("#classify-paste", "text,title\ngood,x\n")
    expect(page.locator("#classify-status")).to_have_text("1 rows.")
    page.click("#classify-all")
    expect(page.locator("#classify-rows td").nth(1)).to_have_text(low)


def test_labels_are_no_markup(page: Page):
    opened(page, "classify")
    page.select_option("#classify-model", "odd")
    page.fill("#classify-input", MARKUP)
    expect(page.locator("#classify-result .bars")).to_contain_text(MARKUP)
    assert page.locator("main img, main script").count() == 0


def test_a_csv_is_dropped_and_saved(page: Page, tmp_path: Path):
    opened(page, "classify")
    page.select_option("#classify-model", "films")
    content = '\ufeffid,text\n1,"a good film, ""really"""\n2,\n3,"=1+1\nbad <b>film</b>"\n'
    page.evaluate(
        """content => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([content], "films.csv", { type: "text/csv" }));
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
            document.querySelector("#classify-drop").dispatchEvent(drop);
        }""",
        content,
    )
    expect(page.locator("#classify-status")).to_have_text("3 rows.")
    expect(page.locator("#classify-column")).to_have_value("1")
    page.click("#classify-all")
    expect(page.locator("#classify-rows tbody tr")).to_have_count(3)
    expect(page.locator("#classify-rows tbody tr").nth(1)).to_have_text("(no text)")
    expect(page.locator("#classify-histogram svg")).to_have_count(1)
    with page.expect_download() as download:
        page.click("#classify-save")
    download.value.save_as(tmp_path / "saved.csv")
    lines = (tmp_path / "saved.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,text,predicted_label,probability,unknown_words"
    assert lines[1].startswith('1,"a good film, ""really""",good,0.')
    assert lines[2] == "2,,,,"
    expect(page.locator("#classify-status")).to_contain_text("1 texts or labels begin with one of = + - @")
    three = b"good, bad\n\nbad\n"
    page.set_input_files("#classify-file", {"name": "three.txt", "mimeType": "text/plain", "buffer": three})
    expect(page.locator("#classify-status")).to_have_text("3 rows.")
    accessible(page)


def test_texts_with_unknown_words_are_counted(page: Page):
    opened(page, "classify")
    page.select_option("#classify-model", "films")
    page.fill("#classify-paste", "text,title\na good film,x\nquis custodiet ipsos,y\n,z\n")
    expect(page.locator("#classify-status")).to_have_text("3 rows.")
    page.click("#classify-all")
    expect(page.locator("#classify-rows .message")).to_contain_text("many of the words of 1 of 2 texts")
    accessible(page)


def test_the_script_of_each_text_may_choose_the_model(page: Page):
    asked: list[Any] = []

    def by_script(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "by_script": True})

    def predicted(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "")["model"])
        route.continue_()

    page.route("**/v1/models", by_script)
    page.route("**/v1/predict", predicted)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    opened(page, "classify")
    models, labels = page.locator("#classify-model option"), page.locator("#classify-label option")
    expect(page.locator("#classify-model")).to_have_value("")
    expect(models).to_have_text(["by the script of each text", "films", "odd"])
    expect(labels).to_have_count(1)  # none that both models have
    page.fill("#classify-input", "a good film")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: ")
    assert set(asked) == {None}
    expect(labels).to_have_count(1)
    page.select_option("#classify-model", "odd")
    expect(labels).to_have_count(3)
    expect(page.locator("#classify-result .bars")).to_contain_text(MARKUP)
    page.select_option("#language", "zh-Hant")
    expect(models.first).to_have_text("依每筆文字的書寫系統")


def test_bars_and_words_have_colours_where_the_system_forces_its_own(page: Page):
    page.emulate_media(forced_colors="active")
    opened(page, "classify")
    page.fill("#classify-input", "a good film")
    expect(page.locator("#classify-result .bars")).to_be_visible()
    colour = "selector => getComputedStyle(document.querySelector(selector)).backgroundColor"
    assert page.evaluate(colour, "#classify-result .bar i") != page.evaluate(colour, "#classify-result .bar")
    words = (
        "[...document.querySelectorAll('#classify-result .words span')].map(s => getComputedStyle(s).backgroundColor)"
    )
    assert len(set(page.evaluate(words))) > 1


def test_understand(page: Page):
    opened(page, "understand")
    expect(page.locator("#understand-cells figure")).to_have_count(3)
    page.fill("#understand-sliders-bptt", "5")
    expect(page.locator("#understand-cells .cut")).to_have_count(3)
    page.click("#understand-first")
    expect(page.locator("#understand-status")).to_contain_text("step 17 of 17")
    page.click("#understand-back")
    expect(page.locator("#understand-status")).to_contain_text("step 16 of 17")
    page.click("#understand-back")
    expect(page.locator("#understand-status")).to_contain_text("Truncation cuts before step 16")
    page.fill("#understand-text", "abcab")
    expect(page.locator("#understand-status")).to_contain_text("of 4")
    accessible(page)
    narrow(page)


def test_watch(page: Page, runs: Path):
    opened(page, "watch")
    expect(page.locator("#watch-runs tbody tr")).to_have_count(3)
    expect(page.locator("#watch-loss svg").first).to_be_visible()
    expect(page.locator("#watch-samples pre")).to_have_count(1)
    page.select_option("#watch-axis", "seconds")
    for name in ("films", "odd"):
        page.uncheck(f"input[data-run='{name}']")
    expect(page.locator("#watch-settings th")).to_have_count(2)
    metrics = runs / "book" / "metrics.jsonl"
    before = metrics.read_bytes()
    try:
        with open(metrics, "ab") as file:
            file.write(b'{"step": 77, "seconds": 9.0, "progress": 0.9, "loss": 1.5}\n')
        expect(page.locator("#watch-runs")).to_contain_text("77")
        expect(page.locator("#watch-runs tr", has_text="book")).to_contain_text("ended early")
    finally:
        metrics.write_bytes(before)
    accessible(page)
    narrow(page)


def test_what_has_not_changed_is_not_drawn_again(page: Page):
    opened(page, "watch")
    expect(page.locator("#watch-runs tbody tr")).to_have_count(3)
    expect(page.locator("#watch-samples pre")).to_have_count(1)
    boxes = "['runs', 'loss', 'samples', 'settings'].map(name => document.querySelector(`#watch-${name}`).firstChild)"
    page.evaluate(f"window.before = {boxes}")
    for _ in range(2):
        with page.expect_response("**/v1/runs"):
            pass
    page.wait_for_timeout(300)
    assert page.evaluate(f"{boxes}.every((box, k) => box === window.before[k])")
    page.select_option("#language", "zh-Hant")
    expect(page.locator("#watch-runs th").first).to_have_text("顯示")


def test_a_run_that_is_removed_is_not_chosen_any_more(page: Page):
    page.evaluate(
        """() => {
            const real = window.fetch;
            window.gone = [];
            window.fetch = async (url, given) => {
                const answer = await real(url, given);
                if (!String(url).endsWith("/v1/runs")) return answer;
                const { runs } = await answer.json();
                return new Response(JSON.stringify({ runs: runs.filter((run) => !window.gone.includes(run.name)) }));
            };
        }"""
    )
    opened(page, "watch")
    expect(page.locator("#watch-runs input:checked")).to_have_count(3)
    page.evaluate("window.gone.push('odd')")
    expect(page.locator("#watch-runs tbody tr")).to_have_count(2)
    page.evaluate("window.gone.pop()")
    expect(page.locator("#watch-runs tbody tr")).to_have_count(3)
    expect(page.locator("#watch-runs input:checked")).to_have_count(2)


def test_language_and_theme_are_kept(page: Page):
    page.select_option("#language", "zh-Hant")
    page.select_option("#theme", "dark")
    for view in VIEWS:
        opened(page, view)
        accessible(page)
    expect(page.locator("nav")).to_contain_text("觀察")
    page.reload()
    page.wait_for_selector("html[data-ready][data-theme='dark'][lang='zh-Hant']")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"


def test_both_languages_have_the_same_words(page: Page):
    keys = page.evaluate(
        "import('/page/texts.js').then(m => Object.values(m.TEXTS).map(t => Object.entries(t).map(([k, v]) => "
        "k + ' ' + (v.match(/\\{\\d\\}/g) ?? []).sort().join('')).sort()))"
    )
    assert keys[0] == keys[1]


def test_the_keyboard_reaches_everything(page: Page):
    opened(page, "classify")
    page.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.hash"))
    assert {
        "#write",
        "#classify",
        "language",
        "theme",
        "classify-model",
        "classify-input",
        "classify-label",
        "classify-file",
    } <= seen


def test_the_page_is_small():
    from importlib import resources

    files = list(resources.files("rnnnlp.server").joinpath("page").iterdir())
    assert len(files) > 5
    assert sum(len(file.read_bytes()) for file in files) < 400_000
