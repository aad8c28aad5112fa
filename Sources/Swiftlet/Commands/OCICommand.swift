// swiftlet oci: the OCI runtime, which is a slim program of its own beside this one.

import ArgumentParser
import Glibc

struct OCICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "oci",
        abstract: "Run OCI bundles: create, start, state, kill, delete, run, exec, list, ... as runc has them.",
        discussion: "The program swiftlet-oci does the work; engines may call it directly.")

    @Argument(parsing: .captureForPassthrough, help: "A verb and its options; `swiftlet oci help` lists them.")
    var words: [String] = []

    func run() throws { Glibc.exit(Self.replaceThisProgram(words)) }

    /// Becomes `swiftlet-oci`; returns an exit status only when that fails. Called before anything of the cluster's commands is
    /// looked at: the runtime starts as often as there are containers.
    static func replaceThisProgram(_ words: [String]) -> Int32 {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = buffer.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? -1
        }
        let own = String(decoding: buffer.prefix(max(0, length)), as: UTF8.self)
        let program = String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)]) + "/swiftlet-oci"
        var arguments: [UnsafeMutablePointer<CChar>?] = (["swiftlet-oci"] + words).map { strdup($0) }
        arguments.append(nil)
        execv(program, &arguments)
        let message =
            "swiftlet oci: cannot execute \(program): \(String(cString: strerror(errno))); it is installed beside swiftlet\n"
        _ = message.withCString { write(2, $0, strlen($0)) }
        return 126
    }
}
