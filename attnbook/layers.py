"""Multi-head attention: many small lookups at once, each with its own projections.

    head_h = attention(x W_Q^h, c W_K^g, c W_V^g),   g = h // (H / H_kv)
    out    = Concat(head_1, …, head_H) W_O

Vaswani et al. (2017), section 3.2.2. With H_kv = H key and value heads this is multi-head
attention, with 1 multi-query (Shazeer, 2019), between them grouped-query attention (Ainslie et al.,
2023). c is x itself (self-attention) or another sequence (cross-attention).
"""

from ._arrays import check_choice, check_count, check_heads, check_switch
from ._torch import check_sequence, torch
from .attention import attention, attention_weights
from .masks import check_window
from .positions import alibi_bias, rope


class MultiHeadAttention(torch.nn.Module):
    """``Concat(head_1, …, head_H) W_O``: `attention` between projections of x and of a context.

    Parameters
    ----------
    d_model : int, >= 1
        Width of the input and of the output.
    num_heads, num_kv_heads : int, >= 1
        Query heads, and key and value heads: as many if not given; a divisor of num_heads.
    d_head : int, >= 1, optional
        Width of a head; d_model / num_heads if not given.
    d_context : int, >= 1, optional
        Width of the other sequence in cross-attention; d_model if not given.
    bias : bool
        Whether the projections have biases.
    gate : {None, "head", "element"}
        A gate between 0 and 1, ``σ(x W_G)``, on the output of each head before W_O: one number for
        a head, or one for each element. A head can then return nothing.
    position : {None, "rope", "alibi"}
        Rotate queries and keys by their positions, or add a bias by distance. Self-attention only.
    sink : bool
        Each head learns a score for a key that is not there, whose value is 0. A head can then
        give less than all its weight. The score 0 is "softmax off by one", ``e^s / (1 + Σ e^s)``.
    causal, window
        As for `attention`; for self-attention.
    attend : function
        Any function with the arguments of `attention`: tiled, block-sparse, ... It must take those
        that the layer uses, `return_lse` for a sink and `bias` for "alibi" among them.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or is too small, heads do not divide, or an option is unknown.

    References
    ----------
    Vaswani et al. (2017), section 3.2.2. Groups: Ainslie et al. (2023), section 2.2. Rotary
    positions: Su et al. (2021); ALiBi: Press, Smith and Lewis (2022). Gates: Qiu et al. (2025),
    "Gated attention for large language models". Sinks: Xiao et al. (2024); learned ones: OpenAI
    (2025), the gpt-oss model card.

    Examples
    --------
    >>> import torch
    >>> layer = MultiHeadAttention(64, 8, num_kv_heads=2, position="rope", causal=True)
    >>> layer(torch.zeros(1, 10, 64)).shape
    torch.Size([1, 10, 64])
    """

    def __init__(
        self,
        d_model,
        num_heads,
        *,
        num_kv_heads=None,
        d_head=None,
        d_context=None,
        bias=True,
        gate=None,
        position=None,
        sink=False,
        causal=False,
        window=None,
        attend=attention,
    ):
        super().__init__()
        self.d_model = check_count("d_model", d_model, least=1)
        sizes = check_heads(self.d_model, num_heads, num_kv_heads, d_head)
        self.num_heads, self.num_kv_heads, self.d_head = sizes
        d_context = self.d_model if d_context is None else d_context
        self.d_context = check_count("d_context", d_context, least=1)
        check_choice("gate", gate, (None, "head", "element"))
        check_choice("position", position, (None, "rope", "alibi"))
        self.position, self.attend = position, attend
        self.causal = check_switch("causal", causal)
        self.window = None if window is None else check_window(window)

        width, kv_width = self.num_heads * self.d_head, self.num_kv_heads * self.d_head
        check_switch("bias", bias)
        self.w_q = torch.nn.Linear(self.d_model, width, bias=bias)
        self.w_k = torch.nn.Linear(self.d_context, kv_width, bias=bias)
        self.w_v = torch.nn.Linear(self.d_context, kv_width, bias=bias)
        self.w_o = torch.nn.Linear(width, self.d_model, bias=bias)
        gates = {None: 0, "head": self.num_heads, "element": width}[gate]
        self.w_g = torch.nn.Linear(self.d_model, gates, bias=bias) if gates else None
        self.sink = None
        if check_switch("sink", sink):
            self.sink = torch.nn.Parameter(torch.empty(self.num_heads))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the weights anew: Xavier (Glorot and Bengio, 2010); biases and sinks are 0."""
        for linear in (self.w_q, self.w_k, self.w_v, self.w_o, self.w_g):
            if linear is not None:
                torch.nn.init.xavier_uniform_(linear.weight)
                if linear.bias is not None:
                    torch.nn.init.zeros_(linear.bias)
        if self.sink is not None:
            torch.nn.init.zeros_(self.sink)

    def forward(self, x, context=None, *, mask=None, cache=None, return_weights=False):
        """Return the output (B, n_q, d_model), and the weights if wanted.

        Parameters
        ----------
        x : tensor, shape (B, n_q, d_model)
            What asks; without a context, also what is asked.
        context : tensor, shape (B, n_k, d_context), or a pair from `keys_and_values`, optional
            What is asked in cross-attention.
        mask : bool tensor, broadcasts to (B, H, n_q, n_k), optional
            True = may attend. With a cache, n_k counts the tokens before as well.
        cache : KVCache, optional
            Keys and values of the tokens before x; those of x are appended.
        return_weights : bool
            Return the weights of all heads as well, before gates, after sinks.

        Returns
        -------
        out : tensor, shape (B, n_q, d_model)
        weights : tensor, shape (B, H, n_q, n_k); only if ``return_weights``

        Raises
        ------
        TypeError, ValueError
            If shapes or dtypes do not fit, or options of self-attention come with a context.
        """
        check_sequence("x", x, self.d_model, self.w_q.weight)
        if context is not None and (cache is not None or self.position or self._looks()):
            raise ValueError(
                "cache, position, causal and window belong to self-attention: leave them out, "
                "or leave out the context"
            )
        q = self._split(self.w_q(x), self.num_heads)  # (B, H, n_q, d_head)
        k, v = (
            context
            if isinstance(context, tuple)
            else self.keys_and_values(x if context is None else context)
        )
        if self.position == "rope":
            first = 0 if cache is None else cache.length
            places = torch.arange(first, first + x.shape[1], device=x.device)
            q, k = rope(q, places), rope(k, places)
        if cache is not None:
            k, v = cache.append(k, v)
        out, weights = self._lookup(q, k, v, mask, return_weights)
        if self.w_g is not None:
            gates = torch.sigmoid(self.w_g(x)).unflatten(-1, (self.num_heads, -1))
            out = out * gates.transpose(1, 2)
        out = self.w_o(out.transpose(1, 2).flatten(2))
        return (out, weights) if return_weights else out

    def keys_and_values(self, context):
        """Project a context once: ``k = c W_K, v = c W_V``, for any number of calls with it.

        Parameters
        ----------
        context : tensor, shape (B, n_k, d_context)
            The sequence that is asked.

        Returns
        -------
        k, v : tensors, shape (B, H_kv, n_k, d_head)

        Raises
        ------
        TypeError, ValueError
            If shape or dtype do not fit.
        """
        check_sequence("context", context, self.d_context, self.w_k.weight)
        return tuple(self._split(w(context), self.num_kv_heads) for w in (self.w_k, self.w_v))

    @classmethod
    def from_torch(cls, module, **options):
        """Return a layer with the weights, and so the output, of a `torch.nn.MultiheadAttention`.

        Parameters
        ----------
        module : torch.nn.MultiheadAttention
            ``batch_first`` does not matter: this layer always takes (B, n, d_model).
        **options
            Options of this layer that have no weights, such as causal.

        Returns
        -------
        MultiHeadAttention

        Raises
        ------
        TypeError
            If the module is something else.
        ValueError
            If it has ``add_bias_kv``, ``add_zero_attn``, dropout, or kdim != vdim.
        """
        if not isinstance(module, torch.nn.MultiheadAttention):
            raise TypeError(f"module is a {type(module).__name__}, no torch.nn.MultiheadAttention")
        for name, found in {
            "add_bias_kv": module.bias_k is not None,
            "add_zero_attn": module.add_zero_attn,
            "dropout": module.dropout > 0 and module.training,
            "kdim != vdim": module.kdim != module.vdim,
        }.items():
            if found:
                raise ValueError(f"the module has {name}, for which this layer has no counterpart")
        biased = module.in_proj_bias is not None
        layer = cls(
            module.embed_dim, module.num_heads, d_context=module.kdim, bias=biased, **options
        )
        if module.in_proj_weight is None:
            weights = module.q_proj_weight, module.k_proj_weight, module.v_proj_weight
        else:
            weights = module.in_proj_weight.chunk(3)
        parts = [*zip(weights, module.in_proj_bias.chunk(3) if biased else [None] * 3, strict=True)]
        parts.append((module.out_proj.weight, module.out_proj.bias))
        with torch.no_grad():
            for linear, (weight, bias) in zip(
                (layer.w_q, layer.w_k, layer.w_v, layer.w_o), parts, strict=True
            ):
                linear.to(weight)
                linear.weight.copy_(weight)
                if biased:
                    linear.bias.copy_(bias)
        return layer.to(weights[0])

    def _lookup(self, q, k, v, mask, return_weights):
        """Attend; a sink takes its share of each row's weight."""
        looks = self._looks()
        if mask is not None:
            looks["mask"] = mask[..., -k.shape[2] :]  # a window may have dropped the first tokens
        if self.position == "alibi":
            sizes = self.num_heads, q.shape[2], k.shape[2]
            looks["bias"] = alibi_bias(*sizes, dtype=q.dtype, device=q.device)
        weights = attention_weights(q, k, **looks) if return_weights else None
        if self.sink is None:
            return self.attend(q, k, v, **looks), weights
        out, lse = self.attend(q, k, v, return_lse=True, **looks)
        # One more key of score s takes e^s / (e^lse + e^s) of the weight; the others keep
        # σ(lse - s). So a sink needs nothing of the scores but their log-sum-exp.
        share = torch.sigmoid(lse - self.sink[:, None].to(lse.dtype))[..., None].to(out.dtype)
        return out * share, weights * share if return_weights else None

    def _looks(self):
        options = {"causal": self.causal, "window": self.window}
        return {name: option for name, option in options.items() if option not in (False, None)}

    def _split(self, x, heads):
        """Cut (B, n, heads · d_head) into heads: (B, heads, n, d_head)."""
        return x.unflatten(-1, (heads, self.d_head)).transpose(1, 2)
