// What commands refuse in their words before anything is sent: names that name nothing, numbers at the ends of their types.
import ArgumentParser
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Testing

@testable import Swiftlet

@Suite struct ArgumentTests {
    @Test(
        "an empty name is refused: a variable that a script did not set is no order to take everything",
        arguments: [
            ["delete", "pod", ""], ["delete", "pod", "a", ""], ["delete", "", "a"], ["get", "pod", ""], ["describe", "pod", ""],
            ["logs", ""], ["logs", "--task", "", "--party", "a"], ["logs", "--task", "t", "--party", ""], ["token", ""],
            ["delete", "pod", "a", "-n", ""], ["get", "pod", "-n", ""], ["logs", "a", "-n", ""], ["top", "pods", "-n", ""],
            ["down", "--state", ""], ["up", "--state", ""],
        ])
    func emptyNames(words: [String]) {
        #expect(throws: (any Error).self) { try SwiftletCommand.parseAsRoot(words) }
    }

    @Test(
        "no call about one object is made without its name, nor with one that makes it another call",
        arguments: ["", ".", "..", "a/b", "../secrets/x", "a%2Fb"])
    func namesInPaths(name: String) async throws {
        // Nobody listens there: what is sent comes back as a transport's failure, which has no code.
        let api = try HTTPKubernetesAPI(endpoint: APIServerEndpoint(server: "http://127.0.0.1:1"), credentials: .none)
        let pods = GroupVersionResource(resource: "pods")
        let calls: [@Sendable () async throws -> Void] = [
            { _ = try await api.get(pods, namespace: "a", name: name, subresource: nil) },
            { _ = try await api.update(pods, namespace: "a", name: name, subresource: nil, body: []) },
            { _ = try await api.patch(pods, namespace: "a", name: name, subresource: nil, type: .merge, body: []) },
            { _ = try await api.delete(pods, namespace: "a", name: name, options: DeleteOptions()) },
            { _ = try await api.create(pods, namespace: "a", name: name, subresource: "eviction", body: []) },
            { _ = try await api.get(pods, namespace: name, name: "x", subresource: nil) },
            { try await api.podLog(namespace: "a", pod: name, options: PodLogOptions()) { _ in } },
        ]
        for call in calls {
            let error = await #expect(throws: KubernetesAPIError.self) { try await call() }
            #expect(error?.code == 400, "\(error.map { "\($0)" } ?? "")")
            #expect(error?.description.contains("may not") == true)
        }
        await api.shutdown()
    }

    /// Options with numbers: the words before the number, the smallest and the largest that is taken.
    private static let ends: [(words: [String], option: String, range: ClosedRange<Int>)] = [
        (["delete", "pod", "a"], "--timeout", 0...31_536_000), (["delete", "pod", "a"], "--grace-period", 0...31_536_000),
        (["submit", "f"], "--timeout", 0...31_536_000), (["submit", "f"], "--tail", 0...1_000_000_000),
        (["logs", "a"], "--tail", 0...1_000_000_000), (["down"], "--timeout", 0...31_536_000), (["up"], "--port", 0...65_535),
        (["image", "prune"], "--older-than-hours", 0...876_600),
    ]

    @Test("a number is taken at both ends of its range, and beyond them refused with its option", arguments: ends.indices)
    func numbers(index: Int) throws {
        let (words, option, range) = Self.ends[index]
        for good in [range.lowerBound, range.upperBound] {
            #expect(throws: Never.self) { try SwiftletCommand.parseAsRoot(words + ["\(option)=\(good)"]) }
        }
        for bad in [range.lowerBound - 1, range.upperBound + 1, .max, .min] {
            let error = #expect(throws: (any Error).self) { try SwiftletCommand.parseAsRoot(words + ["\(option)=\(bad)"]) }
            let message = error.map { SwiftletCommand.message(for: $0) } ?? ""
            #expect(message.contains(option) && message.contains("\(range.upperBound)"), "\(message)")
        }
    }

    @Test("every option of a command that is a number has its ends in the table above")
    func everyNumber() throws {
        let known = Set(Self.ends.map { $0.option.dropFirst(2) })
        var count = 0
        for command in SwiftletCommand.everyCommand {
            for (label, value) in Mirror(reflecting: command.init()).children {
                guard "\(type(of: value))".contains("Option<Int>") || "\(type(of: value))".contains("Option<Optional<Int>>")
                else {
                    continue
                }
                let option = (label ?? "").dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
                #expect(known.contains(option[...]), "\(command): \(option)")
                count += 1
            }
        }
        #expect(count == Self.ends.count)
    }

    @Test("top takes nodes and pods in the singular too", arguments: ["node", "nodes", "no", "pod", "pods", "po", "Pods"])
    func top(word: String) throws {
        #expect(throws: Never.self) { try SwiftletCommand.parseAsRoot(["top", word]) }
    }

    @Test(
        "an id that Kuscia keeps for itself is none of a domain", arguments: ["master", "default", "kube-system", "cross-domain"])
    func reserved(domain: String) throws {
        #expect(throws: (any Error).self) { try SwiftletCommand.parseAsRoot(["token", domain]) }
    }
}

extension SwiftletCommand {
    /// With those below others.
    static var everyCommand: [any ParsableCommand.Type] {
        func below(_ type: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
            type.configuration.subcommands + type.configuration.subcommands.flatMap(below)
        }
        return below(Self.self)
    }
}
