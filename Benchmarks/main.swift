// `swiftlet-bench`: the load that Scripts/bench puts on a master, a stock API server or etcd; one measurement a run, told as
// one line of JSON. It runs on a single event loop: the server under test needs the other cores.
import Glibc
import JSON
import NIOCore
import NIOPosix

func measure(_ arguments: Arguments, on loop: any EventLoop) async throws -> JSONValue {
    if arguments.command == "etcd" { return try await EtcdCommand.run(arguments, on: loop) }
    let load = LoadCommands(target: try Target.kubeconfig(try arguments.text("kubeconfig")), loop: loop)
    switch arguments.command {
    case "prepare": return try await load.prepare()
    case "clean": return try await load.clean()
    case "load": return try await load.load(arguments)
    case "event": return try await load.event(arguments)
    case "fanout": return try await WatchCommands(load).fanOut(arguments)
    case "watches": return try await WatchCommands(load).idleWatches(arguments)
    case "nodes": return try await SimulatedNodes(load: load, kubeconfig: try arguments.text("kubeconfig")).run(arguments)
    default: throw BenchError(Arguments.usage)
    }
}

/// Thousands of connections need as many descriptors.
func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

raiseDescriptorLimit()
do {
    let arguments = try Arguments(Array(CommandLine.arguments.dropFirst()))
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let figures = try await measure(arguments, on: group.next())
    print(figures)
} catch {
    let text = Array("swiftlet-bench: \(error)\n".utf8)
    _ = text.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(1)
}
