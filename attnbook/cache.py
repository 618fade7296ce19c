"""The KV cache: keys and values of the tokens so far, kept so that each is computed once.

    token n attends with q_n to  k_1 … k_n,  v_1 … v_n:  append k_n and v_n, look up, go on

Without it, each new token would compute all keys and values again. The room doubles when it is
full, so that n appends copy fewer than 2 n tokens in all. With a window of w keys to the left, what
no later token can see is dropped, and the cache stays at w tokens (Beltagy, Peters and Cohan, 2020;
rolling buffer: Jiang et al., 2023, Mistral 7B, section 2). Decoding one token at a time is due to
Vaswani et al. (2017); what it costs is counted by Shazeer (2019), section 2.3.
"""

from ._arrays import check_count
from ._torch import check_tensors, torch


class CacheFull(MemoryError):
    """There is no room for more tokens. Nothing was appended, and nothing was lost."""


class KVCache:
    """Tensors of the tokens so far: ``append(k, v)`` returns ``k_1 … k_n, v_1 … v_n``.

    Parameters
    ----------
    capacity : int, >= 1, optional
        Most tokens to keep; the room is then allocated at once. Without it, room doubles.
    window : int, >= 0, optional
        Keep only the last ``window`` tokens between appends: those that a layer with
        ``window=(window, ...)`` and ``causal=True`` can still see.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    Notes
    -----
    What `append` returns are views of the cache, without a copy: use them before the next call.
    A cache is for decoding, under ``torch.no_grad()``.

    References
    ----------
    Shazeer (2019), "Fast transformer decoding", section 2.3.

    Examples
    --------
    >>> import torch
    >>> cache = KVCache()
    >>> for token in torch.arange(3.0):
    ...     k, v = cache.append(token.reshape(1, 1, 1, 1), -token.reshape(1, 1, 1, 1))
    >>> k.flatten(), v.flatten(), cache.length
    (tensor([0., 1., 2.]), tensor([-0., -1., -2.]), 3)
    """

    def __init__(self, *, capacity=None, window=None):
        self.capacity = None if capacity is None else check_count("capacity", capacity, least=1)
        self.window = None if window is None else check_count("window", window)
        self.reset()

    def reset(self):
        """Forget everything, and give the memory back."""
        self._room = ()  # one tensor for each kind (keys, values), shape (..., room, d)
        self._begin = self._end = 0  # the tokens kept stand at begin … end in the room
        self.length = 0  # tokens seen so far, those dropped by the window too

    @property
    def kept(self):
        """Tokens that are in the cache now."""
        return self._end - self._begin

    @property
    def nbytes(self):
        """Bytes allocated."""
        return sum(room.nbytes for room in self._room)

    def append(self, *tensors):
        """Append new tokens; return each kind of tensor with all tokens kept, then the new ones.

        Parameters
        ----------
        *tensors : tensors, shapes (..., n, d), floating
            Keys and values, or whatever a layer caches, always the same number of them. All
            axes but n must be those of the first call; so must dtype and device.

        Returns
        -------
        tuple of tensors, shapes (..., kept + n, d)
            Views: valid until the next call.

        Raises
        ------
        CacheFull
            If the capacity is exceeded. Nothing has changed then.
        TypeError, ValueError
            If the tensors do not fit those of the first call.
        RuntimeError
            If a gradient is wanted: a cache is written in place.

        Examples
        --------
        >>> import torch
        >>> cache = KVCache(window=2)
        >>> for token in torch.arange(4.0):
        ...     print(cache.append(token.reshape(1, 1))[0].flatten().tolist())
        [0.0]
        [0.0, 1.0]
        [0.0, 1.0, 2.0]
        [1.0, 2.0, 3.0]
        """
        n = self._check(tensors)
        kept = self.kept
        if self.capacity is not None and kept + n > self.capacity:
            raise CacheFull(
                f"the cache holds {kept} of {self.capacity} tokens, and {n} more do not fit; "
                "give a larger capacity, or a window"
            )
        self._make_room(tensors, kept + n)
        for room, new in zip(self._room, tensors, strict=True):
            room[..., self._end : self._end + n, :] = new
        self._end += n
        self.length += n
        seen = tuple(room[..., self._begin : self._end, :] for room in self._room)
        if self.window is not None:
            self._begin = max(self._begin, self._end - self.window)
        return seen

    def truncate(self, length):
        """Forget the last tokens, so that ``length`` remain: to decode them again in another way.

        Parameters
        ----------
        length : int, from 0 to the present length
            Tokens to remain. What the window has dropped does not come back.

        Raises
        ------
        TypeError, ValueError
            If the length is not an integer, is out of range, or reaches into what was dropped.
        """
        length = check_count("length", length)
        forgotten = self.length - length
        if forgotten < 0:
            raise ValueError(f"the cache has seen {self.length} tokens; it cannot keep {length}")
        if self.window is not None and forgotten and self.length > self.kept:
            raise ValueError(
                f"the window has dropped tokens that token {length} would see; "
                "start again, or use a cache without a window"
            )
        self._end -= forgotten
        self.length = length

    def _check(self, tensors):
        """Check what came; return how many tokens it is."""
        if not tensors:
            raise TypeError("append needs at least one tensor, of shape (..., n, d)")
        check_tensors(**{f"tensor {i}": tensor for i, tensor in enumerate(tensors)})
        shapes = [tuple(tensor.shape) for tensor in tensors]
        if any(len(shape) < 2 for shape in shapes) or len({shape[-2] for shape in shapes}) > 1:
            raise ValueError(f"the tensors must be (..., n, d) with one n; got {shapes}")
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            raise RuntimeError(
                "a cache is written in place, so no gradient can flow through it; "
                "decode under torch.no_grad(), or train without a cache"
            )
        if self._room:
            first = [(*room.shape[:-2], shapes[0][-2], room.shape[-1]) for room in self._room]
            if shapes != first:
                raise ValueError(f"the tensors have shapes {shapes}; those before make it {first}")
            room, new = self._room[0], tensors[0]
            if room.dtype != new.dtype or room.device != new.device:
                raise TypeError(
                    f"the tensors are {new.dtype} on {new.device}; those before were "
                    f"{room.dtype} on {room.device}"
                )
        return shapes[0][-2]

    def _make_room(self, like, needed):
        """Move what is kept to a room with space for ``needed`` tokens, if the present one ends."""
        room = self._room[0].shape[-2] if self._room else -1
        if self._begin + needed <= room:
            return
        size = max(2 * needed, 16) if self.capacity is None else 2 * self.capacity
        if self.capacity is not None and self.window is None:
            size = self.capacity
        moved = tuple(t.new_empty((*t.shape[:-2], size, t.shape[-1])) for t in like)
        for old, new in zip(self._room, moved, strict=bool(self._room)):
            new[..., : self.kept, :] = old[..., self._begin : self._end, :]
        self._room, self._begin, self._end = moved, 0, self.kept
