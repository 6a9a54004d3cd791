"""The key-value cache in blocks, with the prefix cache in it: who holds which block, and what is forgotten first.

Source: vllm 0.27.0 v1/core/kv_cache_manager.py and block_pool.py. Simpler than there: a request takes all the blocks it
will need when it is admitted, so nothing is preempted; it waits instead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


def page_size(max_model_len: int) -> int:
    """Tokens of a block as the TPU platform chooses them (tpu_inference 0.27.0 flash_attn.py, get_page_size)."""
    if max_model_len > 8192:
        return 16
    return min(256, max(16, (1 << (max_model_len - 1).bit_length()) // 16))


@dataclass
class Held:
    """The blocks of one request: `keys` of its full prompt blocks, `own` blocks without a key."""

    keys: list[int]
    own: int
    cached_tokens: int


@dataclass
class Blocks:
    """A pool of `size` blocks of `tokens` tokens. `caching` is prefix caching."""

    size: int
    tokens: int
    caching: bool
    _held: dict[int, int] = field(default_factory=dict)
    _idle: OrderedDict[int, None] = field(default_factory=OrderedDict)
    _own: int = 0

    def take(self, prompt: Sequence[str], total_tokens: int) -> Held | None:
        """Blocks for a request of `total_tokens` in the end; None where they are not free now."""
        keys = self._keys(prompt) if self.caching else []
        own = -(-total_tokens // self.tokens) - len(keys)
        new = own + sum(key not in self._held for key in keys)
        if len(self._held) + self._own + new > self.size:
            return None
        cached = self._hits(keys, len(prompt))
        for key in keys:
            self._held[key] = self._held.get(key, 0) + 1
            self._idle.pop(key, None)
        self._own += own
        self._forget()
        return Held(keys, own, cached * self.tokens)

    def give_back(self, held: Held, sequence: Sequence[str]) -> None:
        """End of a request. Its full blocks, those of the answer too, stay in the prefix cache until they are needed."""
        self._own -= held.own
        # The end of a sequence is forgotten before its beginning, which more requests share.
        for key in reversed(held.keys):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
                self._idle[key] = None
        if self.caching:
            for key in reversed(self._keys(sequence)[len(held.keys) :]):
                if key not in self._held:
                    self._idle[key] = None
                    self._idle.move_to_end(key)
        self._forget()

    def usage(self, running: Iterable[tuple[Held, int]]) -> float:
        """Share of the blocks that running requests fill, given with their tokens so far; 1 is all."""
        own = sum(max(0, -(-tokens // self.tokens) - len(held.keys)) for held, tokens in running)
        return (len(self._held) + own) / self.size

    def _keys(self, tokens: Sequence[str]) -> list[int]:
        keys, parent = [], 0
        for end in range(self.tokens, len(tokens) + 1, self.tokens):
            parent = hash((parent, *tokens[end - self.tokens : end]))
            keys.append(parent)
        return keys

    def _hits(self, keys: Sequence[int], prompt_tokens: int) -> int:
        # The last token is always computed: its result is the first token of the answer.
        count = 0
        for key in keys[: (prompt_tokens - 1) // self.tokens]:
            if key not in self._held and key not in self._idle:
                break
            count += 1
        return count

    def _forget(self) -> None:
        while self._idle and len(self._held) + self._own + len(self._idle) > self.size:
            self._idle.popitem(last=False)
