"""Launch plans as RunP writes them: the golden default pod with this run's paths, ids, limits and filter put in."""
import ctypes
import ctypes.util
import json
import os
import tempfile


def quote(word):
    """One word of a plan: printable ASCII, everything else, % and \" as %XX."""
    data = word if isinstance(word, bytes) else os.fsencode(word)
    text = "".join(chr(b) if 0x21 <= b <= 0x7E and b not in (0x22, 0x25) else f"%{b:02X}" for b in data)
    return text or '""'


def line(*words):
    return " ".join([words[0], *map(quote, words[1:])])


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


OPERATORS = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}


def filter_program(profile):
    """A profile in the OCI format as hexadecimal BPF, by libseccomp; the same calls as SeccompCompiler makes."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"), use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p

    def action(name, number):
        return {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000 | number, "SCMP_ACT_KILL_PROCESS": 0x80000000,
                "SCMP_ACT_KILL": 0, "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_NOTIFY": 0x7FC00000}[name]

    with open(profile) as file:
        data = json.load(file)
    default = action(data["defaultAction"], data.get("defaultErrnoRet", 1))
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    library.seccomp_attr_set(context, 2, ctypes.c_uint32(0x80000000))  # another architecture ends the process
    for rule in data["syscalls"]:
        if rule.get("includes", {}).get("caps"):
            continue  # for tasks with capabilities; ours have none
        wanted = action(rule["action"], rule.get("errnoRet", 1))
        comparisons = [Comparison(a["index"], OPERATORS[a["op"]], a["value"], a.get("valueTwo", 0)) for a in rule.get("args", [])]
        # The same argument twice cannot be one rule for libseccomp: each comparison is a rule of its own, as runc does it.
        indexes = [c.arg for c in comparisons]
        groups = [[c] for c in comparisons] if len(set(indexes)) < len(indexes) else [comparisons]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0 or wanted == default:
                continue
            for group in groups:
                array = (Comparison * max(len(group), 1))(*group)
                library.seccomp_rule_add_array(context, ctypes.c_uint32(wanted), number, len(group), array)
    with tempfile.TemporaryFile() as file:
        library.seccomp_export_bpf(context, file.fileno())
        library.seccomp_release(context)
        file.seek(0)
        return file.read().hex().upper()


class Plan:
    """The golden default pod's lines; the methods change single lines and keep the order of the groups."""

    def __init__(self, golden, filter_hex):
        with open(golden) as file:
            self.lines = [text for text in file.read().splitlines() if not text.startswith(("env ", "arg ", "seccomp ")) and text != "end"]
        self.tail = ([f"seccomp {filter_hex}"] if filter_hex else []) + ["end"]
        self.environment, self.arguments = ["PATH=/usr/bin:/bin"], []

    def place(self, state, log, name):
        """Paths of this run: root mount point, /tmp, log."""
        for at, text in enumerate(self.lines):
            word = text.split(" ")
            if word[0] == "id":
                self.lines[at] = line("id", name)
            elif word[0] == "log":
                self.lines[at] = line("log", log, word[2])
            elif word[0] in ("root-tmpfs", "root-bind"):
                word[1 if word[0] == "root-tmpfs" else 2] = quote(os.path.join(state, "rootfs"))
                self.lines[at] = " ".join(word)
        return self

    def replace(self, prefix, *new):
        """Every line that begins with `prefix` gives way to `new` (put where the first one was)."""
        at = next((i for i, text in enumerate(self.lines) if text.startswith(prefix)), None)
        if at is None:
            raise ValueError(f"the plan has no line {prefix!r}")
        self.lines = [text for text in self.lines if not text.startswith(prefix)]
        self.lines[at:at] = new
        return self

    def drop(self, prefix):
        return self.replace(prefix)

    def before(self, prefix, *new):
        at = next(i for i, text in enumerate(self.lines) if text.startswith(prefix))
        self.lines[at:at] = new
        return self

    def ids(self, start):
        text = "\n".join(self.lines).replace("1073741824", str(start))
        self.lines = text.split("\n")
        return self

    def text(self):
        rest = [line("env", e) for e in self.environment] + [line("arg", a) for a in self.arguments]
        return "\n".join(self.lines + rest + self.tail) + "\n"
