// A pull before the eyes of a person: a bar per layer on a terminal, a line per event elsewhere.
import Glibc
import ImageStore
import RegistryClient
import Synchronization

final class PullProgressDisplay: Sendable {
    private struct Layer: Sendable {
        var digest: ContentDigest
        var size: Int64
        var bytes: Int64 = 0
        var state = "waiting"
    }

    private struct State {
        var layers: [Layer] = []
        var text = RedrawnText(.error)
        var lastDrawn: Int64 = 0
    }

    private let isQuiet: Bool
    private let state = Mutex(State())
    /// Drawn at most this often.
    private static let milliseconds: Int64 = 100
    private static let barWidth = 28

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    func take(_ event: PullEvent) {
        if isQuiet { return }
        let isInteractive = Terminal.error.isInteractive
        state.withLock { state in
            switch event {
            case .resolved(let origin, let digest, let layers):
                state.layers = layers.map { Layer(digest: $0.digest, size: $0.size) }
                Terminal.error.line(
                    "\(digest.short) from \(origin): \(layers.count) layers, \(HumanText.bytes(layers.reduce(0) { $0 + $1.size }))"
                )
            case .progress(let digest, let bytes):
                for index in state.layers.indices where state.layers[index].digest == digest {
                    state.layers[index].bytes = bytes
                    state.layers[index].state = "pulling"
                }
            case .layer(let digest, let wasHere):
                for index in state.layers.indices where state.layers[index].digest == digest {
                    state.layers[index].bytes = state.layers[index].size
                    state.layers[index].state = wasHere ? "already here" : "done"
                    if !isInteractive { Terminal.error.line("\(digest.short): \(state.layers[index].state)") }
                }
            case .unpacked(let count):
                for index in state.layers.indices.prefix(count) { state.layers[index].state = "unpacked" }
                if !isInteractive { Terminal.error.line("\(count) of \(state.layers.count) layers unpacked") }
            case .sourceFailed(let origin, let reason): Terminal.error.line("\(origin): \(reason); the next source is asked")
            }
            if isInteractive { Self.draw(&state, always: false) }
        }
    }

    /// The last picture.
    func finish() {
        if isQuiet || !Terminal.error.isInteractive { return }
        state.withLock { state in
            Self.draw(&state, always: true)
            state.layers = []
            state.text = RedrawnText(.error)
        }
    }

    private static func draw(_ state: inout State, always: Bool) {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let time = Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
        guard always || time - state.lastDrawn >= milliseconds else { return }
        state.lastDrawn = time
        state.text.draw(state.layers.map(line))
    }

    private static func line(_ layer: Layer) -> String {
        let share = layer.size > 0 ? min(1, Double(layer.bytes) / Double(layer.size)) : 1
        let full = Int(share * Double(barWidth))
        let bar = String(repeating: "=", count: full) + String(repeating: " ", count: barWidth - full)
        return "\(layer.digest.short) [\(bar)] \(HumanText.bytes(layer.bytes)) of \(HumanText.bytes(layer.size))  \(layer.state)"
    }
}
