"""Generation of 256 ids with the key/value cache: against the same net without a cache, and against transformers' `generate`.

The peer builds Qwen3 (rotary positions, RMS norm, gated MLP, grouped heads, normed queries and keys) of the same sizes, in an environment
of its own: --peer PATH/TO/python. Batch 1, medians of several rounds, one run. Also prints the time to the first id.
Figures mean something on an idle machine only.

python benchmarks/generate_text.py [--peer python] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable

import torch

from morelike.core.noise import Noise
from morelike.core.spec import Tokens
from morelike.house.build import build
from morelike.house.recipe import Recipe
from morelike.maths.decoding import pick

VOCAB, LENGTH, WIDTH, DEPTH = 65, 256, 384, 6
PEER = """
import sys, time, statistics, torch
from transformers import Qwen3Config, Qwen3ForCausalLM
vocab, length, width, depth, hidden, threads, rounds = map(int, sys.argv[1:])
torch.set_num_threads(threads)
config = Qwen3Config(vocab_size=vocab, hidden_size=width, intermediate_size=hidden, num_hidden_layers=depth,
                     num_attention_heads=width // 32, num_key_value_heads=width // 64, head_dim=32,
                     max_position_embeddings=length + 1, bos_token_id=0, eos_token_id=None, pad_token_id=0)
model = Qwen3ForCausalLM(config).eval()
ids = torch.zeros(1, 1, dtype=torch.int64)
times = []
with torch.inference_mode():
    for _ in range(rounds + 1):
        began = time.perf_counter()
        made = model.generate(ids, do_sample=True, max_new_tokens=length, min_new_tokens=length, top_k=0)
        times.append(time.perf_counter() - began)
assert made.shape[1] == length + 1, made.shape
print(statistics.median(times[1:]))
"""


def seconds(turn: Callable[[], object]) -> float:
    began = time.perf_counter()
    turn()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = build(Recipe(model="transformer", nets={"causal": {"width": WIDTH, "depth": DEPTH}}), Tokens((LENGTH,), VOCAB), {}).eval()
    noise = Noise(0, 1)

    def cached() -> None:
        model.sample(noise=noise)  # type: ignore[attr-defined]

    def cacheless() -> None:
        ids, uniform = torch.zeros(1, 0, dtype=torch.int64), noise.uniform((LENGTH,))
        for place in range(LENGTH):
            logits, _ = model.next(ids)  # type: ignore[attr-defined]
            ids = torch.cat((ids, pick(logits, uniform[:, place])[:, None]), 1)

    def first() -> None:
        next(model.stream(noise=noise))  # type: ignore[attr-defined]

    with torch.inference_mode():
        for turn in (cached, cacheless, first):
            turn()
        pairs = [(seconds(cached), seconds(cacheless)) for _ in range(options.rounds)]
        begin = statistics.median(seconds(first) for _ in range(20))
    a, b = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    print(f"cached      {LENGTH / a:8.0f} ids/s; without a cache {LENGTH / b:.0f}: {b / a:.1f} times")
    print(f"first id    {1000 * begin:8.1f} ms")
    if options.peer:
        hidden = model.nets["causal"].blocks[0].mlp.hidden  # type: ignore[union-attr, index]
        sizes = [str(n) for n in (VOCAB, LENGTH, WIDTH, DEPTH, hidden, torch.get_num_threads(), options.rounds)]
        done = subprocess.run([options.peer, "-c", PEER, *sizes], check=True, capture_output=True, text=True)
        theirs = float(done.stdout.split()[-1])
        print(f"transformers{LENGTH / theirs:8.0f} ids/s: {theirs / a:.1f} times slower")


if __name__ == "__main__":
    main()
