# Empty tasks in processes: kind is "call", one after the other through Pool.apply; "map", through Pool.imap, one task at a
# time to a worker; "chunks", through Pool.map, which makes chunks of a list that has as many as the capacity, over and over; or "executor", through
# ProcessPoolExecutor.map, one at a time.
import concurrent.futures
import multiprocessing

from python_common import expect, job, report

whole = (1 << 64) - 1


def complement(v):
    return ~v & whole


def main():
    j = job({"call", "map", "chunks", "executor"})
    salt, peersalt = j["salt"], j["peersalt"]

    def check(first, results):
        i = first
        for got in results:
            expect(got, ~(peersalt + i) & whole, "caller")
            i += 1
        return i

    def each(submit):
        def part(first, n):
            expect(check(first, submit(complement, range(salt + first, salt + first + n))), first + n, "caller")

        return part

    if j["kind"] == "executor":
        with concurrent.futures.ProcessPoolExecutor(j["workers"]) as pool:
            report(each(pool.map), j)
        return
    with multiprocessing.Pool(j["workers"]) as pool:
        if j["kind"] == "map":
            report(each(pool.imap), j)
        elif j["kind"] == "chunks":
            capacity = j["capacity"]
            inputs = [salt + i for i in range(capacity)]
            outputs = [~(peersalt + i) & whole for i in range(capacity)]

            def lists(_, n):
                while n > 0:
                    given, wanted = (inputs, outputs) if n >= capacity else (inputs[:n], outputs[:n])
                    if pool.map(complement, given) != wanted:
                        expect("another list", "the complements", "caller")
                    n -= len(given)

            report(lists, j)
        else:
            report(lambda first, n: check(first, (pool.apply(complement, (salt + i,)) for i in range(first, first + n))), j)
        # Leaving it to the with would terminate the workers, one of which may have the lock of the queue that it waits at.
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
