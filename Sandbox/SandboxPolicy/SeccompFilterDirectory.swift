// Compiled filters on disk, so that a process that lives for one launch neither reads the profile's JSON nor compiles it.
// A file holds what it was made from; it is used only when that is byte for byte what is asked for.

import CSeccomp
import Glibc

struct SeccompFilterDirectory: Sendable {
    /// Made when missing; belongs to one user, who alone may write in it.
    let path: String

    /// Beyond these many files the others are removed: edited profiles leave their old programs behind.
    private static let capacity = 128
    /// A profile of a mebibyte and a program.
    private static let maximumBytes = 1 << 21
    private static let magic = Array("swiftlet-bpf 2\n".utf8)

    /// What a program depends on beside the document.
    static func key(document: [UInt8], context: SeccompContext) -> [UInt8] {
        let library = seccomp_version().map { "\($0.pointee.major).\($0.pointee.minor).\($0.pointee.micro)" } ?? "unknown"
        let capabilities = context.capabilities.map(\.rawValue).sorted().joined(separator: ",")
        let text = """
            libseccomp \(library) \(SeccompArchitecture.native.rawValue) kernel \(context.kernel.major).\(context.kernel.minor) \
            foreign \(context.servesForeignArchitectures) capabilities \(capabilities)\n
            """
        return Array(text.utf8) + document
    }

    /// Nil when there is none, or one that cannot be trusted: it is then compiled again and written over.
    func program(for key: [UInt8]) -> [UInt8]? {
        guard let bytes = read(file(key)), bytes.starts(with: Self.magic) else { return nil }
        let head = Self.magic.count + 16
        guard bytes.count >= head else { return nil }
        let keyCount = Self.number(bytes, Self.magic.count)
        let sum = Self.number(bytes, Self.magic.count + 8)
        guard keyCount == UInt64(key.count), bytes.count > head + key.count, bytes[head..<(head + key.count)] == key[...] else {
            return nil
        }
        let program = Array(bytes[(head + key.count)...])
        guard Self.checksum(program) == sum, FilterProgram.isWellFormed(program) else { return nil }
        return program
    }

    /// What fails here costs the next process a compilation and nothing else, so it is not reported.
    func write(_ program: [UInt8], for key: [UInt8]) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { return }
        let name = file(key)
        makeRoom(besides: name)
        let bytes =
            Self.magic + Self.bytes(UInt64(key.count)) + Self.bytes(Self.checksum(program)) + key + program
        let temporary = "\(name).\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        let written = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        if written != bytes.count || rename(temporary, name) != 0 { unlink(temporary) }
    }

    private func file(_ key: [UInt8]) -> String { "\(path)/\(String(Self.checksum(key), radix: 16)).bpf" }

    private func read(_ name: String) -> [UInt8]? {
        let descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var info = stat()
        // Written by ourselves and by nobody else since: a program from here decides what a task may do.
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid(),
            info.st_mode & 0o022 == 0, info.st_size > 0, info.st_size <= Self.maximumBytes
        else { return nil }
        let size = Int(info.st_size)
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, size))
        }
        return bytes.count == size ? bytes : nil
    }

    private func makeRoom(besides name: String) {
        guard access(name, F_OK) != 0, let directory = opendir(path) else { return }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.contains(".bpf") { names.append(name) }
        }
        if names.count >= Self.capacity { for name in names { unlink("\(path)/\(name)") } }
    }

    /// FNV-1a: names a file and finds torn ones. Whether a file is the right one is decided by its contents.
    private static func checksum(_ bytes: [UInt8]) -> UInt64 {
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        bytes.withUnsafeBufferPointer { for byte in $0 { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        return sum
    }

    private static func bytes(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    private static func number(_ bytes: [UInt8], _ at: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
    }
}
