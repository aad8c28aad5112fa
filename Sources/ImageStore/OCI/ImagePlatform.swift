// For which machine an image is, and which of several fits (OCI image spec, image-index.md, "platform").

public struct ImagePlatform: Sendable, Hashable, Codable, CustomStringConvertible {
    /// As Go names it: "amd64", "arm64".
    public var architecture: String
    public var os: String
    /// "v8" of arm64, "v7" of arm.
    public var variant: String?

    public init(architecture: String, os: String = "linux", variant: String? = nil) {
        self.architecture = architecture
        self.os = os
        self.variant = variant
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        architecture = try container.decodeIfPresent(String.self, forKey: .architecture) ?? ""
        os = try container.decodeIfPresent(String.self, forKey: .os) ?? ""
        variant = try container.decodeIfPresent(String.self, forKey: .variant)
    }

    /// "linux/arm64/v8"; nil for anything but two or three non-empty parts.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(architecture: parts[1], os: parts[0], variant: parts.count == 3 ? parts[2] : nil)
    }

    public var description: String { "\(os)/\(architecture)" + (variant.map { "/\($0)" } ?? "") }

    /// What this program was built for.
    public static var current: ImagePlatform {
        #if arch(x86_64)
            ImagePlatform(architecture: "amd64")
        #else
            ImagePlatform(architecture: "arm64")
        #endif
    }

    public func runs(_ other: ImagePlatform) -> Bool { rank(of: other) != nil }

    /// Whether an image of that platform runs here; the larger of two ranks fits better. nil: it does not run.
    func rank(of other: ImagePlatform) -> Int? {
        guard other.os == os, other.architecture == architecture else { return nil }
        if other.variant == variant { return 2 }
        // arm64 has had one variant only, v8, which is often left out.
        if architecture == "arm64", [nil, "v8"].contains(other.variant), [nil, "v8"].contains(variant) { return 2 }
        if other.variant == nil { return 1 }
        // An image for a newer variant (amd64/v3) may use instructions that this machine lacks.
        return nil
    }
}
