"""Memory networks with hard lookups and strong supervision: I, G, O and R.

    I  x = the words of a sentence                   G  m_next = I(x)
    O  o_1 = argmax_i s_O(x, m_i),                   o_2 = argmax_i s_O([x, m_o1], m_i)
    R  answer = argmax_w s_R([x, m_o1, m_o2], w)

    s(x, y) = Φ_x(x)ᵀ Uᵀ U Φ_y(y)

Weston, Chopra and Bordes (2015), sections 2 and 3. An argmax has no gradient, so each lookup is
trained by itself, by a margin, on stories that say which sentences it should have found.
"""

from .._arrays import check_count, check_switch
from .._torch import torch

embedding, pad = torch.nn.functional.embedding, torch.nn.functional.pad

# A word has three embeddings: in a candidate (a memory, or a word as the answer), in the question,
# and in a memory that was already found (section 3.1: D = 3 |W|).
CANDIDATE, QUESTION, FOUND = range(3)


class MemoryNetwork(torch.nn.Module):
    """Answers a question from a list of sentences, by ``hops`` hard lookups, the best match each.

    I and G are as simple as in the paper: a sentence is a bag of words, and goes into the next free
    slot. What remains is O, which finds ``hops`` memories one after the other, and R, which names a
    word. As in `EndToEndMemoryNetwork`, several models can live in one.

    With ``time``, sentences are compared in pairs by

        s_Ot(x, y, y′) = Φ_x(x)ᵀ Uᵀ U (Φ_y(y) - Φ_y(y′) + Φ_t(x, y, y′))

    where Φ_t says whether x is older than y, x is older than y′, and y is older than y′; y wins
    over y′ if it is > 0. The age of [x, m_o1] is that of m_o1, the question is younger than all.

    Parameters
    ----------
    vocabulary_size : int, >= 1
        How many numbers of words there are, with 0, which is no word.
    d_model : int, >= 1
        The rows of U.
    hops : int, >= 1
        k, how many supporting facts are looked up; 1 or 2 in the paper.
    time : bool
        Whether to use the ages of the memories.
    models : int, >= 1
        How many models to hold.

    Attributes
    ----------
    u_o, u_r : parameters, shape (3, V, models, d)
        The columns of U of O and of R, for the words of a candidate, of the question, and of what
        was found. Word 0 is 0 and stays so.
    u_t : parameter, shape (3, models, d), or None without time
        The columns of U of O for the three features in Φ_t.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or is too small.

    References
    ----------
    Weston, Chopra and Bordes (2015), sections 3.1 (the model) and 3.4 (time).

    Examples
    --------
    >>> model = MemoryNetwork(20, hops=2, models=3)
    >>> sentences = torch.tensor([[0, 0, 0], [1, 2, 3], [4, 2, 5]])  # sentence 0 has no words
    >>> memory, question = torch.tensor([[2, 1, 0]]), torch.tensor([[6, 1, 0]])
    >>> scores, found = model(sentences, memory, question)
    >>> scores.shape, found.shape
    (torch.Size([1, 3, 20]), torch.Size([1, 3, 2]))
    """

    def __init__(self, vocabulary_size, *, d_model=20, hops=1, time=True, models=1):
        super().__init__()
        self.vocabulary_size = check_count("vocabulary_size", vocabulary_size, least=1)
        self.d_model = check_count("d_model", d_model, least=1)
        self.hops = check_count("hops", hops, least=1)
        self.models = check_count("models", models, least=1)
        rest = (self.models, self.d_model)
        self.u_o = torch.nn.Parameter(torch.empty(3, self.vocabulary_size, *rest))
        self.u_r = torch.nn.Parameter(torch.empty(3, self.vocabulary_size, *rest))
        time = check_switch("time", time)
        self.u_t = torch.nn.Parameter(torch.empty(3, 1, *rest)) if time else None
        self.reset_parameters()

    def reset_parameters(self, generator=None):
        """Draw all weights anew: normal, mean 0, standard deviation 0.1; no word is 0."""
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        with torch.no_grad():
            self.u_o[:, 0] = 0
            self.u_r[:, 0] = 0

    def forward(self, sentences, memory, questions):
        """Look up ``hops`` memories, each the best for the question and those found before.

        Parameters
        ----------
        sentences : int tensor, shape (S, J)
            The words of the sentences that occur; 0 is no word. Sentence 0 has no words.
        memory : int tensor, shape (B, N)
            The sentences of each story, newest first; 0 where there is none: it is never found.
        questions : int tensor, shape (B, J_q)

        Returns
        -------
        scores : tensor, shape (B, models, V)
            s_R of every word as the answer.
        found : int tensor, shape (B, models, hops)
            The slots o_1, o_2, …
        """
        found = []
        for _ in range(self.hops):
            asked = self._asked(self.u_o, sentences, memory, questions, found)
            found.append(self._best(asked, sentences, memory, found))
        return self.responses(sentences, memory, questions, found), torch.stack(found, dim=2)

    def responses(self, sentences, memory, questions, found):
        """R: ``s_R([x, m_o1, …], w)`` for every word w, given the slots found: (B, models, V)."""
        asked = self._asked(self.u_r, sentences, memory, questions, found)
        # No word is no answer: its score is 0 by itself, so that its column is never learned.
        return pad(torch.einsum("brd,vrd->brv", asked, self.u_r[CANDIDATE, 1:]), (1, 0))

    def comparisons(self, sentences, memory, questions, found, slot):
        """O with time: ``s_Ot([x, m_o1, …], m_slot, m_i)``, and the other way round.

        Parameters
        ----------
        sentences, memory, questions
            As for the network itself.
        found : list of int tensors, shape (B, models)
            The slots found before.
        slot : int tensor, shape (B, models)

        Returns
        -------
        wins, loses : tensors, shape (B, models, N)
            s_Ot of m_slot against each m_i, and of each m_i against m_slot.
        """
        asked = self._asked(self.u_o, sentences, memory, questions, found)
        match = self._matches(asked, sentences, memory)
        mine = match.gather(2, slot[..., None])
        age = torch.arange(memory.shape[1], device=memory.device).expand(match.shape)
        of_x = found[-1][..., None] if found else slot.new_full((*slot.shape, 1), -1)
        wins = mine - match + self._time(asked, of_x, slot[..., None], age)
        loses = match - mine + self._time(asked, of_x, age, slot[..., None])
        return wins, loses

    def _best(self, asked, sentences, memory, found):
        """Return the slot that wins: with time, each in turn against the best so far."""
        match = self._matches(asked, sentences, memory)
        if self.u_t is None:
            return match.masked_fill(memory[:, None] == 0, -torch.inf).argmax(-1)
        best = torch.zeros(match.shape[:2], dtype=torch.long, device=memory.device)
        of_x = found[-1] if found else best - 1
        for slot in range(1, memory.shape[1]):
            challenger = torch.full_like(best, slot)
            lead = match[..., slot] - match.gather(2, best[..., None])[..., 0]
            lead = (
                lead
                + self._time(asked, of_x[..., None], challenger[..., None], best[..., None])[..., 0]
            )
            best = torch.where((lead > 0) & (memory[:, slot, None] > 0), challenger, best)
        return best

    def _time(self, asked, x, y, y_other):
        """Return ``Φ_x(x)ᵀ Uᵀ U Φ_t(x, y, y′)`` for ages in slots (a greater slot is older)."""
        if self.u_t is None:
            return 0
        value = torch.einsum("brd,trd->tbr", asked, self.u_t[:, 0])[..., None]
        return (x > y) * value[0] + (x > y_other) * value[1] + (y > y_other) * value[2]

    def _matches(self, asked, sentences, memory):
        """Return ``Φ_x(x)ᵀ Uᵀ U Φ_y(m_i)``: (B, models, N)."""
        candidates = self._sums(self.u_o[CANDIDATE], sentences)  # (S, models, d)
        filled = embedding(memory, candidates.flatten(1)).unflatten(-1, candidates.shape[1:])
        return torch.einsum("brd,bnrd->brn", asked, filled)

    def _asked(self, u, sentences, memory, questions, found):
        """Return ``U Φ_x([x, m_o1, …])``: (B, models, d)."""
        asked = self._sums(u[QUESTION], questions)
        if found:
            told = self._sums(u[FOUND], sentences)
            which = torch.arange(self.models, device=memory.device)
            for slots in found:
                asked = asked + told[memory.gather(1, slots), which]
        return asked

    def _sums(self, table, words):
        """Return the sums of the embeddings of the words (…, J): (…, models, d)."""
        looked_up = embedding(words, table.flatten(1), padding_idx=0)
        return looked_up.unflatten(-1, table.shape[1:]).sum(-3)
