"""End-to-end memory networks: a list of sentences as a dictionary, looked up several times.

    m_i = Σ_j l_j · A x_ij + T_A(i)      c_i = Σ_j l_j · C x_ij + T_C(i)      u = Σ_j l_j · B q_j
    p_i = softmax(u · m_i)               o = Σ_i p_i c_i                      u ← u + o
    answer = softmax(W u)

Sukhbaatar et al. (2015), section 2. Sentence i has two embeddings: m_i, by which it is found, and
c_i, what it says: a key and a value. A hop is `attention` with one query, without the division by
√d. The products with l_j are taken element by element: they tell the order of the words.
"""

from .._arrays import check_choice, check_count, check_switch
from .._torch import torch
from ..attention import attention, attention_weights
from .encoding import orders

embedding, pad = torch.nn.functional.embedding, torch.nn.functional.pad


class EndToEndMemoryNetwork(torch.nn.Module):
    """Answers a question from a list of sentences, by ``hops`` soft lookups.

    Several models can live in one, side by side as heads do: each with its own weights and its own
    answer. Training ten restarts then takes little longer than training one.

    Parameters
    ----------
    vocabulary_size : int, >= 1
        V: how many numbers of words there are, with 0, which is no word.
    memory_size : int, >= 1
        How many sentences a memory has at most: the number of rows of T.
    d_model : int, >= 1
        d, the width of an embedding.
    hops : int, >= 1
        K, how many lookups follow each other.
    encoding : {"position", "centred", "bag"}
        ``"position"``: words weighted by `position_encoding`, ``"centred"``: by the one of the
        authors' program; ``"bag"``: a plain sum.
    tying : {"adjacent", "layerwise"}
        ``"adjacent"``: what a sentence says in one hop is what it is found by in the next,
        A^{k+1} = C^k, T_A^{k+1} = T_C^k, B = A^1, W^T = C^K. ``"layerwise"``: the same A, C, T_A
        and T_C in all hops, and u ← H u + o.
    time : bool
        Whether to add T, which tells how long ago a sentence was told.
    empty : int, >= 0
        How many empty memories, m = c = 0, lie behind the sentences: a question that nothing
        matches can look there. In the authors' program a memory is filled up with such.
    models : int, >= 1
        How many models to hold.
    attend : function
        Any function with the arguments q, k, v, mask and scale of `attention`.

    Attributes
    ----------
    words : parameter, shape (V, tables, models, d)
        The embeddings. The tables are A^1, C^1, …, C^K with adjacent tying, and A, C, B and the
        transposed W with layerwise tying. Row 0, no word, is 0 and stays so.
    times : parameter, shape (memory_size, tables, models, d), or None without time
        T_A^1, T_C^1, …, T_C^K with adjacent tying, T_A and T_C with layerwise tying.
    mix : parameter, shape (d, 1, models, d), or None with adjacent tying
        H, transposed.
    linear : bool
        Whether the softmax of the hops is left out: o = Σ_i (u · m_i) c_i. For linear start.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or is too small, or an option is unknown.

    References
    ----------
    Sukhbaatar et al. (2015), sections 2 (the model, tying) and 4.1 (encodings, initial weights).

    Examples
    --------
    >>> model = EndToEndMemoryNetwork(20, 10, hops=2, models=3)
    >>> sentences = torch.tensor([[0, 0, 0], [1, 2, 3], [4, 2, 5]])  # sentence 0 has no words
    >>> memory, question = torch.tensor([[2, 1, 0]]), torch.tensor([[6, 1, 0]])
    >>> scores, weights = model(sentences, memory, question, return_weights=True)
    >>> scores.shape, weights.shape
    (torch.Size([1, 3, 20]), torch.Size([1, 3, 2, 3]))
    """

    def __init__(
        self,
        vocabulary_size,
        memory_size,
        *,
        d_model=20,
        hops=3,
        encoding="position",
        tying="adjacent",
        time=True,
        empty=0,
        models=1,
        attend=attention,
    ):
        super().__init__()
        self.vocabulary_size = check_count("vocabulary_size", vocabulary_size, least=1)
        self.memory_size = check_count("memory_size", memory_size, least=1)
        self.d_model = check_count("d_model", d_model, least=1)
        self.hops = check_count("hops", hops, least=1)
        self.empty = check_count("empty", empty)
        self.models = check_count("models", models, least=1)
        check_choice("encoding", encoding, ("position", "centred", "bag"))
        check_choice("tying", tying, ("adjacent", "layerwise"))
        self.encoding, self.tying, self.attend = encoding, tying, attend
        check_switch("time", time)
        self.linear = False
        # The tables that encode sentences come first: those of the questions and of the answers
        # are among them, or behind them. The model is axis 2 of every parameter.
        encoders, tables, self._question, self._answer = (
            (self.hops + 1, self.hops + 1, 0, -1) if tying == "adjacent" else (2, 4, 2, 3)
        )
        rest = (self.models, self.d_model)
        self.words = torch.nn.Parameter(torch.empty(self.vocabulary_size, tables, *rest))
        self.times = self.mix = None
        if time:
            self.times = torch.nn.Parameter(torch.empty(self.memory_size, encoders, *rest))
        if tying == "layerwise":
            self.mix = torch.nn.Parameter(torch.empty(self.d_model, 1, *rest))
        self._encoders = encoders
        self.reset_parameters()

    def reset_parameters(self, generator=None):
        """Draw all weights anew: normal, mean 0, standard deviation 0.1; no word is 0."""
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        with torch.no_grad():
            self.words[0] = 0

    def forward(self, sentences, memory, questions, *, ages=None, return_weights=False):
        """Return the scores of all words as answers, ``W u``, and the weights if wanted.

        Parameters
        ----------
        sentences : int tensor, shape (S, J)
            The words of the sentences that occur; 0 is no word. Sentence 0 has no words.
        memory : int tensor, shape (B, N)
            The sentences of each story, newest first; 0 where there is none: it gets no weight.
        questions : int tensor, shape (B, J_q)
            The words of the questions.
        ages : int tensor, shape (B, N), optional
            Which row of T a slot gets; its number if not given.
        return_weights : bool
            Return the weights of every hop as well.

        Returns
        -------
        scores : tensor, shape (B, models, V)
            Their softmax is the distribution over answers.
        weights : tensor, shape (B, models, hops, N + empty); only if ``return_weights``
            p in each hop, the empty memories last; with ``linear`` the products u · m_i.

        Raises
        ------
        TypeError, ValueError
            If numbers are no integers or out of range, or shapes do not fit.
        """
        self._check(sentences, memory, questions, ages)
        filled = self._remember(sentences, memory, ages)
        mask = pad(memory > 0, (0, self.empty), value=True)[:, None, None, :]  # for all models
        u = self._encode(self.words[:, self._question, None], questions)  # (B, 1, models, d)
        u = u.transpose(1, 2)
        seen = []
        for hop in range(self.hops):
            at = hop if self.tying == "adjacent" else 0
            m, c = filled[at], filled[at + 1]
            if return_weights:
                seen.append(self._weights(u, m, mask))
            o = self._read(u, m, c, mask)
            u = o + (u if self.mix is None else torch.einsum("brnd,dxre->brne", u, self.mix))
        # No word is no answer: its score is 0 by itself, so that its row is never learned.
        scores = torch.einsum("brd,vrd->brv", u[:, :, 0], self.words[1:, self._answer])
        scores = pad(scores, (1, 0))
        return (scores, torch.cat(seen, dim=2)) if return_weights else scores

    def _read(self, u, m, c, mask):
        """One hop: what the memory answers to u."""
        if self.linear:
            return self._weights(u, m, mask) @ c
        return self.attend(u, m, c, mask=mask, scale=1.0)

    def _weights(self, u, m, mask):
        if self.linear:
            return (u @ m.mT).where(mask, 0)
        return attention_weights(u, m, mask=mask, scale=1.0)

    def _encode(self, tables, words):
        """Return the sums of the words of sentences (…, J) by tables (V, T, models, d)."""
        looked_up = embedding(words, tables.flatten(1), padding_idx=0)
        looked_up = looked_up.unflatten(-1, tables.shape[1:])  # (…, J, T, models, d)
        if self.encoding == "bag":
            return looked_up.sum(-4)
        factors = orders(words.shape[-1], self.d_model, self.encoding == "centred").to(tables)
        factors = factors[(words > 0).sum(-1)]  # (…, J, d)
        return (factors[..., None, None, :] * looked_up).sum(-4)

    def _remember(self, sentences, memory, ages):
        """Return for each table the embeddings of the memory: (B, models, N + empty, d)."""
        # Each sentence is encoded once for all tables, however often it occurs.
        used, memory = memory.unique(return_inverse=True)
        encoded = self._encode(self.words[:, : self._encoders], sentences[used])
        filled = embedding(memory, encoded.flatten(1))
        if self.times is not None:
            ages = torch.arange(memory.shape[1], device=memory.device) if ages is None else ages
            filled = filled + embedding(ages, self.times.flatten(1))
        filled = pad(filled, (0, 0, 0, self.empty))
        return filled.unflatten(-1, encoded.shape[1:]).permute(2, 0, 3, 1, 4).unbind()

    def _check(self, sentences, memory, questions, ages):
        given = {"sentences": sentences, "memory": memory, "questions": questions}
        given |= {} if ages is None else {"ages": ages}
        for name, numbers in given.items():
            if not isinstance(numbers, torch.Tensor) or numbers.dtype not in (
                torch.int64,
                torch.int32,
            ):
                raise TypeError(f"{name} must be a tensor of int64 or int32; got {_kind(numbers)}")
            if numbers.ndim != 2:
                raise ValueError(f"{name} has shape {tuple(numbers.shape)}; it must have two axes")
        if len(memory) != len(questions) or (ages is not None and ages.shape != memory.shape):
            shapes = ", ".join(f"{name} {tuple(numbers.shape)}" for name, numbers in given.items())
            raise ValueError(
                f"memory (B, N), questions (B, J) and ages (B, N) must fit together; got {shapes}"
            )
        if memory.shape[1] > self.memory_size:
            raise ValueError(
                f"memory has {memory.shape[1]} slots, more than memory_size = {self.memory_size}; "
                f"keep the newest: memory[:, :{self.memory_size}]"
            )
        limits = {"memory": len(sentences), "ages": self.memory_size}
        for name, numbers in given.items():
            limit = limits.get(name, self.vocabulary_size)
            if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < limit:
                raise ValueError(
                    f"{name} has numbers from {int(numbers.min())} to {int(numbers.max())}; "
                    f"they must be from 0 to {limit - 1}"
                )
        if (sentences[:1] > 0).any():
            raise ValueError("sentence 0 stands for no sentence; its words must all be 0")

    @torch.no_grad()
    def one(self, index):
        """Return a new network that holds one of the models alone."""
        if not 0 <= check_count("index", index) < self.models:
            raise ValueError(f"index is {index}; there are {self.models} models, from 0")
        alone = EndToEndMemoryNetwork(
            self.vocabulary_size,
            self.memory_size,
            d_model=self.d_model,
            hops=self.hops,
            encoding=self.encoding,
            tying=self.tying,
            time=self.times is not None,
            empty=self.empty,
            attend=self.attend,
        )
        for mine, its in zip(self.parameters(), alone.parameters(), strict=True):
            its.copy_(mine[:, :, index : index + 1])
        return alone.to(next(self.parameters()))


def _kind(numbers):
    return str(numbers.dtype) if isinstance(numbers, torch.Tensor) else type(numbers).__name__
