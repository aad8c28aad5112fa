// A container's status, found rather than stored: by its process, its gate and its freezer.

import JSON

extension StateDirectory {
    func status(of container: ContainerRecord) -> ContainerStatus {
        // An unreadable boot id says nothing about the process.
        let boot = ProcessHandle.bootID()
        guard boot.isEmpty || container.bootID == boot, container.pid > 0 else {
            return container.isComplete ? .stopped : .creating
        }
        guard container.process.isAlive else { return .stopped }
        guard container.isComplete else { return .creating }
        if CgroupFreezer(container.cgroups).isFrozen { return .paused }
        // `start` takes the gate away before it opens it.
        return HostFile.exists(gate(container.id)) ? .created : .running
    }
}

extension ContainerRecord {
    /// The specification's state, with runc's additions when `complete`.
    func state(_ status: ContainerStatus, pid: Int32? = nil, complete: Bool = false) -> JSONObject {
        var object = JSONObject()
        object["ociVersion"] = .string(SpecificationVersion.current)
        object["id"] = .string(id)
        object["pid"] = .int(Int64(pid ?? (status == .stopped ? 0 : self.pid)))
        object["status"] = .string(status.rawValue)
        object["bundle"] = .string(bundle)
        if complete {
            object["rootfs"] = .string(rootfs)
            object["created"] = .string(created)
        }
        if !annotations.isEmpty {
            object["annotations"] = .object(JSONObject(annotations.map { ($0.key, JSONValue.string($0.value)) }))
        }
        if complete { object["owner"] = "" }
        return object
    }

    /// For hooks inside the container, whose pid is known only there.
    func stateAroundPID(_ status: ContainerStatus) -> (beforePID: String, afterPID: String) {
        let marker: Int32 = -2_147_483_648
        let text = JSONValue.object(state(status, pid: marker)).serializedString()
        // By its key: the number alone may stand in an id, and the key stands in no string without a backslash.
        guard let range = text.firstRange(of: "\"pid\":\(marker)") else { return (text, "") }
        return (String(text[..<range.lowerBound]) + "\"pid\":", String(text[range.upperBound...]))
    }
}

public enum SpecificationVersion {
    /// Of the runtime-spec that the state and the features follow.
    public static let current = "1.2.1"
    public static let oldest = "1.0.0"
}
