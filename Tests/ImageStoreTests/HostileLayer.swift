// Layers that no builder writes: each with what has to become of it.
import Glibc
import Testing

@testable import ImageStore

struct HostileLayer: Sendable, CustomTestStringConvertible {
    enum Outcome: Sendable {
        /// The image is refused, with these words in the reason.
        case refused(String)
        /// Unpacked, and what it aimed at is as it was; these paths are in the image, and no others.
        case contained([String])
    }

    var name: String
    var outcome: Outcome
    var policy = ExtractionPolicy()
    /// `outside` is a directory beside the store, absolute.
    var layers: @Sendable (_ outside: String) -> [[UInt8]]
    /// Of the layers uncompressed, where they are compressed.
    var uncompressed: (@Sendable () -> [[UInt8]])?

    var testDescription: String { name }

    init(
        _ name: String, _ outcome: Outcome, policy: ExtractionPolicy = ExtractionPolicy(),
        tars: (@Sendable (inout TarText, String) -> Void)...
    ) {
        self.init(
            name, outcome, policy: policy, layers: { outside in tars.map { tar in TarText.finished { tar(&$0, outside) } } })
    }

    init(
        _ name: String, _ outcome: Outcome, policy: ExtractionPolicy = ExtractionPolicy(),
        layers: @escaping @Sendable (String) -> [[UInt8]],
        uncompressed: (@Sendable () -> [[UInt8]])? = nil
    ) {
        self.name = name
        self.outcome = outcome
        self.policy = policy
        self.layers = layers
        self.uncompressed = uncompressed
    }

    static let all = paths + links + whiteouts + nodes + sizes + damaged

    // MARK: - Out of the image

    static let paths: [HostileLayer] = [
        HostileLayer("a name that climbs out", .refused("leads out of the image"), tars: { tar, _ in tar.file("../evil") }),
        HostileLayer(
            "a name that climbs out from deep inside", .refused("leads out of the image"),
            tars: { tar, _ in tar.file("a/b/../../../evil") }),
        HostileLayer(
            "an absolute name that climbs out", .refused("leads out of the image"), tars: { tar, _ in tar.file("/../evil") }),
        HostileLayer("a directory named ..", .refused("leads out of the image"), tars: { tar, _ in tar.directory("..") }),
        HostileLayer(
            "a long name by pax that climbs out", .refused("leads out of the image"),
            tars: { tar, _ in
                tar.pax("path", String(repeating: "a/", count: 80) + "../../../evil")
                tar.file("harmless")
            }),
        HostileLayer(
            "an absolute name is the image's own", .contained([".", "outside-of-nothing"]),
            tars: { tar, _ in tar.file("/outside-of-nothing") }),
        HostileLayer("no name at all", .refused("no name"), tars: { tar, _ in tar.file("") }),
        HostileLayer(
            "a NUL inside a pax name ends it", .contained([".", "safe"]),
            tars: { tar, _ in
                tar.pax([("path", Array("safe\0/../../evil".utf8))])
                tar.file("../evil")
            }),
        HostileLayer(
            "a name of 300 bytes", .refused("longer than 255"), tars: { tar, _ in tar.file(String(repeating: "n", count: 300)) }),
        HostileLayer(
            "a path of 5,000 bytes", .refused("longer than 4095"),
            tars: { tar, _ in tar.file(String(repeating: "ab/", count: 1700)) }),
        HostileLayer(
            "directories in each other without end", .refused("directories deep"),
            tars: { tar, _ in tar.file(String(repeating: "d/", count: 900) + "f") }),
        HostileLayer("a file where the root is", .refused("root"), tars: { tar, _ in tar.file(".") }),
        HostileLayer("a link where the root is", .refused("root"), tars: { tar, outside in tar.link("/", to: outside) }),
        HostileLayer(
            "something below a file", .refused("no directory"),
            tars: { tar, _ in
                tar.file("f")
                tar.file("f/x")
            }),
    ]

    static let links: [HostileLayer] = [
        HostileLayer(
            "a file through an absolute link outside", .refused("no directory"),
            tars: { tar, outside in
                tar.link("door", to: outside)
                tar.file("door/canary", "changed")
            }),
        HostileLayer(
            "a file through a link that climbs out ends in the root", .contained([".", "door", "evil"]),
            tars: { tar, _ in
                tar.link("door", to: "../../../../../../..")
                tar.file("door/evil")
            }),
        HostileLayer(
            "a file through links behind links", .contained([".", "a", "a/up", "b", "evil"]),
            tars: { tar, _ in
                tar.directory("a")
                tar.link("a/up", to: "..")
                tar.link("b", to: "a/up/../..")
                tar.file("b/evil")
            }),
        HostileLayer(
            "a file over a link to the canary replaces the link", .contained([".", "f"]),
            tars: { tar, outside in
                tar.link("f", to: "\(outside)/canary")
                tar.file("f", "changed")
            }),
        HostileLayer(
            "a directory over a link outside replaces the link", .contained([".", "d"]),
            tars: { tar, outside in
                tar.link("d", to: outside)
                tar.directory("d", mode: 0o777, uid: 1000)
            }),
        HostileLayer(
            "a link of a layer below, a file through it above", .refused("no directory"),
            tars: { tar, outside in tar.link("door", to: outside) },
            { tar, _ in tar.file("door/canary", "changed") }),
        HostileLayer(
            "links that chase each other", .refused("open"),
            tars: { tar, _ in
                tar.link("a", to: "b")
                tar.link("b", to: "a")
                tar.file("a/x")
            }),
        HostileLayer(
            "a link to itself", .refused("open"),
            tars: { tar, _ in
                tar.link("a", to: "a")
                tar.file("a/x")
            }),
        HostileLayer(
            "a link into the unpacking process", .refused("no directory"),
            tars: { tar, _ in
                tar.link("p", to: "/proc/self/root/tmp")
                tar.file("p/evil")
            }),
        HostileLayer("a link that leads nowhere", .refused("leads nowhere"), tars: { tar, _ in tar.link("a", to: "") }),
        HostileLayer(
            "a link's target of 5,000 bytes", .refused("longer than"),
            tars: { tar, _ in
                tar.pax("linkpath", String(repeating: "t", count: 5000))
                tar.link("a", to: "t")
            }),
        HostileLayer(
            "a hard link that climbs out", .refused("leads out of the image"),
            tars: { tar, _ in tar.hardLink("h", to: "../../outside/canary") }),
        HostileLayer(
            "a hard link to an absolute path outside", .refused("is not there"),
            tars: { tar, outside in tar.hardLink("h", to: "\(outside)/canary") }),
        HostileLayer(
            "a hard link through a link outside", .refused("is not there"),
            tars: { tar, outside in
                tar.link("door", to: outside)
                tar.hardLink("h", to: "door/canary")
            }),
        HostileLayer(
            "a hard link to a link, then a file over it", .contained([".", "h", "s"]),
            tars: { tar, outside in
                tar.link("s", to: "\(outside)/canary")
                tar.hardLink("h", to: "s")
                tar.file("h", "changed")
            }),
        HostileLayer(
            "a hard link to itself", .refused("the link itself"),
            tars: { tar, _ in
                tar.file("h")
                tar.hardLink("h", to: "./h")
            }),
        HostileLayer(
            "a hard link to a directory", .refused("is a directory"),
            tars: { tar, _ in
                tar.directory("d")
                tar.hardLink("h", to: "d")
            }),
        HostileLayer("a hard link to the root", .refused("the link itself"), tars: { tar, _ in tar.hardLink("h", to: "/") }),
        HostileLayer(
            "a hard link to what never came", .refused("is not there"), tars: { tar, _ in tar.hardLink("h", to: "later") }),
        HostileLayer("a hard link to a whiteout", .refused("is a whiteout"), tars: { tar, _ in tar.hardLink("h", to: ".wh.h") }),
    ]

    static let whiteouts: [HostileLayer] = [
        HostileLayer("a whiteout of the directory itself", .refused("no name"), tars: { tar, _ in tar.file("a/.wh..", "") }),
        HostileLayer("a whiteout of the directory above", .refused("no name"), tars: { tar, _ in tar.file("a/.wh...", "") }),
        HostileLayer("a whiteout of nothing", .refused("no name"), tars: { tar, _ in tar.file(".wh.", "") }),
        HostileLayer("something inside a whiteout", .refused("inside a whiteout"), tars: { tar, _ in tar.file(".wh.a/b", "") }),
        HostileLayer(
            "a whiteout through a link outside", .contained([".", "door"]),
            tars: { tar, outside in tar.link("door", to: outside) },
            { tar, _ in tar.file("door/.wh.canary", "") }),
        HostileLayer(
            "an opaque mark through a link outside", .contained([".", "door"]),
            tars: { tar, outside in tar.link("door", to: outside) },
            { tar, _ in tar.file("door/.wh..wh..opq", "") }),
        HostileLayer(
            "the root made opaque", .contained([".", "own"]), tars: { tar, _ in tar.file("gone") },
            { tar, _ in
                tar.file("own")
                tar.file(".wh..wh..opq", "")
            }),
    ]

    static let nodes: [HostileLayer] = [
        HostileLayer(
            "a character device", .refused("device node (character 1:3)"),
            tars: { tar, _ in tar.add("null", type: "3", device: (1, 3)) }),
        HostileLayer(
            "the disk", .refused("device node (block 8:0)"), tars: { tar, _ in tar.add("sda", type: "4", device: (8, 0)) }),
        HostileLayer(
            "a whiteout in disguise, even where devices are permitted", .refused("0:0"), policy: permissive,
            tars: { tar, _ in tar.add("hides", type: "3", device: (0, 0)) }),
        HostileLayer(
            "a device number that is none", .refused("device number"), policy: permissive,
            tars: { tar, _ in tar.add("strange", type: "3", device: (1 << 20, 0)) }),
        HostileLayer(
            "attributes of overlays", .contained([".", "d"]),
            tars: { tar, outside in
                tar.pax([
                    ("SCHILY.xattr.trusted.overlay.redirect", Array(outside.utf8)),
                    ("SCHILY.xattr.trusted.overlay.opaque", [121]),
                    ("SCHILY.xattr.user.overlay.opaque", [121]), ("SCHILY.xattr.security.selinux", Array("unconfined".utf8)),
                ])
                tar.directory("d")
            }),
        HostileLayer(
            "1,000 attributes", .refused("extended attributes"),
            tars: { tar, _ in
                tar.pax((0..<1000).map { ("SCHILY.xattr.user.n\($0)", [UInt8(ascii: "v")]) })
                tar.file("f")
            }),
        HostileLayer(
            "an attribute of 100 KB", .refused("larger than"),
            tars: { tar, _ in
                tar.pax([("SCHILY.xattr.user.large", [UInt8](repeating: 120, count: 100_000))])
                tar.file("f")
            }),
        HostileLayer("an owner beyond all ids", .refused("no user id"), tars: { tar, _ in tar.add("f", uid: 1 << 33) }),
        HostileLayer("the owner that means nobody", .refused("no group id"), tars: { tar, _ in tar.add("f", gid: 0xffff_ffff) }),
    ]

    private static var permissive: ExtractionPolicy {
        var policy = ExtractionPolicy()
        policy.devices = .make
        return policy
    }

    // MARK: - Too much

    private static var small: ExtractionPolicy {
        var policy = ExtractionPolicy()
        policy.limits.bytes = 64 << 20
        policy.limits.expansionAllowance = 4 << 20
        policy.limits.expansionRatio = 100
        policy.limits.entries = 100
        return policy
    }

    private static let zeros = TarText.finished { $0.add("zeros", data: [UInt8](repeating: 0, count: 16 << 20)) }

    static let sizes: [HostileLayer] = [
        HostileLayer(
            "a bomb in gzip", .refused("times its compressed size"), policy: small, layers: { _ in [Compressed.gzip(zeros)] },
            uncompressed: { [zeros] }),
        HostileLayer(
            "a bomb in zstd", .refused("times its compressed size"), policy: small, layers: { _ in [Compressed.zstd(zeros)] },
            uncompressed: { [zeros] }),
        HostileLayer(
            "a bomb in a bomb", .refused("more than once"), policy: small,
            layers: { _ in [Compressed.gzip(Compressed.gzip(zeros))] }, uncompressed: { [zeros] }),
        HostileLayer(
            "zeros behind the archive's end", .refused("times its compressed size"), policy: small,
            layers: { _ in [Compressed.gzip(TarText.finished { $0.file("f") } + [UInt8](repeating: 0, count: 16 << 20))] },
            uncompressed: { [TarText.finished { $0.file("f") } + [UInt8](repeating: 0, count: 16 << 20)] }),
        HostileLayer(
            "more files than are taken", .refused("entries"), policy: small,
            tars: { tar, _ in for number in 0..<200 { tar.file("f\(number)") } }),
        HostileLayer(
            "a sparse file of an exabyte", .refused("hold more than"),
            tars: { tar, _ in
                tar.pax([
                    ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", Array("huge".utf8)),
                    ("GNU.sparse.realsize", Array("1152921504606846976".utf8)),
                ])
                tar.add(
                    "GNUSparseFile.0/huge", data: Array("1\n0\n4\n".utf8) + [UInt8](repeating: 0, count: 506) + Array("data".utf8)
                )
            }),
        HostileLayer(
            "files that say together more than is taken", .refused("hold more than"), policy: small,
            tars: { tar, _ in
                tar.add("f", data: [UInt8](repeating: 1, count: 40 << 20))
                tar.add("g", size: 40 << 20)
            }),
        HostileLayer(
            "a pax header that says two gigabytes", .refused(""), tars: { tar, _ in tar.add("pax", type: "x", size: 2 << 30) }),
        HostileLayer(
            "headers of headers without end", .refused(""),
            tars: { tar, _ in
                for _ in 0..<5000 { tar.pax("comment", "again") }
                tar.file("f")
            }),
        HostileLayer("a node without room", .refused("kept for others"), policy: full, tars: { tar, _ in tar.file("f") }),
    ]

    private static var full: ExtractionPolicy {
        var policy = ExtractionPolicy()
        policy.limits.reservedFreeBytes = .max
        return policy
    }

    // MARK: - Damaged

    private static let plain = TarText.finished { tar in
        tar.file("first")
        tar.add("large", data: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) })
        tar.file("last")
    }
    private static let packed = Compressed.gzip(plain)

    static let damaged: [HostileLayer] = [
        HostileLayer(
            "gzip cut off", .refused("truncated"), layers: { _ in [Array(packed.dropLast(packed.count / 2))] },
            uncompressed: { [plain] }),
        HostileLayer(
            "zstd cut off", .refused(""), layers: { _ in [Array(Compressed.zstd(plain).dropLast(20_000))] },
            uncompressed: { [plain] }),
        HostileLayer("a tar cut off inside a file", .refused("runcated"), layers: { _ in [Array(plain.prefix(40_000))] }),
        HostileLayer("a tar cut off inside a header", .refused("runcated"), layers: { _ in [Array(plain.prefix(1024 + 100))] }),
        HostileLayer(
            "a byte of gzip turned over", .refused(""),
            layers: { _ in
                var bytes = packed
                bytes[bytes.count / 2] ^= 0x40
                return [bytes]
            }, uncompressed: { [plain] }),
        HostileLayer(
            "a header whose sum is wrong", .refused(""),
            tars: { tar, _ in
                tar.file("first")
                tar.add("second", hasGoodChecksum: false)
                tar.file("third")
            }),
        HostileLayer("a size below zero", .refused(""), tars: { tar, _ in tar.add("f", size: -1) }),
        HostileLayer("a size beyond all numbers", .refused(""), tars: { tar, _ in tar.add("f", size: .max) }),
        HostileLayer(
            "no archive at all", .refused(""),
            layers: { _ in [Array("this is no tar, however long it may go on\n".utf8) + [UInt8](repeating: 7, count: 2000)] }),
        HostileLayer("a zip", .refused(""), layers: { _ in [Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 1, count: 3000)] }),
        HostileLayer(
            "pax records that are none", .refused(""),
            tars: { tar, _ in
                tar.add("pax", type: "x", data: Array("999999999999999999999 path=evil\n".utf8))
                tar.file("f")
            }),
        HostileLayer(
            "a sparse map that goes backwards", .refused(""),
            tars: { tar, _ in
                tar.pax([
                    ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", Array("s".utf8)),
                    ("GNU.sparse.realsize", Array("8".utf8)),
                ])
                tar.add(
                    "GNUSparseFile.0/s",
                    data: Array("2\n4096\n4\n0\n4\n".utf8) + [UInt8](repeating: 0, count: 499) + Array("datadata".utf8))
            }),
        HostileLayer(
            "another content than the diff id says", .refused("diff id"), layers: { _ in [plain] },
            uncompressed: { [TarText.finished { $0.file("else") }] }),
        HostileLayer(
            "something appended behind the archive", .refused("diff id"), layers: { _ in [plain + Array("payload".utf8)] },
            uncompressed: { [plain] }),
    ]
}
