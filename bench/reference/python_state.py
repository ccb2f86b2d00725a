# What Python's processes share, used by one of them: kind is "set" or "get" of a key of a Manager's dict, whose server is
# a process of its own; "value", an addition to a Value under its lock; or "array", a load and a store of an Array's element.
import multiprocessing

from python_common import expect, job, pin, report


def main():
    j = job({"set", "get", "value", "array"})
    salt, peersalt, capacity = j["salt"], j["peersalt"], j["capacity"]
    if j["kind"] in {"set", "get"}:
        manager = multiprocessing.Manager()  # it runs where the system puts it
        shared = manager.dict({k: salt + k for k in range(capacity)})
    pin(j["a"])

    def set_(first, n):
        for i in range(first, first + n):
            shared[i % capacity] = salt + i
        if n:
            expect(shared[(first + n - 1) % capacity], peersalt + first + n - 1, "reader")

    def get(first, n):
        for i in range(first, first + n):
            expect(shared[i % capacity], peersalt + i % capacity, "reader")

    value = multiprocessing.Value("Q", salt)

    def add(first, n):
        for _ in range(n):
            with value.get_lock():
                value.value += 3
        expect(value.value, peersalt + 3 * (first + n), "adder")

    array = multiprocessing.Array("Q", [salt] * capacity)

    def visit(first, n):
        for i in range(first, first + n):
            at = i % capacity
            x = array[at]
            expect(x, peersalt + i // capacity, "walker")
            array[at] = x + 1

    report({"set": set_, "get": get, "value": add, "array": visit}[j["kind"]], j)


if __name__ == "__main__":
    main()
