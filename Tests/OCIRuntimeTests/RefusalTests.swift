// What cannot be enforced, or is not what the specification says, is refused with its field's path, before anything is made.

import JSON
import SandboxPolicy
import Testing

@testable import OCIRuntime

@Suite("Refusals")
struct RefusalTests {
    /// A change of the standard document, and the field that the complaint names.
    static let cases: [(path: [String], value: JSONValue?, field: String)] = [
        (["ociVersion"], nil, "ociVersion"), (["ociVersion"], "invalid", "ociVersion"), (["ociVersion"], "2.0.0", "ociVersion"),
        (["root"], nil, "root"), (["root", "path"], 7, "root.path"), (["root", "path"], "", "root.path"),
        (["process", "args"], [], "process.args"), (["process", "args"], [""], "process.args"),
        (["process", "args"], "sh", "process.args"),
        (["process", "cwd"], "relative", "process.cwd"), (["process", "env"], ["NOVALUE"], "process.env[0]"),
        (["process", "env"], ["A=b\u{0}c"], "process.env[0]"), (["process", "user"], ["uid": -1], "process.user.uid"),
        (["process", "user"], ["umask": 512], "process.user.umask"),
        (["process", "user"], ["uid": 4_294_967_295], "process.user"),
        (["process", "rlimits"], [["type": "RLIMIT_TEST", "soft": 1, "hard": 1]], "process.rlimits[0].type"),
        (["process", "rlimits"], [["type": "RLIMIT_CPU", "soft": 2, "hard": 1]], "process.rlimits[0].soft"),
        (
            ["process", "rlimits"],
            [["type": "RLIMIT_CPU", "soft": 1, "hard": 1], ["type": "RLIMIT_CPU", "soft": 1, "hard": 1]],
            "process.rlimits[1].type"
        ),
        (["process", "oomScoreAdj"], 1001, "process.oomScoreAdj"),
        (["process", "selinuxLabel"], "system_u", "process.selinuxLabel"),
        (["process", "apparmorProfile"], "acme", "process.apparmorProfile"),
        (["process", "scheduler"], ["policy": "SCHED_FIFO", "priority": 0], "process.scheduler.priority"),
        (["process", "scheduler"], ["policy": "SCHED_ISO"], "process.scheduler.policy"),
        (["process", "ioPriority"], ["class": "IOPRIO_CLASS_BE", "priority": 8], "process.ioPriority.priority"),
        (["mounts"], [["destination": "/x", "source": "/y", "options": ["bind", "remount"]]], "mounts[0].options"),
        (["mounts"], [["destination": "/x", "options": ["rbind"]]], "mounts[0].source"),
        (["mounts"], [["destination": "", "type": "tmpfs"]], "mounts[0].destination"),
        (
            ["mounts"],
            [
                [
                    "destination": "/x", "source": "/y", "options": ["bind"],
                    "uidMappings": [["containerID": 0, "hostID": 1, "size": 1]],
                ]
            ], "mounts[0]"
        ),
        (["hostname"], .string(String(repeating: "a", count: 65)), "hostname"), (["domainname"], "a b", "domainname"),
        (["hooks"], ["prestart": [["path": "relative"]]], "hooks.prestart[0].path"),
        (["hooks"], ["poststop": [["path": "/x", "timeout": 0]]], "hooks.poststop[0].timeout"),
        (["linux", "namespaces"], [["type": "pid"], ["type": "pid"]], "linux.namespaces[1].type"),
        (["linux", "namespaces"], [["type": "galaxy"]], "linux.namespaces[0].type"),
        (["linux", "namespaces"], [["type": "pid", "path": "relative"]], "linux.namespaces[0].path"),
        (["linux", "namespaces"], [["type": "user"]], "linux.uidMappings"),
        (["linux", "uidMappings"], [["containerID": 0, "hostID": 0, "size": 0]], "linux.uidMappings[0].size"),
        (["linux", "timeOffsets"], ["boottime": ["secs": 1]], "linux.timeOffsets"),
        (["linux", "devices"], [["path": "/dev/x", "type": "q"]], "linux.devices[0].type"),
        (["linux", "devices"], [["path": "dev/x", "type": "c", "major": 1, "minor": 1]], "linux.devices[0].path"),
        (["linux", "devices"], [["path": "/dev/x", "type": "c", "major": 1]], "linux.devices[0].minor"),
        (["linux", "cgroupsPath"], "/../../escape", "linux.cgroupsPath"), (["linux", "cgroupsPath"], "/", "linux.cgroupsPath"),
        (["linux", "cgroupsPath"], "a.slice:b:c", "linux.cgroupsPath"),
        (["linux", "cgroupsPath"], "/a/./b", "linux.cgroupsPath"),
        (["linux", "sysctl"], ["kernel.core_pattern": "|/evil"], "linux.sysctl.kernel.core_pattern"),
        (["linux", "sysctl"], ["net/../kernel/core_pattern": "x"], "linux.sysctl.net/../kernel/core_pattern"),
        (["linux", "rootfsPropagation"], "sideways", "linux.rootfsPropagation"),
        (["linux", "mountLabel"], "x", "linux.mountLabel"),
        (["linux", "intelRdt"], ["closID": "x"], "linux.intelRdt"),
        (["linux", "personality"], ["domain": "VMS"], "linux.personality.domain"),
        (["linux", "memoryPolicy"], ["mode": "BIND"], "linux.memoryPolicy.mode"),
        (["linux", "netDevices"], ["eth0": [:]], "linux.netDevices.eth0"),
        (["linux", "seccomp"], ["defaultAction": "SCMP_ACT_MAYBE"], "linux.seccomp"),
        (["linux", "seccomp"], ["defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]], "linux.seccomp.flags[0]"),
        (
            ["linux", "seccomp"],
            [
                "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x",
                "syscalls": [["names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"]],
            ], "linux.seccomp.listenerPath"
        ),
        (["linux", "resources"], ["memory": ["limit": 10, "swap": 5]], "linux.resources.memory.swap"),
        (["linux", "resources"], ["memory": ["swappiness": 101]], "linux.resources.memory.swappiness"),
        (["linux", "resources"], ["devices": [["access": "rwm"]]], "linux.resources.devices[0].allow"),
        (["linux", "resources"], ["devices": [["allow": true, "access": "x"]]], "linux.resources.devices[0].access"),
        (["linux", "resources"], ["cpu": ["cpus": "0;rm"]], "linux.resources.cpu.cpus"),
        (["linux", "resources"], ["unified": ["../memory.max": "1"]], "linux.resources.unified.../memory.max"),
        (["linux", "resources"], ["unified": ["cgroup.procs": "1"]], "linux.resources.unified.cgroup.procs"),
        (
            ["linux", "resources"], ["hugepageLimits": [["pageSize": "two", "limit": 1]]],
            "linux.resources.hugepageLimits[0].pageSize"
        ),
        (["windows"], [:], "windows"),
    ]

    @Test("a property that is wrong or cannot be enforced is named", arguments: cases.indices)
    func refused(_ index: Int) throws {
        let wrong = Self.cases[index]
        var document = SpecCommand.document(rootless: nil)
        document.set(["process", "terminal"], to: false)
        document.set(wrong.path, to: wrong.value)
        do throws(OCIError) {
            let specification = try ContainerSpecification(parsing: document.serialized())
            let groups = [CgroupHierarchy(version: 1, controllers: ["memory"], mount: "/m", ownGroup: "/")]
            _ = try CgroupLayout.places(path: specification.linux.cgroupsPath, id: "x", needed: [], hierarchies: groups)
            _ = try ContainerPlan(specification, ContainerPlanContext(id: "x", bundle: "/b", rootfs: "/b/r")).launchPlan()
            Issue.record("accepted: \(wrong.path) = \(wrong.value.map { "\($0)" } ?? "nothing")")
        } catch {
            switch error {
            case .invalid(let field, _), .unsupported(let field, _): #expect(field == wrong.field)
            default: Issue.record("\(error)")
            }
        }
    }

    @Test("an unknown property is passed over, as the specification demands")
    func unknownProperty() throws {
        var document = SpecCommand.document(rootless: nil)
        document.set(["unknownThing"], to: ["x": 1])
        document.set(["linux", "unknownThing"], to: 7)
        _ = try ContainerSpecification(parsing: document.serialized())
    }

    @Test(
        "an id is a name and nothing else",
        arguments: ["", ".", "..", "a/b", "../x", "a b", "ä", "a\u{0}b", String(repeating: "x", count: 201)])
    func hostileIDs(_ id: String) {
        #expect(throws: OCIError.self) { try StateDirectory.check(id: id) }
    }

    @Test(
        "signals have names and numbers",
        arguments: [("TERM", Int32(15)), ("SIGKILL", 9), ("9", 9), ("sigusr1", 10), ("RTMIN+2", 36), ("RTMAX-1", 63)])
    func signals(_ text: String, _ number: Int32) throws {
        #expect(SignalName.number(text) == number)
        #expect(SignalName.number("NOSUCH") == nil)
    }
}
