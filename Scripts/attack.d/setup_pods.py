"""Hostile pods, through a whole node: names, mounts, volumes, annotations, sysctls, devices, users, environments, numbers at the edge.
Each goes the master's way, which checks it, and as a file on the node, which must hold by itself."""
from setup_attacks import attack
from pods_lab import Batch

HUGE, EDGE = 9223372036854775807, 4294967295


class Entry:
    def __init__(self, change, script=None, check=None):
        self.change, self.script, self.check = change, script, check


ENTRIES = {}


def entry(name, change, **options):
    ENTRIES[name] = Entry(change, **options)


def container(pod):
    return pod["spec"]["containers"][0]


def put(name, path, value, **options):
    """Sets one field by its path, e.g. "spec.hostname" or "c.workingDir"."""
    def change(pod, lab):
        *way, last = path.split(".")
        at = container(pod) if way[:1] == ["c"] else pod
        for word in way[1:] if way[:1] == ["c"] else way:
            at = at.setdefault(word, {})
        at[last] = value
    entry(name, change, **options)


SEES = ("[ -e /evil ] && echo MOUNTED; ls -la /evil 2>&1 | head -3; "
        "cat /evil /evil/shadow /evil/etc/shadow /evil/canary /evil/secret/file 2>/dev/null; true")


def nothing_read(text, status):
    return "the host's /etc/shadow was read" if "root:" in text else None


def nothing_there(text, status):
    """Of a place that no pod may have: it is not there at all, whatever is in it."""
    return "/evil is there, expected this mount to be refused" if "MOUNTED" in text else nothing_read(text, status)


def mount(name, volume, path="/evil", **mounted):
    """One more volume; `volume` may be a function of the lab."""
    script, check = mounted.pop("script", SEES), mounted.pop("check", nothing_read)

    def change(pod, lab):
        made = volume(lab) if callable(volume) else volume
        pod["spec"]["volumes"].append({"name": mounted.get("name", "evil"), **made})
        container(pod)["volumeMounts"].append({"name": mounted.get("name", "evil"), "mountPath": path, **mounted})
    entry(name, change, script=script, check=check)


# Names, which become directories, cgroups, host names and lines of files.
for label, value in (("upwards", "../../../tmp/x"), ("with a line end", "a\nb"), ("of 300 letters", "a" * 300), ("empty", ""), ("with a NUL", "a\0b"), ("a dot", "..")):
    put(f"container's name {label}", "c.name", value)
    put(f"hostname {label}", "spec.hostname", value)
    put(f"pod's uid {label}", "metadata.uid", value)
    put(f"volume's name {label}", "spec.volumes", [{"name": value, "emptyDir": {}}])
    put(f"namespace {label}", "metadata.namespace", value)
put("two containers of one name", "spec.initContainers", [{"name": "c", "image": "host:latest", "command": ["/bin/true"]}])
put("subdomain with a line end", "spec.subdomain", "a\n127.0.0.1 b")

# Words that stand in lines of the launch plan, and variables that steer the dynamic linker.
put("argument that is a line of a plan", "c.args", ["x\ncapabilities all\nbounding-set all\nend"])
put("working directory that is a line of a plan", "c.workingDir", "/\ncapabilities all")
put("variable that is a line of a plan", "c.env", [{"name": "A", "value": "x\nuser 0 0\nend\n"}], script='[ "$(id -u)" = 0 ] || true')
put("variable without a name", "c.env", [{"name": "", "value": "x"}])
put("variable's name with =", "c.env", [{"name": "A=B", "value": "x"}])
put("variable's name with a line end", "c.env", [{"name": "A\nB", "value": "x"}])
put("variable with a NUL", "c.env", [{"name": "A", "value": "x\0y"}])
put("variables of the dynamic linker", "c.env", [{"name": n, "value": "/attack/probe"} for n in ("LD_PRELOAD", "LD_AUDIT", "GCONV_PATH", "LD_LIBRARY_PATH", "MALLOC_TRACE")])
put("five thousand variables", "c.env", [{"name": f"V{n}", "value": "x" * 200} for n in range(5000)])
put("argument of a megabyte", "c.args", ["x" * 1_000_000])
for value in ("/proc/self/fd/7", "/proc/1/root", "../../..", "relative", "/evil\0x", "/" + "a/" * 3000):
    put(f"working directory {value[:20]!r}", "c.workingDir", value)
put("host alias with more lines", "spec.hostAliases", [{"ip": "127.0.0.1\n6.6.6.6 bank", "hostnames": ["a"]}])
put("host alias's name with a line", "spec.hostAliases", [{"ip": "127.0.0.1", "hostnames": ["a\n6.6.6.6 bank"]}])  # in its own /etc/hosts, which it may write as it likes
put("name server with a line", "spec", {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1\nnameserver 6.6.6.6"]}})

# Where things are mounted.
for place in ("/", "/proc", "/proc/sys", "/proc/1", "/dev", "/dev/null", "/sys", "/sys/fs/cgroup", "/etc", "/usr/bin", "/bin/sh", "/a/../proc", "/../../x", "relative", "/a\nb", "/attack/probe", "/a:b", ""):
    mount(f"empty directory at {place!r}", {"emptyDir": {}}, place, script="true")
mount("two volumes at one place", {"emptyDir": {}}, "/attack", script="true")

# What is mounted.
for path in ("/", "/etc", "/proc/1/root", "/proc", "/dev", "/sys/fs/cgroup", "/var/run/docker.sock", "", "relative", "/\0"):
    mount(f"host path {path!r}", {"hostPath": {"path": path}}, check=nothing_there)
for tail in ("/..", "/../../../../../..", "/root", "/root/etc", "/canary", "/proc", "/up", "/loop", "/missing/../root/etc", "/./root"):
    mount(f"host path that is permitted, and {tail}", lambda lab, tail=tail: {"hostPath": {"path": lab.open + tail}},
          check=nothing_there)
for kind in ("DirectoryOrCreate", "FileOrCreate", "Socket", "BlockDevice", "CharDevice", "Anything"):
    mount(f"host path behind a link, {kind}", lambda lab, kind=kind: {
        "hostPath": {"path": f"{lab.open}/root/{lab.targets.secret.strip('/')}/made-{kind}", "type": kind}}, check=nothing_there)
for sub in ("../..", "root", "root/etc", "canary", "proc", "up", "/etc", "x/../../../.."):
    mount(f"subPath {sub!r}", lambda lab: {"hostPath": {"path": lab.open}}, subPath=sub, check=nothing_there)
# A name like any other: made inside, as a kubelet makes it.
mount(f"subPath {'a' + chr(10) + 'b'!r}", lambda lab: {"hostPath": {"path": lab.open}}, subPath="a\nb")
mount("subPathExpr from a variable", lambda lab: {"hostPath": {"path": lab.open}}, subPathExpr="$(EVIL)/../../..",
      check=nothing_there)
for name in ("../../../etc", "..", "/etc", "a/b", "job-x/../..", ""):
    mount(f"claim {name!r}", {"persistentVolumeClaim": {"claimName": name}}, check=nothing_there)
for size in ("-1", "0", "9999999999Ei", "NaN", "1e400"):
    mount(f"empty directory of {size}", {"emptyDir": {"medium": "Memory", "sizeLimit": size}})
mount("empty directory of huge pages", {"emptyDir": {"medium": "HugePages-2Mi"}})
for path in ("../../../evil", "/etc/evil", "..data/x", "a/../../b", "..", "", "a\0b"):
    mount(f"downward API file {path!r}", {"downwardAPI": {"items": [{"path": path, "fieldRef": {"fieldPath": "metadata.name"}}]}})
mount("projected token at ..", {"projected": {"sources": [{"serviceAccountToken": {"path": "../../token", "expirationSeconds": 1}}]}})


def link_then_sub_path(pod, lab):
    """CVE-2017-1002101's way: a container makes a link, the next one has it mounted."""
    pod["spec"]["volumes"].append({"name": "evil", "emptyDir": {}})
    pod["spec"]["initContainers"] = [{"name": "i", "image": "host:latest", "command": ["/bin/sh", "-c", "ln -s / /d/link; ln -s /etc/shadow /d/file"],
                                      "volumeMounts": [{"name": "evil", "mountPath": "/d"}]}]
    container(pod)["volumeMounts"] += [{"name": "evil", "mountPath": "/evil", "subPath": "link"}, {"name": "evil", "mountPath": "/evil2", "subPath": "file"}]


entry("a container's link, mounted into the next by subPath", link_then_sub_path, script="cat /evil/etc/shadow /evil2; true",
      check=lambda text, status: "the host's /etc/shadow was read" if "root:" in text else None)

# Last words, which the agent reads.
put("last words at a path upwards", "c.terminationMessagePath", "../../../../etc/passwd")
put("last words over /etc/passwd", "c.terminationMessagePath", "/etc/passwd")
put("last words in /proc", "c.terminationMessagePath", "/proc/1/environ")
entry("last words that are a link to a host file", lambda pod, lab: container(pod).update(
    command=["/bin/sh", "-c", f"rm -f /dev/termination-log; ln -s {lab.targets.canary} /dev/termination-log; ln /dev/termination-log /tmp/x; exit 1"]))
put("last words of 64 MB", "c.command", ["/bin/sh", "-c", "head -c 64000000 /dev/zero > /dev/termination-log; exit 1"])

# Powers.
for label, context in {
    "privileged": {"privileged": True}, "every capability": {"capabilities": {"add": ["ALL"]}}, "CAP_SYS_ADMIN": {"capabilities": {"add": ["SYS_ADMIN"]}},
    "a capability that is none": {"capabilities": {"add": ["X\nY"]}}, "no filter": {"seccompProfile": {"type": "Unconfined"}}, "unmasked /proc": {"procMount": "Unmasked"},
    "a profile upwards": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../../../../etc/passwd"}}, "more privileges": {"allowPrivilegeEscalation": True},
    "AppArmor unconfined": {"appArmorProfile": {"type": "Unconfined"}}, "a writable root": {"readOnlyRootFilesystem": False},
}.items():
    put(f"security context: {label}", "c.securityContext", context)
for value in (-1, 65534, 65535, 65536, EDGE, EDGE + 1, HUGE, -HUGE):
    put(f"user {value}", "c.securityContext", {"runAsUser": value})
    put(f"groups {value}", "spec.securityContext", {"supplementalGroups": [value], "fsGroup": value, "runAsGroup": value})
for field in ("hostPID", "hostIPC", "hostNetwork", "shareProcessNamespace"):
    put(field, f"spec.{field}", True)
put("ids of the node", "spec.hostUsers", False)
put("ids of the node, asked for", "spec.hostUsers", True)
for name, value in (("kernel.core_pattern", "|/tmp/x"), ("net/../kernel/core_pattern", "|/tmp/x"), ("kernel.hostname", "evil"), ("net.ipv4.ip_forward", "1"), ("vm.overcommit_memory", "1"),
                    ("kernel.shm_rmid_forced", "1"), ("net.ipv4.ip_local_port_range", "1 2\n"), ("", "1"), ("net.ipv4.../../kernel/domainname", "evil")):
    put(f"sysctl {name!r}", "spec.securityContext", {"sysctls": [{"name": name, "value": value}]})
for key, value in (("kuscia.secretflow/network", "cni:../../etc"), ("kuscia.secretflow/network", "x\ny"), ("kuscia.secretflow/config-template-volumes", "../../etc,attack"),
                   ("kubernetes.io/config.source", "file"), ("kubernetes.io/config.mirror", "x"), ("kubernetes.io/config.hash", "../../../x")):
    put(f"annotation {key}={value!r}", "metadata.annotations", {key: value})
put("runtime class upwards", "spec.runtimeClassName", "../../x")

# Devices, limits, and numbers at the edge: an agent that computes with them must not fall.
for name, value in (("memory", "0"), ("memory", "-1"), ("memory", "9223372036854775807"), ("memory", "9999999999Ei"), ("cpu", "NaN"), ("cpu", "1e30"), ("cpu", "-5"), ("ephemeral-storage", "1"),
                    ("ephemeral-storage", "-1"), ("hugepages-2Mi", "1Gi"), ("../../dev/kvm", "1"), ("example.com/kvm", "1")):
    put(f"limit {name}={value}", "c.resources", {"limits": {name: value}})
entry("two containers that want all the memory there is", lambda pod, lab: pod["spec"]["containers"].extend(
    {"name": f"c{n}", "image": "host:latest", "command": ["/bin/true"], "resources": {"limits": {"memory": str(HUGE), "cpu": str(HUGE), "example.com/x": str(HUGE)}}} for n in range(3)))
for value in (HUGE, -HUGE, -1, 2147483647):
    put(f"time limit {value}", "spec.activeDeadlineSeconds", value)
    put(f"grace {value}", "spec.terminationGracePeriodSeconds", value)
    put(f"priority {value}", "spec.priority", value)
    put(f"token for {value} s", "spec.volumes", [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": value}}]}}])
    put(f"probe every {value} s", "c.startupProbe", {"exec": {"command": ["/bin/true"]}, "periodSeconds": value, "initialDelaySeconds": value, "timeoutSeconds": value,
                                                    "failureThreshold": value})
    put(f"file mode {value}", "spec.volumes", [{"name": "d", "downwardAPI": {"defaultMode": value, "items": [{"path": "a", "mode": value, "fieldRef": {"fieldPath": "metadata.name"}}]}}])
for port in (0, 65536, -1, HUGE, 22):
    put(f"port {port} of the host", "c.ports", [{"containerPort": 80, "hostPort": port}, {"containerPort": port}])
put("hook that never ends", "c.lifecycle", {"postStart": {"exec": {"command": ["/bin/sleep", "2"]}}, "preStop": {"sleep": {"seconds": HUGE}}})

# Images.
for image in ("../../etc/passwd", "host:latest/../..", "", "/etc/passwd", "host\nlatest", "host@sha256:" + "0" * 64, "a" * 5000, "host:latest\0"):
    put(f"image {image[:30]!r}", "c.image", image)

PERMITTED = "host path that is permitted"
mount(PERMITTED, lambda lab: {"hostPath": {"path": lab.open}},
      check=lambda text, status: None if "MOUNTED" in text else "/evil is not there, expected it: " + text[-80:])

BATCH = Batch(ENTRIES)
for key in [key for key in ENTRIES if key != PERMITTED]:
    for way in ("api", "file"):
        attack(f"pods ({way}): {key}", "C")(lambda lab, rounds, key=key, way=way: BATCH.answer(lab, key, way) if lab.swiftlet else None)


@attack("pods: a permitted host path is there", "C")
def permitted(lab, rounds):
    """The other side of the mounts above: nothing stands in the way of a mount but what is wrong with them."""
    return BATCH.answer(lab, PERMITTED, "api") if lab.swiftlet else None


@attack("pods: the node after all of them", "C")
def afterwards(lab, rounds):
    return BATCH.afterwards(lab) if lab.swiftlet else None
