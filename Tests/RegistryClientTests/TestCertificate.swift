// A certificate for 127.0.0.1, made with openssl for one test.
import Spawn

struct TestCertificate: Sendable {
    var certificateFile: String
    var keyFile: String

    init(in directory: String) throws {
        certificateFile = "\(directory)/registry.crt"
        keyFile = "\(directory)/registry.key"
        let run = try ProgramRun(
            "/usr/bin/openssl",
            arguments: [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj",
                "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", keyFile, "-out",
                certificateFile,
            ], environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 20_000)
        guard run.succeeded else { throw TestFailure("openssl: \(run.complaint)") }
    }
}

struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ text: String) { description = text }
}
