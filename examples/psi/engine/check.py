"""Checks and summarises a party's PSI result: `python -m check TASK-CONFIG`.

Each party looks at its own files alone: the result must hold no id twice and no id that is not in the party's input.
Both print the digest of the sorted ids; two parties with the same digest hold the same intersection, and nobody has
to show an id for it. task_input_config: {"input": {"alice": "alice.csv", ...}, "result": "psi.csv", "key": "id"}.
"""
import csv
import hashlib
import json
import os
import sys

from taskconf import TaskConf

DATA_DIR = os.environ.get("DATA_DIR", "/home/kuscia/var/storage/data")
JOB_DIR = os.environ.get("JOB_DIR", "/home/kuscia/var/storage/job")


def column(path: str, key: str) -> list:
    with open(path, encoding="utf-8", newline="") as file:
        return [row[key] for row in csv.DictReader(file)]


def main() -> None:
    conf = TaskConf(sys.argv[1])
    key = conf.input.get("key", "id")
    own = set(column(os.path.join(DATA_DIR, conf.for_party("input")), key))
    result = column(os.path.join(JOB_DIR, conf.for_party("result")), key)
    found = set(result)
    problems = []
    if len(found) != len(result):
        problems.append(f"{len(result) - len(found)} ids stand in the result more than once")
    if not found <= own:
        problems.append(f"{len(found - own)} ids of the result are not in the party's input")
    if problems:
        raise SystemExit(f"[{conf.party}] the result is wrong: " + "; ".join(problems))

    summary = {
        "party": conf.party, "rows": len(own), "intersection": len(found),
        "sha256": hashlib.sha256("".join(f"{one}\n" for one in sorted(found)).encode()).hexdigest(),
    }
    path = os.path.join(JOB_DIR, "summary.json")
    with open(path + ".partial", "w", encoding="ascii") as file:
        json.dump(summary, file, indent=2)
        file.write("\n")
    os.replace(path + ".partial", path)
    print(f"[{conf.party}] {len(found)} of {len(own)} ids are common; digest {summary['sha256'][:16]}", flush=True)
    print("SUMMARY " + json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
