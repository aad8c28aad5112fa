// Where a connection comes from, as far as one caller's share is concerned: an IPv4 address, or an IPv6 network of 64 bits, within
// which a caller may take any address.
import Glibc
import NIOCore

enum SourceAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6Network(UInt64)
    /// A Unix socket, or a connection that has gone already.
    case unknown

    init(_ address: SocketAddress?) {
        switch address {
        case .v4(let v4): self = .v4(UInt32(bigEndian: v4.address.sin_addr.s_addr))
        case .v6(let v6): self = withUnsafeBytes(of: v6.address.sin6_addr) { Self.v6($0) }
        case .unixDomainSocket, nil: self = .unknown
        }
    }

    /// An IPv4 address within IPv6 (::ffff:a.b.c.d, RFC 4291 2.5.5.2) is one.
    private static func v6(_ bytes: UnsafeRawBufferPointer) -> SourceAddress {
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        let isMapped = number(0..<8) == 0 && number(8..<12) == 0xFFFF
        return isMapped ? .v4(UInt32(truncatingIfNeeded: number(12..<16))) : .v6Network(number(0..<8))
    }
}
