"""A quiz on the page: by keyboard alone, with reasons, remembered or not, without scripts."""

import re

import export_quizzes
import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import file_address, watched
from playwright.sync_api import expect

from sphinxext.quiz_source import load

CHAPTER = "chapters/lookup/temperature"
PAGE = f"{CHAPTER}.html"
PATHS = {
    path.relative_to(export_quizzes.ROOT).as_posix().replace(".quiz.yml", ".html"): path
    for path in export_quizzes.quiz_files()
}
each_quiz = pytest.mark.parametrize("name", PATHS)
NO_STORAGE = """for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, {
    configurable: true,
    get() { throw new DOMException("The operation is insecure.", "SecurityError"); },
  });"""
VERDICT = ".ab-verdict b"


@pytest.fixture
def page(browser, site):
    """The chapter on temperature, from a file."""
    with watched(browser) as page:
        page.goto(file_address(site, PAGE))
        yield page
        assert page.problems == []


def place(page, question):
    """The fieldset of a question."""
    return page.locator(f"#quiz-{question.id}")


def press_until_focused(page, target, key="Tab"):
    """Reach a control by keyboard, as a reader does."""
    for _ in range(40):
        if target.evaluate("n => n === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError("cannot be reached with the tab key")


def choose(page, form, wanted):
    """Set the radio buttons or check boxes whose numbers are wanted, and press Check."""
    boxes = form.locator("input")
    if boxes.first.get_attribute("type") == "radio":
        press_until_focused(page, boxes.first)
        page.keyboard.press("Space")
        for _ in range(wanted[0]):
            page.keyboard.press("ArrowDown")
        assert boxes.nth(wanted[0]).is_checked()
    else:
        for i in range(boxes.count()):
            press_until_focused(page, boxes.nth(i))
            if (i in wanted) != boxes.nth(i).is_checked():
                page.keyboard.press("Space")
    check(page, form)


def check(page, form):
    press_until_focused(page, form.locator(".ab-check"))
    page.keyboard.press("Enter")


def write(page, form, text):
    box = form.locator("input")
    press_until_focused(page, box)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def sort_steps(page, form):
    """Bring the steps into the right order with the buttons alone."""
    count = form.locator("[data-step]").count()
    for goal in range(count):
        step = form.locator(f"[data-step='{goal}']")
        up = step.get_by_role("button", name=re.compile("up$"))
        up.focus()
        while step.evaluate("n => [...n.parentNode.children].indexOf(n)") > goal:
            page.keyboard.press("Enter")
            assert up.evaluate("n => n === document.activeElement"), "the focus was lost"
            assert "is now step" in form.locator(".ab-feedback").inner_text()
    check(page, form)


def answer(page, form, question):
    """Answer a question rightly, by keyboard."""
    if question.kind == "number":
        write(page, form, repr(question.answers[0].value))
    elif question.kind == "order":
        sort_steps(page, form)
    else:
        choose(page, form, [i for i, a in enumerate(question.answers) if a.right])


def plain(text):
    """Words without marks, formulas and spaces, to find an explanation on the page."""
    text = re.sub(r"\$[^$]*\$", "", text)
    return re.sub(r"[^A-Za-z]", "", text)


def shows(form, text):
    """Whether the feedback says this; formulas are left out of the comparison."""
    shown = form.locator(".ab-feedback").evaluate(
        "n => { const c = n.cloneNode(true); c.querySelectorAll('math').forEach(m => m.remove());"
        " return c.textContent }"
    )
    return plain(text) in plain(shown)


@each_quiz
def test_a_quiz_is_taken_with_the_keyboard_alone(browser, site, name):
    quiz = load(PATHS[name])
    with watched(browser) as page:
        page.goto(file_address(site, name))
        for question in quiz.questions:
            form = place(page, question)
            form.locator("input, button").first.focus()
            answer(page, form, question)
            assert form.locator(VERDICT).inner_text() == "✓ Right.", question.id
            assert shows(form, next(a for a in question.answers if a.right).why), question.id
            assert "answered" in form.locator("legend").inner_text()
        count = len(quiz.questions)
        assert page.locator(".ab-state").inner_text().startswith(f"{count} of {count} answered")
        assert page.problems == []


@each_quiz
def test_each_wrong_answer_gets_its_explanation(browser, site, name):
    with watched(browser) as page:
        page.goto(file_address(site, name))
        for question in load(PATHS[name]).questions:
            form = place(page, question)
            for i, wrong in enumerate(question.answers):
                if wrong.right:
                    continue
                if question.kind == "number":
                    form.locator("input").fill(repr(wrong.value))
                elif question.kind == "order":
                    order = list(range(len(question.steps)))
                    early, late = wrong.swap
                    order[early], order[late] = order[late], order[early]
                    form.locator(".ab-steps").evaluate(
                        "(list, order) => order.forEach(i => list.append("
                        "list.querySelector(`[data-step='${i}']`)))",
                        order,
                    )
                else:
                    for box in form.locator("input[type=checkbox]:checked").all():
                        box.uncheck()
                    form.locator("input").nth(i).check()
                form.locator(".ab-check").click()
                assert form.locator(VERDICT).inner_text() == "✗ Not yet.", wrong
                assert shows(form, wrong.misconception), wrong
                assert shows(form, wrong.why), wrong
            if question.otherwise:
                form.locator("input").fill("-1234567")
                form.locator(".ab-check").click()
                assert shows(form, question.otherwise)
            assert "answered" not in form.locator("legend").inner_text()
        assert page.locator(".ab-state").inner_text().startswith("0 of")
        assert page.problems == []


def test_nothing_chosen_is_asked_for(page):
    for question in load(PATHS[PAGE]).questions:
        form = place(page, question)
        if question.kind != "order":
            form.locator(".ab-check").click()
            assert re.search("^(Choose|Type)", form.locator(".ab-feedback").inner_text().strip())


def test_several_says_how_many_are_missing(page):
    form = place(page, next(q for q in load(PATHS[PAGE]).questions if q.kind == "several"))
    form.locator("input").nth(0).check()
    form.locator(".ab-check").click()
    assert form.locator(".ab-verdict").inner_text() == "✗ Not yet. 2 more apply."
    form.locator("input").nth(1).check()
    form.locator(".ab-check").click()
    said = "1 of the 2 answers that you chose does not apply. 2 more apply."
    assert said in form.locator(".ab-verdict").inner_text()


RIGHT, WRONG, ASK = "✓", "✗", "Type a number"
READ = {
    ("queries-keys-values", "count"): {
        "98304": RIGHT,
        "98,304": RIGHT,
        "98 304 numbers": RIGHT,
        "98.304": WRONG,
    },
    ("soft-lookup", "stored-twice"): {
        "2/3": RIGHT,
        "0,667": RIGHT,
        ".67": RIGHT,
        "66.7 %": RIGHT,
        "6.7e-1": RIGHT,
        "66.7": WRONG,
    },
    ("soft-lookup", "exact-match"): {"40.5%": RIGHT, "40,5": RIGHT, "0.405": WRONG},
    ("soft-lookup", "mixture"): {"4.4 °C": RIGHT, "−4.4": WRONG, "four": ASK, "1/0": ASK},
}


@pytest.mark.parametrize(("chapter", "id"), READ)
def test_numbers_are_read_as_they_are_written(browser, site, chapter, id):
    with watched(browser) as page:
        page.goto(file_address(site, f"chapters/lookup/{chapter}.html"))
        form = page.locator(f"#quiz-{id}")
        for text, verdict in READ[chapter, id].items():
            form.locator("input").fill(text)
            form.locator(".ab-check").click()
            said = form.locator(".ab-feedback").inner_text()
            assert said.strip().startswith(verdict), text


def test_a_hint_opens_with_the_keyboard_and_stays_apart_from_the_answers(page):
    question = load(PATHS[PAGE]).questions[0]
    form = place(page, question)
    summary = form.locator(".ab-hint summary")
    form.locator("input").focus()
    press_until_focused(page, summary)
    page.keyboard.press("Enter")
    assert form.locator(".ab-hint").get_attribute("open") is not None
    assert form.locator(".ab-hint p").is_visible()
    assert not form.locator(".ab-solution li").first.is_visible()


def test_controls_have_names_and_feedback_is_live(page):
    """What a screen reader needs: a named group, a label for each control, a live region."""
    for question in load(PATHS[PAGE]).questions:
        form = place(page, question)
        assert form.evaluate("n => n.tagName") == "FIELDSET"
        group = page.get_by_role("group", name=re.compile("Question .* of 8"))
        assert group.count() == 8
        for control in form.locator("input").all():
            assert control.evaluate("n => n.labels.length") == 1
        live = form.locator(".ab-feedback")
        assert live.get_attribute("aria-live") == "polite"
        for target in form.locator("button, summary, label").all():
            if question.kind != "number" or target.evaluate("n => n.tagName") != "LABEL":
                assert target.bounding_box()["height"] >= 44


# ------------------------------------------------------------------ progress


def test_progress_is_kept_shown_and_cleared(browser, site_url):
    """Right answers outlive the page, stand beside the chapter, and can be forgotten.

    Over HTTP: between two pages from files Chromium may change its process, and a page that is
    opened within milliseconds of a write then misses it (measured: 12 of 100; over HTTP none).
    """
    question = load(PATHS[PAGE]).questions[1]
    with watched(browser) as page:
        page.goto(f"{site_url}/{PAGE}")
        answer_number(page, question)
        link = page.locator("nav.bd-links li.current > a")
        assert link.inner_text().split("quiz")[1].strip() == "1 of 8"

        page.goto(f"{site_url}/{PAGE}")
        assert "answered" in place(page, question).locator("legend").inner_text()
        assert page.locator(".ab-state").inner_text().startswith("1 of 8 answered right.")

        page.goto(f"{site_url}/index.html")
        marked = page.locator("a:has(.ab-quiz-mark)")
        assert marked.count() == 2  # the sidebar and the list on the page
        for i in range(2):
            assert marked.nth(i).get_attribute("href") == PAGE
        page.goto(f"{site_url}/chapters/lookup/dictionary.html")
        assert page.locator(".ab-state").inner_text().startswith("0 of 6")
        assert page.locator(".ab-quiz-mark").count() == 1
        page.get_by_role("button", name="Clear all quizzes").click()
        assert page.locator(".ab-quiz-mark").count() == 0

        page.goto(f"{site_url}/{PAGE}")
        assert page.locator(".ab-state").inner_text().startswith("0 of 8")
        answer_number(page, question)
        page.get_by_role("button", name="Clear this quiz").click()
        assert page.locator(".ab-state").inner_text().startswith("0 of 8")
        assert not page.get_by_role("button", name="Clear this quiz").is_visible()
        assert page.evaluate("Object.keys(localStorage).filter(k => k.includes('quiz'))") == []
        assert page.problems == []


def test_two_tabs_keep_each_others_answers(browser, site_url):
    """What one tab answers stands in the other, and is not lost when that one answers too."""
    first, second, *_ = (q for q in load(PATHS[PAGE]).questions if q.kind == "number")
    with watched(browser) as page:
        page.goto(f"{site_url}/{PAGE}")
        other = page.context.new_page()
        other.goto(f"{site_url}/{PAGE}")
        answer_number(page, first)
        expect(place(other, first).locator("legend")).to_contain_text("answered")
        answer_number(other, second)
        expect(page.locator(".ab-state")).to_contain_text("2 of 8 answered right.")
        other.get_by_role("button", name="Clear all quizzes").click()
        expect(page.locator(".ab-state")).to_contain_text("0 of 8 answered right.")
        assert page.problems == []


def answer_number(page, question):
    form = place(page, question)
    form.locator("input").fill(str(question.answers[0].value))
    form.locator(".ab-check").click()
    assert form.locator(VERDICT).inner_text() == "✓ Right."


@pytest.mark.parametrize("name", [PAGE, "index.html"])
def test_without_storage_nothing_breaks(browser, site, name):
    """Blocked storage: no error on the page, the quiz works, and says that it forgets."""
    with watched(browser) as page:
        page.context.add_init_script(NO_STORAGE)
        page.goto(file_address(site, name))
        assert page.locator("html").get_attribute("data-theme") == "light"
        if name == PAGE:
            answer_number(page, load(PATHS[PAGE]).questions[1])
            state = page.locator(".ab-state").inner_text()
            assert state.startswith("1 of 8 answered right. This browser keeps nothing")
            page.get_by_role("button", name="Clear this quiz").click()
            assert page.locator(".ab-state").inner_text().startswith("0 of 8")
        assert page.problems == []


def test_a_browser_without_room_says_that_it_keeps_nothing(browser, site):
    with watched(browser) as page:
        page.goto(file_address(site, PAGE))
        page.evaluate(
            "() => { Storage.prototype.setItem = () => { throw new DOMException('full') } }"
        )
        answer_number(page, load(PATHS[PAGE]).questions[1])
        state = page.locator(".ab-state").inner_text()
        assert state.startswith("1 of 8 answered right. This browser keeps nothing")
        assert page.problems == []


@pytest.mark.parametrize(
    "kept", ["no JSON", "null", "7", '{"right": 3}', '{"right": ["gone"], "of": 2}']
)
def test_what_another_program_or_an_older_quiz_left_does_no_harm(browser, site, kept):
    with watched(browser) as page:
        page.context.add_init_script(
            f"localStorage['attnbook-quiz:{CHAPTER}'] = {kept!r}"
            if '"' in kept
            else f"localStorage['attnbook-quiz:{CHAPTER}'] = '{kept}'"
        )
        page.goto(file_address(site, PAGE))
        assert page.locator(".ab-state").inner_text().startswith("0 of 8")
        assert page.problems == []


# ------------------------------------------------------------------ how it is read


@pytest.mark.parametrize("theme", ["light", "dark"])
@each_quiz
def test_a_quiz_with_feedback_is_accessible(browser, site_url, name, theme):
    """Axe finds nothing, with every hint, answer and explanation open, in both themes."""
    with watched(browser, theme=theme) as page:
        page.goto(f"{site_url}/{name}", wait_until="networkidle")
        page.evaluate("document.querySelectorAll('.ab-quiz details').forEach(d => d.open = true)")
        for form in page.locator(".ab-question").all():
            if form.get_attribute("data-kind") != "order":
                box = form.locator("input").first
                box.fill("1") if box.get_attribute("type") == "text" else box.check()
            form.locator(".ab-check").click()
        found = Axe().run(page, ".ab-quiz").response["violations"]
        assert [(f["id"], [n["html"] for n in f["nodes"]]) for f in found] == []
        assert [url for url in page.requested if not url.startswith((site_url, "data:"))] == []
        assert page.problems == []


@each_quiz
def test_formulas_are_set(browser, site, name):
    """No TeX and no Markdown is left in a quiz."""
    with watched(browser) as page:
        page.goto(file_address(site, name))
        text = page.locator(".ab-quiz").evaluate(
            "n => { const copy = n.cloneNode(true);"
            " copy.querySelectorAll('code').forEach(e => e.remove()); return copy.textContent }"
        )
        assert not re.search(r"\$|\\[a-z]|\{\{|\*\w|`", text)
        written = re.findall(r"\$[^$]+\$", PATHS[name].read_text("utf-8"))
        assert page.locator(".ab-quiz math").count() >= len(written)


@each_quiz
def test_a_phone_holds_the_quiz(browser, site, name):
    with watched(browser, width=390) as page:
        page.goto(file_address(site, name))
        page.evaluate("document.querySelectorAll('.ab-quiz details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.locator(".ab-quiz *").evaluate_all(
            "all => all.filter(n => n.getBoundingClientRect().right > 391)"
            ".filter(n => !n.closest('.ab-scroll, .ab-wide, pre, math')).map(n => n.outerHTML)"
        )
        assert wide == []


@each_quiz
def test_without_javascript_all_answers_can_be_read(browser, site, name):
    """No dead button; questions, hints and answers are there, the answers folded."""
    with watched(browser, javascript=False) as page:
        page.goto(file_address(site, name))
        assert page.locator(".ab-quiz button:visible, .ab-bar:visible").count() == 0
        for question in load(PATHS[name]).questions:
            form = place(page, question)
            assert form.locator(".ab-asked").is_visible()
            # Steps are moved with buttons, of which there are none.
            assert form.locator(".ab-how").is_visible() == (question.kind != "order")
            solution = form.locator(".ab-solution")
            rows = solution.locator("li")
            assert rows.count() == len(question.answers) + bool(question.otherwise)
            assert not rows.first.is_visible()
            solution.locator("summary").click()
            for i, given in enumerate(question.answers):
                assert rows.nth(i).is_visible()
                said = rows.nth(i).inner_text()
                assert said.startswith("Right: " if given.right else "Wrong: ")
                assert plain(given.why)[:20] in plain(said)
            if question.kind == "order":
                letters = rows.first.locator(".ab-answer").inner_text().removeprefix("Right: ")
                shown = form.locator("[data-step]").evaluate_all(
                    "all => all.map(n => [n.querySelector('b').textContent, +n.dataset.step])"
                )
                assert letters.split(", ") == [a for a, _ in sorted(shown, key=lambda s: s[1])]


def test_print_shows_questions_and_answers(browser, site):
    with watched(browser) as page:
        page.goto(file_address(site, PAGE))
        page.locator(".ab-check").first.click()
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert (
            page.locator(".ab-quiz button:visible, .ab-feedback:visible, .ab-bar:visible").count()
            == 0
        )
        for form in page.locator(".ab-question").all():
            assert form.locator(".ab-asked").is_visible()
            assert form.locator(".ab-solution li").first.is_visible()
            assert form.locator(".ab-hint p").first.is_visible()
            is_order = form.get_attribute("data-kind") == "order"
            assert form.locator(".ab-how").is_visible() != is_order
        assert page.problems == []


def test_pages_without_a_quiz_get_the_marks_alone(site):
    """The script that judges answers stands only where there are questions."""
    assert "const judges" in (site / PAGE).read_text("utf-8")
    for name in ("index.html", "glossary.html"):
        text = (site / name).read_text("utf-8")
        assert "const judges" not in text
        assert ".ab-choice" not in text
        assert "markChapters" in text


def test_nothing_moves_when_a_quiz_wakes(page):
    """The line above the questions is as tall before its script has run as after."""
    bar = page.locator(".ab-bar")
    height = bar.bounding_box()["height"]
    answer_number(page, load(PATHS[PAGE]).questions[1])
    assert bar.bounding_box()["height"] == height
    bar.locator("button").evaluate_all("all => all.forEach(n => { n.hidden = true })")
    bar.locator("p").evaluate("n => { n.textContent = '0 of 8 answered right.' }")  # as built
    assert bar.bounding_box()["height"] == height
