// What the sources of a volume must satisfy.
import JSON

enum VolumeRules {
    static func validate(_ volume: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        if let source = volume["secret"] {
            if (source["secretName"]?.stringValue ?? "").isEmpty { errors.append(.required("\(path()).secret.secretName")) }
            errors += files(source, at: "\(path()).secret")
        }
        if let source = volume["configMap"] {
            if (source["name"]?.stringValue ?? "").isEmpty { errors.append(.required("\(path()).configMap.name")) }
            errors += files(source, at: "\(path()).configMap")
        }
        if let source = volume["downwardAPI"] { errors += downward(source["items"], at: "\(path()).downwardAPI") }
        if let limit = volume["emptyDir"]?["sizeLimit"], QuantityForm.quantity(limit)?.isNegative ?? false {
            errors.append(.forbidden("\(path()).emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity"))
        }
        if let place = volume["hostPath"]?["path"]?.stringValue, place.split(separator: "/").contains("..") {
            errors.append(.invalid("\(path()).hostPath.path", .string(place), "must not contain '..'"))
        }
        if let source = volume["projected"] { errors += projected(source, at: "\(path()).projected") }
        return errors
    }

    /// `items` and `defaultMode` of sources that become files.
    private static func files(_ source: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors = mode(source["defaultMode"], at: "\(path()).defaultMode")
        for (index, item) in (source["items"]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).items[\(index)]" }
            if let target = item["path"]?.stringValue, let problem = relativePathProblem(target) {
                errors.append(.invalid("\(place()).path", .string(target), problem))
            }
            errors += mode(item["mode"], at: "\(place()).mode")
        }
        return errors
    }

    private static func downward(_ items: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, item) in (items?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).items[\(index)]" }
            if let target = item["path"]?.stringValue, let problem = relativePathProblem(target) {
                errors.append(.invalid("\(place()).path", .string(target), problem))
            }
            if item["fieldRef"] == nil, item["resourceFieldRef"] == nil {
                errors.append(.required(place(), "one of fieldRef and resourceFieldRef is required"))
            }
        }
        return errors
    }

    private static func projected(_ source: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        var errors = mode(source["defaultMode"], at: "\(path()).defaultMode")
        for (index, one) in (source["sources"]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path()).sources[\(index)]" }
            for extra in (one.objectValue?.keys ?? []).dropFirst() {
                errors.append(.forbidden("\(place()).\(extra)", "may not specify more than 1 volume type per source"))
            }
            for kind in ["secret", "configMap"] where one[kind] != nil {
                if (one[kind]?["name"]?.stringValue ?? "").isEmpty { errors.append(.required("\(place()).\(kind).name")) }
                errors += files(one[kind] ?? [:], at: "\(place()).\(kind)")
            }
            if let seconds = one["serviceAccountToken"]?["expirationSeconds"]?.intValue, seconds < 600 {
                errors.append(
                    .invalid(
                        "\(place()).serviceAccountToken.expirationSeconds", .int(seconds),
                        "may not specify a duration less than 10 minutes"))
            }
        }
        return errors
    }

    private static func mode(_ mode: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let number = mode?.intValue, !(0...0o777).contains(number) else { return [] }
        return [.invalid(path(), .int(number), "must be a number between 0 and 0777 (octal), both inclusive")]
    }

    /// nil for a path inside its volume.
    static func relativePathProblem(_ path: String) -> String? {
        if path.hasPrefix("/") { return "must be a relative path" }
        return path.split(separator: "/").contains("..") ? "must not contain '..'" : nil
    }
}
