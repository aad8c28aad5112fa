// Names of images, in short and in full, and what is no name.
import ImageStore
import Testing

@Suite struct ImageReferenceTests {
    private static let digest = "sha256:" + String(repeating: "ab", count: 32)

    @Test(
        "a name means what distribution's grammar says",
        arguments: [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("org/app:1.2", "docker.io/org/app:1.2", "org/app:1.2"),
            ("index.docker.io/busybox:1", "docker.io/library/busybox:1", "busybox:1"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("r.example:5000/a/b/c:T_1.x-y", "r.example:5000/a/b/c:T_1.x-y", "r.example:5000/a/b/c:T_1.x-y"),
            ("r.example/a__b/c--d.e_f", "r.example/a__b/c--d.e_f:latest", "r.example/a__b/c--d.e_f:latest"),
            ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
            ("app@\(digest)", "docker.io/library/app@\(digest)", "app@\(digest)"),
            ("app:1@\(digest)", "docker.io/library/app:1@\(digest)", "app:1@\(digest)"),
        ])
    func names(_ text: String, _ full: String, _ familiar: String) throws {
        let reference = try ImageReference(text)
        #expect(reference.description == full)
        #expect(reference.familiar == familiar)
        #expect(try ImageReference(full) == reference, "the full name means itself")
        #expect(try ImageReference(familiar) == reference, "so does the short one")
    }

    @Test("a default registry goes before names without one, its path too")
    func defaultRegistry() throws {
        #expect(try ImageReference("psi:1", defaultRegistry: "r.example/secretflow").description == "r.example/secretflow/psi:1")
        #expect(try ImageReference("a/psi:1", defaultRegistry: "r.example").description == "r.example/a/psi:1")
        #expect(try ImageReference("other.example/psi:1", defaultRegistry: "r.example").description == "other.example/psi:1")
        #expect(throws: ImageReference.Malformed.self) { try ImageReference("psi:1", defaultRegistry: "nohost") }
    }

    @Test(
        "what is no name is refused",
        arguments: [
            "", "/", "a/", "/a", "UPPER", "a b", "a:", "a:-x", "a@sha256:abc", "a@\(digest.uppercased())", "a//b", "a/../b",
            "a/.b", "-a", "a_", "a._b", "a___b",
            "r.example:0/a", "r.example:99999/a", "r_example.com/a", "r.example/", "a:" + String(repeating: "x", count: 129),
            String(repeating: "a", count: 300), "a\0b", "ä/b",
        ])
    func refused(_ text: String) {
        #expect(throws: ImageReference.Malformed.self) { try ImageReference(text) }
    }
}
