// Keeps single pods and claims within the LimitRanges of their namespace, and gives containers what they do not say. Before the
// quota, which counts what was given. https://kubernetes.io/docs/concepts/policy/limit-range/
import JSON
import KubernetesModel
import ResourceStore

struct LimitRanger: AdmissionStep {
    let name = "LimitRanger"

    static let annotation = "kubernetes.io/limit-ranger"
    private static let ranges = CollectionID(group: "", resource: "limitranges")

    /// A made pod's resources stay, a claim may grow.
    func handles(_ attributes: AdmissionAttributes) -> Bool {
        switch attributes.operation {
        case .create: attributes.concerns("", "pods") || attributes.concerns("", "persistentvolumeclaims")
        case .update: attributes.concerns("", "persistentvolumeclaims")
        case .delete: false
        }
    }

    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard isAboutPod(review) else { return }
        var given: [String] = []
        for item in try items(review, lookup) where item["type"]?.stringValue == "Container" {
            for list in ["containers", "initContainers"] {
                guard case .array(var containers)? = review.object["spec"]?[list] else { continue }
                for index in containers.indices {
                    given += Self.complete(&containers[index], item, list == "containers" ? "container" : "init container")
                }
                review.object.set(["spec", list], to: .array(containers))
            }
        }
        if given.isEmpty { return }
        let text = "LimitRanger plugin set: " + given.joined(separator: "; ")
        review.object.set(["metadata", "annotations", Self.annotation], to: .string(text))
        review.object.set(["status", "qosClass"], to: .string(PodDefaults.qosClass(review.object["spec"] ?? [:])))
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let items = try items(review, lookup)
        if items.isEmpty { return }
        let problems = isAboutPod(review) ? try problems(ofPod: review, items) : Self.problems(ofClaim: review.object, items)
        if problems.isEmpty { return }
        let kind = review.attributes.kind.resource
        throw .forbidden(
            kind.resource, group: kind.group, name: review.object["metadata"]?["name"]?.stringValue ?? "",
            problems.count == 1 ? problems[0] : "[\(problems.joined(separator: ", "))]")
    }

    private func isAboutPod(_ review: AdmissionReview) -> Bool { review.attributes.concerns("", "pods") }

    /// Of all ranges of the namespace, in order of their names. A mirror pod runs already: there is nothing to keep.
    private func items(_ review: AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) -> [JSONValue] {
        guard review.object["metadata"]?["annotations"]?[NodeRestriction.mirrorAnnotation] == nil else { return [] }
        var items: [JSONValue] = []
        for stored in try lookup.stored(Self.ranges, namespace: review.attributes.namespace ?? "") {
            items += try lookup.object(stored.key)?["spec"]?["limits"]?.arrayValue ?? []
        }
        return items
    }

    // MARK: Defaults

    /// What was given, in the annotation's words.
    private static func complete(_ container: inout JSONValue, _ item: JSONValue, _ what: String) -> [String] {
        var given: [String] = []
        for (member, source, word) in [("requests", "defaultRequest", "request"), ("limits", "default", "limit")] {
            let defaults = item[source]?.objectValue ?? [:]
            let missing = defaults.keys.filter { container["resources"]?[member]?[$0] == nil }.sorted()
            if missing.isEmpty { continue }
            for name in missing { container.set(["resources", member, name], to: defaults[name]) }
            given.append("\(missing.joined(separator: ", ")) \(word) for \(what) \(container["name"]?.stringValue ?? "")")
        }
        return given
    }

    // MARK: Bounds

    private func problems(ofPod review: AdmissionReview, _ items: [JSONValue]) throws(StatusError) -> [String] {
        let spec = review.object["spec"] ?? [:]
        let containers = ["containers", "initContainers"].flatMap { spec[$0]?.arrayValue ?? [] }
        var problems: [String] = []
        for item in items {
            switch item["type"]?.stringValue {
            case "Container":
                for container in containers {
                    let resources = container["resources"]
                    problems +=
                        LimitBounds(
                            item, requests: Self.amounts(resources?["requests"]), limits: Self.amounts(resources?["limits"])
                        ).problems
                }
            case "Pod":
                let pod: Pod
                do { pod = try JSON.decode(Pod.self, from: review.object) } catch {
                    throw .internalError("the limit range's view of the pod: \(error)")
                }
                problems += LimitBounds(item, total: QuotaUsage(pod)).problems
            default: continue
            }
        }
        return problems
    }

    private static func problems(ofClaim claim: JSONValue, _ items: [JSONValue]) -> [String] {
        let requests = amounts(claim["spec"]?["resources"]?["requests"])
        return items.filter { $0["type"]?.stringValue == "PersistentVolumeClaim" }.flatMap {
            LimitBounds($0, requests: requests, limits: nil).problems
        }
    }

    static func amounts(_ map: JSONValue?) -> [String: Quantity] {
        var amounts: [String: Quantity] = [:]
        for (name, value) in map?.objectValue ?? [:] { amounts[name] = QuantityForm.quantity(value) }
        return amounts
    }
}

/// One item of a LimitRange against what something asks for.
private struct LimitBounds {
    private let item: JSONValue
    private let type: String
    private let requests: [String: Quantity]
    /// nil: what asks has no limits; its requests are all.
    private let limits: [String: Quantity]?

    init(_ item: JSONValue, requests: [String: Quantity], limits: [String: Quantity]?) {
        self.item = item
        type = item["type"]?.stringValue ?? ""
        (self.requests, self.limits) = (requests, limits)
    }

    /// A whole pod, summed as a quota sums it.
    init(_ item: JSONValue, total: QuotaUsage) {
        func part(_ prefix: String) -> [String: Quantity] {
            var amounts: [String: Quantity] = [:]
            for (name, amount) in total.amounts where name.hasPrefix(prefix) {
                amounts[String(name.dropFirst(prefix.count))] = amount
            }
            return amounts
        }
        self.init(item, requests: part("requests."), limits: part("limits."))
    }

    var problems: [String] { bounds("min", minimum) + bounds("max", maximum) + bounds("maxLimitRequestRatio", ratio) }

    private func bounds(_ member: String, _ problem: (String, Quantity) -> String?) -> [String] {
        let amounts = LimitRanger.amounts(item[member])
        return amounts.keys.sorted().compactMap { name in amounts[name].flatMap { problem(name, $0) } }
    }

    private func minimum(_ name: String, _ bound: Quantity) -> String? {
        let words = "minimum \(name) usage per \(type) is \(bound)"
        guard let request = requests[name] else { return "\(words).  No request is specified" }
        if request < bound { return "\(words), but request is \(request)" }
        guard let limit = limits?[name], limit < bound else { return nil }
        return "\(words), but limit is \(limit)"
    }

    private func maximum(_ name: String, _ bound: Quantity) -> String? {
        let words = "maximum \(name) usage per \(type) is \(bound)"
        if let limits {
            guard let limit = limits[name] else { return "\(words).  No limit is specified" }
            if limit > bound { return "\(words), but limit is \(limit)" }
        } else if requests[name] == nil {
            return "\(words).  No request is specified"
        }
        guard let request = requests[name], request > bound else { return nil }
        return "\(words), but request is \(request)"
    }

    private func ratio(_ name: String, _ bound: Quantity) -> String? {
        let words = "\(name) max limit to request ratio per \(type) is \(bound)"
        guard let request = requests[name], request > Quantity.zero else {
            return "\(words), but no request is specified or request is 0"
        }
        guard let limit = limits?[name], limit > Quantity.zero else { return "\(words), but no limit is specified or limit is 0" }
        let found = limit.approximateUnits / request.approximateUnits
        return found > bound.approximateUnits ? "\(words), but provided ratio is \(Self.text(found))" : nil
    }

    /// Six digits after the point, as Go prints a number.
    private static func text(_ number: Double) -> String {
        guard number < 1e12 else { return "\(number)" }
        let millionths = Int64((number * 1e6).rounded())
        return "\(millionths / 1_000_000)." + String(String(1_000_000 + millionths % 1_000_000).dropFirst())
    }
}
