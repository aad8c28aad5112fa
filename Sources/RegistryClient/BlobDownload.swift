// One blob from a registry into the store: resumed where it stopped, never larger, slower or other than announced.
import AsyncHTTPClient
import ImageStore
import NIOCore
import RuntimeInterface

struct BlobDownload: Sendable {
    let client: RegistryClient
    let store: BlobStore
    let reference: ImageReference
    let source: RegistryClient.Source
    let descriptor: Descriptor
    let credentials: [RegistryCredential]
    /// Bytes that are here now.
    let report: @Sendable (Int64) -> Void

    /// Pieces from the network are gathered to this size before the disk is bothered.
    private static let pieceBytes = 512 << 10
    /// How often somebody else's ingest of the same blob is looked at.
    private static let busyMilliseconds = 50
    /// However much each try brings.
    private static let maximumTries = 200

    /// Whether it had to come; false: it was here, or somebody else brought it meanwhile. Throws `ImagePullError`, `ImageStoreError`.
    func run() async throws -> Bool {
        while true {
            try Task.checkCancellation()
            let (store, descriptor) = (store, descriptor)
            let start = try await BlockingFiles.run { try store.beginIngest(descriptor.digest, size: descriptor.size) }
            switch start {
            case .present: return false
            // Another pull brings it; files have no way to tell when it is done that works between processes and survives a kill -9.
            case .busy: try await Task.sleep(for: .milliseconds(Self.busyMilliseconds))
            case .ingest(let ingest):
                try await fill(ingest)
                return true
            }
        }
    }

    private func fill(_ ingest: BlobIngest) async throws {
        let limits = client.settings.limits
        var failures = 0
        var hasStartedAgain = false
        for _ in 0..<Self.maximumTries {
            let before = ingest.offset
            do {
                if ingest.offset < ingest.size { try await receive(ingest) }
                return try await BlockingFiles.run { try ingest.commit() }
            } catch let error where PullFailure.isTransient(error) {
                failures = ingest.offset > before ? 1 : failures + 1
                guard failures < limits.attempts else { throw error }
                let pause = min(limits.retryMilliseconds << min(failures - 1, 8), 8_000)
                client.log.debug("\(descriptor.digest): \(error); again in \(pause) ms")
                try await Task.sleep(for: .milliseconds(pause))
            } catch let error as ImageStoreError {
                // What an earlier try left may have been spoilt by a power cut: once, all of it is fetched anew.
                guard before > 0, !hasStartedAgain, error.isOfContent else {
                    if error.isOfContent { ingest.discard() }
                    throw error
                }
                hasStartedAgain = true
                try await BlockingFiles.run { try ingest.restart() }
            }
        }
        throw ImagePullError(
            .registryUnavailable, "\(descriptor.digest): \(source.url.origin) broke off \(Self.maximumTries) times")
    }

    private func receive(_ ingest: BlobIngest) async throws {
        let offset = ingest.offset
        let headers = offset > 0 ? [(name: "Range", value: "bytes=\(offset)-")] : []
        let response = try await client.get(
            reference, source, path: "blobs/\(descriptor.digest)", headers: headers, credentials: credentials)
        switch response.status.code {
        case 206 where offset > 0 && response.headers.first(name: "Content-Range")?.hasPrefix("bytes \(offset)-") == true: break
        case 200 where offset > 0: try await BlockingFiles.run { try ingest.restart() }
        case 200: break
        case 416, 206:
            try await BlockingFiles.run { try ingest.restart() }
            throw ImagePullError(
                .registryUnavailable, "\(descriptor.digest): \(source.url.origin) cannot continue at byte \(offset)")
        case 404: throw ImagePullError(.notFound, "\(reference.name)@\(descriptor.digest): \(source.url.origin) has no such blob")
        default: throw RegistryClient.refusal(response, source, "\(reference.name)@\(descriptor.digest)")
        }
        if let length = response.headers.first(name: "Content-Length").flatMap({ Int64($0) }),
            length != ingest.size - ingest.offset
        {
            throw ImageStoreError.sizeMismatch(
                subject: "blob \(descriptor.digest)", expected: ingest.size, found: ingest.offset &+ length)
        }
        do {
            try await copy(response.body, to: ingest)
        } catch {
            throw error is ImageStoreError ? error : PullFailure.describing(error, source.url.origin)
        }
        guard ingest.offset == ingest.size else {
            throw ImagePullError(
                .registryUnavailable,
                "\(descriptor.digest): \(source.url.origin) ended after \(ingest.offset) of \(ingest.size) bytes")
        }
    }

    private func copy(_ body: HTTPClientResponse.Body, to ingest: BlobIngest) async throws {
        var pace = Pace(limits: client.settings.limits, now: .now)
        var gathered = ByteBuffer()
        var failure: (any Error)?
        do {
            for try await var piece in body {
                try Task.checkCancellation()
                guard pace.passes(piece.readableBytes, now: .now) else {
                    throw ImagePullError(
                        .registryUnavailable,
                        "\(descriptor.digest): fewer than \(pace.minimum) bytes in \(pace.window) from \(source.url.origin)")
                }
                guard ingest.offset + Int64(gathered.readableBytes + piece.readableBytes) <= ingest.size else {
                    throw ImageStoreError.sizeMismatch(
                        subject: "blob \(descriptor.digest)", expected: ingest.size,
                        found: ingest.offset + Int64(gathered.readableBytes + piece.readableBytes))
                }
                gathered.writeBuffer(&piece)
                if gathered.readableBytes >= Self.pieceBytes {
                    try await write(gathered, to: ingest)
                    gathered.clear()
                }
            }
        } catch {
            failure = error
        }
        // What came before a break is kept: the next try goes on from there.
        if gathered.readableBytes > 0, !(failure is ImageStoreError) { try await write(gathered, to: ingest) }
        if let failure { throw failure }
    }

    private func write(_ buffer: ByteBuffer, to ingest: BlobIngest) async throws {
        try await BlockingFiles.run { try buffer.withUnsafeReadableBytes { try ingest.append($0) } }
        report(ingest.offset)
    }
}

/// Whether bytes come fast enough: silence ends by the connection's own time limit, a trickle here.
struct Pace: Sendable {
    let minimum: Int
    let window: Duration
    private var start: ContinuousClock.Instant
    private var bytes = 0

    init(limits: RegistryLimits, now: ContinuousClock.Instant) {
        minimum = limits.minimumProgressBytes
        window = .seconds(limits.silenceSeconds)
        start = now
    }

    /// false: a whole window brought less than the minimum.
    mutating func passes(_ count: Int, now: ContinuousClock.Instant) -> Bool {
        bytes += count
        guard now - start >= window else { return true }
        let isEnough = bytes >= minimum
        start = now
        bytes = 0
        return isEnough
    }
}

extension ImageStoreError {
    /// What came was wrong, as opposed to the disk.
    var isOfContent: Bool {
        switch self {
        case .digestMismatch, .sizeMismatch, .tooLarge, .invalid, .unsupported: true
        case .inputOutput, .notFound, .busy: false
        }
    }
}
