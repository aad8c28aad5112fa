// `swiftlet-bench-scheduler`: one measurement of the scheduler a run, told as one line of JSON. Scripts/bench scheduler calls it.
import Glibc
import JSON

let usage = """
    usage: swiftlet-bench-scheduler pure NODES PODS
           swiftlet-bench-scheduler plain NODES PODS
           swiftlet-bench-scheduler bound DIRECTORY NODES PODS [GANG] [--stream]
           swiftlet-bench-scheduler memory DIRECTORY PODS
    """

func measure(_ arguments: [String]) async throws -> JSONValue {
    let words = arguments.filter { !$0.hasPrefix("--") }
    let numbers = words.compactMap { Int($0) }
    switch (words.first, numbers.count) {
    case ("pure", 2): return PurePlacements.run(nodes: numbers[0], pods: numbers[1])
    case ("plain", 2): return PurePlacements.runPlain(nodes: numbers[0], pods: numbers[1])
    case ("bound", 2...3) where words.count == numbers.count + 2:
        return try await EndToEnd(
            directory: words[1], nodes: numbers[0], pods: numbers[1], gang: numbers.count > 2 ? numbers[2] : 1,
            streaming: arguments.contains("--stream")
        ).run()
    case ("memory", 1) where words.count == 3: return try await Memory.run(directory: words[1], pods: numbers[0])
    default: throw BenchFailure(usage)
    }
}

do {
    print(try await measure(Array(CommandLine.arguments.dropFirst())))
} catch {
    let message = Array("swiftlet-bench-scheduler: \(error)\n".utf8)
    _ = message.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(1)
}
