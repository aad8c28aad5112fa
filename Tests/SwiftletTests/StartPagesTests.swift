// What a process gives back after its start: pages that the file has too, and no others.
import Glibc
import Testing

@testable import Swiftlet

@Suite("Pages of the start")
struct StartPagesTests {
    private func mapping(_ head: String, anonymous: Int) -> String {
        "\(head)\nSize:  100 kB\nRss:   40 kB\nAnonymous:  \(anonymous) kB\nVmFlags: rd ex mr mw me\n"
    }

    @Test("only private, unwritten, read-only mappings of files are given back")
    func selection() {
        let smaps =
            mapping("1000-2000 r-xp 00000000 fe:00 11 /usr/bin/program", anonymous: 0)
            + mapping("2000-3000 r--p 00001000 fe:00 11 /usr/bin/program", anonymous: 8)  // relocated, then made read-only
            + mapping("3000-5000 r--p 00002000 fe:00 11 /usr/lib/with space.so", anonymous: 0)
            + mapping("5000-6000 rw-p 00004000 fe:00 11 /usr/bin/program", anonymous: 0)
            + mapping("6000-7000 r--s 00000000 fe:00 12 /var/cache/shared", anonymous: 0)
            + mapping("7000-8000 rwxp 00000000 00:00 0", anonymous: 0)
            + mapping("8000-9000 r-xp 00000000 00:00 0 [vdso]", anonymous: 0)
        #expect(StartPages.unwritten(smaps) == [.init(start: 0x1000, end: 0x2000), .init(start: 0x3000, end: 0x5000)])
    }

    @Test("a process lives on after it has given back the pages of its own code, and holds less")
    func release() throws {
        func held() throws -> Int {
            let fields = try #require(FileText.read("/proc/self/statm")).split(separator: " ")
            return try #require(Int(fields[2]))  // pages of files
        }
        let before = try held()
        StartPages.release()
        let after = try held()
        #expect(after < before)
        #expect((0..<1000).map { String($0) }.joined().count == 2890)
    }
}
