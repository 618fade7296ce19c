"""Send the reader the book and little else.

A stock page loads 29 files, most of it one icon set's script. Here each page has one style sheet
and one script, made from the theme's own files when the build ends; icons are masks in
`_static/book.css`, dropdowns are the browser's own `<details>`, the search index is loaded by the
search page alone. The templates beside this file leave out the rest.
"""

import base64
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import admonitionlabels

from attnbook.palette import css_variables

ASSETS = Path(__file__).parent / "assets"

# In the order in which the theme loads them; a later rule wins.
STYLES = ["basic.css", "styles/pydata-sphinx-theme.css", "pygments.css"]
STYLES += [
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "sphinx-design.min.css",
]
STYLES += ["book.css"]
SCRIPTS = ["documentation_options.js", "doctools.js", "sphinx_highlight.js", "clipboard.min.js"]
SCRIPTS += ["copybutton.js", "scripts/sphinx-book-theme.js", "scripts/pydata-sphinx-theme.js"]
UNUSED = ["design-tabs.js", "styles", "scripts", "vendor", "locales", "images", "*.map"]
UNUSED += [
    "*webpack-macros.html",
    "copy-button.svg",
    "check-solid.svg",
    "file.png",
    "minus.png",
    "plus.png",
]

# The font comes with the page, so that no formula jumps when it arrives, also under file://.
FONT = """/* STIX Two Math, a subset. Copyright 2001-2020 The STIX Fonts Project Authors
(https://github.com/stipub/stixfonts). SIL Open Font License 1.1: see OFL.txt beside this file. */
@font-face{font-family:"STIX Two Math";src:url(data:font/woff2;base64,%s) format("woff2")}
"""


def set_options(app, config):
    # Without a repository there is nothing to launch, and the theme would stop.
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options["launch_buttons"] = {}


def _bundled(asset) -> bool:
    """Whether the bundle has it, or needs it no more."""
    name = str(asset.filename or "").removeprefix("_static/")
    if "DOCUMENTATION_OPTIONS" in asset.attributes.get("body", ""):
        return True  # sets options of features that are off, before the bundle defines the name
    return any(Path(name).match(pattern) for pattern in STYLES + SCRIPTS + UNUSED)


def thin_page(app, pagename, templatename, context, doctree):
    for files in (context["css_files"], context["script_files"]):
        files[:] = [asset for asset in files if not _bundled(asset)]
    toctree = context["generate_toctree_html"]  # its arrows have no name for a screen reader
    named = '<summary aria-label="Sections">'
    context["generate_toctree_html"] = lambda *a, **k: str(toctree(*a, **k)).replace(
        "<summary>", named
    )
    # Roles from an older standard, which browsers and checkers now refuse in lists.
    if "body" in context:
        without_role = lambda match: re.sub(r' role="[^"]*"', "", match[0])  # noqa: E731
        context["body"] = re.sub(r'<div[^>]*class="citation[^>]*>', without_role, context["body"])
    context["has_math"] = "<math" in context.get("body", "")
    context["default_mode"] = "light"  # for readers without scripts; with them, see layout.html


def make_bundles(app, exception):
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    css = "\n".join([css_variables(), *(_read(static, name) for name in STYLES)])
    (static / "site.css").write_text(_without_icon_font(css), encoding="utf-8")
    js = ";\n".join(
        [*(_read(static, name) for name in SCRIPTS), (ASSETS / "shell.js").read_text("utf-8")]
    )
    (static / "site.js").write_text(re.sub(r"//# sourceMappingURL=.*", "", js), encoding="utf-8")
    font = base64.b64encode((ASSETS / "STIXTwoMath-subset.woff2").read_bytes()).decode()
    (static / "math.css").write_text(FONT % font, encoding="utf-8")
    shutil.copy(ASSETS / "OFL.txt", static)
    for pattern in STYLES + SCRIPTS + UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _read(static: Path, pattern: str) -> str:
    found = sorted(static.glob(pattern))
    if not found:
        raise ExtensionError(f"no {pattern} in {static}: has the theme changed?")
    return found[-1].read_text("utf-8")


def _without_icon_font(css: str) -> str:
    """Drop the icon font and its two thousand rules; ours come with book.css."""
    css, ours = css.split("/* book.css */")
    css = re.sub(r"@font-face\{[^}]*Font Awesome[^}]*\}", "", css)
    css = re.sub(r"(?<=[{}])(?:\.fa[\w-]*(?:::?[\w-]+)?,?)+\{[^{}]*\}", "", css)
    css = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)
    css = css.replace("background-image: url(file.png);", "")  # an icon for a list we do not have
    lost = re.findall(r"url\([\"']?(?![\"']|data:)[^)]*\)", css)
    if lost:
        raise ExtensionError(f"the style sheets load other files: {lost}")
    return css + ours


def visit_admonition(self, node, name=""):
    """As Sphinx has it, but a dropdown is a <details>: no script, and open to the keyboard."""
    node.tag = "details" if "dropdown" in node["classes"] else "div"
    if name:
        node.insert(0, nodes.title(name, admonitionlabels[name]))
    self.body.append(self.starttag(node, node.tag, CLASS=f"admonition {name}"))
    if node.tag == "details":
        title = node.pop(0)
        self.body.append('<summary class="admonition-title">')
        for child in title:
            child.walkabout(self)
        self.body.append("</summary>\n")


def depart_admonition(self, node):
    self.body.append(f"</{node.tag}>\n")


def setup(app):
    app.add_node(nodes.admonition, override=True, html=(visit_admonition, depart_admonition))
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it, comments or none
    app.connect("config-inited", set_options)
    app.connect("html-page-context", thin_page, priority=900)  # after the theme and its kin
    app.connect("build-finished", make_bundles, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
