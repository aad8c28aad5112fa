// Follows one job until its end and tells the terminal: progress, then each party's last log lines and what was used.
import KubernetesClient

struct JobWatcher: Sendable {
    let connection: Connection
    let name: String
    let namespace: String

    /// Elapsed times on a terminal move on so often.
    static let redrawInterval = Duration.seconds(1)
    /// A last look for usage and final phases, which may come a moment after the job's own end.
    static let settleTime = Duration.seconds(3)

    /// Throws `CommandFailure` after `timeoutSeconds`, or when the job is deleted meanwhile.
    func watch(timeoutSeconds: Int) async throws -> JobView {
        let display = JobDisplay(name: name)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await followJob(display) }
            group.addTask { try await followTasks(display) }
            group.addTask {
                while true {
                    await display.refresh()
                    try await Task.sleep(for: Self.redrawInterval)
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(timeoutSeconds))
                let cause = await display.finalView().waitsFor.map { ": \($0)" } ?? ""
                throw CommandFailure(
                    "job \(name) has not ended after \(timeoutSeconds) s\(cause)",
                    hint: "it goes on; `swiftlet describe kusciajob \(name)` tells its state")
            }
            group.addTask { try await display.waitForEnd() }
            // The first to return is the one that saw the end; the first to throw says why there is none.
            try await group.next()
            group.cancelAll()
            while (try? await group.next()) != nil {}
        }
        return await display.finalView()
    }

    private func followJob(_ display: JobDisplay) async throws {
        let options = ListOptions(fieldSelector: "metadata.name=\(name)")
        let follower = ObjectFollower(
            api: connection.api, resource: ResourceName.kusciaJob.resource, namespace: namespace, options: options)
        try await follower.run(onInterruption: { await display.note("waiting for the master: \($0)") }) { change in
            if case .deleted = change {
                throw CommandFailure("job \(name) was deleted while it ran", hint: nil)
            }
            await display.job(change)
            return true
        }
    }

    private func followTasks(_ display: JobDisplay) async throws {
        let follower = ObjectFollower(
            api: connection.api, resource: ResourceName.kusciaTask.resource, namespace: namespace)
        try await follower.run { change in
            await display.task(change)
            return true
        }
    }

    func printResult(_ view: JobView, logLines: Int) async {
        let terminal = Terminal.output
        let rows = view.rows(now: HumanText.now)
        if logLines > 0 { await printLogs(rows, lines: logLines) }
        terminal.line()
        JobReport.usageTable(rows).print()
        terminal.line()
        let elapsed = view.elapsedSeconds(now: HumanText.now).map { " after \(HumanText.duration(seconds: $0))" } ?? ""
        if view.succeeded {
            terminal.line(terminal.styled("Job \(name) succeeded", .green) + elapsed)
        } else {
            let cause = view.message.isEmpty ? "" : ": \(view.message)"
            terminal.line(terminal.styled("Job \(name) ended as \(view.phase)", .red) + elapsed + cause)
        }
    }

    private func printLogs(_ rows: [JobView.Row], lines: Int) async {
        for row in rows {
            guard let pod = row.pod, let slash = pod.firstIndex(of: "/") else { continue }
            let (namespace, podName) = (String(pod[..<slash]), String(pod[pod.index(after: slash)...]))
            Terminal.output.line()
            let of = "task \(row.task), party \(row.party), pod \(podName)"
            Terminal.output.line(Terminal.output.styled("Last log lines of \(of):", .bold))
            do {
                let text = LastLineOutput()
                try await connection.logs.podLog(
                    namespace: namespace, pod: podName, options: PodLogOptions(tailLines: lines)
                ) { await text.write($0) }
                await text.end()
            } catch {
                Terminal.output.line("  (no log: \(error))")
            }
        }
    }
}

/// Indents a log on its way to the terminal.
private actor LastLineOutput {
    private var rest: [UInt8] = []

    func write(_ bytes: [UInt8]) {
        rest += bytes
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            Terminal.output.line("  " + String(decoding: rest[..<newline], as: UTF8.self))
            rest.removeSubrange(...newline)
        }
    }

    func end() { if !rest.isEmpty { Terminal.output.line("  " + String(decoding: rest, as: UTF8.self)) } }
}

/// The view of the job that the followers feed and the terminal shows.
private actor JobDisplay {
    private var view: JobView
    private var report = JobReport(terminal: .output)
    private var note: String?
    private var endWaiter: CheckedContinuation<Void, any Error>?

    init(name: String) { view = JobView(name: name) }

    func job(_ change: ObjectChange) {
        note = nil
        view.apply(job: change)
        refresh()
        resumeWhenSettled()
    }

    func task(_ change: ObjectChange) {
        view.apply(task: change)
        refresh()
        resumeWhenSettled()
    }

    func note(_ text: String) {
        note = text
        refresh()
    }

    func refresh() { report.show(view, note: note, now: HumanText.now) }

    func finalView() -> JobView { view }

    /// Returns when the job is over and every task that started has told its last, the latter at most `settleTime` late.
    func waitForEnd() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                endWaiter = continuation
                if Task.isCancelled { cancelWaiting() }
                resumeWhenSettled()
            }
        } onCancel: {
            Task { await self.cancelWaiting() }
        }
    }

    private func cancelWaiting() {
        endWaiter?.resume(throwing: CancellationError())
        endWaiter = nil
    }

    private func resumeWhenSettled() {
        guard endWaiter != nil, view.isFinished else { return }
        let isSettled = view.rows(now: 0).allSatisfy { ($0.isFinished && $0.cpuSeconds != nil) || $0.pod == nil }
        if isSettled {
            resume()
        } else {
            Task {
                try? await Task.sleep(for: JobWatcher.settleTime)
                resume()
            }
        }
    }

    private func resume() {
        endWaiter?.resume()
        endWaiter = nil
    }
}
