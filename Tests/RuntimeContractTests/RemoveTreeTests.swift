// A record's directory goes also while somebody still writes into it.

import Dispatch
import Glibc
import Testing

@testable import LocalRuntime

@Suite struct RemoveTreeTests {
    @Test("a directory into which somebody writes again what was removed is gone all the same", .timeLimit(.minutes(1)))
    func besideWriter() async throws {
        for round in 0..<50 {
            let place = "/tmp/swiftlet-removed-\(getpid())-\(round)"
            let file = "\(place)/file"
            try RecordFiles.makeDirectories(place)
            try RecordFiles.write([], to: file)
            async let written: Void = withCheckedContinuation { continuation in
                DispatchQueue(label: "writer").async {
                    for _ in 0..<5 {
                        var looks = 0
                        while access(file, F_OK) == 0, looks < 1_000_000 { looks += 1 }
                        let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                        if descriptor < 0 { break }  // the directory is gone
                        close(descriptor)
                    }
                    continuation.resume()
                }
            }
            defer { try? RecordFiles.removeTree(place) }
            #expect(throws: Never.self) { try RecordFiles.removeTree(place) }
            try? RecordFiles.removeTree(place)  // or the writer waits
            await written
            #expect(!RecordFiles.exists(place))
        }
    }
}
