// What the options name on this machine has to be there: said with the option, before the launcher says it with a stage.
import Glibc

enum RunInputs {
    static func check(_ options: RunOptions) throws(RunFailure) {
        if case .directory(let path) = options.root, !RunPath.isDirectory(path) {
            throw RunFailure(
                field: "--rootfs", found: reason(path), expected: "a directory with an unpacked image",
                hint: "an image's archive is unpacked first: tar -x, or `skopeo copy` and `umoci unpack`")
        }
        for bind in options.binds where !RunPath.exists(bind.source) {
            throw RunFailure(field: "--bind", found: reason(bind.source), expected: "a file or directory of this machine")
        }
    }

    private static func reason(_ path: String) -> String {
        RunPath.exists(path) ? "\(path), which is no directory" : "\(path): \(String(cString: strerror(errno)))"
    }
}
