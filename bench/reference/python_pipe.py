# Round trips of 64 bytes through multiprocessing.Pipe, of which the number in the first 8 is checked at both ends.
import multiprocessing

from python_common import expect, job, pin, report


def echo(j, end):
    pin(j["b"])
    for i in range(j["warm"] + j["n"]):
        message = end.recv_bytes()
        expect(int.from_bytes(message[:8], "little"), j["peersalt"] + i, "echo")
        end.send_bytes(message)


def main():
    j = job({""})
    mine, theirs = multiprocessing.Pipe()
    peer = multiprocessing.Process(target=echo, args=(j, theirs), daemon=True)
    peer.start()
    pin(j["a"])

    def trips(first, n):
        for i in range(first, first + n):
            mine.send_bytes((j["salt"] + i).to_bytes(8, "little") + bytes(56))
            expect(int.from_bytes(mine.recv_bytes()[:8], "little"), j["salt"] + i, "caller")

    report(trips, j)
    peer.join()


if __name__ == "__main__":
    main()
