# A stream of numbers through multiprocessing.Queue, one producer and one consumer.
import multiprocessing

from python_common import expect, job, pin, report


def consume(j, there, back):
    pin(j["b"])
    want = j["peersalt"]
    for n in j["warm"], j["n"]:
        for _ in range(n):
            expect(there.get(), want, "consumer")
            want += 1
        back.put(True)


def main():
    j = job({""})
    there, back = multiprocessing.Queue(j["capacity"]), multiprocessing.Queue()
    peer = multiprocessing.Process(target=consume, args=(j, there, back), daemon=True)
    peer.start()
    pin(j["a"])

    def produce(first, n):
        for v in range(j["salt"] + first, j["salt"] + first + n):
            there.put(v)
        back.get()

    report(produce, j)
    peer.join()


if __name__ == "__main__":
    main()
