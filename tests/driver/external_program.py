"""An external program (docs/external.md) that computes nothing, and misbehaves where it is told to.

external_program.py [WHEN MISBEHAVIOUR [ARGUMENT]]: WHEN is hello, load, warm, or the id of a request.
"""

import json
import os
import sys
import threading
import time

when, what, argument = (sys.argv[1:] + [None] * 3)[:3]
out = sys.stdout


lock = threading.Lock()


def say(**message):
    with lock:
        out.write(json.dumps(message) + "\n")
        out.flush()


def misbehave():
    if what == "exit":
        print("no such luck", file=sys.stderr, flush=True)
        os._exit(int(argument or 1))
    elif what == "hang":
        time.sleep(300)
    elif what == "say":
        out.write(argument + "\n")
        out.flush()
    elif what == "half":
        out.write('{"type":"do')
        out.flush()
        os._exit(0)
    elif what == "endless":
        while True:
            out.write("x" * 65536)
    elif what == "flood":
        sys.stderr.write("loud " * 8_000_000)
    elif what == "close":
        os.close(1)
        time.sleep(300)


for line in sys.stdin:
    order = json.loads(line)
    kind = order["type"]
    if when in (kind, str(order.get("id"))):
        misbehave()
    if kind == "hello":
        say(type="hello", version=1)
    elif kind == "load":
        load = order
        print("loading", order["model"], file=sys.stderr)
        say(type="loaded", vocab_size=1000, pad_token=0, weights_bytes=4096, origin="nothing",
            capacity=4 if what == "overlap" else 1)
    elif kind == "warm":
        say(type="warm")
    elif kind == "input":
        print("input", len(order["tokens"]), min(order["tokens"]) > 0, max(order["tokens"]) < 1000, file=sys.stderr)
    elif kind == "request":
        id, rows = order["id"], order["rows"]
        if what == "overlap":  # every other one takes longer than the next
            threading.Timer(0.02 if id % 2 == 0 else 0.001, say, kwargs={"type": "done", "id": id}).start()
            continue
        if what == "fail" and id % 1000 == 999:
            say(type="failed", id=id, error="too hot")
            continue
        say(type="started", id=id)
        for i in range(order["max_new_tokens"]):
            say(type="token", id=id, tokens=[i] * rows)
        say(type="done", id=id, gpu_ms=0.25)
    elif kind == "stop":
        print("stopping", file=sys.stderr, flush=True)
        break
