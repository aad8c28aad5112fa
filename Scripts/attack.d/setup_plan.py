"""Hostile plans: the decoder must answer with a line and a reason, at once, and never fall over."""
import os
import random
import subprocess

import plan as plans
from setup_attacks import attack
from setup_lab import Setup


def check(lab, path):
    """Exit status of `check`, or None when it hangs; a negative one is a crash."""
    try:
        return subprocess.run([lab.launcher, "check", "--plan", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=5).returncode
    except subprocess.TimeoutExpired:
        return None


def sample(lab):
    setup = Setup(lab, "plan")
    return setup.state, setup.plan(setup.state, ["host-file"]).text().encode()


def verdicts(lab, texts, allowed=(1,)):
    state, _ = sample(lab)
    path = os.path.join(state, "hostile")
    for number, (label, text) in enumerate(texts):
        with open(path, "wb") as file:
            file.write(text)
        status = check(lab, path)
        if status not in allowed:
            return False, f"{label}: status {status}"
    return True, f"{number + 1} plans, each answered"


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


@attack("plan:sizes, orders, words", "M")
def shapes(lab, rounds):
    _, text = sample(lab)
    lines = text.split(b"\n")
    swapped = lines[:]
    swapped[1], swapped[-4] = swapped[-4], swapped[1]
    head = lines[0]
    body = text[:-len(b"end\n")]
    ended = lambda more: body + more + b"end\n"
    return verdicts(lab, [
        ("empty", b""), ("header only", head + b"\n"), ("1 MiB and more", ended(b"arg " + b"x" * (1 << 20) + b"\n")),
        ("5,000 operations", head + b"\n" + b"arg x\n" * 5000 + b"end\n"), ("5,000 words", head + b"\narg" + b" x" * 5000 + b"\nend\n"),
        ("unknown word", ended(b"format-disk /dev/sda\n")), ("out of order", b"\n".join(swapped)), ("NUL", text.replace(b"pivot\n", b"pivot\0\n")),
        ("encoded NUL", ended(b"arg a%00b\n")), ("CRLF", text.replace(b"\n", b"\r\n")), ("tabs", text.replace(b" ", b"\t")),
        ("other version", text.replace(b"swiftlet-plan 1", b"swiftlet-plan 9")), ("binary", bytes(range(256)) * 64), ("no last newline", text[:-1]),
        ("header twice", head + b"\n" + text), ("empty line", text.replace(b"pivot\n", b"\npivot\n")), ("half an escape", ended(b"arg %4\n")),
        ("lower-case escape", ended(b"arg %aa\n")), ("high bytes", ended(b"arg \xff\xfe\n")), ("filter cut", body[:-9] + b"\nend\n"), ("filter left out", b"\n".join(lines[:-3]) + b"\n"), ("end left out", body),
        ("filter too long", b"\n".join(lines[:-3] + [b"seccomp " + b"0" * 16 * 9000, b"end", b""])), ("huge number", text.replace(b"umask 22", b"umask 99999999999999999999")),
    ])


GIVES_AWAY = {"host's root mapped": ("uid-map ", "uid-map 0 0 65536"), "range past the end": ("uid-map ", "uid-map 0 4294967290 65536"),
              "no filter's consent": ("no-new-privs", ), "dots in a destination": ("bind /usr ", "bind /usr /a/../../b ro"),
              "relative source": ("bind /usr ", "bind usr /usr ro"), "cgroup with dots": ("cgroup ", "cgroup 1 memory /sys/fs/cgroup/memory/../../../tmp"),
              "device with a path": ("device null", "device ../sda"), "unknown flag": ("bind /usr ", "bind /usr /usr ro,suid"),
              "id with a path": ("id ", "id ../../etc"), "log with dots": ("log ", "log /a/../b 10"), "no pivot": ("pivot", )}


@attack("plan:operations that give the host away", "C")
def gifts(lab, rounds):
    state, _ = sample(lab)
    texts = []
    for label, (prefix, *new) in GIVES_AWAY.items():
        setup = Setup(lab, "gift")
        plan = setup.plan(setup.state, ["host-file"])
        plan.replace(prefix, *new)
        texts.append((label, plan.text().encode()))
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
