"""Rows of a benchmark: ours, a reference measured in the same run, their ratio, the target, and whether it is met."""
import json
import os
import subprocess
import time


class Report:
    def __init__(self):
        self.rows, self.tables, self.notes = [], [], []

    def ratio(self, name, ours, reference, reference_name, at_most=None, at_least=None, unit="ms"):
        """One row. `ours` None: not measured here (the note says why); `reference` None: that tool is not installed."""
        if ours is None or not reference:
            self.notes.append(f"{name}: {reference_name if ours is not None else 'ours'} not measured on this machine")
            return
        ratio = ours / reference
        target = f"<= {at_most:g} x" if at_most is not None else f">= {at_least:g} x"
        met = ratio <= at_most if at_most is not None else ratio >= at_least
        self._add(name, ours, reference, reference_name, ratio, target, met, unit)

    def limit(self, name, ours, limit, unit, reference=None, reference_name=""):
        """An absolute figure that may be at most `limit`; the reference is for comparison only."""
        if ours is None:
            self.notes.append(f"{name}: ours not measured on this machine")
            return
        self._add(name, ours, reference, reference_name, ours / reference if reference else None, f"<= {limit:g} {unit}", ours <= limit, unit)

    def at_least(self, name, ours, bound, unit, reference=None, reference_name=""):
        """An absolute figure that must reach `bound`; the reference is for comparison only."""
        if ours is None:
            self.notes.append(f"{name}: ours not measured on this machine")
            return
        self._add(name, ours, reference, reference_name if reference else "", ours / reference if reference else None, f">= {bound:g} {unit}", ours >= bound, unit)

    def _add(self, name, ours, reference, reference_name, ratio, target, met, unit):
        self.rows.append({
            "name": name, "ours": round(ours, 4), "reference": None if reference is None else round(reference, 4),
            "reference_name": reference_name, "ratio": None if ratio is None else round(ratio, 4), "target": target, "met": bool(met),
            "unit": unit})

    def table(self, title, header, rows):
        self.tables.append((title, [str(cell) for cell in header], [[str(cell) for cell in row] for row in rows]))

    def text(self):
        parts = [f"{title}\n{aligned(header, rows)}" for title, header, rows in self.tables]
        figures = [[row["name"], number(row["ours"]), number(row["reference"]), row["reference_name"], number(row["ratio"]), row["target"],
                    "met" if row["met"] else "NOT MET"] for row in self.rows]
        parts.append("Targets\n" + aligned(["figure", "ours", "reference", "which", "ratio", "target", ""], figures))
        return "\n\n".join(parts + (["\n".join(f"note: {note}" for note in self.notes)] if self.notes else []))

    def write_json(self, path):
        with open(path, "w") as file:
            json.dump(self.rows, file, indent=1)
            file.write("\n")

    def record(self, options, arguments):
        """Replaces the area's part of docs/BENCHMARKS.md, between its two marks."""
        path = os.path.join(options.source, "docs", "BENCHMARKS.md")
        text = open(path).read()
        begin, end = f"<!-- {options.area} begins -->\n", f"<!-- {options.area} ends -->\n"
        if begin not in text or end not in text:
            raise RuntimeError(f"{path} has no marks {begin.strip()} and {end.strip()}")
        command = "Scripts/bench " + " ".join(word for word in arguments if word != "--record" and not word.startswith(("--bin", "--json", "--kubeconfig", "/", ".")))
        part = f"`{command}` on {machine()}, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, commit {commit(options.source)}.\n\n```\n{self.text()}\n```\n"
        with open(path, "w") as file:
            file.write(text[:text.index(begin) + len(begin)] + part + text[text.index(end):])

    def all_met(self):
        return all(row["met"] for row in self.rows)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), os.uname().machine)
    load = open("/proc/loadavg").read().split()[0]
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}, load average {load}"


def commit(source):
    done = subprocess.run(["git", "-C", source, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def aligned(header, rows):
    widths = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
    # The first column is a name; figures stand right.
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in [header] + rows)
