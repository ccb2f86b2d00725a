# A stream of numbers through multiprocessing.Queue, one producer and one consumer.
import multiprocessing
import os
import signal
import sys
import time


def job():
    j = {"n": 1000, "warm": 0, "salt": 0, "peersalt": 0, "capacity": 1024, "steps": 0, "workers": 1, "a": 0, "b": 0, "kind": ""}
    for arg in sys.argv[1:]:
        key, found, value = arg.partition("=")
        if not found or key not in j:
            sys.exit("an argument is not of the form key=value, or unknown: " + arg)
        j[key] = value if key == "kind" else int(value)
    return j


def consume(j, there, back):
    os.sched_setaffinity(0, {j["b"]})
    want = j["peersalt"]
    for n in j["warm"], j["n"]:
        for _ in range(n):
            got = there.get()
            if got != want:
                print(f"wrong payload at the consumer: got {got}, want {want}", file=sys.stderr, flush=True)
                os.kill(os.getppid(), signal.SIGTERM)  # it may wait for room
                os._exit(1)
            want += 1
        back.put(True)


def produce(j, there, back, first, n):
    for v in range(first, first + n):
        there.put(v)
    back.get()


def main():
    j = job()
    if j["kind"]:
        sys.exit("unknown kind " + j["kind"])
    there, back = multiprocessing.Queue(j["capacity"]), multiprocessing.Queue()
    peer = multiprocessing.Process(target=consume, args=(j, there, back), daemon=True)
    peer.start()
    os.sched_setaffinity(0, {j["a"]})
    produce(j, there, back, j["salt"], j["warm"])
    begin = time.perf_counter_ns()
    produce(j, there, back, j["salt"] + j["warm"], j["n"])
    print((time.perf_counter_ns() - begin) / j["n"])
    peer.join()


if __name__ == "__main__":
    main()
