// The objects of the fake server and what the verbs do to them; synchronous, under the server's lock.
import JSON
import KubernetesClient
import KubernetesModel

struct InMemoryStore {
    /// A change in the history. `old` nil: created; `new` nil: deleted (`old` then carries the deletion's revision).
    struct Change {
        var revision: Int64
        var resource: GroupVersionResource
        var old: JSONValue?
        var new: JSONValue?
    }

    /// Changes kept for watches that start in the past; a watch from before is answered 410.
    static let maximumHistory = 10_000

    let now: @Sendable () -> Timestamp
    private(set) var revision: Int64 = 0
    private var nextIdentity = 0
    private var objects: [GroupVersionResource: [String: JSONValue]] = [:]
    private var history: [Change] = []
    /// Watches may start at this revision or later.
    private var oldestRevision: Int64 = 0
    var watches: [Int: InMemoryWatch] = [:]
    /// Tokens given so far.
    var tokens = 0

    init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    // MARK: - Reading

    func object(_ resource: GroupVersionResource, _ namespace: String?, _ name: String) -> JSONValue? {
        objects[resource]?[Self.key(namespace, name)]
    }

    func required(_ resource: GroupVersionResource, _ namespace: String?, _ name: String) throws -> JSONValue {
        guard let found = object(resource, namespace, name) else {
            throw KubernetesAPIError.failure(404, "NotFound", "\(resource) \"\(name)\" not found")
        }
        return found
    }

    func values(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) -> [JSONValue] {
        let filter = InMemoryFilter(resource: resource, namespace: namespace, options: options)
        return (objects[resource] ?? [:]).sorted { $0.key < $1.key }.map(\.value).filter(filter.matches)
    }

    /// A page; the token is the key of its last object.
    func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) -> JSONValue {
        var items = values(resource, namespace: namespace, options: options)
        if let token = options.continueToken { items.removeAll { Self.key(of: $0) <= token } }
        var metadata: JSONValue = ["resourceVersion": .string(String(revision))]
        if let limit = options.limit, limit < items.count {
            metadata["remainingItemCount"] = .int(Int64(items.count - limit))
            items = Array(items.prefix(limit))
            metadata["continue"] = items.last.map { .string(Self.key(of: $0)) }
        }
        let kind = items.first?["kind"]?.stringValue ?? ""
        return [
            "kind": .string(kind + "List"), "apiVersion": .string(resource.apiVersion), "metadata": metadata,
            "items": .array(items),
        ]
    }

    // MARK: - Writing

    mutating func create(_ resource: GroupVersionResource, _ namespace: String?, _ body: JSONValue) throws -> JSONValue {
        var object = body
        if let namespace { object.set(["metadata", "namespace"], to: .string(namespace)) }
        if object.name.isEmpty, let prefix = object[path: "metadata", "generateName"]?.stringValue {
            nextIdentity += 1
            object.set(["metadata", "name"], to: .string("\(prefix)\(nextIdentity)"))
        }
        guard !object.name.isEmpty else {
            throw KubernetesAPIError.failure(422, "Invalid", "metadata.name: Required value: name or generateName is required")
        }
        guard self.object(resource, namespace, object.name) == nil else {
            throw KubernetesAPIError.failure(409, "AlreadyExists", "\(resource) \"\(object.name)\" already exists")
        }
        object.set(["metadata", "uid"], to: nil)
        return put(resource, object)
    }

    mutating func put(_ resource: GroupVersionResource, _ body: JSONValue) -> JSONValue {
        var object = body
        let old = self.object(resource, object.namespace, object.name)
        if object[path: "metadata", "uid"] == nil {
            nextIdentity += 1
            object.set(["metadata", "uid"], to: old?[path: "metadata", "uid"] ?? .string("uid-\(nextIdentity)"))
        }
        if object[path: "metadata", "creationTimestamp"] == nil {
            object.set(["metadata", "creationTimestamp"], to: .string(now().description))
        }
        if object[path: "metadata", "generation"] == nil { object.set(["metadata", "generation"], to: 1) }
        return save(resource, old: old, new: object)
    }

    /// Applies `edit` to the part that the endpoint may change, with Kubernetes' checks. Unchanged is no new revision.
    mutating func change(
        _ resource: GroupVersionResource, _ namespace: String?, _ name: String, subresource: String?,
        edit: (inout JSONValue) throws -> Void
    ) throws -> JSONValue {
        let old = try required(resource, namespace, name)
        var edited = old
        edited.set(["metadata", "resourceVersion"], to: nil)
        let plain = edited
        try edit(&edited)
        try checkPreconditions(resource, old: old, edited: edited)
        var new = edited
        if subresource == "status" {
            new = plain
            new["status"] = edited["status"]
            if let annotations = edited[path: "metadata", "annotations"] {
                new.set(["metadata", "annotations"], to: annotations)
            }
        } else {
            if Self.hasStatus.contains(resource) { new["status"] = old["status"] }
            for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation", "name", "namespace"] {
                new.set(["metadata", field], to: old[path: "metadata", field])
            }
            if new["spec"] != old["spec"] {
                let generation = old[path: "metadata", "generation"]?.intValue ?? 0
                new.set(["metadata", "generation"], to: .int(generation + 1))
            }
        }
        new.set(["metadata", "resourceVersion"], to: nil)
        if new == plain { return old }
        let mayRun = resource == Pod.resource && new[path: "metadata", "deletionGracePeriodSeconds"]?.intValue != 0
        if new[path: "metadata", "deletionTimestamp"] != nil, !mayRun, !new.hasFinalizers {
            return erase(resource, new)
        }
        return save(resource, old: old, new: new)
    }

    private func checkPreconditions(_ resource: GroupVersionResource, old: JSONValue, edited: JSONValue) throws {
        let conflict = KubernetesAPIError.failure(
            409, "Conflict",
            "Operation cannot be fulfilled on \(resource) \"\(old.name)\": the object has been modified; please apply your "
                + "changes to the latest version and try again")
        if let asked = edited[path: "metadata", "resourceVersion"]?.stringValue, !asked.isEmpty, asked != old.resourceVersion {
            throw conflict
        }
        if let asked = edited[path: "metadata", "uid"], asked != old[path: "metadata", "uid"] { throw conflict }
    }

    /// Finalizers, and for a pod on a node its grace period, keep the object with a deletionTimestamp.
    mutating func delete(
        _ resource: GroupVersionResource, _ namespace: String?, _ name: String, options: DeleteOptions
    ) throws -> JSONValue {
        let old = try required(resource, namespace, name)
        if let uid = options.uid, uid != old[path: "metadata", "uid"]?.stringValue {
            throw KubernetesAPIError.failure(409, "Conflict", "the UID in the precondition (\(uid)) does not match the object")
        }
        let grace = Int64(options.gracePeriodSeconds ?? old.defaultGraceSeconds)
        let phase = old[path: "status", "phase"]?.stringValue
        let mustStop =
            resource == Pod.resource && grace > 0 && old[path: "spec", "nodeName"] != nil && phase != "Succeeded"
            && phase != "Failed"
        guard mustStop || old.hasFinalizers else { return erase(resource, old) }
        var new = old
        // Grace 0 is also what a node says once nothing of the pod runs: only finalizers keep it then.
        if resource == Pod.resource { new.set(["metadata", "deletionGracePeriodSeconds"], to: .int(mustStop ? grace : 0)) }
        if new[path: "metadata", "deletionTimestamp"] == nil {
            new.set(["metadata", "deletionTimestamp"], to: .string(now().adding(seconds: grace).description))
        }
        return save(resource, old: old, new: new)
    }

    mutating func remove(_ resource: GroupVersionResource, _ namespace: String?, _ name: String) {
        if let old = object(resource, namespace, name) { _ = erase(resource, old) }
    }

    /// All or none: every pod is checked before the first is changed.
    mutating func bind(_ bindings: [PodBinding]) throws {
        let pods = try bindings.map { binding in
            let pod = try required(Pod.resource, binding.namespace, binding.name)
            let uid = pod[path: "metadata", "uid"]?.stringValue
            guard binding.uid.isEmpty || binding.uid == uid else {
                throw KubernetesAPIError.failure(
                    409, "Conflict", "pods \"\(binding.name)\": uid is \(uid ?? ""), not \(binding.uid)")
            }
            if let node = pod[path: "spec", "nodeName"]?.stringValue {
                throw KubernetesAPIError.failure(409, "Conflict", "pod \(binding.name) is already assigned to node \"\(node)\"")
            }
            return pod
        }
        for (binding, old) in zip(bindings, pods) {
            var new = old
            new.set(["spec", "nodeName"], to: .string(binding.node))
            new.setCondition(type: "PodScheduled", status: "True", at: now())
            _ = save(Pod.resource, old: old, new: new)
        }
    }

    // MARK: - History and watches

    /// A write that changes nothing makes no revision and no event, as the API server has it: whoever answers each event with a
    /// write would otherwise go round for ever.
    private mutating func save(_ resource: GroupVersionResource, old: JSONValue?, new: JSONValue) -> JSONValue {
        if let old, old == new { return old }
        revision += 1
        var new = new
        new.set(["metadata", "resourceVersion"], to: .string(String(revision)))
        objects[resource, default: [:]][Self.key(of: new)] = new
        record(Change(revision: revision, resource: resource, old: old, new: new))
        return new
    }

    private mutating func erase(_ resource: GroupVersionResource, _ object: JSONValue) -> JSONValue {
        revision += 1
        var last = object
        last.set(["metadata", "resourceVersion"], to: .string(String(revision)))
        objects[resource]?[Self.key(of: object)] = nil
        record(Change(revision: revision, resource: resource, old: last, new: nil))
        return last
    }

    private mutating func record(_ change: Change) {
        history.append(change)
        if history.count > Self.maximumHistory {
            let dropped = history.prefix(Self.maximumHistory / 2)
            oldestRevision = dropped.last?.revision ?? oldestRevision
            history.removeFirst(dropped.count)
        }
        watches = watches.filter { !$0.value.hasEnded }
        for watch in watches.values { watch.offer(change) }
    }

    mutating func expireHistory() {
        history = []
        oldestRevision = revision
    }

    mutating func takeWatches() -> [InMemoryWatch] {
        defer { watches = [:] }
        return Array(watches.values)
    }

    mutating func watch(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions
    ) throws -> InMemoryWatch {
        let start = options.resourceVersion.flatMap { Int64($0) } ?? 0
        if start > 0, start < oldestRevision {
            throw KubernetesAPIError.failure(410, "Expired", "too old resource version: \(start) (\(oldestRevision))")
        }
        nextIdentity += 1
        let watch = InMemoryWatch(
            id: nextIdentity, filter: InMemoryFilter(resource: resource, namespace: namespace, options: options))
        if start == 0 {
            // Without a revision a watch begins with what is there.
            for object in values(resource, namespace: namespace, options: options) {
                watch.offer(Change(revision: revision, resource: resource, old: nil, new: object))
            }
        } else {
            for change in history where change.revision > start { watch.offer(change) }
        }
        watches[watch.id] = watch
        return watch
    }

    // MARK: - Keys

    /// Kinds whose status only the status endpoint changes.
    static let hasStatus: Set<GroupVersionResource> = [
        Pod.resource, Node.resource, Namespace.resource, CertificateSigningRequest.resource,
        GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "kusciajobs"),
        GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "kusciatasks"),
        GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: "domains"),
    ]

    static func key(_ namespace: String?, _ name: String) -> String { "\(namespace ?? "")/\(name)" }
    static func key(of object: JSONValue) -> String { key(object.namespace, object.name) }
}
