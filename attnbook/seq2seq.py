"""Two recurrent networks that translate, with one vector between them or with a lookup.

    h_1 … h_n = encoder(x_1 … x_n)        s_t = GRU(s_{t-1}, [y_{t-1}, c_t])
    c_t = (last states of the encoder)                  without attention, the same for every t
    c_t = Σ_j softmax_j(w · tanh(s_{t-1} W_q + h_j W_k)) h_j             with additive attention

Without: the encoder–decoder of Cho et al. (2014). With: Bahdanau, Cho and Bengio (2015). Nothing
else differs.
"""

from ._arrays import check_count, check_switch
from ._torch import torch
from .additive import AdditiveAttention


class Translator(torch.nn.Module):
    """A bidirectional GRU reads, a GRU writes; between them one vector, or additive attention.

    Parameters
    ----------
    n_words : int, >= 1
        Words have the numbers 0 to n_words - 1; n_words is the symbol that ends a sentence.
    attention : bool
        Look the source up at each step, or read its last states each time.
    d_word, d_model, d_score : int, >= 1
        Widths of an embedding, of each recurrent state (the encoder has one in each direction),
        and of the layer that adds query and key.

    Raises
    ------
    TypeError, ValueError
        If a width is not an integer, or is less than 1.

    Examples
    --------
    >>> translator = Translator(5, attention=True)
    >>> source = torch.tensor([[0, 3, 1]])
    >>> logits, weights = translator(source, torch.tensor([[1, 3, 0, 5]]), return_weights=True)
    >>> logits.shape, weights.shape
    (torch.Size([1, 4, 6]), torch.Size([1, 4, 3]))
    """

    def __init__(self, n_words, *, attention, d_word=24, d_model=48, d_score=32):
        super().__init__()
        self.end = check_count("n_words", n_words, least=1)
        check_switch("attention", attention)
        for name, width in (("d_word", d_word), ("d_model", d_model), ("d_score", d_score)):
            check_count(name, width, least=1)
        self.words = torch.nn.Embedding(n_words + 1, d_word)
        self.encoder = torch.nn.GRU(d_word, d_model, batch_first=True, bidirectional=True)
        self.start = torch.nn.Linear(2 * d_model, d_model)
        self.look = AdditiveAttention(d_model, 2 * d_model, d_score) if attention else None
        self.decoder = torch.nn.GRUCell(d_word + 2 * d_model, d_model)
        self.answer = torch.nn.Linear(d_model + 2 * d_model + d_word, n_words + 1)

    def forward(self, source, target, *, return_weights=False):
        """Return the logits of each target word, given the right words before it.

        Parameters
        ----------
        source : int tensor, shape (B, n)
            Sentences of one length.
        target : int tensor, shape (B, m)
            Their translations, each with the end symbol behind it.
        return_weights : bool
            Return the attention weights as well.

        Returns
        -------
        logits : tensor, shape (B, m, n_words + 1)
        weights : tensor, shape (B, m, n), or None without attention; only if ``return_weights``
        """
        before = torch.cat([torch.full_like(target[:, :1], self.end), target[:, :-1]], dim=1)
        written = self.words(before)
        steps = self._steps(self.words(source), target.shape[1], lambda t, _: written[:, t])
        logits, weights = self._joined(steps)
        return (logits, weights) if check_switch("return_weights", return_weights) else logits

    @torch.no_grad()
    def translate(self, source, length, *, return_weights=False):
        """Write ``length`` symbols, the likeliest one each time; also the weights if asked for.

        Returns
        -------
        target : int tensor, shape (B, length)
        weights : tensor, shape (B, length, n), or None without attention; only if
            ``return_weights``
        """
        end = torch.full_like(source[:, 0], self.end)

        def written(t, logits):
            return self.words(logits.argmax(-1) if t else end)

        logits, weights = self._joined(self._steps(self.words(source), length, written))
        target = logits.argmax(-1)
        return (target, weights) if check_switch("return_weights", return_weights) else target

    def _steps(self, embedded, length, written):
        """Yield the logits and weights of each step; ``written(t, logits)`` is the last word."""
        h, last = self.encoder(embedded)
        context, weights, logits = torch.cat([last[0], last[1]], dim=-1), None, None
        s = torch.tanh(self.start(context))
        keys = self.look.project_keys(h) if self.look else None
        for t in range(length):
            word = written(t, logits)
            if self.look:
                context, weights = self.look.read(s[:, None], keys, h, return_weights=True)
                context = context[:, 0]
            s = self.decoder(torch.cat([word, context], dim=-1), s)
            logits = self.answer(torch.cat([s, context, word], dim=-1))
            yield logits, weights

    @staticmethod
    def _joined(steps):
        logits, weights = zip(*steps, strict=True)
        return torch.stack(logits, 1), None if weights[0] is None else torch.cat(weights, 1)
