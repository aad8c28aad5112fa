"""Hostile root file systems and mount destinations."""
import os
import shutil
import socket
import stat

import plan as plans
from setup_attacks import attack
from setup_lab import Setup, judge, outside


def hostile(lab, name, prepare, change=None, must_run=False, seconds=15):
    setup = Setup(lab, name).with_image()
    prepare(setup.image)
    before = outside()
    done = setup.write(change=change).go(seconds)
    good, detail = judge(done, must_run)
    if set(os.listdir(lab.targets.secret)) != {"file", "socket"}:
        return False, "something was made in the host's directory: " + detail
    if made := outside() - before:
        return False, f"{sorted(made)} appeared on the host, expected nothing: {detail}"
    shutil.rmtree(setup.image, ignore_errors=True)
    return good, detail


def replaced(path, make):
    """The image's `path` is made anew by `make(full path)`."""
    def prepare(image):
        full = os.path.join(image, path)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        make(full)
    return prepare


def link_to(target):
    return lambda full: os.symlink(target, full)


def socket_at(full):
    end = socket.socket(socket.AF_UNIX)
    where = os.open(os.path.dirname(full), os.O_RDONLY)
    end.bind(f"/proc/self/fd/{where}/{os.path.basename(full)}")
    os.close(where)
    end.close()


# Every place that the launcher mounts upon or writes to, as every kind of thing that it should not be.
for place in ("proc", "dev", "tmp", "attack", "dev/shm", "dev/null", "etc"):
    for kind, make in (("link-host", None), ("link-up", link_to("../../../../../../../../../../var/tmp")), ("link-loop", None),
                       ("link-proc", link_to("/proc/1/root/var/tmp")), ("fifo", os.mkfifo), ("file", lambda full: open(full, "w").close())):
        def one(lab, rounds, place=place, kind=kind, make=make):
            how = make or (link_to(lab.targets.secret) if kind == "link-host" else link_to(os.path.basename(place)))
            def prepare(image):
                if "/" in place:
                    os.makedirs(os.path.dirname(os.path.join(image, place)), exist_ok=True)
                replaced(place, how)(image)
            change = None
            if place.startswith("dev/"):
                # The plan's own /dev would hide the image's.
                change = lambda plan: plan.drop("tmpfs /dev ")
            elif place == "etc":
                change = lambda plan: plan.before("proc ", plans.line("file", "/etc/x", "644", "written by the launcher"))
            return hostile(lab, f"{place.replace('/', '-')}-{kind}", prepare, change)
        attack(f"image:{place} is a {kind}", "C")(one)


@attack("image:/etc/hosts links to a host file", "C")
def hosts_link(lab, rounds):
    return hostile(lab, "hosts", replaced("etc/hosts", link_to(lab.targets.canary)),
                   lambda plan: plan.before("proc ", plans.line("file", "/etc/hosts", "644", "overwritten")))


@attack("image:/etc/hosts is a socket", "M")
def hosts_socket(lab, rounds):
    return hostile(lab, "hosts-socket", replaced("etc/hosts", socket_at),
                   lambda plan: plan.before("proc ", plans.line("file", "/etc/hosts", "644", "x")))


@attack("image:set-id program and file capabilities", "C")
def set_id_image(lab, rounds):
    def prepare(image):
        for name in ("set-id", "capable"):
            path = os.path.join(image, "bin", name)
            shutil.copy(os.path.join(lab.targets.programs, name), path)
        os.chown(os.path.join(image, "bin/set-id"), 4242, 4242)
        os.chmod(os.path.join(image, "bin/set-id"), 0o6755)
        os.setxattr(os.path.join(image, "bin/capable"), "security.capability", os.getxattr(os.path.join(lab.targets.programs, "capable"), "security.capability"))
    setup = Setup(lab, "set-id").with_image()
    prepare(setup.image)
    outcomes = []
    for name in ("set-id", "capable"):
        run = Setup(lab, "set-id-run").with_image()
        shutil.rmtree(run.image)
        run.image = setup.image
        def change(plan, name=name):
            plan.arguments = ["/bin/" + name, "--reborn"]
            # As an ordinary user inside: only then a set-id bit or a capability could give anything.
            plan.replace("user ", "user 1000 1000")
        done = run.write(change=change).go()
        outcomes.append(" ".join(done.text.split())[-90:])
        if "euid=4242" in done.text or "egid=4242" in done.text or "caps=0000000000000000" not in done.text:
            return False, outcomes[-1]
    return True, "; ".join(outcomes)


@attack("image:device nodes", "C")
def device_nodes(lab, rounds):
    def prepare(image):
        for name, kind, device in (("disk", stat.S_IFBLK, os.makedev(254, 0)), ("kvm", stat.S_IFCHR, os.makedev(10, 232)),
                                   ("kmsg", stat.S_IFCHR, os.makedev(1, 11)), ("null", stat.S_IFCHR, os.makedev(1, 3))):
            try:
                os.mknod(os.path.join(image, "etc", name), kind | 0o666, device)
                os.chmod(os.path.join(image, "etc", name), 0o666)
            except PermissionError:
                continue  # where root may not make nodes: at least one must be there, see below
        with open(os.path.join(image, "etc/plain"), "w") as file:
            file.write("a file like any other\n")
    setup = Setup(lab, "nodes").with_image()
    prepare(setup.image)
    nodes = [name for name in ("disk", "kvm", "kmsg", "null") if os.path.exists(os.path.join(setup.image, "etc", name))]
    if "null" not in nodes:
        raise RuntimeError(f"made {nodes} in the image, expected at least the null device")
    def change(plan):
        plan.arguments = ["/bin/sh", "-c", "for n in disk kvm kmsg null plain; do "
                          "head -c1 /etc/$n >/dev/null 2>&1 && echo OPENED $n; done; echo done"]
        plan.before("proc ", *[plans.line("bind", source, path, "ro,nosuid,nodev") for path, source in
                               (("/usr", "/usr"), ("/lib", "/usr/lib"), ("/lib64", "/usr/lib64"), ("/bin", "/usr/bin"))])
    done = setup.write(change=change).go()
    # Even the null device of an image must not open: nodev holds for all.
    words = " ".join(done.text.split())
    # The plain file opens, or it is not the nodes that are refused.
    good = words.count("OPENED") == 1 and "OPENED plain" in words and words.endswith("done")
    return good, f"nodes {nodes}: {words[-120:]}, expected OPENED plain done"


@attack("image:program is a fifo", "M")
def fifo_program(lab, rounds):
    return hostile(lab, "fifo", replaced("bin/x", os.mkfifo), lambda plan: setattr(plan, "arguments", ["/bin/x"]))


@attack("image:interpreter is a fifo", "M")
def fifo_interpreter(lab, rounds):
    def prepare(image):
        os.mkfifo(os.path.join(image, "bin/i"), 0o755)
        with open(os.path.join(image, "bin/x"), "w") as file:
            file.write("#!/bin/i\n")
        os.chmod(os.path.join(image, "bin/x"), 0o755)
    return hostile(lab, "fifo-i", prepare, lambda plan: setattr(plan, "arguments", ["/bin/x"]))


@attack("image:5,000 entries in /", "I")
def huge_directory(lab, rounds):
    def prepare(image):
        for n in range(5000):
            os.close(os.open(os.path.join(image, f"entry-{n}"), os.O_CREAT | os.O_WRONLY))
    return hostile(lab, "huge", prepare, must_run=True)


@attack("image:chain of 45 links to a destination", "M")
def link_chain(lab, rounds):
    def prepare(image):
        os.mkdir(os.path.join(image, "l0"))
        for n in range(45):
            os.symlink(f"/l{n}", os.path.join(image, f"l{n + 1}"))
    return hostile(lab, "chain", prepare, lambda plan: plan.before("proc ", plans.line("bind", lab.targets.readonly, "/l45/x", "ro,nosuid,nodev")))


DESTINATIONS = {"dots": "/data/../../../../../../var/tmp/x", "magic link": "/proc/self/root/x", "descriptor": "/proc/self/fd/3/x", "own cwd": "/proc/self/cwd/x",
                "below a file": "/etc/file/x", "long": "/" + "/".join(["d" * 250] * 15), "name too long": "/" + "n" * 300, "root": "/", "slashes": "//data",
                "proc itself": "/proc/sys/kernel", "dot": "/./data", "line end": "/data\n/x"}
for label, path in DESTINATIONS.items():
    def destination(lab, rounds, path=path):
        def change(plan):
            lines = [text for text in plan.lines]
            at = next(i for i, text in enumerate(lines) if text.startswith("root-readonly") or text == "pivot")
            lines.insert(at, plans.line("bind", lab.targets.readonly, path, "rw,nosuid,nodev"))
            plan.lines = lines
        return hostile(lab, "dest", lambda image: open(os.path.join(image, "etc/file"), "w").close(), change)
    attack(f"destination:{label}", "C")(destination)
