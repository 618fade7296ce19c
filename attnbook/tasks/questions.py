"""What is asked of the world in tasks 1, 2, 3, 5, 6 and 7, and which lines the answer follows from.

    1  Where is Mary?                               the last place of an actor
    2  Where is the football?                       who has it, and the last place of that actor
    3  Where was the football before the office?    who carried it there, and from where
    5  What did Mary give to John? ...              the last gift of a kind
    6  Is John in the office?                       the last place of an actor, yes or no
    7  How many things is Mary holding?             all that the actor took, got, gave and dropped

Weston et al. (2015), section 3, with the numbers of the tasks there. A question is asked only if
its answer follows from what has been told.
"""

from itertools import pairwise

import numpy

from .._arrays import check_choice, check_count
from .stories import Question, Story
from .world import ACTORS, PLACES, THINGS, World


def make_stories(task, questions=1000, *, seed=0):
    """Make stories with a given number of questions in all.

    Parameters
    ----------
    task : {1, 2, 3, 5, 6, 7}
        The number of the task.
    questions : int, >= 0
        Five to a story, as in the published data.
    seed : int
        The same seed makes the same stories. Train on one seed and test on another.

    Returns
    -------
    list of Story

    Raises
    ------
    TypeError, ValueError
        If the task is not one of these, or a number is no integer or negative.

    References
    ----------
    Weston et al. (2015), "Towards AI-complete question answering", section 3.

    Examples
    --------
    >>> story, = make_stories(6, questions=1, seed=4)
    >>> story.lines[-1]
    Question(text='Is Daniel in the bedroom?', answer='no', support=(2,))
    """
    check_choice("task", task, tuple(TASKS))
    left = check_count("questions", questions)
    rng = numpy.random.default_rng(check_count("seed", seed))
    kinds, gap, ask = TASKS[task]
    stories = []
    while left:
        stories.append(_story(rng, kinds, gap, ask, min(left, 5)))
        left -= min(left, 5)
    return stories


def _story(rng, kinds, gap, ask, questions):
    world = World(rng)
    while questions:
        for _ in range(int(rng.integers(*gap, endpoint=True))):
            world.happen(kinds)
        while not (possible := ask(world)):
            world.happen(kinds)
        # First the kind of question, then one of it: else the kind with more answers would
        # crowd out the others.
        kind = world.pick(sorted({question[0] for question in possible}))
        _, text, answer, support = world.pick([q for q in possible if q[0] == kind])
        world.lines.append(Question(text, answer, support))
        questions -= 1
    return Story(tuple(world.lines))


# Each of the following returns all questions that can be asked now:
# (kind, text, answer, supporting lines in the order in which one would look them up).


def where_is_actor(world):
    """Task 1."""
    return [
        ("", f"Where is {actor}?", *_told(moves[-1:]))
        for actor, moves in world.moves.items()
        if moves
    ]


def where_is_thing(world):
    """Task 2: of a thing that somebody holds. It is where its holder went last."""
    asked = []
    for thing, actor in world.holder.items():
        moves = world.moves[actor]
        if moves:
            place, moved = moves[-1]
            _, _, taken = world.changes[thing][-1]
            asked.append(("", f"Where is the {thing}?", place, (taken, moved)))
    return asked


def where_was_thing(world):
    """Task 3: the last journey of a thing, from a place that was told."""
    asked = []
    for thing in THINGS:
        journeys = _journeys(world, thing)
        for place in PLACES:
            into = [journey for journey in journeys if journey[1] == place]
            origin, _, support = into[-1] if into else (None, None, None)
            if origin is not None:
                asked.append(("", f"Where was the {thing} before the {place}?", origin, support))
    return asked


def _journeys(world, thing):
    """Return (origin or None, destination, supporting lines) for each told journey of a thing."""
    journeys = []
    changes = world.changes[thing]
    now = (None, None, len(world.lines) + 1)
    for (kind, actor, line), (_, _, end) in pairwise([*changes, now]):
        if kind == "drop":
            continue
        origin, left = None, None
        for place, moved in world.moves[actor]:
            if line < moved < end:
                journeys.append((origin, place, (line, moved, left)))
            if moved < end:
                origin, left = place, moved
    return journeys


def who_gave_what(world):
    """Task 5: the last gift of a kind, if it is not long ago; what, who, to whom."""
    asked = {}
    gifts = []
    for thing, changes in world.changes.items():
        for before, (kind, receiver, line) in pairwise(changes):
            if kind == "give":
                gifts.append((line, before[1], thing, receiver))
    for line, giver, thing, receiver in sorted(gifts):  # a later one takes the place of an earlier
        for kind, text, answer in (
            ("what", f"What did {giver} give to {receiver}?", thing),
            ("to whom", f"Who did {giver} give the {thing} to?", receiver),
            ("who to", f"Who gave the {thing} to {receiver}?", giver),
            ("who", f"Who gave the {thing}?", giver),
            ("receiver", f"Who received the {thing}?", receiver),
        ):
            asked[text] = (kind, text, answer, (line,))
    return [question for question in asked.values() if question[3][0] > len(world.lines) - 8]


def is_actor_there(world):
    """Task 6: yes as often as no."""
    asked = []
    for actor, moves in world.moves.items():
        for place in PLACES if moves else ():
            answer = "yes" if moves[-1][0] == place else "no"
            asked.append((answer, f"Is {actor} in the {place}?", answer, (moves[-1][1],)))
    return asked


def how_many(world):
    """Task 7: of an actor of whom some taking, giving or dropping was told."""
    asked = []
    for actor in ACTORS:
        lines = []
        for changes in world.changes.values():
            had = None
            for kind, who, line in changes:
                if actor in (had, who):
                    lines.append(line)
                had = None if kind == "drop" else who
        if lines:
            count = ("none", "one", "two", "three")[len(world.held_by(actor))]
            text = f"How many objects is {actor} carrying?"
            asked.append(("", text, count, tuple(sorted(lines))))
    return asked


def _told(moves):
    ((place, line),) = moves
    return place, (line,)


# The weights of the events and the number of events before a question make stories of about the
# same lengths and kinds as the published ones.
_CARRY = {"go": 1, "take": 1, "drop": 1}
TASKS = {
    1: ({"go": 1}, (2, 2), where_is_actor),
    2: (_CARRY, (1, 8), where_is_thing),
    3: (_CARRY, (1, 8), where_was_thing),
    5: ({"go": 3, "take": 1, "give": 2}, (1, 8), who_gave_what),
    6: ({"go": 1}, (2, 2), is_actor_there),
    7: ({"go": 2, "take": 1, "drop": 1, "give": 1}, (1, 3), how_many),
}
