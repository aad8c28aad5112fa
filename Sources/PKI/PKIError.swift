// Errors of this room, and the three conversions that certificates need and the standard library lacks.
import FoundationEssentials
import Glibc

public enum PKIError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Something that should be a certificate, key, request or address is none. Never holds key material.
    case malformed(what: String, why: String)
    /// A file operation failed.
    case file(stage: String, path: String, errno: Int32)

    public var description: String {
        switch self {
        case .malformed(let what, let why): "\(what): \(why)"
        case .file(let stage, let path, let code): "\(stage) \(path): \(String(cString: strerror(code)))"
        }
    }

    static func reading<Value>(_ what: String, _ body: () throws -> Value) throws(PKIError) -> Value {
        do {
            return try body()
        } catch let error as PKIError {
            throw error
        } catch {
            throw .malformed(what: what, why: "not readable as PEM or DER (\(type(of: error)))")
        }
    }
}

/// Seconds since 1970.
public func unixNow() -> Int64 { Int64(time(nil)) }

func date(_ unixSeconds: Int64) -> Date { Date(timeIntervalSince1970: Double(unixSeconds)) }

enum Hexadecimal {
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

enum IPAddress {
    /// Network byte order: 4 or 16 bytes.
    static func bytes(of text: String) throws -> [UInt8] {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var sixteen = in6_addr()
        if inet_pton(AF_INET6, text, &sixteen) == 1 { return withUnsafeBytes(of: sixteen) { Array($0) } }
        throw PKIError.malformed(what: "IP address \"\(text)\"", why: "expected IPv4 or IPv6 in text form")
    }

    static func text(of bytes: [UInt8]) -> String? {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &buffer, socklen_t(buffer.count)) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
