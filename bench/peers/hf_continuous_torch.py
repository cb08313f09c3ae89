#!/usr/bin/env python3
"""The peer of continuous batching: Transformers' generate_batch on one GPU, float16, random weights.

    hf_continuous_torch.py --model llama-3.2-3b --requests 256 --prompt 128 --new 64 --slots 32

All requests are there from the start, as for a server that is saturated; the rate is that of the whole call, without
a call before it that warms up. Prints one JSON object.
"""
import argparse
import json
import time

import torch
from hf_torch import build


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llama-3.2-3b")
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--slots", type=int, default=32)
    a = parser.parse_args()
    import transformers
    model, vocab = build(a.model, torch.float16, torch.device("cuda"))
    model.set_attn_implementation("paged|sdpa")
    config = transformers.GenerationConfig(max_new_tokens=a.new, min_new_tokens=a.new, do_sample=False, eos_token_id=-1,
                                           pad_token_id=0, use_cuda_graph=True, num_blocks=2048, block_size=16,
                                           max_batch_tokens=512 + a.slots)
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, vocab, (a.requests, a.prompt), generator=generator).tolist()
    model.generate_batch(inputs=prompts[: a.slots], generation_config=config, progress_bar=False)
    torch.cuda.synchronize()
    start = time.perf_counter()
    answers = model.generate_batch(inputs=prompts, generation_config=config, progress_bar=False)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    lengths = {len(answer.generated_tokens) for answer in answers.values()}
    print(json.dumps({"model": a.model, "requests": len(answers), "new_tokens": sorted(lengths), "seconds": seconds,
                      "requests_per_s": len(answers) / seconds, "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
