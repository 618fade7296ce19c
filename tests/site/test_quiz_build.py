"""A quiz that is wrong stops the build and the message says where; a right one is built."""

import io

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

QUIZ = """
title: Trial
questions:
"""
ONE = """
  - id: {id}
    kind: one
    asks: prediction
    question: |
      Is $\\sqrt{{d_k}}$ **{{{{ 1 / 4 | .2f }}}}**?
    hint: Look.
    answers:
      - text: A [key]{{.ab-key}}, $\\mathbf{{k}}$
        right: true
        why: It is.
      - text: never
        misconception: it is not.
        why: Wrong.
      - text: {third}
        misconception: it is open.
        why: Wrong.
"""


def build(folder, page=":::{quiz}\nNot on the page.\n:::\n", third="perhaps", builder="html"):
    """Build a book of one page; return what Sphinx warned of, and the page."""
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "index.md").write_text(f"# Page\n\n{page}", "utf-8")
    questions = [ONE.format(id=f"q{i}", third=third) for i in range(5)]
    (source / "index.quiz.yml").write_text(QUIZ + "".join(questions), "utf-8")
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "sphinxext.mathml", "sphinxext.quiz"],
        "myst_enable_extensions": ["dollarmath", "colon_fence", "attrs_inline"],
        "html_math_renderer": "mathml",
    }
    folders = (source, None, folder / "out", folder / "trees")
    with patch_docutils(), docutils_namespace():  # what one book registers, the next does not see
        app = Sphinx(*folders, builder, settings, status=None, warning=warnings, freshenv=True)
        app.build(force_all=True)
    (made,) = (folder / "out").glob(f"index.{'txt' if builder == 'text' else 'html'}")
    return warnings.getvalue(), made.read_text("utf-8")


def test_markdown_formulas_and_numbers_are_set(tmp_path):
    warnings, page = build(tmp_path)
    assert warnings == ""
    assert page.count("<fieldset") == 5
    assert "<strong>0.25</strong>" in page
    assert '<span class="ab-key">key</span>' in page
    assert "<msqrt" in page
    assert "Not on the page" not in page
    label = page[page.index("<label") : page.index("</label>")]
    assert "<p>" not in label
    assert page == build(tmp_path)[1]


def test_other_forms_of_the_book_keep_the_words(tmp_path):
    warnings, text = build(tmp_path, builder="text")
    assert warnings == ""
    assert "perhaps" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"third": "7"}, "index.quiz.yml, question 'q0', answers[3].text: 7 is not text"),
        ({"third": "'{{ soft }}'"}, "question 'q4', answers[3].text: 'soft': there is no 'soft'"),
        ({"third": "'* a list'"}, "'* a list' must be one paragraph"),
        ({"page": ":::{quiz}\n:::\n\n:::{quiz}\n:::\n"}, "index has its quiz already"),
    ],
)
def test_a_fault_is_a_warning_that_says_where(tmp_path, changes, message):
    warnings, _ = build(tmp_path, **changes)
    assert message in warnings


def test_a_page_without_questions_is_named(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "other.md").write_text("# Other\n\n:::{quiz}\n:::\n", "utf-8")
    assert "other.quiz.yml: there is no such file" in build(tmp_path)[0]
