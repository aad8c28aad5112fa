// `swiftlet-bench WORD --name value ...`: few enough options to read them by hand.
import Glibc

struct Arguments {
    let command: String
    private var values: [String: String] = [:]

    init(_ words: [String]) throws {
        guard let command = words.first, !command.hasPrefix("-") else { throw BenchError(Self.usage) }
        self.command = command
        var rest = words.dropFirst()
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else { throw BenchError("\(name): expected --NAME VALUE") }
            values[String(name.dropFirst(2))] = value
        }
    }

    func text(_ name: String) throws -> String {
        guard let value = values[name] else { throw BenchError("--\(name) is missing") }
        return value
    }

    func text(_ name: String, default value: String) -> String { values[name] ?? value }

    func number(_ name: String, default value: Int) throws -> Int {
        guard let text = values[name] else { return value }
        guard let number = Int(text), number >= 0 else { throw BenchError("--\(name): expected a number, found \(text)") }
        return number
    }

    func number(_ name: String) throws -> Double? {
        guard let text = values[name] else { return nil }
        guard let number = Double(text), number > 0 else { throw BenchError("--\(name): expected a number, found \(text)") }
        return number
    }

    static let usage = """
        usage: swiftlet-bench COMMAND --kubeconfig FILE [--OPTION VALUE ...]      (one line of JSON on standard output)

          prepare                                        the namespace of the load
          clean                                          takes it away again
          load   --operation create|get|status --connections N --seconds S [--rate PER-SECOND] [--count N] [--first N]
          event  --count N                               create to another client's watch event, one at a time
          fanout --watchers N --events N --window N [--gzip yes]   watchers of whole pods; --pid: the server's CPU and memory
          watches --watchers N --seconds S               idle watches; --pid: memory per connection
          nodes  --nodes N --pods N --directory DIR [--limit SECONDS]   simulated nodes: the agent over the fake runtime; DIR for its state
          etcd   --endpoint http://HOST:PORT --connections N --seconds S    Put of the same size (no kubeconfig)
        """
}
