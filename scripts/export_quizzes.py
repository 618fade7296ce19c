"""Write every quiz of the book for a learning platform: Moodle XML, and QTI for Canvas.

What a format cannot carry as it is stands on stdout, question by question.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sphinxext.quiz_moodle import moodle_xml  # noqa: E402
from sphinxext.quiz_qti import canvas_zip  # noqa: E402
from sphinxext.quiz_schema import QuizError  # noqa: E402
from sphinxext.quiz_source import load  # noqa: E402


def quiz_files(root: Path = ROOT) -> list[Path]:
    """Return every quiz of the book, in the order of their names."""
    return sorted((root / "chapters").rglob("*.quiz.yml"))


def export(path: Path, folder: Path) -> None:
    """Write one quiz in both formats, and print what they cannot carry."""
    chapter = path.name.removesuffix(".quiz.yml")
    quiz = load(path, path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None)
    xml, moodle_losses = moodle_xml(quiz, chapter)
    archive, canvas_losses = canvas_zip(quiz)
    for system, name, content, losses in (
        ("moodle", f"{chapter}.xml", xml.encode("utf-8"), moodle_losses),
        ("canvas", f"{chapter}.zip", archive, canvas_losses),
    ):
        target = folder / system / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        print(f"{system}/{name}: {len(quiz.questions)} questions in the book")
        for loss in losses:
            print(f"  {loss}")


def main(arguments: list[str] | None = None) -> int:
    """Export all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "quizzes")
    folder = parser.parse_args(arguments).to
    wrong = []
    for path in quiz_files():
        try:
            export(path, folder)
        except QuizError as error:
            wrong.append(str(error))
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
