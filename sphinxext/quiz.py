"""Quizzes on the page: the directive `quiz`, and the scripts and the style of pages that have one.

A chapter has its questions in `<topic>.quiz.yml` beside it, and says where they stand::

    :::{quiz}
    What a notebook shows in this place, since it cannot show the quiz; the page leaves it out.
    :::

The questions are Markdown, parsed like the chapter's own, so formulas and links work. What is
written is a form of native controls that needs no script to be read: the answers and their
explanations stand in a list that folds out. `assets/quiz.js` checks answers and says why.
"""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from sphinxext.quiz_schema import QuizError
from sphinxext.quiz_source import Answer, Question, load

ASSETS = Path(__file__).parent / "assets"
LETTERS = "ABCDEFG"
PROMPTS = {
    "one": "Choose one answer.",
    "several": "Choose all that apply.",
    "number": "Type a number.",
    "order": "Move the steps with the buttons.",
}


class html(nodes.General, nodes.Element):
    """An HTML element, with its tag, its attributes and what stands in it."""


def element(tag: str, *children, classes=(), **attributes) -> html:
    """Make an element; `for_` stands for `for`, `data_id` for `data-id`."""
    attributes = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()}
    children = [nodes.Text(child) if isinstance(child, str) else child for child in children]
    classes = classes.split() if isinstance(classes, str) else list(classes)
    return html("", *children, tag=tag, attributes_=attributes, classes=classes)


def visit_html(self, node):
    self.body.append(self.starttag(node, node["tag"], "", **node["attributes_"]))


def depart_html(self, node):
    if node["tag"] != "input":
        self.body.append(f"</{node['tag']}>\n")


def visit_text(self, node):
    """In any other form of the book (plain text, LaTeX) only the words remain."""


class QuizDirective(SphinxDirective):
    """Put the chapter's quiz here."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        chapter = Path(self.env.doc2path(self.env.docname))
        path = chapter.with_suffix(".quiz.yml")
        name = path.relative_to(self.env.srcdir).as_posix()
        self.env.note_dependency(name)
        try:
            quiz = load(path, name)
        except QuizError as error:
            raise self.error(str(error)) from error
        if "quiz" in self.env.temp_data:
            raise self.error(f"{self.env.docname} has its quiz already")
        self.env.temp_data["quiz"] = True
        number = len(quiz.questions)
        forms = [self.form(q, i, number) for i, q in enumerate(quiz.questions, 1)]
        bar = self.progress(number)
        return [element("div", bar, *forms, classes="ab-quiz", data_quiz=self.env.docname)]

    def progress(self, of: int) -> html:
        """Make the line above the questions; it has its room before the script fills it."""
        state = element("p", f"0 of {of} answered right.", classes="ab-state", role="status")
        clear = [
            element("button", words, type="button", hidden="hidden", data_clear=what)
            for words, what in (("Clear this quiz", "one"), ("Clear all quizzes", "all"))
        ]
        return element("div", state, *clear, classes="ab-bar pst-js-only")

    # ------------------------------------------------------------------ the parts of a question

    def form(self, question: Question, i: int, of: int) -> html:
        base = f"quiz-{question.id}"
        legend = element("legend", f"Question {i} of {of}", ids=[f"{base}-n"])
        asked = element("div", *self.blocks(question.text), classes="ab-asked", ids=[f"{base}-q"])
        how = element("p", PROMPTS[question.kind], classes="ab-how")
        if question.kind == "order":  # without a script there are no buttons to move the steps with
            how["classes"].append("pst-js-only")
        controls = getattr(self, question.kind)(question, base)
        check = element("button", "Check", classes="ab-check pst-js-only", type="button")
        feedback = element("div", classes="ab-feedback", role="status", aria_live="polite")
        hint = element("details", element("summary", "Hint"), *self.blocks(question.hint))
        hint["classes"].append("ab-hint")
        fieldset = element(
            "fieldset",
            *(legend, asked, how, controls, check, feedback, hint, self.solution(question)),
            classes="ab-question",
            ids=[base],
            data_kind=question.kind,
            data_id=question.id,
            aria_labelledby=f"{base}-n {base}-q",
        )
        if question.kind == "number":
            fieldset["attributes_"]["data-tolerance"] = repr(question.tolerance)
            fieldset["attributes_"]["data-unit"] = question.unit
        return fieldset

    def one(self, question: Question, base: str) -> html:
        return self.choices(question, base, "radio")

    def several(self, question: Question, base: str) -> html:
        return self.choices(question, base, "checkbox")

    def choices(self, question: Question, base: str, kind: str) -> html:
        rows = []
        for i, answer in enumerate(question.answers):
            box = element(
                "input", type=kind, name=base, value=str(i), ids=[f"{base}-{i}"], autocomplete="off"
            )
            label = element("label", *self.line(answer.text), for_=f"{base}-{i}")
            rows.append(element("div", box, label, classes="ab-choice"))
        return element("div", *rows, classes="ab-choices")

    def number(self, question: Question, base: str) -> html:
        label = element("label", "Your answer", for_=f"{base}-0")
        box = element(
            "input", type="text", inputmode="decimal", autocomplete="off", ids=[f"{base}-0"]
        )
        parts = [label, box]
        if question.unit:
            box["attributes_"]["aria-describedby"] = f"{base}-u"
            parts.append(element("span", question.unit, ids=[f"{base}-u"]))
        return element("div", *parts, classes="ab-number")

    def order(self, question: Question, base: str) -> html:
        rows = []
        for letter, i in zip(LETTERS, question.shuffled(), strict=False):
            moves = [
                element(
                    "button",
                    arrow,
                    type="button",
                    aria_label=f"Move {letter} {way}",
                    data_move=str(by),
                )
                for arrow, way, by in (("↑", "up", -1), ("↓", "down", 1))
            ]
            rows.append(
                element(
                    "li",
                    element("b", letter),
                    element("span", *self.line(question.steps[i]), classes="ab-step"),
                    element("span", *moves, classes="ab-moves pst-js-only"),
                    data_step=str(i),
                )
            )
        return element("ol", *rows, classes="ab-steps", aria_describedby=f"{base}-q")

    def solution(self, question: Question) -> html:
        """List every answer with what there is to say about it."""
        rows = [self.explained(question, answer) for answer in question.answers]
        if question.otherwise:
            why = element("div", *self.blocks(question.otherwise), classes="ab-why")
            head = element("p", element("b", "Any other number"), classes="ab-answer")
            rows.append(element("li", head, why, data_otherwise="yes"))
        summary = element("summary", "All answers, explained")
        return element("details", summary, element("ul", *rows), classes="ab-solution")

    def explained(self, question: Question, answer: Answer) -> html:
        if question.kind == "order" and answer.right:
            letters = {i: letter for letter, i in zip(LETTERS, question.shuffled(), strict=False)}
            said = [nodes.Text(", ".join(letters[i] for i in range(len(question.steps))))]
        else:
            said = self.line(answer.text)
        verdict = element("b", "Right: " if answer.right else "Wrong: ")
        why = self.blocks(answer.why)
        if answer.misconception:
            idea = element("i", *self.line(answer.misconception))
            why.insert(0, element("p", "The mistaken idea: ", idea, classes="ab-idea"))
        row = element(
            "li",
            element("p", verdict, *said, classes="ab-answer"),
            element("div", *why, classes="ab-why"),
        )
        facts = row["attributes_"]
        if answer.right:
            facts["data-right"] = "yes"
        if answer.value is not None:
            facts["data-value"] = repr(answer.value)
        if answer.swap:
            facts["data-swap"] = "{} {}".format(*answer.swap)
        return row

    # ------------------------------------------------------------------ Markdown

    def blocks(self, text: str) -> list[nodes.Node]:
        """Parse Markdown as the chapter's own."""
        parent = nodes.container()
        lines = StringList(text.splitlines(), self.get_source_info()[0])
        self.state.nested_parse(lines, self.content_offset, parent)
        return parent.children

    def line(self, text: str) -> list[nodes.Node]:
        """Parse Markdown that stands inside a line: one paragraph, without its tags."""
        blocks = self.blocks(text)
        if len(blocks) != 1 or not isinstance(blocks[0], nodes.paragraph):
            raise self.error(f"quiz: {text!r} must be one paragraph")
        return blocks[0].children


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Every page marks the chapters whose quiz was taken; a page with a quiz can take it."""
    storage, progress, quiz, style = (
        (ASSETS / name).read_text("utf-8")
        for name in ("quiz_storage.js", "quiz_progress.js", "quiz.js", "quiz.css")
    )
    has_quiz = 'class="ab-quiz"' in context.get("body", "")
    head = f"<script>{storage}</script>" + (f"<style>{style}</style>" if has_quiz else "")
    context["metatags"] = context.get("metatags", "") + head  # before any other script
    app.add_js_file(None, body=progress + (quiz if has_quiz else ""), type="module")


def setup(app) -> dict:
    app.add_directive("quiz", QuizDirective)
    words = (visit_text, visit_text)
    app.add_node(html, html=(visit_html, depart_html), latex=words, text=words)
    app.connect("html-page-context", add_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
