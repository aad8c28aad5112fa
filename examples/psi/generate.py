#!/usr/bin/env python3
"""Makes the two organisations' input files of the PSI example, and what the right answer is.

    generate.py DIRECTORY [--rows N] [--common K] [--seed S]

writes DIRECTORY/alice/alice.csv and DIRECTORY/bob/bob.csv (N rows each, K ids in common, half by default, both in an
order of their own) and DIRECTORY/expected.json. The expectation follows from the construction, not from reading the
files back: alice owns the people 0..N-1, bob the people N-K..2N-K-1. The same arguments always give the same bytes.
"""
import argparse
import hashlib
import json
import os
import random


def person_id(seed: int, number: int) -> str:
    """16 hex digits that look nothing like `number`, so that sorted inputs are no accident of the numbering."""
    return hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).hexdigest()


def write_party(directory: str, party: str, people: list, columns: list, seed: int, id_of) -> None:
    os.makedirs(os.path.join(directory, party), exist_ok=True)
    order = random.Random(f"{seed}/{party}")
    order.shuffle(people)
    path = os.path.join(directory, party, f"{party}.csv")
    with open(path + ".partial", "w", encoding="ascii", newline="\n") as file:
        file.write("id," + ",".join(name for name, _, _ in columns) + "\n")
        for number in people:
            values = ",".join(str(order.randint(low, high)) for _, low, high in columns)
            file.write(f"{id_of(number)},{values}\n")
    os.replace(path + ".partial", path)


def digest(ids) -> str:
    """SHA-256 of the sorted ids, one a line: what each party computes over its own result."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each party")
    parser.add_argument("--common", type=int, help="ids that both have (default: half the rows)")
    parser.add_argument("--seed", type=int, default=20_240_229)
    arguments = parser.parse_args()
    rows = arguments.rows
    common = rows // 2 if arguments.common is None else arguments.common
    if rows < 1 or not 0 <= common <= rows:
        parser.error("--rows must be at least 1, and --common between 0 and --rows")

    ids = [person_id(arguments.seed, number) for number in range(2 * rows - common)]
    if len(set(ids)) != len(ids):
        parser.error("two people got the same id: choose another --seed")
    write_party(arguments.directory, "alice", list(range(rows)),
                [("age", 18, 90), ("income", 20_000, 120_000)], arguments.seed, ids.__getitem__)
    write_party(arguments.directory, "bob", list(range(rows - common, 2 * rows - common)),
                [("score", 300, 850), ("defaulted", 0, 1)], arguments.seed, ids.__getitem__)
    expected = {"rows": rows, "intersection": common, "sha256": digest(ids[rows - common:rows])}
    with open(os.path.join(arguments.directory, "expected.json"), "w", encoding="ascii") as file:
        json.dump(expected, file, indent=2)
        file.write("\n")
    print(f"{rows} rows each, {common} in common, in {arguments.directory}")


if __name__ == "__main__":
    main()
