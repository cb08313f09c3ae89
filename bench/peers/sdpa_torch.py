#!/usr/bin/env python3
"""Times attention over a whole prompt as PyTorch has it, by each of its kernels, at the shapes of bench_cuda_kernels.

    bench/peers/sdpa_torch.py

One JSON object a shape and kernel: cudnn (cuDNN's fused attention), flash (FlashAttention 2), efficient (xFormers').
Microseconds of one call in a CUDA graph of 20, the median of several replays; queries, keys and values lie apart and
heads that share keys are repeated beforehand, which favours these kernels: ours reads them from the product's result.
"""

import json
import statistics

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

SHAPES = [  # as in bench/cuda/kernels.cpp: model, rows, length, heads, head_dim, causal
    ("distilgpt2", 8, 128, 12, 64, True),
    ("distilbert", 8, 128, 12, 64, False),
    ("roberta-large", 8, 128, 16, 64, False),
    ("Llama-3.2-3B", 8, 128, 24, 128, True),
    ("Mistral-7B", 8, 128, 32, 128, True),
    ("Mistral-7B", 1, 2048, 32, 128, True),
    ("Mistral-7B", 8, 2048, 32, 128, True),
    ("roberta-large", 8, 512, 16, 64, False),
]
KERNELS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION}
CALLS = 20


def time_us(call):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    times = []
    for i in range(12):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        if i >= 3:
            times.append(begin.elapsed_time(end) * 1000 / CALLS)
    return statistics.median(times)


def main():
    torch.manual_seed(0)
    for model, rows, length, heads, head_dim, causal in SHAPES:
        q, k, v = (torch.randn(rows, heads, length, head_dim, device="cuda", dtype=torch.float16) for _ in range(3))
        flop = 4 * rows * length * length * heads * head_dim * (0.5 if causal else 1)
        for name, backend in KERNELS.items():
            try:
                with sdpa_kernel(backend):
                    us = time_us(lambda q=q, k=k, v=v: scaled_dot_product_attention(q, k, v, is_causal=causal))
            except RuntimeError as error:  # not for this shape, or not on this device
                print(json.dumps({"model": model, "rows": rows, "length": length, "kernel": name, "error": str(error)[:80]}))
                continue
            print(json.dumps({"model": model, "rows": rows, "length": length, "kernel": name, "us": round(us, 2),
                              "tflops": round(flop / us / 1e6, 1), "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
