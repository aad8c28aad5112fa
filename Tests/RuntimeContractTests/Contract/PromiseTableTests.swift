// The table of promises in Runtimes/README.md and the suite name the same ones.

import Glibc
import Testing

@Suite("Contract: the table")
struct PromiseTableTests {
    @Test("every promise of Runtimes/README.md has its test, and every test its promise")
    func table() throws {
        let directory = #filePath.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        let readme = Lab.text("\(directory)/../../../Runtimes/README.md")
        let promised = Set(readme.split(separator: "\n").compactMap(Self.promise))
        var tested: Set<String> = []
        for name in ["Start", "End", "Removal", "Adoption", "Access"] {
            let source = Lab.text("\(directory)/Contract\(name)Tests.swift")
            for line in source.split(separator: "\n") {
                guard let begin = line.firstRange(of: "@Test(\""), let colon = line[begin.upperBound...].firstIndex(of: ":")
                else { continue }
                tested.insert(String(line[begin.upperBound..<colon]))
            }
        }
        #expect(promised == tested)
        #expect(promised.count > 30)
    }

    /// "| `start-once` | ..." is a promise; names with a hyphen or from the short list.
    private static func promise(_ line: Substring) -> String? {
        guard line.hasPrefix("| promise `") else { return nil }
        return String(line.dropFirst("| promise `".count).prefix { $0 != "`" })
    }
}
