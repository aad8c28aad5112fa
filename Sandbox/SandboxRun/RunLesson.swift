// `--seccomp-learn FILE`: what the launcher saw becomes a profile.
import Glibc
import SandboxPolicy

enum RunLesson {
    /// Where the launcher writes what it saw, until the profile is made of it.
    static func path(_ profile: String) -> String { profile + ".lesson" }

    /// Replaces the lesson by the profile. Throws when the task did not come to its end, or the file cannot be written.
    static func write(_ profile: String, of command: [String]) throws(RunFailure) {
        let lesson = path(profile)
        defer { unlink(lesson) }
        guard let bytes = SmallFile.readBytes(lesson, maximumBytes: 16 << 20) else { throw .system("--seccomp-learn", lesson) }
        let text: String
        do {
            text = try SeccompLesson(parsing: bytes).profileJSON(
                comment: "swiftlet run --seccomp-learn, of: \(command.joined(separator: " "))")
        } catch { throw RunFailure(field: "--seccomp-learn", found: "\(error)", expected: "a run from its beginning to its end") }
        guard SmallFile.create(profile, Array(text.utf8), mode: 0o644) else { throw .system("--seccomp-learn", profile) }
    }
}
