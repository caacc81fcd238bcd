#!/usr/bin/env python3
"""What a snapshot of many sessions costs the group that serves meanwhile, and how long a start takes.

Called by 'scripts/bench --snapshots'. One node with one group holds them all. Measured on it:

  stall     the longest time in which no write of 16 clients was answered
  p99       of those writes
  memory    resident, at its most
  start     from the start of the process to the first answered write

once for as long as nothing is cut, and once while one snapshot is cut after the other. The clients
write in turns of their own: what they measure has their own noise in it, which the first run shows.
"""

import argparse
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

CLIENTS = 16
ATTRIBUTE = b"a" * 256
PIPELINE = 500


def say(text):
    print(text, file=sys.stderr, flush=True)


def request(*words):
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Node:
    """A holdfastd with a directory of its own."""

    def __init__(self, binary, work, sealed):
        self.work = pathlib.Path(work)
        self.port = free_ports(3)
        at_rest = "{keys-file: keys}" if sealed else "{encryption: off}"
        if sealed:
            keys = [str(binary / "holdfast"), "keys", "new", str(self.work / "keys")]
            subprocess.run(keys, check=True, stdout=subprocess.DEVNULL)
        config = f"""cluster-id: 7d3a5c52-93d1-4f0e-9b7e-52d0c1a4a0ff
groups: 1
reactors: 1
at-rest: {at_rest}
snapshot: {{entries: 1000000000, bytes: 4096MiB}}
nodes:
  - {{name: n1, id: 1, host: 127.0.0.1, cluster-port: {self.port[0]}, standalone-port: {self.port[1]}, peer-port: {self.port[2]}}}
"""
        (self.work / "config.yaml").write_text(config)
        self.command = [
            str(binary / "holdfastd"), "--config", str(self.work / "config.yaml"), "--node", "n1",
            "--data", str(self.work / "data"), "--log-level", "warning",
        ]
        self.process = None

    def start(self):
        """Returns the seconds until the first write was answered."""
        began = time.monotonic()
        log = open(self.work / "log", "ab")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        while time.monotonic() - began < 300:
            if self.process.poll() is not None:
                break
            try:
                with self.connect() as client:
                    client.sendall(request("SET", "started", "1"))
                    if client.recv(64).startswith(b"+OK"):
                        return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.02)
        sys.exit(f"error: the node does not start: {(self.work / 'log').read_text()[-500:]}")

    def end(self, number):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port[0]), timeout=600)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def resident(self):
        """Bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def read_reply(reader):
    """Reads a reply and forgets it."""
    line = reader.readline()
    if line[:1] == b"*":
        for _ in range(int(line[1:])):
            read_reply(reader)
    elif line[:1] == b"$":
        if int(line[1:]) >= 0:
            reader.read(int(line[1:]) + 2)
    elif line[:1] not in (b":", b"+"):
        sys.exit(f"error: a login was answered with {line!r}")


def fill(node, count):
    """Logs so many users in, each with one attribute."""
    client = node.connect()
    reader = client.makefile("rb")
    done = 0
    told = time.monotonic()
    while done < count:
        batch = min(PIPELINE, count - done)
        client.sendall(b"".join(
            request("SESSION", "CREATE", f"user-{done + number}", "SET", "attributes", ATTRIBUTE)
            for number in range(batch)
        ))
        for _ in range(batch):
            read_reply(reader)
        done += batch
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"  {done} of {count} sessions")
    client.close()


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def write(node, seconds, until=None):
    """Writes with all clients, each waiting for its answer, for so many seconds, or until 'until' is
    set. Returns the longest stall, the median and the 99th percentile in milliseconds, and how many
    were answered."""
    select = selectors.DefaultSelector()
    asked = {}
    for number in range(CLIENTS):
        client = node.connect()
        select.register(client, selectors.EVENT_READ, number)
        asked[client] = time.monotonic()
        client.sendall(request("SET", f"key-{number}", ATTRIBUTE))
    latencies = []
    stall = 0.0
    last = began = time.monotonic()
    while not until.is_set() if until else last - began < seconds:
        for key, _ in select.select(timeout=1):
            client = key.fileobj
            if client.recv(64) != b"+OK\r\n":
                sys.exit("error: a write was not answered with OK")
            now = time.monotonic()
            latencies.append(now - asked[client])
            stall = max(stall, now - last)
            last = asked[client] = now
            client.sendall(request("SET", f"key-{key.data}", ATTRIBUTE))
        if time.monotonic() - last > 60:
            sys.exit("error: nothing was answered for a minute")
    for client in list(asked):
        client.close()
    latencies.sort()
    return {
        "stall_ms": round(stall * 1e3, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1e3, 2),
        "p99_ms": round(percentile(latencies, 0.99) * 1e3, 2),
        "writes": len(latencies),
    }


def cut(node, count, done, seconds):
    """Has so many snapshots cut, one after the other."""
    client = node.connect()
    for _ in range(count):
        began = time.monotonic()
        client.sendall(request("HOLDFAST", "BACKUP", "CUT", "0"))
        reply = client.recv(256)
        if not reply.startswith(b"*2"):
            say(f"error: a snapshot was not cut: {reply!r}")
            os._exit(1)
        seconds.append(time.monotonic() - began)
    done.set()


def watch(node, done, most):
    while not done.is_set():
        most[0] = max(most[0], node.resident())
        time.sleep(0.02)


def measure(node, arguments):
    say(f"filling {arguments.sessions} sessions ...")
    began = time.monotonic()
    fill(node, arguments.sessions)
    result = {"sessions": arguments.sessions, "fill_s": round(time.monotonic() - began, 1)}
    time.sleep(2)
    say("writing, nothing is cut ...")
    result["quiet"] = write(node, arguments.seconds)
    before = node.resident()
    say("writing, snapshots are cut ...")
    done = threading.Event()
    most, seconds = [before], []
    threads = [
        threading.Thread(target=cut, args=(node, arguments.cuts, done, seconds)),
        threading.Thread(target=watch, args=(node, done, most)),
    ]
    for thread in threads:
        thread.start()
    result["cutting"] = write(node, 0, done)
    for thread in threads:
        thread.join()
    result["snapshots"] = len(seconds)
    result["snapshot_s"] = round(max(seconds), 2)
    result["snapshot_bytes"] = max(f.stat().st_size for f in (node.work / "data/snapshots").iterdir())
    result["resident_bytes"] = before
    result["resident_bytes_a_session"] = round(before / arguments.sessions)
    result["growth"] = round(most[0] / before - 1, 3)
    result["p99_ratio"] = round(result["cutting"]["p99_ms"] / max(result["quiet"]["p99_ms"], 0.01), 2)
    for name, number in [("start_after_stop_s", signal.SIGTERM), ("start_after_kill_s", signal.SIGKILL)]:
        say(f"starting again ({name}) ...")
        node.end(number)
        result[name] = round(node.start(), 2)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--clear", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    node = Node(arguments.binaries, arguments.work, not arguments.clear)
    try:
        node.start()
        result = measure(node, arguments)
    finally:
        node.end(signal.SIGKILL)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
