"""Hostile plans: the decoder must answer with a line and a reason, at once, and never fall over."""
import os
import random
import subprocess

import plan as plans
from setup_attacks import attack
from setup_lab import Setup


def check(lab, path):
    """Exit status of `check`, or None when it hangs; a negative one is a crash."""
    return answer(lab, path)[0]


def answer(lab, path):
    """(status, reason) of `check`."""
    try:
        done = subprocess.run([lab.launcher, "check", "--plan", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=20)
    except subprocess.TimeoutExpired:
        return None, "hangs"
    return done.returncode, done.stderr.strip()


def sample(lab):
    setup = Setup(lab, "plan")
    return setup.state, setup.plan(setup.state, ["host-file"]).text().encode()


def verdicts(lab, texts, allowed=(1,)):
    """Each of `texts` is (label, plan) or (label, plan, reason): refused, and for that reason, not for one in its way."""
    state, good = sample(lab)
    path = os.path.join(state, "hostile")
    number = -1
    for number, (label, text, *reasons) in enumerate([("the unchanged plan", good), *texts]):
        with open(path, "wb") as file:
            file.write(text)
        status, said = answer(lab, path)
        expected = (0,) if number == 0 else allowed
        if status not in expected:
            return False, f"{label}: status {status}, expected {expected}: {said[:100]}"
        if number and reasons and reasons[0] not in said:
            return False, f"{label}: refused because of {said[-110:]!r}, expected {reasons[0]!r}"
    return number > 0, f"{number} plans, each answered"


@attack("plan:cut anywhere", "M")
def cut(lab, rounds):
    _, text = sample(lab)
    step = max(1, len(text) // (rounds * 3))
    ends = [n + 1 for n, byte in enumerate(text[:-1]) if byte == ord("\n")]
    return verdicts(lab, ((f"cut at {n}", text[:n]) for n in [*range(0, len(text) - 1, step), *ends]))


@attack("plan:bytes changed at random", "M")
def mutate(lab, rounds):
    _, text = sample(lab)
    source = random.Random(7)

    def texts():
        for n in range(rounds * 6):
            data = bytearray(text)
            for _ in range(source.randint(1, 6)):
                at, kind = source.randrange(len(data)), source.randrange(4)
                if kind == 0:
                    data[at] = source.randrange(256)
                elif kind == 1:
                    del data[at:at + source.randint(1, 40)]
                elif kind == 2:
                    data[at:at] = bytes(source.randrange(256) for _ in range(source.randint(1, 9)))
                else:
                    end = at + source.randint(1, 200)
                    data[at:at] = data[at:end]
            yield f"seed 7, number {n}", bytes(data)
    return verdicts(lab, texts(), (0, 1))


HEADER, KIND = 'expected "swiftlet-plan', "an argument is not of the kind"


@attack("plan:sizes, orders, words", "M")
def shapes(lab, rounds):
    _, text = sample(lab)
    lines = text.split(b"\n")
    swapped = lines[:]
    swapped[1], swapped[-4] = swapped[-4], swapped[1]
    head = lines[0]
    place = text.rindex(b"\narg ") + 1
    # Where an argument belongs: behind the filter it would be refused for its place, whatever it holds.
    more = lambda new: text[:place] + new + text[place:]
    seccomp = text.rindex(b"\nseccomp ") + 1
    body = text[:seccomp]
    unfinished = text[:-len(b"end\n")]
    return verdicts(lab, [
        ("empty", b"", "the plan is empty"),
        ("header only", head + b"\n", "cut off"),
        ("2 MiB and more", more(b"arg " + b"x" * (2 << 20) + b"\n"), "too large"),
        ("13,000 operations", more(b"arg x\n" * 13000), "too many operations"),
        ("5,000 words", more(b"arg" + b" x" * 5000 + b"\n"), "too many arguments"),
        ("unknown word", more(b"format-disk /dev/sda\n"), "unknown operation"),
        ("out of order", b"\n".join(swapped), "too late in the order"),
        ("NUL", text.replace(b"pivot\n", b"pivot\0\n"), "NUL byte"),
        ("encoded NUL", more(b"arg a%00b\n"), "NUL in an argument"),
        ("CRLF", text.replace(b"\n", b"\r\n"), HEADER),
        ("CRLF in a line", more(b"arg a\r\n"), "bad encoding"),
        ("tabs", text.replace(b" ", b"\t"), HEADER),
        ("a tab in a line", more(b"arg\ta\n"), "unknown operation"),
        ("other version", text.replace(b"swiftlet-plan 1", b"swiftlet-plan 9"), HEADER),
        ("binary", bytes(range(256)) * 64, "NUL byte"),
        ("no last newline", text[:-1], "does not end"),
        ("header twice", head + b"\n" + text, "unknown operation"),
        ("empty line", text.replace(b"pivot\n", b"\npivot\n"), "unknown operation"),
        ("half an escape", more(b"arg %4\n"), "bad encoding"),
        ("lower-case escape", more(b"arg %aa\n"), "bad encoding"),
        ("high bytes", more(b"arg \xff\xfe\n"), "bad encoding"),
        ("filter cut", unfinished[:-9] + b"\nend\n", "a filter is"),
        ("filter left out", body, "cut off"),
        ("end left out", unfinished, "cut off"),
        ("filter too long", body + b"seccomp " + b"0" * 16 * 9000 + b"\nend\n", "a filter is"),
        ("huge number", text.replace(b"umask 22", b"umask 99999999999999999999"), KIND)])


# label -> (reason of the refusal, line that gives way, lines that stand there instead)
GIVES_AWAY = {
    "host's root mapped": ("the host's root may not be mapped", "uid-map ", "uid-map 0 0 65536"),
    "range past the end": ("id range out of bounds", "uid-map ", "uid-map 0 4294967290 65536"),
    "no filter's consent": ("needs no-new-privs", "no-new-privs"),
    "dots in a destination": (KIND, "bind /usr ", "bind /usr /a/../../b ro"),
    "relative source": (KIND, "bind /usr ", "bind usr /usr ro"),
    "cgroup with dots": (KIND, "cgroup ", "cgroup 1 memory /sys/fs/cgroup/memory/../../../tmp"),
    "device with a path": (KIND, "device null", "device ../sda"),
    "unknown flag": (KIND, "bind /usr ", "bind /usr /usr ro,suid"),
    "id with a path": (KIND, "id ", "id ../../etc"),
    "log with dots": (KIND, "log ", "log /a/../b 10"),
    "no pivot": ("a root needs pivot", "pivot")}


@attack("plan:operations that give the host away", "C")
def gifts(lab, rounds):
    state, _ = sample(lab)
    texts = []
    for label, (reason, prefix, *new) in GIVES_AWAY.items():
        setup = Setup(lab, "gift")
        plan = setup.plan(setup.state, ["host-file"])
        plan.replace(prefix, *new)
        texts.append((label, plan.text().encode(), reason))
    return verdicts(lab, texts)


@attack("plan:path is a fifo, device, directory, link", "M")
def odd_paths(lab, rounds):
    state, _ = sample(lab)
    fifo = os.path.join(state, "fifo")
    os.mkfifo(fifo)
    for path in (fifo, "/dev/zero", "/dev/full", state, "/proc/self/mem", "/proc/kmsg"):
        status = check(lab, path)
        if status is None or status == 0 or status < 0:
            return False, f"{os.path.basename(path)}: {'hangs' if status is None else 'status %d' % status}"
    return True, "six refused at once"
