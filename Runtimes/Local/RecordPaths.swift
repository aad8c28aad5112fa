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
///     pods/UID/NAME_ATTEMPT/{config.json, plan, state.json, supervisor.lock, grace, verdict.json, sentence.json, rootfs/}
///     scratch/UID/{netns, network.json}, scratch/UID/NAME_ATTEMPT/{tmp/, work/, upper/, etc/}
///
/// Where `pods` is not in memory, `scratch` is `pods`.
package struct RecordPaths: Sendable, Hashable {
    package let pods: String
    package let scratch: String

    /// `pods`: where the records are, as `RecordsPlace` says.
    package init(root: String, pods: String? = nil) {
        let own = "\(root)/pods"
        self.pods = pods ?? own
        scratch = self.pods == own ? own : "\(root)/scratch"
    }

    package var isInMemory: Bool { scratch != pods }
    package func pod(_ uid: String) -> String { "\(pods)/\(uid)" }
    package func podScratch(_ uid: String) -> String { "\(scratch)/\(uid)" }
    package func sandbox(_ uid: String) -> String { "\(pod(uid))/sandbox.json" }
    package func container(_ id: ContainerID) -> ContainerPaths {
        let name = "\(id.name)_\(id.attempt)"
        return ContainerPaths(directory: "\(pod(id.podUID))/\(name)", scratch: "\(podScratch(id.podUID))/\(name)")
    }
}

package struct ContainerPaths: Sendable, Hashable {
    package let directory: String
    /// For what may be large, or has to outlive the machine's restart until it is given back.
    package let scratch: String

    package var config: String { "\(directory)/config.json" }
    package var plan: String { "\(directory)/plan" }
    package var state: String { "\(directory)/state.json" }
    package var lock: String { "\(directory)/supervisor.lock" }
    /// The supervisor listens there when the container has a console.
    package var attach: String { "\(directory)/attach" }
    package var grace: String { "\(directory)/grace" }
    package var verdict: String { "\(directory)/verdict.json" }
    package var sentence: String { "\(directory)/sentence.json" }
    package var rootMountPoint: String { "\(directory)/rootfs" }
    package var temporary: String { "\(scratch)/tmp" }
    package var work: String { "\(scratch)/work" }
    /// What a container wrote over its image.
    package var upper: String { "\(scratch)/upper" }
    /// On a disk: tmpfs can be id-mapped since Linux 6.3 only.
    package var files: String { "\(scratch)/etc" }

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
