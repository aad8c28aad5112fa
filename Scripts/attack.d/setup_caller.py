"""Hostile or careless callers: closed descriptors, ignored signals, tiny limits, odd environments, umasks."""
import os
import resource
import signal
import stat
import subprocess

from setup_attacks import attack
from setup_lab import Setup, judge, wait_for
from setup_state import left


@attack("caller:descriptors 0, 1, 2 closed", "C")
def closed(lab, rounds):
    setup = Setup(lab, "closed").write(words=["host-file", "leaked-fd", "stdio-reopen", "capabilities"])
    process = subprocess.Popen(["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *setup.argv()])
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        return False, "hangs"
    import sandboxes
    done = setup.collect(setup.state, sandboxes.Run("", process.returncode, 0, 0, False))
    return judge(done)


@attack("caller:signals ignored and blocked", "M")
def ignored(lab, rounds):
    setup = Setup(lab, "ignored").write()
    def ignore():
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    done = setup.go(preexec_fn=ignore, restore_signals=False)
    good, detail = judge(done)
    if done.lines and done.record.get("exitCode") != 0:
        return False, f"the exit status is lost: {done.record.get('exitCode')}"
    return good, detail


@attack("caller:tiny limits (files, file size, memory)", "M")
def limits(lab, rounds):
    details = []
    for kind, value in ((resource.RLIMIT_NOFILE, 10), (resource.RLIMIT_FSIZE, 100), (resource.RLIMIT_AS, 1 << 20), (resource.RLIMIT_STACK, 1 << 14)):
        setup = Setup(lab, "limits").write()
        try:
            done = setup.go(preexec_fn=lambda: resource.setrlimit(kind, (value, value)))
        except subprocess.SubprocessError as error:
            details.append(f"{kind}: {error}"[:30])
            continue
        good, detail = judge(done)
        # Dying of a signal is an answer too, as long as nothing stays and nothing runs half confined.
        if not good and not (done.code != 0 and not done.lines):
            return False, f"limit {kind}: {detail}"
        if not wait_for(lambda: not left(setup), 2):
            stays = left(setup)
            for pid in stays:
                os.kill(pid, signal.SIGKILL)
            return False, f"limit {kind}: {len(stays)} processes stay"
        details.append(detail[:40])
    return True, "; ".join(details)


@attack("caller:environment of the loader and libc", "C")
def environment(lab, rounds):
    setup = Setup(lab, "environment").write(words=["host-file", "env-leak", "capabilities"])
    hostile = {"LD_PRELOAD": "/no/such.so", "LD_LIBRARY_PATH": lab.targets.secret, "GLIBC_TUNABLES": "glibc.malloc.check=3:" + "a=" * 500, "GCONV_PATH": lab.targets.secret,
               "LOCPATH": lab.targets.secret, "TMPDIR": lab.targets.secret, "PATH": lab.targets.secret, "MALLOC_TRACE": lab.targets.canary, "SWIFTLET_ATTACK_SECRET": "x"}
    return judge(setup.go(env=hostile), must_run=True)


@attack("caller:umask 0 leaves nothing writable to others", "M")
def loose(lab, rounds):
    setup = Setup(lab, "umask").write()
    done = setup.go(preexec_fn=lambda: os.umask(0))
    good, detail = judge(done, must_run=True)
    there = set(os.listdir(setup.state))
    if not good or not {"main.log", "state.json"} <= there:
        return False, f"{detail}; it left {sorted(there)}, expected a log and a record"
    for name in there:
        if name in ("plan", "rootfs"):
            continue
        mode = stat.S_IMODE(os.lstat(os.path.join(setup.state, name)).st_mode)
        if mode & 0o022 or (name != "main.log" and mode & 0o004):
            return False, f"{name} has mode {mode:o}"
    return True, "log, lock and record closed to others"


@attack("caller:a working directory and root of its own", "M")
def elsewhere(lab, rounds):
    setup = Setup(lab, "elsewhere").write()
    return judge(setup.go(cwd="/proc/self/fd"), must_run=True)
