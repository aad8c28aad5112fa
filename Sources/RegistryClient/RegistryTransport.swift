// HTTP to registries: per-host trust, proxy, bounded redirects that take no secret along, bounded answers.
import AsyncHTTPClient
import HandlerTypes
import ImageStore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import RuntimeInterface

/// Call `shutdown()` when done.
final class RegistryTransport: Sendable {
    struct Call: Sendable {
        var url: RegistryURL
        var method = HTTPMethod.GET
        var headers: [(name: String, value: String)] = []
        /// Shown to this origin and to no other, whatever it redirects to.
        var authorization: String?
        var form: String?
    }

    let limits: RegistryLimits
    private let direct: HTTPClient
    private let proxied: HTTPClient?
    private let noProxy: [String]
    private let userAgent: String
    private let trust: [String: TLSConfiguration]
    private let log: Logger

    /// Reads certificates: blocks on the disk. Throws `ImagePullError` for a proxy or an authority file that cannot be used.
    init(_ settings: RegistrySettings, log: Logger) throws(ImagePullError) {
        limits = settings.limits
        userAgent = settings.userAgent
        noProxy = settings.noProxy.map { $0.lowercased() }
        self.log = log
        trust = try Self.trust(settings.hosts)
        let proxy = try settings.proxy.flatMap { $0.isEmpty ? nil : $0 }.map { (text) throws(ImagePullError) in
            try Self.proxy(text)
        }
        direct = Self.client(limits, proxy: nil)
        proxied = proxy.map { Self.client(settings.limits, proxy: $0) }
    }

    deinit {
        let clients = [direct, proxied].compactMap { $0 }
        Task.detached { for client in clients { try? await client.shutdown() } }
    }

    func shutdown() async {
        for client in [direct, proxied].compactMap({ $0 }) { try? await client.shutdown() }
    }

    private static func client(_ limits: RegistryLimits, proxy: HTTPClient.Configuration.Proxy?) -> HTTPClient {
        HandlerTypes.name()
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout = .init(
            connect: .seconds(Int64(limits.connectSeconds)), read: .seconds(Int64(limits.silenceSeconds)))
        configuration.proxy = proxy
        // A layer is compressed as it is; its digest is of these bytes.
        configuration.decompression = .disabled
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    private static func trust(_ hosts: [RegistryHost]) throws(ImagePullError) -> [String: TLSConfiguration] {
        var result: [String: TLSConfiguration] = [:]
        for host in hosts {
            guard let file = host.authorityFile else { continue }
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.minimumTLSVersion = .tlsv12
            do {
                tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(file))]
            } catch {
                throw ImagePullError(
                    .internal, "registry \(host.registry): caFile \(file): expected PEM certificates that can be read")
            }
            for address in [host.endpoint ?? "https://\(host.registry)"] + host.mirrors {
                if let url = RegistryURL(address.contains("://") ? address : "https://\(address)") { result[url.authority] = tls }
            }
        }
        return result
    }

    /// The text may hold a password, so it is in no message.
    private static func proxy(_ text: String) throws(ImagePullError) -> HTTPClient.Configuration.Proxy {
        var rest = text
        var authorization: HTTPClient.Authorization?
        if let at = text.lastIndex(of: "@"), let start = text.firstRange(of: "://") {
            let parts = text[start.upperBound..<at].split(separator: ":", maxSplits: 1).map(String.init)
            authorization = .basic(username: parts.first ?? "", password: parts.count > 1 ? parts[1] : "")
            rest = String(text[..<start.upperBound] + text[text.index(after: at)...])
        }
        guard let url = RegistryURL(rest), !url.isSecure else {
            throw ImagePullError(.internal, "image.httpProxy: expected http://[user:password@]host:port")
        }
        return .server(host: url.host, port: url.port, authorization: authorization)
    }

    private func client(for url: RegistryURL) -> HTTPClient {
        guard let proxied, !url.isLoopback else { return direct }
        let isExempt = noProxy.contains {
            $0 == "*" || url.host == $0 || ($0.hasPrefix(".") && url.host.hasSuffix($0)) || url.host.hasSuffix(".\($0)")
        }
        return isExempt ? direct : proxied
    }

    // MARK: - Calls

    /// Follows redirects of GET; answers of any other status come back as they are. Throws `ImagePullError`, or what the network threw.
    func send(_ call: Call) async throws -> HTTPClientResponse {
        var url = call.url
        for _ in 0...limits.redirects {
            let response = try await once(call, at: url)
            guard [301, 302, 303, 307, 308].contains(response.status.code), call.method == .GET else { return response }
            guard let location = response.headers.first(name: "Location"), let next = url.resolving(location) else {
                throw ImagePullError(.registryUnavailable, "\(url.shown): redirects to no address that can be followed")
            }
            guard next.isSecure || !url.isSecure else {
                throw ImagePullError(
                    .registryUnavailable, "\(url.shown): redirects from https to \(next.origin), which is not followed")
            }
            // Left unread, the connection would be closed; the text of a redirect is short.
            try await discard(response, url)
            url = next
        }
        throw ImagePullError(.registryUnavailable, "\(call.url.shown): more than \(limits.redirects) redirects")
    }

    private func once(_ call: Call, at url: RegistryURL) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url.description)
        request.method = call.method
        request.headers.add(name: "User-Agent", value: userAgent)
        for header in call.headers { request.headers.add(name: header.name, value: header.value) }
        if let authorization = call.authorization, url.origin == call.url.origin {
            request.headers.add(name: "Authorization", value: authorization)
        }
        if let form = call.form {
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(Array(form.utf8))
        }
        request.tlsConfiguration = trust[url.authority]
        do {
            return try await client(for: url).execute(
                request, timeout: .seconds(Int64(limits.silenceSeconds + limits.connectSeconds)), logger: log)
        } catch {
            throw PullFailure.describing(error, url.shown)
        }
    }

    /// A whole answer of at most that many bytes, within a time. Throws `invalidContent` beyond it.
    func collect(_ response: HTTPClientResponse, _ url: RegistryURL, maximumBytes: Int) async throws -> [UInt8] {
        if let length = response.headers.first(name: "Content-Length").flatMap({ Int64($0) }), length > maximumBytes {
            throw ImagePullError(
                .invalidContent, "\(url.shown): its answer has \(length) bytes, at most \(maximumBytes) are taken")
        }
        let deadline = ContinuousClock.now + .seconds(limits.silenceSeconds * 2)
        var bytes: [UInt8] = []
        do {
            for try await piece in response.body {
                guard bytes.count + piece.readableBytes <= maximumBytes else {
                    throw ImagePullError(.invalidContent, "\(url.shown): its answer has more than \(maximumBytes) bytes")
                }
                bytes += piece.readableBytesView
                guard ContinuousClock.now < deadline else {
                    throw ImagePullError(
                        .registryUnavailable, "\(url.shown): its answer did not end in \(limits.silenceSeconds * 2) s")
                }
            }
        } catch {
            throw PullFailure.describing(error, url.shown)
        }
        return bytes
    }

    /// Reads an answer that nobody needs, up to a bound.
    func discard(_ response: HTTPClientResponse, _ url: RegistryURL) async throws {
        _ = try await collect(response, url, maximumBytes: 1 << 20)
    }
}
