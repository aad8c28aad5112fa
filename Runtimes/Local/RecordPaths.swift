// Where a pod's and a container's records lie, and how they are read and written.

import Glibc
import JSON
import RuntimeInterface

/// sandbox.json
package struct SandboxRecord: Sendable, Codable {
    package var config: PodSandboxConfig
    /// First of the pod's 65536 private host ids; nil: none.
    package var idRangeStart: UInt32?
}

/// Paths below a runtime's directory:
///
///     pods/UID/sandbox.json
///     pods/UID/NAME_ATTEMPT/{config.json, plan, state.json, supervisor.lock, grace, verdict.json, sentence.json, rootfs/, tmp/, work/, etc/}
package struct RecordPaths: Sendable, Hashable {
    package let root: String

    package var pods: String { "\(root)/pods" }
    package func pod(_ uid: String) -> String { "\(pods)/\(uid)" }
    package func sandbox(_ uid: String) -> String { "\(pod(uid))/sandbox.json" }
    package func container(_ id: ContainerID) -> ContainerPaths {
        ContainerPaths(directory: "\(pod(id.podUID))/\(id.name)_\(id.attempt)")
    }
}

package struct ContainerPaths: Sendable, Hashable {
    package let directory: String

    package var config: String { "\(directory)/config.json" }
    package var plan: String { "\(directory)/plan" }
    package var state: String { "\(directory)/state.json" }
    package var lock: String { "\(directory)/supervisor.lock" }
    package var grace: String { "\(directory)/grace" }
    package var verdict: String { "\(directory)/verdict.json" }
    package var sentence: String { "\(directory)/sentence.json" }
    package var rootMountPoint: String { "\(directory)/rootfs" }
    package var temporary: String { "\(directory)/tmp" }
    package var work: String { "\(directory)/work" }
    /// What a container wrote over its image.
    package var upper: String { "\(directory)/upper" }
    package var files: String { "\(directory)/etc" }

    package func readState() -> SupervisorState? {
        RecordFiles.read(state).flatMap { try? JSON.decode(SupervisorState.self, from: $0) }
    }

    package func readSentence() -> Sentence? {
        RecordFiles.read(sentence).flatMap { try? JSON.decode(Sentence.self, from: $0) }
    }

    package func readVerdict() -> Verdict? {
        RecordFiles.read(verdict).flatMap { try? JSON.decode(Verdict.self, from: $0) }
    }
}

package enum RecordName {
    /// Ids become names of directories and cgroups: what could leave them is refused.
    package static func check(_ field: String, _ text: String) throws(RuntimeError) {
        let good = text.utf8.allSatisfy {
            ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || ($0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z"))
                || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
        }
        guard good, !text.isEmpty, text.utf8.count <= 128, text.utf8.first != UInt8(ascii: ".") else {
            throw .invalid(field: field, reason: "found \"\(text)\", expected at most 128 letters, digits, '-', '.'")
        }
    }
}
