"""The converter from TeX to MathML: what it must write, and what it must refuse."""

import re

import pytest

from sphinxext.mathml_convert import FormulaError, to_mathml

# formula, what its MathML must hold
INLINE = [
    (r"\frac{a}{b}", "<mfrac>"),
    (r"\tfrac12", 'displaystyle="false"'),
    (r"\sqrt{d_k}", '<msqrt class="ab-low">'),
    (r"\sqrt{\frac{1}{2}}", "<msqrt>"),
    (r"\mathbb{R}^d", "<mi>ℝ</mi>"),
    (r"\mathcal{L}", "<mi>ℒ</mi>"),
    (r"\mathcal L", "<mi>ℒ</mi>"),
    (r"\mathbf x", "<mi>𝐱</mi>"),
    (r"\boldsymbol\beta", "<mi>𝜷</mi>"),
    (r"\mathrm{Var}", '<mi mathvariant="normal">Var</mi>'),
    (r"\operatorname{E}[x]", '<mi mathvariant="normal">E</mi>'),
    (r"\hat{y}", '<mo stretchy="false">ˆ</mo>'),
    (r"\tilde x", 'accent="true"'),
    (r"s'", "<mi>s</mi><mo"),
    (r"x'_i", "<msub><mi>x</mi><mi>i</mi></msub><mo"),
    (r"\langle x, y\rangle", '<mo stretchy="false" form="prefix" fence="true">⟨</mo>'),
    (r"\lfloor n/2 \rfloor", '<mo lspace="0" rspace="0">/</mo>'),
    (r"T \to \infty", '<mi mathvariant="normal">∞</mi>'),
    (r"a = -b", '<mo form="prefix">−</mo>'),
    (r"\top \le \ge \approx \propto \in \mapsto \odot \cdot", "<mo>≈</mo><mo>∝</mo><mo>∈</mo>"),
    (r"x_1, \ldots, x_n, 1 + \cdots + n", '<mi mathvariant="normal">⋯</mi>'),
    (r"\underbrace{a + b}_{\text{two terms}}", "<mtext>two\u00a0terms</mtext>"),
    (r"a \perp b \iff c", "<mo>⟂</mo><mi>b</mi><mo>⟺</mo>"),
    (r"\left( \sum_{i=1}^n x_i \right)", "<munderover><mo>∑</mo>"),
    (r"\overline{x}", '<mo stretchy="true">¯</mo>'),
    (r"1 - 2", "<mo>−</mo>"),
    (r"10\%", "<mi>%</mi>"),
    (r"p(x \mid y)", "<mo>∣</mo>"),
    (r"\sum_{\text{all } i} x_i", "<mtext>all\u00a0</mtext>"),
]


@pytest.mark.parametrize(("tex", "expected"), INLINE)
def test_what_it_writes(tex, expected):
    assert expected in to_mathml(tex)


def test_the_source_is_the_alternative_text():
    assert (
        to_mathml(r"a <  b")
        == '<math alttext="a &lt; b"><mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow></math>'
    )
    assert to_mathml("x", display=True).startswith('<math display="block" alttext="x">')


# ------------------------------------------------------------------------------------- spacing

THIN = '<mspace width="0.1667em"></mspace>'


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\log n", f"<mi>log</mi>{THIN}<mi>n</mi>"),
        (r"\log(n)", "<mi>log</mi><mo"),
        (r"2\log n", f"<mn>2</mn>{THIN}<mi>log</mi>"),
        (r"\operatorname{softmax}(x)", "<mi>softmax</mi><mo"),
        (r"\operatorname{softmax}\!\left(x\right)", "<mi>softmax</mi><mrow><mo"),
        (r"\operatorname{Var}_\alpha(s)", "</msub><mo"),
        (r"\max_i x_i", f"</munder>{THIN}<msub>"),
        (r"a\!b", '<mspace style="margin-left:-0.1667em"></mspace>'),
    ],
)
def test_spaces_around_operators(tex, expected):
    assert expected in to_mathml(tex)


@pytest.mark.parametrize("name", ["lim", "max", "min"])
def test_limits_stand_below(name):
    assert (
        f'<munder><mo movablelimits="true" form="prefix" lspace="0" rspace="0">{name}</mo>'
        in to_mathml(rf"\{name}_x y", display=True)
    )


def test_arg_max_is_one_operator():
    assert '<munder><mo movablelimits="true"' in to_mathml(r"\operatorname*{arg\,max}_i s_i")
    assert ">arg\u2009max</mo>" in to_mathml(r"\operatorname*{arg\,max}_i s_i")


# -------------------------------------------------------------------------------------- fences


@pytest.mark.parametrize(
    ("tex", "sign"),
    [(r"\lVert x \rVert", "‖"), (r"\|x\|", "‖"), ("|x|", "|"), (r"\lvert x\rvert^2", "|")],
)
def test_bars_have_a_side(tex, sign):
    bars = re.findall(rf"<mo([^>]*)>{re.escape(sign)}</mo>", to_mathml(tex))
    assert ['form="prefix"' in bars[0], 'form="postfix"' in bars[1]] == [True, True]
    assert all('stretchy="false"' in bar for bar in bars) or tex.startswith(r"\l")


def test_left_and_right_grow():
    assert to_mathml(r"\left\| \frac{a}{b} \right\|").count('stretchy="true"') == 2
    assert 'stretchy="false"' not in to_mathml(r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}")


# -------------------------------------------------------------------------------- environments


@pytest.mark.parametrize("name", ["align", "align*", "aligned", "split"])
def test_aligned_equations(name):
    mathml = to_mathml(rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}", display=True)
    assert mathml.count("<mtr>") == 2
    assert mathml.count('class="ab-right"') == mathml.count('class="ab-left"') == 2
    assert 'class="ab-align"' in mathml


def test_lines_without_an_environment():
    assert to_mathml(r"a &= b \\ &= c", display=True).count("<mtr>") == 2
    assert to_mathml(r"\sum_{\substack{i \\ j}} x", display=True).count("<munder>") == 1


def test_cases_are_left_aligned():
    mathml = to_mathml(r"\begin{cases} 1 & \text{if } x \\ 0 & \text{otherwise} \end{cases}")
    assert mathml.count('class="ab-left"') == 4


# ------------------------------------------------------------------------------------- colours


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\mathbf{q}", '<mi class="ab-query">𝐪</mi>'),
        (r"\mathbf{Q}", '<mi class="ab-query">𝐐</mi>'),
        (r"\mathbf{k}_i", '<mi class="ab-key">𝐤</mi>'),
        (r"\mathbf K^\top", '<mi class="ab-key">𝐊</mi>'),
        (r"\boldsymbol{v}", '<mi class="ab-value">𝒗</mi>'),
        (r"\alpha_i", '<mi class="ab-weight">α</mi>'),
        (r"\boldsymbol\alpha", '<mi class="ab-weight">𝜶</mi>'),
        (r"\mathbf{W}_Q", '<msub class="ab-query">'),
        (r"\mathbf{W}_k", '<msub class="ab-key">'),
        (r"W_V^\top", '<msubsup class="ab-value">'),
        (r"\mathbf{W}^{(h)}_Q", '<msubsup class="ab-query">'),
        (r"W^K", '<msup class="ab-key">'),
        (r"\query{q}", '<mrow class="ab-query">'),
        (r"\weight{w}", '<mrow class="ab-weight">'),
    ],
)
def test_roles_have_colours(tex, expected):
    assert expected in to_mathml(tex)


@pytest.mark.parametrize(
    "tex", ["q", "k", "v", "d_k", "W_k", r"\mathbf{x}", r"\mathbf{W}_O", r"\mathrm{K}"]
)
def test_nothing_else_has(tex):
    assert "class=" not in to_mathml(tex)


# -------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "tex",
    [
        r"\foo x",
        r"\text{\foo}",
        r"a & b",
        r"a \# b",
        r"\begin{foo} x \end{foo}",
        r"\begin{alignat}{2} a &= b \end{alignat}",
        r"\frac{a}",
        r"x_",
        r"\left( x",
        r"x^2^3",
        r"\boxed{x}",
        r"\cancel{x}",
        r"a \not= b",
        r"\begin{array}{c|c} a & b \end{array}",
        r"\operatorname{a-b}",
    ],
)
def test_what_cannot_be_set_is_refused(tex):
    with pytest.raises(FormulaError):
        to_mathml(tex)


def test_the_build_warns_and_names_the_formula(monkeypatch):
    from types import SimpleNamespace

    from docutils import nodes

    from sphinxext import mathml

    warnings = []
    monkeypatch.setattr(
        mathml.logger, "warning", lambda text, *values, **_: warnings.append(text % values)
    )
    writer = SimpleNamespace(body=[], encode=str)
    with pytest.raises(nodes.SkipNode):
        mathml.visit_math(writer, nodes.math("", r"\foo"))
    assert warnings == [r"formula '\\foo' cannot be set: cannot set '\\foo'"]
    assert "<code>" in writer.body[0]
