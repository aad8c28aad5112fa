// A made-up cgroup file system of plain files.

import Glibc
import Testing

@testable import Cgroups

/// A directory that looks like /sys/fs/cgroup. Writes land in plain files, which is what the tests look at.
struct FakeRoot {
    let path: String

    init(_ files: [String]) throws {
        var template = Array("/tmp/swiftlet-cgroups.XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw CgroupError(stage: "mkdtemp", path: "/tmp", errno: errno) }
        path = String(cString: made)
        for file in files { try Self.put(path, file, "") }
    }

    func put(_ file: String, _ text: String) throws { try Self.put(path, file, text) }

    private static func put(_ root: String, _ file: String, _ text: String) throws {
        var directory = root
        for part in file.split(separator: "/").dropLast() {
            directory += "/\(part)"
            mkdir(directory, 0o755)
        }
        let descriptor = open("\(root)/\(file)", O_CREAT | O_WRONLY | O_TRUNC, 0o644)
        try #require(descriptor >= 0)
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
    }

    func text(_ file: String) -> String? { CgroupFile.read("\(path)/\(file)") }

    func remove() { remove(path) }

    private func remove(_ directory: String) {
        for name in CgroupFile.subdirectories(directory) { remove("\(directory)/\(name)") }
        if let listing = opendir(directory) {
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink("\(directory)/\(name)")
            }
            closedir(listing)
        }
        rmdir(directory)
    }
}
