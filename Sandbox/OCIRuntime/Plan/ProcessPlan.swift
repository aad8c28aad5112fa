// The `process` section and the filter as operations: the same for a container's first process and for `exec`.

import Glibc
import SandboxPolicy

struct ProcessPlan {
    let process: ProcessSpecification
    let linux: LinuxSpecification
    /// `exec`: affinity of its own.
    var isExec = false

    /// As many as the launcher's mask holds; the kernel takes those that there are.
    private static let everyCPU = "0-1023"

    func operations() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        for limit in process.resourceLimits {
            operations.append(.resourceLimit(name: limit.name, soft: limit.soft, hard: limit.hard))
        }
        if let value = process.oomScoreAdjustment { operations.append(.oomScoreAdjustment(value)) }
        operations.append(.umask(process.user.umask ?? 0o022))
        if let scheduler = process.scheduler { operations.append(.scheduler(scheduler)) }
        if let priority = process.ioPriority { operations.append(.ioPriority(priority.ioClass, level: priority.level)) }
        // Not that of whoever calls the runtime: a container may use what its cpuset lets it (as with runc).
        operations.append(.cpuAffinity(isExec ? process.execCPUAffinity ?? Self.everyCPU : Self.everyCPU))
        if let policy = linux.memoryPolicy {
            operations.append(.memoryPolicy(mode: policy.mode, flags: policy.flags, nodes: policy.nodes))
        }
        if let personality = linux.personality { operations.append(.personality(personality)) }
        operations += identity()
        operations.append(.workingDirectory(process.workingDirectory))
        operations += process.environment.map { .environment($0) }
        operations += process.arguments.map { .argument($0) }
        if let filter = try filter() { operations.append(filter) }
        return operations
    }

    private func identity() -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        let capabilities = process.capabilities
        if let bounding = capabilities?.bounding, !bounding.isEmpty {
            operations.append(.boundingSet(bounding))
        } else {
            operations.append(.dropBoundingSet)
        }
        operations.append(.user(uid: process.user.uid, gid: process.user.gid, groups: process.user.additionalGroups))
        if let sets = capabilities?.sets, sets != CapabilitySets() {
            operations.append(.capabilities(sets))
        } else {
            operations.append(.dropCapabilities)
        }
        if process.noNewPrivileges { operations.append(.noNewPrivileges) }
        return operations
    }

    private func filter() throws(OCIError) -> LaunchOperation? {
        guard let seccomp = linux.seccomp else { return nil }
        let program: [UInt8]
        do {
            // Compiled once for all containers with this document; and with the 32-bit entries that it lists.
            program = try SeccompProfiles(cacheDirectory: StateDirectory.standard() + "-filters").filter(
                document: seccomp.profile, name: "config.json", context: SeccompContext(servesForeignArchitectures: true))
        } catch {
            throw .invalid(field: "linux.seccomp", reason: "\(error)")
        }
        let words: [String: SeccompFlag] = [
            "SECCOMP_FILTER_FLAG_TSYNC": .threadSync, "SECCOMP_FILTER_FLAG_LOG": .log,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW": .speculationAllowed,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": .waitKillable,
        ]
        // Without no_new_privs a filter needs a capability, and so comes before the capabilities go.
        return .seccomp(
            program, flags: seccomp.flags.compactMap { words[$0] } + (process.noNewPrivileges ? [] : [.beforeCapabilities]))
    }
}
