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
            for test in source.components(after: "@Test(") {
                // The name may stand on a line of its own.
                let text = test.drop { $0 == "\n" || $0 == " " }
                guard text.hasPrefix("\""), let colon = text.firstIndex(of: ":") else { continue }
                tested.insert(String(text.dropFirst().prefix(upTo: colon)))
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

extension String {
    /// What follows each `mark`, up to the next.
    fileprivate func components(after mark: String) -> [Substring] {
        let marks = ranges(of: mark)
        return marks.indices.map { self[marks[$0].upperBound..<($0 + 1 < marks.count ? marks[$0 + 1].lowerBound : endIndex)] }
    }
}
