// A task's groups as a launch plan has them that leaves them to the launcher.

import Cgroups
import SandboxPolicy

extension CgroupPlan {
    var makingOperations: [LaunchOperation] {
        operations.map { operation in
            switch operation {
            case .make(let version, let path): .makeCgroup(version: version, path: path)
            case .set(let path, let file, let value): .setCgroup(path: path, file: file, value: value)
            }
        }
    }

    var joiningOperations: [LaunchOperation] {
        joins.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
    }

    var removingOperations: [LaunchOperation] { removals.map { .removeCgroup(path: $0) } }
}
