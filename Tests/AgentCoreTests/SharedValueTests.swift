// A value behind one reference is a value all the same, and its text is that of what it is now.

import JSON
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("Shared values")
struct SharedValueTests {
    private struct Record: Codable, Hashable {
        var before = 1
        @SharedValue var pod: Pod
        @SharedValue var number: Int
        var after: [SharedValue<String>] = []
    }

    private struct Plain: Codable, Hashable {
        var before = 1
        var pod: Pod
        var number: Int
        var after: [String] = []
    }

    private let pod = Pod(
        metadata: ObjectMeta(name: "p", uid: "u"), spec: PodSpec(containers: [Container(name: "c", image: "i")]))

    @Test("written and read as the value itself, the first time and from then on")
    func text() throws {
        let record = Record(pod: pod, number: 7, after: [SharedValue(wrappedValue: "a\"b"), SharedValue(wrappedValue: "c")])
        let plain = try JSON.encode(Plain(pod: pod, number: 7, after: ["a\"b", "c"]))
        for _ in 0..<2 { #expect(try JSON.encode(record) == plain) }
        #expect(try JSON.decode(Record.self, from: plain) == record)
        #expect(try JSON.encode(SharedValue(wrappedValue: pod)) == JSON.encode(pod))
    }

    @Test("a change is the changer's own, and is written")
    func change() throws {
        let first = Record(pod: pod, number: 7)
        let text = try JSON.encode(first)
        var second = first
        second.pod.metadata.labels["x"] = "y"
        second.number += 1
        #expect(first != second && first.pod.metadata.labels.isEmpty && first.number == 7)
        #expect(try JSON.encode(first) == text)
        let read = try JSON.decode(Plain.self, from: JSON.encode(second))
        #expect(read.pod.metadata.labels == ["x": "y"] && read.number == 8)
    }

    @Test("two that were made apart are equal when their values are")
    func equality() {
        let (one, other) = (SharedValue(wrappedValue: pod), SharedValue(wrappedValue: pod))
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one != SharedValue(wrappedValue: Pod(metadata: ObjectMeta(name: "q"), spec: pod.spec)))
    }
}
