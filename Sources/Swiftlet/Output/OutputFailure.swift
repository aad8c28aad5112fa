// That something could not be written to standard output: kept until the command's end, which then is none of success.
import Glibc
import Synchronization

enum OutputFailure {
    /// errno of the first failed write.
    private static let first = Atomic<Int32>(0)

    /// A reader that went away (`| head`) has what it wanted: no failure.
    static func remember(_ error: Int32) {
        guard error != EPIPE else { return }
        _ = first.compareExchange(expected: 0, desired: error, ordering: .sequentiallyConsistent)
    }

    /// Whoever goes on for as long as there is news need not.
    static var isThere: Bool { first.load(ordering: .sequentiallyConsistent) != 0 }

    /// nil when everything was written.
    static var failure: CommandFailure? {
        let error = first.load(ordering: .sequentiallyConsistent)
        guard error != 0 else { return nil }
        return CommandFailure(
            "cannot write standard output: \(String(cString: strerror(error)))",
            hint: "what was printed is not whole: is the disk full, or standard output closed?")
    }
}
