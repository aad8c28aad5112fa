// The identity of an agent's state directory, made once: it tells two agents of one machine apart.
import AgentCore

enum InstanceFile {
    /// 32 hexadecimal digits.
    static func load(_ path: String) async throws -> String {
        try await DiskFiles.perform {
            if DiskFiles.exists(path) {
                let text = String(decoding: try DiskFiles.read(path), as: UTF8.self)
                if text.utf8.count == 32, text.allSatisfy(\.isHexDigit) { return text }
            }
            // Damaged is as good as none: nobody else reads it.
            let text = (0..<16).map { _ in
                let byte = String(UInt8.random(in: 0...255), radix: 16)
                return byte.count == 1 ? "0" + byte : byte
            }.joined()
            if let slash = path.lastIndex(of: "/") { try DiskFiles.makeDirectory(String(path[..<slash]), mode: 0o711) }
            try DiskFiles.replace(path, with: Array(text.utf8), durable: true)
            return text
        }
    }
}
