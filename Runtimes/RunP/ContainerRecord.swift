// Where a pod's and a container's records lie, and how they are read and written.

import Glibc
import JSON
import RuntimeInterface

/// sandbox.json
struct SandboxRecord: Sendable, Codable {
    var config: PodSandboxConfig
    /// First of the pod's 65536 private host ids; nil: none.
    var idRangeStart: UInt32?
}

/// Paths below RunP's directory:
///
///     pods/UID/sandbox.json
///     pods/UID/NAME_ATTEMPT/{config.json, plan, state.json, supervisor.lock, grace, verdict.json, sentence.json, rootfs/, tmp/, work/, etc/}
struct RecordPaths: Sendable, Hashable {
    let root: String

    var pods: String { "\(root)/pods" }
    func pod(_ uid: String) -> String { "\(pods)/\(uid)" }
    func sandbox(_ uid: String) -> String { "\(pod(uid))/sandbox.json" }
    func container(_ id: ContainerID) -> ContainerPaths {
        ContainerPaths(directory: "\(pod(id.podUID))/\(id.name)_\(id.attempt)")
    }
}

struct ContainerPaths: Sendable, Hashable {
    let directory: String

    var config: String { "\(directory)/config.json" }
    var plan: String { "\(directory)/plan" }
    var state: String { "\(directory)/state.json" }
    var lock: String { "\(directory)/supervisor.lock" }
    var grace: String { "\(directory)/grace" }
    var verdict: String { "\(directory)/verdict.json" }
    var sentence: String { "\(directory)/sentence.json" }
    var rootMountPoint: String { "\(directory)/rootfs" }
    var temporary: String { "\(directory)/tmp" }
    var work: String { "\(directory)/work" }
    var files: String { "\(directory)/etc" }

    func readState() -> SupervisorState? {
        RecordFiles.read(state).flatMap { try? JSON.decode(SupervisorState.self, from: $0) }
    }

    func readSentence() -> Sentence? {
        RecordFiles.read(sentence).flatMap { try? JSON.decode(Sentence.self, from: $0) }
    }

    func readVerdict() -> Verdict? {
        RecordFiles.read(verdict).flatMap { try? JSON.decode(Verdict.self, from: $0) }
    }
}

enum RecordName {
    /// Ids become names of directories and cgroups: what could leave them is refused.
    static func check(_ field: String, _ text: String) throws(RuntimeError) {
        let good = text.utf8.allSatisfy {
            ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || ($0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z"))
                || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
        }
        guard good, !text.isEmpty, text.utf8.count <= 128, text.utf8.first != UInt8(ascii: ".") else {
            throw .invalid(field: field, reason: "found \"\(text)\", expected at most 128 letters, digits, '-', '.'")
        }
    }
}
