"""A small world: who is where and who holds what, and one sentence for each event.

    go(actor, place)      take(actor, thing)      drop(actor, thing)      give(actor, thing, other)

The simulation behind the bAbI tasks: Weston et al. (2015), section 4. Everybody and everything
begins at a place that is not told: a story lets one know it, or does not. The world therefore also
keeps, for each fact, the line in which it was told.
"""

from dataclasses import dataclass, field

ACTORS = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("kitchen", "bathroom", "bedroom", "garden", "hallway", "office")
THINGS = ("football", "apple", "milk")

WORDINGS = {
    "go": ("went to", "moved to", "travelled to", "journeyed to"),
    "take": ("took", "got", "grabbed", "picked up"),
    "drop": ("dropped", "put down", "left", "discarded"),
    "give": ("gave", "passed", "handed"),
}


@dataclass
class World:
    """The state of the world, and what of it has been told.

    Attributes
    ----------
    rng : numpy.random.Generator
    lines : list
        The story so far. Its length is the number of the last line.
    place : dict of actor to place
        Where everybody is; known to the world, not yet to the reader.
    lies : dict of thing to place
        Where each thing lies that nobody holds.
    holder : dict of thing to actor
        Who holds what.
    moves : dict of actor to list of (place, line)
        What was told of the places of an actor, latest last.
    changes : dict of thing to list of (kind, actor, line)
        What was told of a thing: kind is "take", "drop" or "give"; actor is who has it after
        "take" and "give", and who had it until "drop".
    """

    rng: object
    lines: list = field(default_factory=list)

    def __post_init__(self):
        self.place = {actor: self.pick(PLACES) for actor in ACTORS}
        self.lies = {thing: self.pick(PLACES) for thing in THINGS}
        self.holder = {}
        self.moves = {actor: [] for actor in ACTORS}
        self.changes = {thing: [] for thing in THINGS}

    def pick(self, choices):
        """Return one of a sequence of choices, each as likely."""
        return choices[int(self.rng.integers(len(choices)))]

    def tell(self, sentence):
        """Add a sentence to the story; return its line."""
        self.lines.append(sentence)
        return len(self.lines)

    def held_by(self, actor):
        """Return the things that an actor holds."""
        return [thing for thing in THINGS if self.holder.get(thing) == actor]

    def possible(self, kind):
        """Return all events of a kind that can happen now, as tuples of arguments."""
        if kind == "go":
            return [(a, p) for a in ACTORS for p in PLACES if self.place[a] != p]
        if kind == "take":
            return [(a, t) for t, p in self.lies.items() for a in ACTORS if self.place[a] == p]
        if kind == "drop":
            return [(a, t) for t, a in self.holder.items()]
        return [
            (a, t, b)
            for t, a in self.holder.items()
            for b in ACTORS
            if b != a and self.place[b] == self.place[a]
        ]

    def happen(self, kinds):
        """Let one event happen: of a kind drawn from ``kinds``, where one is possible.

        Parameters
        ----------
        kinds : dict of kind to weight
            How likely each kind of event is.
        """
        weights = {kind: weight for kind, weight in kinds.items() if self.possible(kind)}
        shares = [weight / sum(weights.values()) for weight in weights.values()]
        kind = list(weights)[int(self.rng.choice(len(shares), p=shares))]
        getattr(self, "_" + kind)(self.pick(WORDINGS[kind]), *self.pick(self.possible(kind)))

    def _go(self, verb, actor, place):
        self.place[actor] = place
        self.moves[actor].append((place, self.tell(f"{actor} {verb} the {place}.")))

    def _take(self, verb, actor, thing):
        del self.lies[thing]
        self.holder[thing] = actor
        self._changed("take", actor, thing, f"{actor} {verb} the {thing}.")

    def _drop(self, verb, actor, thing):
        del self.holder[thing]
        self.lies[thing] = self.place[actor]
        self._changed("drop", actor, thing, f"{actor} {verb} the {thing}.")

    def _give(self, verb, actor, thing, other):
        self.holder[thing] = other
        self._changed("give", other, thing, f"{actor} {verb} the {thing} to {other}.")

    def _changed(self, kind, actor, thing, sentence):
        self.changes[thing].append((kind, actor, self.tell(sentence)))
