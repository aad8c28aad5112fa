// Results as lines of the Test Anything Protocol, which Scripts/test-cgroup2 reads from the guest's serial line.

import Glibc

struct Failure: Error { var message: String }

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failure(message: message()) }
}

struct Report {
    private var count = 0
    private(set) var failures = 0

    mutating func test(_ promise: String, skip reason: String? = nil, _ body: () throws -> String) {
        count += 1
        if let reason {
            put("ok \(count) - \(promise) # SKIP \(reason)")
            return
        }
        let started = now()
        func seconds() -> String { "\(Int((now() - started) * 1000)) ms" }
        do {
            let figures = try body()
            put("ok \(count) - \(promise) # \(seconds())" + (figures.isEmpty ? "" : "; \(figures)"))
        } catch {
            failures += 1
            let message = (error as? Failure)?.message ?? "\(error)"
            put("not ok \(count) - \(promise) # \(seconds()); \(message.split(separator: "\n").joined(separator: " | "))")
        }
    }

    func end() { put("1..\(count)") }

    private func put(_ line: String) {
        let bytes = Array((line + "\n").utf8)  // at once: what comes last before a crash matters most
        if write(1, bytes, bytes.count) != bytes.count { exit(3) }
    }
}

func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Until `condition`, for so many seconds at most.
func wait(_ seconds: Double = 30, until condition: () -> Bool) -> Bool {
    let deadline = now() + seconds
    while !condition() {
        if now() > deadline { return false }
        usleep(5_000)
    }
    return true
}
