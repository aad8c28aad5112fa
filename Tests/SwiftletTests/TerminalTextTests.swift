// Text on the terminal: columns align, redrawn lines fit, names of kinds are understood.
import Testing

@testable import Swiftlet

@Suite struct TerminalTextTests {
    @Test("columns align, and the last one has no trailing blanks")
    func table() {
        let table = TextTable(header: ["NAME", "PHASE"], rows: [["a", "Running"], ["long-name", "x"]])
        #expect(table.lines == ["NAME        PHASE", "a           Running", "long-name   x"])
    }

    @Test("a line is cut at the terminal's width; colours take no room")
    func clipped() {
        #expect(RedrawnText.clipped("abcdef", to: 4) == "abcd")
        #expect(RedrawnText.clipped("\u{1B}[32mabcdef\u{1B}[0m", to: 4) == "\u{1B}[32mabcd\u{1B}[0m")
    }

    @Test(
        "kinds are found by plural, singular, short name, in any case",
        arguments: [("pods", "Pod"), ("po", "Pod"), ("Node", "Node"), ("kj", "KusciaJob"), ("KUSCIATASKS", "KusciaTask")])
    func kinds(word: String, kind: String) throws { #expect(try ResourceName.named(word).kind == kind) }

    @Test("an unknown kind is answered with the known ones")
    func unknownKind() {
        let error = #expect(throws: CommandFailure.self) { try ResourceName.named("pdos") }
        #expect(error?.hint?.contains("pods") == true)
    }

    @Test("the pause before a restart doubles up to its limit and begins anew after a healthy life")
    func backOff() {
        var backOff = RestartBackOff()
        #expect((0..<7).map { _ in backOff.delay(afterLiving: .seconds(1)) } == [1, 2, 4, 8, 16, 30, 30])
        #expect(backOff.delay(afterLiving: .seconds(120)) == 1)
    }

    @Test("a process is known by pid and start time, and a reused pid is another process")
    func identity() throws {
        let me = ProcessIdentity.current
        #expect(me.isAlive)
        #expect(ProcessIdentity(text: me.text) == me)
        #expect(!ProcessIdentity(pid: me.pid, startTime: me.startTime + 1).isAlive)
        #expect(ProcessIdentity(text: "12") == nil)
    }
}
