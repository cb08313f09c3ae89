#!/usr/bin/env python3
"""A small OpenAI-compatible server over real sockets that misbehaves on demand.

It answers as asked for the first --good completions, and as --mode says from then on. Of each completion it writes one
line of JSON to --log: when it arrived and when each chunk was handed to the socket, in ns of CLOCK_MONOTONIC, the
request's body, and how it was answered.
"""

import argparse
import asyncio
import base64
import json
import os
import ssl
import time


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--good", type=int, default=0)
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--gap-ms", type=float, default=2)
    parser.add_argument("--overhead", type=int, default=3, help="tokens that a prompt of words has besides them")
    parser.add_argument("--words-only", action="store_true", help="token ids are refused")
    parser.add_argument("--strict", action="store_true", help="what is not in the first protocol is refused")
    parser.add_argument("--ready-after-s", type=float, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--cert")
    return parser.parse_args()


class Bye(Exception):
    """The connection is closed at once."""


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ENDLESS = {
    "endless_status": (b"HTTP/1.1 200 ", b"O" * 65536),
    "endless_header": (OK + b"X: ", b"a" * 65536),
    "endless_headers": (OK, b"X: " + b"a" * 1000 + b"\r\n"),
    "false_chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", b"a" * 100),
    "compressed": (OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b" + b"\0" * 65534),
}


class Server:
    def __init__(self, options):
        self.options = options
        self.asked = 0
        self.started = time.monotonic()
        self.log = open(options.log, "w", buffering=1)

    async def serve(self, reader, writer):
        try:
            while await self.exchange(reader, writer):
                pass
        except (Bye, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if self.options.key and fields.get("authorization") != "Bearer " + self.options.key:
            return await self.whole(writer, 401, {"error": {"message": "no such key"}})
        if method == "GET":
            ready = time.monotonic() - self.started >= self.options.ready_after_s
            status = 404 if path != "/health" else 200 if ready else 503
            return await self.whole(writer, status, {"status": "loading" if status == 503 else "ok"})
        entry = {"arrived_ns": time.monotonic_ns(), "sent_ns": [], "path": path, "body": json.loads(body)}
        self.asked += 1
        entry["mode"] = mode = "ok" if self.asked <= self.options.good else self.options.mode
        entry["fields"] = sorted(fields)
        try:
            return await self.answer(writer, entry, mode)
        finally:
            self.log.write(json.dumps(entry) + "\n")

    async def whole(self, writer, status, body, more=""):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{more}\r\n"
        writer.write(head.encode() + text)
        await writer.drain()
        return True

    async def answer(self, writer, entry, mode):
        body = entry["body"]
        if mode.isdigit():
            more = "Location: /elsewhere\r\n" if mode.startswith("3") else ""
            return await self.whole(writer, int(mode), {"error": {"message": "as it was told"}}, more)
        if mode == "die":
            os._exit(1)
        if mode == "hang":
            await asyncio.sleep(3600)
        if mode == "close":
            raise Bye
        if mode in ENDLESS:
            begin, more = ENDLESS[mode]
            writer.write(begin)
            while True:
                writer.write(more)
                await writer.drain()
        prompt = body.get("input") or body.get("prompt") or body["messages"][0]["content"]
        prompts = prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]
        if any(isinstance(p, list) for p in prompts) and self.options.words_only:
            return await self.whole(writer, 400, {"error": {"message": "prompt must be text"}})
        extra = {"ignore_eos", "stream_options"} & set(body)
        if extra and self.options.strict:
            return await self.whole(writer, 422, {"detail": f"unknown fields {sorted(extra)}"})
        tokens = sum(len(p) if isinstance(p, list) else len(p.split()) + self.options.overhead for p in prompts)
        if "input" in body:
            data = [{"index": i, "embedding": base64.b64encode(bytes(64)).decode()} for i in range(len(prompts))]
            usage = {} if mode == "no_usage" else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
            return await self.whole(writer, 200, {"object": "list", "data": [] if mode == "empty" else data, **usage})
        if mode == "no_stream":
            return await self.whole(writer, 200, {"choices": [{"text": "all at once", "finish_reason": "stop"}]})
        return await Stream(self.options, writer, entry, mode, tokens).run()


class Stream:
    def __init__(self, options, writer, entry, mode, prompt_tokens):
        self.options, self.writer, self.entry, self.mode = options, writer, entry, mode
        self.prompt_tokens = prompt_tokens
        self.chat = "messages" in entry["body"]
        asked = entry["body"].get("stream_options") or {}
        self.usage_last = bool(asked.get("include_usage")) and mode != "no_usage"
        self.usage_each = self.usage_last and bool(asked.get("continuous_usage_stats")) and mode != "usage_last"

    def write(self, text):
        raw = text if isinstance(text, bytes) else text.encode()
        self.writer.write(b"%x\r\n%s\r\n" % (len(raw), raw))

    def usage(self, done):
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": done, "total_tokens": self.prompt_tokens + done}

    def event(self, text, finish=None, done=None):
        choice = {"index": 0, "finish_reason": finish}
        choice |= {"delta": {"content": text}} if self.chat else {"text": text}
        out = {"id": "x", "choices": [choice]}
        if done is not None and self.usage_each:
            out["usage"] = self.usage(done)
        return "data: " + json.dumps(out, ensure_ascii=False) + "\n\n"

    async def token(self, text, *args):
        self.entry["sent_ns"].append(time.monotonic_ns())
        raw = self.event(text, *args)
        if self.mode == "crlf":
            raw = ": a comment\r\nevent: x\r\nid: 7\r\n" + raw.replace("\n", "\r\n")
        if self.mode == "split":
            for byte in raw.encode():
                self.write(bytes([byte]))
                await self.writer.drain()
        else:
            self.write(raw)
            await self.writer.drain()

    async def run(self):
        count = self.entry["body"]["max_tokens"]
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self.chat:
            self.write('data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n')
        if self.mode == "empty":
            count = 0
        if self.mode == "one_chunk":
            await self.token("all of it", "length", count)
            count, done = 0, count
        for done in range(1, count + 1):
            await asyncio.sleep(self.options.gap_ms / 1e3)
            await self.one(done, count)
        if self.mode == "endless":
            while True:
                await self.token("more")
        if self.mode == "endless_line":
            self.write("data: ")
            while True:
                self.write("x" * 65536)
                await self.writer.drain()
        if self.usage_last and self.mode != "empty":
            self.write("data: " + json.dumps({"choices": [], "usage": self.usage(done)}) + "\n\n")
        if self.mode != "no_done":
            self.write("data: [DONE]\n\n" if self.mode != "cut_done" else "data: [DONE]")
        self.entry["ended_ns"] = time.monotonic_ns()
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        return True

    async def one(self, done, count):
        if self.mode == "early" and done == 3:
            raise Bye
        if self.mode == "garbage" and done == 3:
            self.write("data: {\"choices\": [\n\n")
        if self.mode == "error" and done == 3:
            self.write('data: {"error": {"message": "out of memory", "code": 500}}\n\n')
        if self.mode == "bad_utf8":
            self.entry["sent_ns"].append(time.monotonic_ns())
            self.write(b'data: {"choices": [{"text": "\xff\xfe\xc3\\ud83d", "finish_reason": null}]}\n\n')
            await self.writer.drain()
            return
        await self.token("é" if self.mode == "split" else "tok", "length" if done == count else None, done)


async def main():
    options = parse()
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert)
    server = await asyncio.start_server(Server(options).serve, "127.0.0.1", options.port, ssl=context, limit=1 << 24)
    port = server.sockets[0].getsockname()[1]
    with open(options.port_file + ".new", "w") as file:
        file.write(str(port))
    os.rename(options.port_file + ".new", options.port_file)
    async with server:
        await server.serve_forever()


asyncio.run(main())
