r"""The text format of the bAbI tasks: numbered lines, and tabs after a question.

    1 Mary went to the garden.
    2 John took the milk.
    3 Where is Mary?\tgarden\t1

Numbers begin at 1 in each story. After a question come its answer and the lines of its supporting
facts. The format of the published data: Weston et al. (2015), section 3.
"""

from collections.abc import Iterable
from pathlib import Path

from .stories import Question, Story


def parse_babi(text: str, name: str = "text") -> list[Story]:
    r"""Read stories from a text.

    Parameters
    ----------
    text : str
        The whole text. Lines that are empty are passed over.
    name : str
        What to call the text in an error.

    Returns
    -------
    list of Story

    Raises
    ------
    ValueError
        If a line has no number or one out of turn, no text, a question without an answer, or a
        supporting fact that is no number of an earlier sentence. Names the line, from 1.

    Examples
    --------
    >>> story, = parse_babi("1 Mary went home.\n2 Where is Mary?\thome\t1\n")
    >>> story.lines[1]
    Question(text='Where is Mary?', answer='home', support=(1,))
    """
    stories: list[list[str | Question]] = []
    for at, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        number, _, rest = line.strip().partition(" ")
        where = f"{name}, line {at}"
        last = len(stories[-1]) if stories else 0
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"{where}: a line begins with its number in the story; got {line!r}")
        if int(number) == 1:
            stories.append([])
        elif int(number) != last + 1:
            due = f"{last + 1}, or 1 for a new story" if stories else "1"
            raise ValueError(f"{where}: the number {number} is out of turn; {due} was due")
        if not rest.split("\t")[0].strip():
            raise ValueError(f"{where}: there is no text after the number {number}")
        stories[-1].append(_question(rest, stories[-1], where) if "\t" in rest else rest.strip())
    return [Story(tuple(lines)) for lines in stories]


def _question(rest, before, where):
    text, answer, *support = (part.strip() for part in rest.split("\t"))
    if not answer or " " in answer:
        raise ValueError(f"{where}: the answer must be one token; got {answer!r}")
    if len(support) > 1:
        raise ValueError(
            f"{where}: a question has at most two tabs, before the answer and before the "
            f"supporting facts; got {len(support) + 1}"
        )
    facts = []
    for fact in " ".join(support).split():
        known = fact.isascii() and fact.isdigit() and 1 <= int(fact) <= len(before)
        if not known or isinstance(before[int(fact) - 1], Question):
            raise ValueError(
                f"{where}: a supporting fact is the number of an earlier sentence of the story, "
                f"not of a question; got {fact!r}"
            )
        facts.append(int(fact))
    return Question(text, answer, tuple(facts))


def read_babi(path: str | Path) -> list[Story]:
    """Read a file in the bAbI format.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of Story

    Raises
    ------
    ValueError
        As for `parse_babi`; names the file and the line.
    """
    return parse_babi(Path(path).read_text("utf-8"), Path(path).name)


def format_babi(stories: Iterable[Story]) -> str:
    r"""Write stories as text; `parse_babi` reads them back.

    Examples
    --------
    >>> format_babi([Story(("Mary went home.", Question("Where is Mary?", "home", (1,))))])
    '1 Mary went home.\n2 Where is Mary?\thome\t1\n'
    """
    lines = []
    for story in stories:
        for number, line in enumerate(story.lines, start=1):
            if isinstance(line, Question):
                support = " ".join(map(str, line.support))
                line = f"{line.text}\t{line.answer}\t{support}"
            lines.append(f"{number} {line}\n")
    return "".join(lines)


def write_babi(path: str | Path, stories: Iterable[Story]) -> None:
    """Write a file in the bAbI format."""
    Path(path).write_text(format_babi(stories), "utf-8")
