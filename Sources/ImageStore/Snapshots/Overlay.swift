// Overlay file systems of layers, mounted nowhere until somebody wants them at a place.
import CLinux
import Glibc

enum Overlay {
    /// A descriptor of the overlay's root, the caller's to close; its mount ends with it. The uppermost lower layer is first.
    static func make(lower: [String], upper: String?, work: String?) throws(ImageStoreError) -> Int32 {
        let texts = lower.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let pointers = texts.map { UnsafePointer<CChar>($0) }
        let mount = pointers.withUnsafeBufferPointer { clinux_overlay($0.baseAddress, Int32($0.count), upper, work) }
        guard mount >= 0 else {
            throw .inputOutput(
                file: upper ?? lower.first ?? "overlay", operation: "overlay of \(lower.count) layers", errno: errno)
        }
        return mount
    }

    /// Whether layers in this directory can be put over each other: not where it is itself an overlay, or on a network's file system.
    static func works(in directory: String) -> Bool {
        let probe = "\(directory)/.overlay-\(getpid())"
        do throws(ImageStoreError) {
            try DurableFile.makeDirectories([probe, "\(probe)/lower", "\(probe)/upper", "\(probe)/work"], mode: 0o700)
            defer { try? TreeRemoval.remove(probe) }
            close(try make(lower: ["\(probe)/lower"], upper: "\(probe)/upper", work: "\(probe)/work"))
            return true
        } catch {
            return false
        }
    }
}
