// What this build calls itself.

enum SwiftletVersion {
    static let text = "0.1.0"
    /// The Kubernetes API whose shapes we speak; kubectl's dispatcher picks its binary by the minor version.
    static let kubernetes = "1.33"
}
