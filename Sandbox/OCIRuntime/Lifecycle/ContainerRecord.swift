// What the runtime keeps of a container between verbs: one small file, replaced by rename.

import JSON

public struct ContainerRecord: Sendable {
    var id: String
    var version: String
    var bundle: String
    var rootfs: String
    /// Of the container's process; 0 before it exists.
    var pid: Int32 = 0
    var pidStartTime: Int64 = 0
    var bootID: String
    /// RFC 3339.
    var created: String
    var annotations: [(key: String, value: String)]
    var cgroups: [CgroupPlace] = []
    /// Directories that this runtime made, innermost last; only they are removed.
    var createdCgroups: [String] = []
    /// The set-up is over: until then the status is "creating".
    var isComplete = false

    var process: ProcessHandle { ProcessHandle(pid: pid, startTime: pidStartTime) }

    /// The groups that were made for this container: whoever is in them is its.
    var ownCgroups: [CgroupPlace] {
        let own = Set(createdCgroups)
        return cgroups.filter { own.contains($0.directory) }
    }

    func encoded() -> [UInt8] {
        var object = JSONObject()
        object["version"] = 1
        object["id"] = .string(id)
        object["ociVersion"] = .string(version)
        object["bundle"] = .string(bundle)
        object["rootfs"] = .string(rootfs)
        object["pid"] = .int(Int64(pid))
        object["pidStartTime"] = .int(pidStartTime)
        object["bootId"] = .string(bootID)
        object["created"] = .string(created)
        object["annotations"] = .object(JSONObject(annotations.map { ($0.key, JSONValue.string($0.value)) }))
        object["cgroups"] = .array(
            cgroups.map { place in
                .object(
                    JSONObject([
                        ("version", .int(Int64(place.version))), ("controller", .string(place.controller)),
                        ("controllers", .array(place.controllers.map { .string($0) })), ("mount", .string(place.mount)),
                        ("group", .string(place.group)),
                    ]))
            })
        object["createdCgroups"] = .array(createdCgroups.map { .string($0) })
        object["complete"] = .bool(isComplete)
        return JSONValue.object(object).serialized()
    }

    init(
        id: String, version: String, bundle: String, rootfs: String, bootID: String, created: String,
        annotations: [(key: String, value: String)]
    ) {
        self.id = id
        self.version = version
        self.bundle = bundle
        self.rootfs = rootfs
        self.bootID = bootID
        self.created = created
        self.annotations = annotations
    }

    init(parsing bytes: [UInt8], id expected: String) throws(OCIError) {
        func broken(_ what: String) -> OCIError { .invalid(field: "state of \(expected)", reason: what) }
        let tape: JSONTape
        do { tape = try JSONTape(parsing: bytes) } catch { throw broken("\(error)") }
        let field = ConfigField(tape: tape)
        id = try field["id"].requiredString()
        guard id == expected else { throw broken("belongs to \(id)") }
        version = try field["ociVersion"].requiredString()
        bundle = try field["bundle"].requiredString()
        rootfs = try field["rootfs"].requiredString()
        pid = try field["pid"].required(Int32.self)
        pidStartTime = try field["pidStartTime"].required(Int64.self)
        bootID = try field["bootId"].requiredString()
        created = try field["created"].requiredString()
        annotations = try field["annotations"].stringMap()
        for element in try field["cgroups"].elements() {
            cgroups.append(
                CgroupPlace(
                    version: try element["version"].required(Int.self), controller: try element["controller"].requiredString(),
                    controllers: try element["controllers"].strings(), mount: try element["mount"].requiredString(),
                    group: try element["group"].requiredString()))
        }
        createdCgroups = try field["createdCgroups"].strings()
        isComplete = try field["complete"].bool() ?? false
    }
}

public enum ContainerStatus: String, Sendable {
    case creating, created, running, paused, stopped
}
