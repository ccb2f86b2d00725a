# What the references in Python share: the job from the command line, the placement, the clock, the checks.
import multiprocessing
import os
import signal
import sys
import time


def job(kinds):
    j = {"n": 1000, "warm": 0, "salt": 0, "peersalt": 0, "capacity": 1024, "steps": 0, "workers": 1, "a": 0, "b": 0, "kind": ""}
    for arg in sys.argv[1:]:
        key, found, value = arg.partition("=")
        if not found or key not in j:
            sys.exit("an argument is not of the form key=value, or unknown: " + arg)
        j[key] = value if key == "kind" else int(value)
    if j["kind"] not in kinds:
        sys.exit("unknown kind " + j["kind"])
    return j


def pin(cpu):
    os.sched_setaffinity(0, {cpu})


def expect(got, want, who):
    if got != want:
        print(f"wrong payload at the {who}: got {got}, want {want}", file=sys.stderr, flush=True)
        # It may wait, or be about to, and past the place where Python looks for signals: so it is told again until it is gone.
        while os.getpid() != leader and os.getppid() == leader:
            os.kill(leader, signal.SIGTERM)
            time.sleep(0.01)
        end()


def end(*_):
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(1)


leader = os.getpid()  # who is forked knows it
signal.signal(signal.SIGTERM, end)


def resident():
    """Prints the most memory that this process has had at once, in bytes."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                print("resident", int(line.split()[1]) << 10)


def report(part, j):
    """Runs a part of the job, which begins at a number and has so many operations: unmeasured, then measured."""
    part(0, j["warm"])
    begin = time.perf_counter_ns()
    part(j["warm"], j["n"])
    print((time.perf_counter_ns() - begin) / j["n"])
    resident()
