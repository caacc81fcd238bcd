"""simulate_all.py SIMULATOR FIRST COUNT [FILE]

Runs COUNT seeds from FIRST on all cores, and before them those that FILE lists; prints the summed counts. Used
by scripts/simulate. Exit code 1 when a seed failed.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

# Seeds that one process takes at a time: short enough for progress, long enough to start few processes.
SHARE = 25


def run(simulator, first, last):
    command = [simulator, "--seeds", f"{first}..{last}", "--json", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if "failed:" in line]
    counts = json.loads(done.stdout) if done.stdout.strip() else {}
    if done.returncode != 0 and not complaints:
        complaints = [f"seeds {first}..{last} failed: exit code {done.returncode}"]
    return counts, complaints


def listed_seeds(path):
    """The seeds of a file that has one in each line, before words about it."""
    lines = pathlib.Path(path).read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def main():
    simulator, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    shares = []
    if len(sys.argv) > 4:
        shares += [(seed, seed) for seed in listed_seeds(sys.argv[4])]
    for start in range(first, first + count, SHARE):
        shares.append((start, min(start + SHARE, first + count) - 1))
    wanted = sum(last - start + 1 for start, last in shares)
    started = shown = time.monotonic()
    sums, failures, seen = {}, [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = [pool.submit(run, simulator, *share) for share in shares]
        for finished in concurrent.futures.as_completed(runs):
            counts, complaints = finished.result()
            for name, value in counts.items():
                sums[name] = sums.get(name, 0) + value
            for complaint in complaints:
                print(complaint, file=sys.stderr)
            failures += complaints
            seen = sums.get("seeds", 0)
            if time.monotonic() > shown + 2:
                shown = time.monotonic()
                print(f"{seen} of {wanted} seeds, {len(failures)} failed, {shown - started:.0f} s", file=sys.stderr)
    seconds = time.monotonic() - started
    print(", ".join(f"{name} {value}" for name, value in sums.items() if value))
    print(f"simulate: {seen} seeds in {seconds:.0f} s, {len(failures)} failed")
    if failures or seen < wanted:
        # Once more: the first time was among many lines of progress.
        print("\n".join(failures), file=sys.stderr)
        print("run one again with: scripts/simulate --seed SEED --trace FILE", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
