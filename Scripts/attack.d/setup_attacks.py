"""Attacks on the set-up: hostile images, mount races, plans, state directories, supervisors, callers, sockets, bundles.

Each attack is a function that returns (good, detail). Good: the launcher refused with a named stage, or the sandbox stood as always;
and nothing of the host was touched, which the driver checks again at the end by its targets.
"""
import concurrent.futures
import os
import sys
import time
import traceback

ATTACKS = []


def attack(name, severity):
    def register(function):
        ATTACKS.append((name, severity, function))
        return function
    return register


# Which column an attack on the set-up belongs to: with it, it is left out by --without.
COLUMNS = {"run:": "run", "run (rootless):": "rootless", "bundle:": "oci-spec", "pods": "runc-pod"}


def run(lab, options):
    """Rows (name, severity, "ok" | "OPEN" | "error", detail)."""
    if not lab.launcher:
        return [("set-up", "C", "error", "no swiftlet-sandbox was found or built, expected one")]
    import setup_caller, setup_image, setup_oci, setup_plan, setup_pods, setup_race, setup_resident, setup_run, setup_state  # noqa: F401  (they register)
    rounds = 400 if options.long else 20 if options.short else 60

    def one(entry):
        name, severity, function = entry
        started = time.monotonic()
        try:
            answer = function(lab, rounds)
            if answer is None:
                # Its sandbox is not here; only who said so beforehand wants nothing of it.
                column = next((column for start, column in COLUMNS.items() if name.startswith(start)), None)
                if column in (options.without or "").split(","):
                    return None
                return name, severity, "error", f"not tried: its sandbox is not here, expected it (or --without {column})"
            good, detail = answer
            verdict = "ok" if good else "OPEN"
        except Exception as error:  # an attack that fails to run is not a pass
            verdict, detail = "error", f"{type(error).__name__}: {error} ({traceback.extract_tb(error.__traceback__)[-1].lineno})"
        harmed = lab.targets.harmed()
        if harmed:
            verdict, detail = "OPEN", harmed[0] + "; " + detail
        if os.environ.get("ATTACK_PROGRESS"):
            print(f"{time.monotonic() - started:6.1f} {verdict} {name}", file=sys.stderr, flush=True)
        return name, severity, verdict, f"{' '.join(detail.split())[:200]} ({time.monotonic() - started:.1f} s)"

    only = (options.only or "setup").split(",")
    texts = [word[6:] for word in only if word.startswith("setup:")]
    wanted = [a for a in ATTACKS if "setup" in only or any(text in a[0] for text in texts)]
    unknown = [("setup:" + text, "C", "error", "no attack on the set-up has this in its name, expected at least one")
               for text in texts if not any(text in a[0] for a in ATTACKS)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return unknown + [row for row in pool.map(one, wanted) if row]
