#!/usr/bin/env python3
"""Hugging Face Transformers on PyTorch as a tenant of cotenant: engine: external, docs/external.md.

    command: [python3, .../hf_transformers.py]                  # eager
    command: [python3, .../hf_transformers.py, --mode, graph]   # forward captured in a CUDA graph
    command: [python3, .../hf_transformers.py, --mode, compile] # torch.compile

`model_name` is a name on Hugging Face or a directory. `weights: auto` are the model's own; `weights: random` takes only
its config.json, or one of the architectures below, which need no files. `task: forward` is one pass over the whole batch
with all logits; `task: generate` is greedy decoding of exactly max_new_tokens with a KV cache, each token told when the
host knows it. It serves one request at a time. gpu_ms is the time between CUDA events around a forward pass.
"""

import argparse
import inspect
import json
import os
import select
import sys

# Whatever a library prints goes to standard error: standard output is the protocol's.
protocol = os.fdopen(os.dup(1), "w", buffering=1 << 16)
os.dup2(2, 1)

ARCHITECTURES = {
    "distilgpt2": ("GPT2", {"n_layer": 6}),
    "gpt2": ("GPT2", {}),
    "distilbert-base-uncased": ("DistilBert", {}),
    "bert-base-uncased": ("Bert", {}),
    "roberta-large": ("Roberta", {
        "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1}),
    "meta-llama/Llama-3.2-3B": ("Llama", {
        "vocab_size": 128256, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
        "num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 131072,
        "tie_word_embeddings": True}),
    "mistralai/Mistral-7B-Instruct-v0.2": ("Mistral", {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": None, "max_position_embeddings": 32768}),
}


def say(**message):
    protocol.write(json.dumps(message) + "\n")
    protocol.flush()


def config_of(name):
    import transformers

    try:
        return transformers.AutoConfig.from_pretrained(name)
    except OSError:
        if name not in ARCHITECTURES:
            raise
    kind, fields = ARCHITECTURES[name]
    return getattr(transformers, kind + "Config")(**fields)


def is_decoder(config):
    import transformers

    return type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING and not (
        config.model_type in ("bert", "roberta", "distilbert"))


def build(order):
    """The model and what its weights are."""
    import torch
    import transformers

    dtype, device = getattr(torch, order["dtype"]), torch.device(order["device"])
    config = config_of(order["model"])
    auto = transformers.AutoModelForCausalLM if is_decoder(config) else transformers.AutoModel
    if order["task"] == "generate" and not is_decoder(config):
        raise ValueError(f"{order['model']} is an encoder and generates no text: use task: forward")
    if order["weights"] != "random":
        source = order["model"] if order["weights"] == "auto" else order["weights"]
        try:
            return auto.from_pretrained(source, dtype=dtype).to(device).eval(), source
        except OSError as error:
            if order["weights"] != "auto" or order["model"] not in ARCHITECTURES:
                raise
            print(f"random weights, because those of {source} are not there: {error}", file=sys.stderr)
    torch.manual_seed(order["seed"])
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = auto.from_config(config)
    finally:
        torch.set_default_dtype(before)
    return model.eval(), f"random weights (seed {order['seed']})"


class Tenant:
    def __init__(self, order, mode):
        import torch

        self.torch, self.order, self.mode = torch, order, mode
        if order["device"] == "cpu":
            torch.set_num_threads(order["threads"])
        self.cuda = order["device"] != "cpu"
        if mode == "graph" and not self.cuda:
            raise ValueError("--mode graph needs a CUDA device")
        if mode != "eager" and order["task"] == "generate":
            raise ValueError(f"--mode {mode} is for task: forward")
        self.model, self.origin = build(order)
        self.no_cache = {"use_cache": False} if is_decoder(self.model.config) else {}
        self.input = None
        self.run_forward = None
        if self.cuda:
            self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def loaded(self):
        size = sum(p.numel() * p.element_size() for p in self.model.parameters())
        pad = self.model.config.pad_token_id
        say(type="loaded", capacity=1, vocab_size=self.model.config.vocab_size, pad_token=-1 if pad is None else pad,
            weights_bytes=size, origin=self.origin)

    def take_input(self, tokens):
        self.input = self.torch.tensor(tokens, dtype=self.torch.long, device=self.order["device"])
        self.run_forward = None  # a graph has the addresses of its input

    def batch(self, order):
        rows, length = order["rows"], order["seq_len"]
        return self.input[: rows * length].view(rows, length)

    def prepare_forward(self, ids):
        torch, mask = self.torch, self.torch.ones_like(ids)
        model = torch.compile(self.model) if self.mode == "compile" else self.model

        def forward():
            return model(input_ids=ids, attention_mask=mask, **self.no_cache)

        self.run_forward = forward
        self.shape = tuple(ids.shape)
        if self.mode != "graph":
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                forward()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.captured = forward()
        self.run_forward = graph.replay

    def forward(self, order):
        torch, ids = self.torch, self.batch(order)
        if self.run_forward is None or self.shape != tuple(ids.shape):
            self.prepare_forward(ids)
        if not self.cuda:
            self.run_forward()
            say(type="done", id=order["id"])
            return
        begin, end = self.events
        begin.record()
        self.run_forward()
        end.record()
        torch.cuda.synchronize()
        say(type="done", id=order["id"], gpu_ms=begin.elapsed_time(end))

    def generate(self, order):
        torch, ids = self.torch, self.batch(order)
        mask, past = torch.ones_like(ids), None
        # Transformers 5.24 calls it otherwise than those before.
        cache = "cache" if "cache" in inspect.signature(self.model.forward).parameters else "past_key_values"
        for _ in range(order["max_new_tokens"]):
            out = self.model(input_ids=ids, attention_mask=mask, use_cache=True, logits_to_keep=1, **{cache: past})
            past, ids = out[cache], out.logits[:, -1].argmax(-1, keepdim=True)
            mask = torch.cat([mask, mask.new_ones(mask.shape[0], 1)], 1)
            say(type="token", id=order["id"], tokens=ids[:, 0].tolist())  # which waits for the device
        say(type="done", id=order["id"])

    def serve(self, order):
        with self.torch.inference_mode():
            (self.generate if order["max_new_tokens"] > 0 else self.forward)(order)


class Lines:
    """What comes on standard input; `spin`: waited for busily."""

    def __init__(self):
        self.spin, self.rest = False, b""

    def __iter__(self):
        while True:
            while self.spin and not select.select([0], [], [], 0)[0]:
                pass
            some = os.read(0, 1 << 16)
            if not some:
                return
            *lines, self.rest = (self.rest + some).split(b"\n")
            yield from lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["eager", "graph", "compile"], default="eager")
    mode, tenant = parser.parse_args().mode, None
    lines = Lines()
    for line in lines:
        order = json.loads(line)
        kind = order["type"]
        if kind == "hello":
            say(type="hello", version=1)
        elif kind == "load":
            try:
                tenant = Tenant(order, mode)
                lines.spin = tenant.cuda and order.get("wait") == "spin"
                tenant.loaded()
            except (ImportError, OSError, ValueError, RuntimeError) as error:
                say(type="error", error=f"{type(error).__name__}: {error}")
                raise
        elif kind == "warm":
            say(type="warm")
        elif kind == "input":
            tenant.take_input(order["tokens"])
        elif kind == "request":
            tenant.serve(order)
        elif kind == "stop":
            break


if __name__ == "__main__":
    main()
