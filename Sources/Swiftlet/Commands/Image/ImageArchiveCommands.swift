// `swiftlet image load|import|save`: images as files, for nodes that reach no registry.
import ArgumentParser
import CLinux
import Glibc
import ImageStore
import RegistryClient

struct ImageLoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Take images out of a docker-archive or oci-archive (`docker save`, `skopeo copy`, `swiftlet image save`).")

    @OptionGroup var node: ImageStoreOptions
    @Option(name: [.short, .long], help: "The archive, plain or compressed; standard input when not given.", completion: .file())
    var input: String?
    @Option(help: "The name of an image that has none in the archive.") var name: String?

    func run() async throws {
        let opened = try node.open(makes: true)
        let name = try name.map(opened.reference)
        let file = try ArchiveFile.reading(input)
        defer { file.close() }
        let images = try await BlockingCall.run {
            Result { try opened.store.load(fd: file.descriptor, subject: file.name, name: name, now: Int64(time(nil))) }
        }.get()
        for image in images { Terminal.output.line("\(image.reference.familiar)") }
    }
}

struct ImageImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make an image of one layer out of a tar of a file tree.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "The tar, plain or compressed; - for standard input.", completion: .file()) var file: String
    @Argument(help: "The image's name.") var name: String
    @Option(parsing: .upToNextOption, help: "The command that it runs.") var cmd: [String] = []
    @Option(help: "NAME=value of its environment; may be repeated.") var env: [String] = []

    func run() async throws {
        let opened = try node.open(makes: true)
        let reference = try opened.reference(name)
        let file = try ArchiveFile.reading(file == "-" ? nil : file)
        defer { file.close() }
        var process = ImageConfig.Process.init()
        process.cmd = cmd.isEmpty ? nil : cmd
        process.env = env.isEmpty ? nil : env
        let image = try await BlockingCall.run { [process] in
            Result {
                try opened.store.importTree(
                    fd: file.descriptor, subject: file.name, name: reference, process: process, now: Int64(time(nil)))
            }
        }.get()
        Terminal.output.line("\(image.reference.familiar)")
    }
}

struct ImageSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Write images to an archive that docker, podman, skopeo and `swiftlet image load` read.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Names or ids.") var images: [String]
    @Option(name: [.short, .long], help: "The archive; standard output when not given.", completion: .file()) var output: String?

    func run() async throws {
        let opened = try node.open()
        let images = try images.map(opened.image)
        guard output != nil || isatty(STDOUT_FILENO) == 0 else {
            throw CommandFailure("an archive is nothing for a terminal", hint: "-o FILE, or a pipe")
        }
        let file = try ArchiveFile.writing(output)
        defer { file.close() }
        do {
            try await BlockingCall.run { Result { try opened.store.save(images, to: file.descriptor, subject: file.name) } }.get()
        } catch {
            // Half an archive looks like a whole one until somebody loads it. A pipe's reader sees the end.
            if let output { unlink(output) }
            throw error
        }
    }
}

/// A file, or a standard stream.
struct ArchiveFile: Sendable {
    var descriptor: Int32
    var name: String

    static func reading(_ path: String?) throws -> ArchiveFile {
        try open(path, O_RDONLY | O_CLOEXEC, ArchiveFile(descriptor: STDIN_FILENO, name: "standard input"))
    }

    static func writing(_ path: String?) throws -> ArchiveFile {
        try open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, ArchiveFile(descriptor: STDOUT_FILENO, name: "standard output"))
    }

    private static func open(_ path: String?, _ flags: Int32, _ standard: ArchiveFile) throws -> ArchiveFile {
        guard let path else { return standard }
        let descriptor = clinux_open(path, flags, 0o644)
        guard descriptor >= 0 else { throw CommandFailure("\(path): \(String(cString: strerror(errno)))") }
        return ArchiveFile(descriptor: descriptor, name: path)
    }

    func close() { if descriptor > STDERR_FILENO { Glibc.close(descriptor) } }
}
