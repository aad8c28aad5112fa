// features: what this runtime understands, independent of the machine (features.md, features-linux.md).

import JSON
import SandboxPolicy

enum FeaturesCommand {
    static func document() -> JSONValue {
        .object(
            JSONObject([
                ("ociVersionMin", .string(SpecificationVersion.oldest)),
                ("ociVersionMax", .string(SpecificationVersion.current)),
                ("hooks", strings(HookSpecifications.Kind.allCases.map(\.rawValue))),
                ("mountOptions", strings(MountOptions.known)),
                (
                    "linux",
                    .object(
                        JSONObject([
                            ("namespaces", strings(LinuxSpecification.namespaceTypes.sorted())),
                            ("capabilities", strings(Capability.allCases.map { "CAP_" + $0.rawValue.uppercased() })),
                            (
                                "cgroup",
                                .object(
                                    JSONObject([
                                        ("v1", true), ("v2", true), ("systemd", false), ("systemdUser", false), ("rdma", true),
                                    ]))
                            ),
                            ("seccomp", seccomp()),
                            ("apparmor", .object(JSONObject([("enabled", false)]))),
                            ("selinux", .object(JSONObject([("enabled", false)]))),
                            ("intelRdt", .object(JSONObject([("enabled", false)]))),
                            ("mountExtensions", .object(JSONObject([("idmap", .object(JSONObject([("enabled", true)])))]))),
                        ]))
                ),
                ("annotations", .object(JSONObject([("io.swiftlet.oci.version", .string(OCICommandLine.version))]))),
            ]))
    }

    private static func seccomp() -> JSONValue {
        .object(
            JSONObject([
                ("enabled", true),
                (
                    "actions",
                    strings(["ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG", "TRAP"].map { "SCMP_ACT_" + $0 })
                ),
                ("operators", strings(["EQ", "GE", "GT", "LE", "LT", "MASKED_EQ", "NE"].map { "SCMP_CMP_" + $0 })),
                ("archs", strings(["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86_64"])),
                ("knownFlags", strings(SeccompSpecification.knownFlags)),
                ("supportedFlags", strings(SeccompSpecification.knownFlags)),
            ]))
    }

    private static func strings(_ list: [String]) -> JSONValue { .array(list.map { .string($0) }) }
}
