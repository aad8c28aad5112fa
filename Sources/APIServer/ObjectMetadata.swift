// The server's part of an object's metadata: what it sets, what it keeps from the stored object, what names must be.
import JSON
import KubernetesModel

enum ObjectMetadata {
    /// As in Kubernetes: no vowels and no look-alikes.
    private static let suffixAlphabet = Array("bcdfghjklmnpqrstvwxz2456789")
    static let suffixLength = 5
    /// Members that clients send back but that mean nothing here.
    private static let dropped = ["managedFields", "selfLink"]

    static func suffix() -> String {
        String((0..<suffixLength).map { _ in suffixAlphabet[Int.random(in: 0..<suffixAlphabet.count)] })
    }

    /// A random (version 4) UUID in lower case.
    static func uid() -> String {
        // Two draws of 64 bits, because each asks the kernel.
        let high = UInt64.random(in: 0...UInt64.max) & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = UInt64.random(in: 0...UInt64.max) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { text in
            var place = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    text[place] = UInt8(ascii: "-")
                    place += 1
                }
                let byte = UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(8 * (7 - index % 8)))
                for digit in [byte >> 4, byte & 15] {
                    text[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                    place += 1
                }
            }
            return place
        }
    }

    /// `metadata.generateName` when it is what the object is to be named by.
    static func generatedNamePrefix(_ object: JSONValue) -> String? {
        guard let metadata = object["metadata"], (metadata["name"]?.stringValue ?? "").isEmpty,
            let prefix = metadata["generateName"]?.stringValue, !prefix.isEmpty
        else { return nil }
        return String(prefix.prefix(maximumNamePrefix))
    }

    /// A generated name must still be a label.
    private static let maximumNamePrefix = 63 - suffixLength

    static func prepareForCreate(_ object: inout JSONValue, kind: ServedKind, namespace: String?, now: Int64) {
        var metadata = object["metadata"] ?? [:]
        for member in dropped + ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation"] {
            metadata[member] = nil
        }
        if kind.declaration.namespaced {
            metadata["namespace"] = .string(namespace ?? "")
        } else {
            metadata["namespace"] = nil
        }
        metadata["uid"] = .string(uid())
        metadata["creationTimestamp"] = .string(RFC3339.text(seconds: now))
        if kind.declaration.countsGeneration { metadata["generation"] = 1 }
        object["metadata"] = metadata
    }

    /// System members come from the stored object, whatever the client sent.
    static func keepSystemMembers(of old: JSONValue, in object: inout JSONValue) {
        let before = old["metadata"] ?? [:]
        var metadata = object["metadata"] ?? [:]
        for member in dropped { metadata[member] = nil }
        for member in [
            "name", "namespace", "generateName", "uid", "creationTimestamp", "deletionTimestamp",
            "deletionGracePeriodSeconds", "generation", "resourceVersion",
        ] {
            metadata[member] = before[member]
        }
        object["metadata"] = metadata
    }

    static func validate(_ object: JSONValue, kind: ServedKind) -> [FieldError] {
        let metadata = object["metadata"] ?? [:]
        var errors: [FieldError] = []
        let name = metadata["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(.required("metadata.name", "name or generateName is required"))
        } else {
            let problem =
                switch kind.declaration.nameRule {
                case .label: NameFormat.labelProblem(name)
                case .subdomain: NameFormat.subdomainProblem(name)
                case .pathSegment: NameFormat.pathSegmentProblem(name)
                }
            if let problem { errors.append(.invalid("metadata.name", .string(name), problem)) }
        }
        for (key, value) in metadata["labels"]?.objectValue ?? [:] {
            if let problem = NameFormat.qualifiedNameProblem(key) {
                errors.append(.invalid("metadata.labels", .string(key), problem))
            }
            if let text = value.stringValue, let problem = NameFormat.labelValueProblem(text) {
                errors.append(.invalid("metadata.labels", value, problem))
            }
        }
        errors += validate(annotations: metadata["annotations"]?.objectValue ?? [:])
        errors += validate(owners: metadata["ownerReferences"]?.arrayValue ?? [])
        for (index, finalizer) in (metadata["finalizers"]?.arrayValue ?? []).enumerated() {
            if let problem = NameFormat.qualifiedNameProblem(finalizer.stringValue ?? "") {
                errors.append(.invalid("metadata.finalizers[\(index)]", finalizer, problem))
            }
        }
        return errors
    }

    static func validate(annotations: JSONObject) -> [FieldError] {
        var errors: [FieldError] = []
        var size = 0
        for (key, value) in annotations {
            size += key.utf8.count + (value.stringValue?.utf8.count ?? 0)
            if NameFormat.qualifiedNameProblem(key) != nil, let problem = NameFormat.qualifiedNameProblem(key.lowercased()) {
                errors.append(.invalid("metadata.annotations", .string(key), problem))
            }
        }
        if size > maximumAnnotationBytes {
            errors.append(
                FieldError(
                    field: "metadata.annotations", reason: .tooLong,
                    message: "Too long: may not be more than \(maximumAnnotationBytes) bytes"))
        }
        return errors
    }

    static let maximumAnnotationBytes = 256 << 10

    private static func validate(owners: [JSONValue]) -> [FieldError] {
        var errors: [FieldError] = []
        var controller: String?
        for (index, owner) in owners.enumerated() {
            for member in ["apiVersion", "kind", "name", "uid"] where (owner[member]?.stringValue ?? "").isEmpty {
                errors.append(
                    .invalid("metadata.ownerReferences[\(index)].\(member)", owner[member] ?? "", "\(member) must not be empty"))
            }
            guard owner["controller"] == true else { continue }
            let name = owner["name"]?.stringValue ?? ""
            if let controller {
                errors.append(
                    .invalid(
                        "metadata.ownerReferences", .array(owners),
                        "Only one reference can have Controller set to true. Found \"true\" in references for "
                            + "\(controller) and \(name)"
                    ))
            }
            controller = name
        }
        return errors
    }
}
