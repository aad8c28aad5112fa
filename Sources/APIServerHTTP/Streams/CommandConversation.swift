// exec and attach between a caller (WebSocket channels, or SPDY streams) and a node's tunnel (channel frames).
import JSON
import KubernetesClient
import KubernetesModel

/// What exec and attach need of a node's answer that has begun.
struct CommandConversation: Sendable {
    let answer: TunnelAnswer
    let stdin: Bool
    let stdout: Bool
    let stderr: Bool
    let tty: Bool

    // MARK: WebSocket

    /// A message is a channel's byte and its bytes. Returns when the command has ended, or the caller has gone.
    func converse(overWebSocket connection: UpgradedConnection) async {
        defer { answer.close() }
        // Clients take the first message, on whichever channel there is, for the sign that the streams stand.
        let first: UInt8 = stdout ? ChannelFrame.stdout : stderr ? ChannelFrame.stderr : ChannelFrame.status
        guard (try? await connection.send([first])) != nil else { return }
        await untilFirst(
            { await self.readMessages(connection) },
            { await self.copyOutput { frame in try await connection.send([frame.channel] + frame.bytes) } },
            { await connection.untilLeft() })
    }

    /// Until the caller goes. What the command takes no more is dropped: it may have ended, and its last words are under way.
    private func readMessages(_ connection: UpgradedConnection) async {
        while let message = await connection.receive() {
            guard let channel = message.first else { continue }
            switch channel {
            case ChannelFrame.stdin where stdin, ChannelFrame.resize where tty, ChannelFrame.close:
                try? await answer.write(ChannelFrame(channel, Array(message.dropFirst())).encoded)
            default: break
            }
        }
    }

    /// The node's frames, until its status; a status of our own when the node breaks off.
    private func copyOutput(_ send: @Sendable (ChannelFrame) async throws -> Void) async {
        var reader = ChannelFrameReader()
        var isWhole = false
        do {
            while let bytes = try await answer.next() {
                for frame in try reader.append(bytes) {
                    try await send(frame)
                    isWhole = isWhole || frame.channel == ChannelFrame.status
                }
            }
            if !isWhole { try await send(Self.broken("the node ended the stream without a status")) }
        } catch is UpgradedConnection.Closed {
            return
        } catch {
            try? await send(Self.broken("\(error)"))
        }
    }

    private static func broken(_ message: String) -> ChannelFrame {
        let status = APIStatus(status: "Failure", message: message, reason: "InternalError", code: 500)
        return ChannelFrame(ChannelFrame.status, (try? JSON.encode(status)) ?? Array(#"{"status":"Failure"}"#.utf8))
    }

    // MARK: SPDY

    /// The caller opens one stream per channel, each named by its header.
    func converse(overSPDY connection: UpgradedConnection) async {
        defer { answer.close() }
        let session = SPDYSession(connection)
        let streams = CommandStreams()
        await untilFirst(
            { await session.run { streams.add($0) } },
            {
                guard await streams.wait(for: self.expected) else { return }
                await self.converse(streams, session)
            })
    }

    private var expected: Set<String> {
        var names: Set<String> = ["error"]
        if stdin { names.insert("stdin") }
        if stdout { names.insert("stdout") }
        if stderr { names.insert("stderr") }
        if tty { names.insert("resize") }
        return names
    }

    private func converse(_ streams: CommandStreams, _ session: SPDYSession) async {
        await withTaskGroup(of: Void.self) { tasks in
            if let stream = streams["stdin"] {
                tasks.addTask { await self.copy(stream, to: ChannelFrame.stdin, endIsTold: true) }
            }
            if let stream = streams["resize"] {
                tasks.addTask { await self.copy(stream, to: ChannelFrame.resize, endIsTold: false) }
            }
            await copyOutput { frame in try await streams[Self.name(of: frame.channel)]?.write(frame.bytes) }
            for name in ["stdout", "stderr", "error"] { await streams[name]?.finish() }
            answer.close()
            tasks.cancelAll()
        }
        await session.farewell()
    }

    private func copy(_ stream: SPDYStream, to channel: UInt8, endIsTold: Bool) async {
        while let bytes = try? await stream.incoming.next() {
            guard (try? await answer.write(ChannelFrame(channel, bytes).encoded)) != nil else { return }
        }
        if endIsTold, !Task.isCancelled { try? await answer.write(ChannelFrame(ChannelFrame.close, [channel]).encoded) }
    }

    private static func name(of channel: UInt8) -> String {
        switch channel {
        case ChannelFrame.stdout: "stdout"
        case ChannelFrame.stderr: "stderr"
        default: "error"
        }
    }
}

/// Runs all and returns when one of them has; the others are cancelled and waited for.
func untilFirst(_ parts: (@Sendable () async -> Void)...) async {
    await withTaskGroup(of: Void.self) { tasks in
        for part in parts { tasks.addTask { await part() } }
        await tasks.next()
        tasks.cancelAll()
    }
}
