"""An independent reader of stories: it knows the sentences, and nothing of how they were made.

It keeps the whole history of the text as a list of states and answers from that list; the library
keeps logs for each actor and thing.
"""

import re
from itertools import pairwise

GO = r"(\w+) (?:went to|moved to|travelled to|journeyed to) the (\w+)\."
TAKE = r"(\w+) (?:took|got|grabbed|picked up) the (\w+)\."
DROP = r"(\w+) (?:dropped|put down|left|discarded) the (\w+)\."
GIVE = r"(\w+) (?:gave|passed|handed) the (\w+) to (\w+)\."


def states(sentences):
    """Yield after each sentence: where each actor is, who has each thing, where each thing is."""
    where, owner, lies, gifts = {}, {}, {}, []
    history = [({}, {}, {})]
    for sentence in sentences:
        if found := re.fullmatch(GIVE, sentence):
            giver, thing, receiver = found.groups()
            owner[thing] = receiver
            gifts.append((giver, thing, receiver))
        elif found := re.fullmatch(GO, sentence):
            where[found[1]] = found[2]
        elif found := re.fullmatch(TAKE, sentence):
            owner[found[2]] = found[1]
        elif found := re.fullmatch(DROP, sentence):
            owner.pop(found[2], None)
            lies[found[2]] = where.get(found[1])
        else:
            raise AssertionError(f"not a sentence of this world: {sentence}")
        at = {**lies, **{thing: where.get(actor) for thing, actor in owner.items()}}
        history.append((dict(where), dict(owner), at))
    return history, gifts


def answer(sentences, question):
    """Return the answer, or None if it does not follow."""
    history, gifts = states(sentences)
    where, owner, at = history[-1]
    text = question.rstrip("?").split()
    if question.startswith("How many"):
        held = sum(actor == text[4] for actor in owner.values())
        return ("none", "one", "two", "three")[held]
    if question.startswith("Is "):
        place = where.get(text[1])
        return place and ("yes" if place == text[-1] else "no")
    if "before" in text:
        thing, place = text[3], text[-1]
        for before, after in reversed(list(pairwise(history))):
            carried = thing in before[1] and before[1].get(thing) == after[1].get(thing)
            if carried and after[2][thing] == place and before[2].get(thing) != place:
                return before[2].get(thing)
        return None
    if text[0] in ("Who", "What"):
        for giver, thing, receiver in reversed(gifts):
            if question == f"What did {giver} give to {receiver}?":
                return thing
            if question == f"Who did {giver} give the {thing} to?":
                return receiver
            if question in (f"Who gave the {thing} to {receiver}?", f"Who gave the {thing}?"):
                return giver
            if question == f"Who received the {thing}?":
                return receiver
        return None
    return at.get(text[-1]) if text[2] == "the" else where.get(text[2])
