"""Multi-head latent attention: keys and values of all heads from one narrow latent.

    c_t = norm(W_DKV x_t)             k_t^R = RoPE(W_KR x_t)          all that is cached
    k_t^h = [W_UK^h c_t ; k_t^R]      v_t^h = W_UV^h c_t
    q_t^h = [q_t^{C,h} ; RoPE(q_t^{R,h})]
    out = Concat_h(attention(q^h, k^h, v^h, scale = 1/√(d_head + d_rope))) W_O

    absorbed:  q^C · (W_UK c) = (W_UK^T q^C) · c      Σ_j α_j W_UV c_j = W_UV Σ_j α_j c_j

DeepSeek-AI (2024), DeepSeek-V2, section 2.1. The second line of the last pair is why W_UK and W_UV
need not be applied to the cache: decoding is multi-query attention on the latents themselves. The
rotated part is kept apart since a rotation between q and W_UK would forbid this.
"""

from math import sqrt

from ._arrays import check_count, check_switch
from ._torch import check_sequence, torch
from .attention import attention
from .masks import check_window
from .positions import rope


class MultiHeadLatentAttention(torch.nn.Module):
    """``Concat_h(attention([q^C; q^R], [W_UK c; k^R], W_UV c)) W_O``, with c and k^R cached.

    Parameters
    ----------
    d_model, num_heads : int, >= 1
        Width of input and output, and heads.
    d_head : int, >= 1
        Width of the part of queries and keys that carries no position.
    d_latent : int, >= 1
        Width of the latent c, from which keys and values are made.
    d_rope : int, >= 2, even
        Width of the rotated part; its key is shared by all heads.
    d_v : int, >= 1, optional
        Width of a value; d_head if not given.
    d_query_latent : int, >= 1, optional
        Width of the latent of the queries; without it, queries come straight from x.
    causal, window, attend
        As for `MultiHeadAttention`.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small, or d_rope is odd.

    References
    ----------
    DeepSeek-AI (2024), "DeepSeek-V2", section 2.1; the norms of the latents: its section 3.1.2.

    Examples
    --------
    >>> import torch
    >>> layer = MultiHeadLatentAttention(64, 8, d_head=8, d_latent=16, d_rope=4, causal=True)
    >>> x = torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(layer(x), layer(x, absorbed=True), atol=1e-6)
    True
    """

    def __init__(
        self,
        d_model,
        num_heads,
        *,
        d_head,
        d_latent,
        d_rope,
        d_v=None,
        d_query_latent=None,
        causal=False,
        window=None,
        attend=attention,
    ):
        super().__init__()
        self.d_model = check_count("d_model", d_model, least=1)
        self.num_heads = check_count("num_heads", num_heads, least=1)
        self.d_head = check_count("d_head", d_head, least=1)
        self.d_latent = check_count("d_latent", d_latent, least=1)
        self.d_rope = check_count("d_rope", d_rope, least=2)
        if self.d_rope % 2:
            raise ValueError(f"d_rope must be even, for pairs to be rotated; got {d_rope}")
        self.d_v = self.d_head if d_v is None else check_count("d_v", d_v, least=1)
        self.causal = check_switch("causal", causal)
        self.window = None if window is None else check_window(window)
        self.attend = attend

        def linear(d_in, d_out):
            return torch.nn.Linear(d_in, d_out, bias=False)

        width = self.num_heads * (self.d_head + self.d_rope)
        if d_query_latent is None:
            self.w_q = linear(self.d_model, width)
        else:
            rank = check_count("d_query_latent", d_query_latent, least=1)
            self.w_q = torch.nn.Sequential(
                linear(self.d_model, rank), torch.nn.RMSNorm(rank, eps=1e-6), linear(rank, width)
            )
        self.w_dkv = linear(self.d_model, self.d_latent)
        self.norm = torch.nn.RMSNorm(self.d_latent, eps=1e-6)
        self.w_kr = linear(self.d_model, self.d_rope)
        self.w_uk = linear(self.d_latent, self.num_heads * self.d_head)
        self.w_uv = linear(self.d_latent, self.num_heads * self.d_v)
        self.w_o = linear(self.num_heads * self.d_v, self.d_model)
        for module in self.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)

    def forward(self, x, *, mask=None, cache=None, absorbed=False):
        """Return the output, shape (B, n_q, d_model).

        Parameters
        ----------
        x : tensor, shape (B, n_q, d_model)
            The sequence, or its newest tokens if there is a cache.
        mask : bool tensor, broadcasts to (B, H, n_q, n_k), optional
            True = may attend. With a cache, n_k counts the tokens before as well.
        cache : KVCache, optional
            Latents and rotated keys of the tokens before x; those of x are appended.
        absorbed : bool
            Read the latents themselves, in place of keys and values made from them: the same
            output, cheaper when few queries meet many keys (decoding).

        Raises
        ------
        TypeError, ValueError
            If shapes or dtypes do not fit.
        """
        check_sequence("x", x, self.d_model, self.w_o.weight)
        first = 0 if cache is None else cache.length
        places = torch.arange(first, first + x.shape[1], device=x.device)
        q = self.w_q(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        q_content, q_rope = q.split([self.d_head, self.d_rope], -1)
        q_rope = rope(q_rope, places)  # (B, H, n_q, d_rope)
        latent, k_rope = self.norm(self.w_dkv(x)), rope(self.w_kr(x), places)  # (B, n, …)
        if cache is not None:
            latent, k_rope = cache.append(latent, k_rope)
        latent, k_rope = latent[:, None], k_rope[:, None]  # one head for all
        read = self._absorbed if check_switch("absorbed", absorbed) else self._plain
        out = read(q_content, q_rope, latent, k_rope, self._looks(mask, latent.shape[2]))
        return self.w_o(out.transpose(1, 2).flatten(2))

    def _plain(self, q_content, q_rope, latent, k_rope, looks):
        """Make keys and values of every head from the latents, and look up as always."""
        k_content = torch.einsum("bgnl,hdl->bhnd", latent, self._per_head(self.w_uk))
        v = torch.einsum("bgnl,hdl->bhnd", latent, self._per_head(self.w_uv))
        k = torch.cat([k_content, k_rope.expand(-1, self.num_heads, -1, -1)], -1)
        return self.attend(torch.cat([q_content, q_rope], -1), k, v, **looks)

    def _absorbed(self, q_content, q_rope, latent, k_rope, looks):
        """Carry the queries to the latents instead: multi-query attention, key = [c; k^R]."""
        q_latent = torch.einsum("bhnd,hdl->bhnl", q_content, self._per_head(self.w_uk))
        q, k = torch.cat([q_latent, q_rope], -1), torch.cat([latent, k_rope], -1)
        read = self.attend(q, k, latent, **looks)  # (B, H, n_q, d_latent)
        return torch.einsum("bhnl,hdl->bhnd", read, self._per_head(self.w_uv))

    def _per_head(self, linear):
        return linear.weight.unflatten(0, (self.num_heads, -1))  # (H, d, d_latent)

    def _looks(self, mask, n_k):
        looks = {"scale": 1 / sqrt(self.d_head + self.d_rope)}  # of q and k, not of the latents
        if mask is not None:
            looks["mask"] = mask[..., -n_k:]  # a window may have dropped the first tokens
        if self.causal:
            looks["causal"] = True
        if self.window is not None:
            looks["window"] = self.window
        return looks
