"""Servers of OpenAI's API as processes, and requests whose answers' pieces are timed."""
import contextlib
import http.client
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
KVASIR = os.path.join(ROOT, "artifacts", "bin", "Kvasir.Cli", "release", "Kvasir.Cli")
WORDS = "about always apple autumn bread bridge bright candle castle cloud copper corner dance distant door dream early earth empty engine".split()
START_S = 120


class Server:
    """A server that runs while it is entered. `ready` is the path that answers 200 when requests are taken."""

    def __init__(self, command, port, ready):
        self.command, self.port, self.ready = command, port, ready

    def __enter__(self):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                text = self.log.read()[-2000:]
                self.__exit__()
                raise SystemExit("%s did not start:\n%s" % (self.command[0], text))
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def metric(self, name):
        """The sum of a metric over its labels."""
        return sum(float(value) for value in re.findall(r"^%s(?:\{[^}]*\})? (\S+)$" % name, self.get("/metrics"), re.M))

    def cpu_ms(self):
        """What its threads have taken of processors so far: those that compute, and all others."""
        computing, others = 0, 0
        for thread in os.listdir("/proc/%d/task" % self.process.pid):
            try:
                with open("/proc/%d/task/%s/comm" % (self.process.pid, thread)) as name, open("/proc/%d/task/%s/schedstat" % (self.process.pid, thread)) as times:
                    ms = int(times.read().split()[0]) / 1e6
                    computing, others = (computing + ms, others) if name.read().startswith("kvasir ") else (computing, others + ms)
            except OSError:
                pass
        return computing, others

    def _answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", self.ready)
            return connection.getresponse().status == 200
        except OSError:
            return False


class Stream(threading.Thread):
    """A streamed completion, read by a thread of its own: when it was sent, and when each piece came that has a choice."""

    def __init__(self, server, prompt, tokens, **more):
        super().__init__(daemon=True)
        self.body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True,
                     "stream_options": {"include_usage": True}, **more}
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=900)
        self.pieces, self.usage, self.fault, self.isStopped = [], None, None, False
        self.started = time.monotonic()
        self.start()

    def run(self):
        try:
            self.connection.request("POST", "/v1/completions", json.dumps(self.body), {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            if answer.status != 200:
                raise OSError("status %d: %s" % (answer.status, answer.read()[:300]))
            for line in answer:
                if line.startswith(b"data: {"):
                    self._note(time.monotonic(), json.loads(line[6:]))
        except Exception as problem:
            self.fault = None if self.isStopped else problem
        finally:
            self.connection.close()

    def wait(self, pieces=None, seconds=900):
        """Until it has so many pieces, or has ended."""
        end = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < end and (pieces is None or len(self.pieces) < pieces):
            time.sleep(0.002)
        if self.fault or (pieces is not None and len(self.pieces) < pieces):
            raise SystemExit("a request failed: %s" % (self.fault or "its answer is too short"))
        return self

    def stop(self):
        """Hangs up."""
        self.isStopped = True
        if self.connection.sock:
            self.connection.sock.shutdown(2)
        self.join(30)

    @property
    def first_ms(self):
        return (self.pieces[0] - self.started) * 1000

    @property
    def cached(self):
        return (self.usage or {}).get("prompt_tokens_details", {}).get("cached_tokens", 0)

    def _note(self, now, piece):
        if "error" in piece:
            raise OSError(str(piece["error"]))
        if piece.get("choices"):
            self.pieces.append(now)
        self.usage = piece.get("usage") or self.usage


class Crowd:
    """Many completions at once, read by one thread that looks at nothing until all have ended: a client that takes as little as it can."""

    def __init__(self, server, prompts, tokens, streamed, begun=None):
        """Calls `begun` when a third of all tokens is there."""
        waiting, self.bytes, self.times = selectors.DefaultSelector(), [[] for _ in prompts], [[] for _ in prompts]
        for i, prompt in enumerate(prompts):
            body = json.dumps({"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": streamed}).encode()
            one = socket.create_connection(("127.0.0.1", server.port), 900)
            one.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            waiting.register(one, selectors.EVENT_READ, i)
        reads, left = 0, len(prompts)
        while left:
            for key, _ in waiting.select():
                came = key.fileobj.recv(1 << 16)
                self.bytes[key.data].append(came)
                self.times[key.data].append(time.monotonic())
                reads += 1
                if reads == tokens * len(prompts) // 3 and begun:
                    begun()
                if not came:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1

    def pieces(self):
        """When each piece came, stream by stream: pieces that came together have one time."""
        return [[at for came, at in zip(*one) for _ in range(came.count(b'"text":"'))] for one in zip(self.bytes, self.times)]

    def timings(self):
        """What the server says that each took."""
        return [json.loads(re.findall(rb'"timings":(\{[^}]*\})', b"".join(one))[-1]) for one in self.bytes]


def text(letters, seed):
    """So many letters of random words. The tokenizer of random weights has a token for each letter."""
    state, words, length = seed * 2654435761 % 2 ** 32 + 1, [], 0
    while length < letters:
        state = (state * 1664525 + 1013904223) % 2 ** 32
        words.append(WORDS[(state >> 16) % len(WORDS)])
        length += len(words[-1]) + 1
    return " ".join(words)[:letters]


def percentile(values, percent):
    """By linear interpolation."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def kvasir(program, port, *words):
    return Server([program, "serve", "--port", str(port), *map(str, words)], port, "/ready")


@contextlib.contextmanager
def redis(program, port):
    """The address of a server of Redis' protocol: one that runs already, or one that is started, keeps nothing on disk and ends with the measurement."""
    if "://" in program:
        yield program
        return
    if not shutil.which(program):
        raise SystemExit("%s is no program that can be started" % program)
    process = subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", *([] if "garnet" in os.path.basename(program).lower() else ["--save", "", "--appendonly", "no"])],
                               stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit("%s did not start" % program)
                time.sleep(0.1)
        yield "redis://127.0.0.1:%d" % port
    finally:
        process.terminate()
        process.wait(40)
