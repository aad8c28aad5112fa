// swift-tools-version: 6.2
// The rooms of docs/ARCHITECTURE.md as SwiftPM targets. Arrows point down only; Tests/TidyTests checks that.
import Foundation
import PackageDescription

let warningsAreErrors: [SwiftSetting] = [.treatAllWarnings(as: .error), .swiftLanguageMode(.v6)]

func room(_ name: String, path: String? = nil, exclude: [String] = [], _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path ?? "Sources/\(name)", exclude: exclude,
        swiftSettings: warningsAreErrors)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: warningsAreErrors)
}

// The launcher is linked with musl where that is installed (Scripts/setup does): a program of it starts 0.3 ms sooner than one of
// static glibc, whose start asks the processor for its caches by instructions that trap on virtual machines, and it has half the pages.
#if arch(x86_64)
    let machine = "x86_64"
#else
    let machine = "aarch64"
#endif
let muslLibrary = "/usr/lib/\(machine)-linux-musl"
let launcherLibc: (headers: [String], linking: [String]) =
    FileManager.default.fileExists(atPath: "\(muslLibrary)/libc.a")
    ? (
        [
            "-nostdlibinc", "-isystem", "/usr/include/\(machine)-linux-musl", "-idirafter", "/usr/include",
            "-idirafter", "/usr/include/\(machine)-linux-gnu", "-Wno-missing-field-initializers",
        ], ["-nostdlib", "\(muslLibrary)/crt1.o", "\(muslLibrary)/libc.a"].flatMap { ["-Xclang-linker", $0] }
    ) : ([], [])

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["Swiftlet"]),
        .executable(name: "swiftlet-sandbox", targets: ["swiftlet-sandbox"]),
        .executable(name: "swiftlet-oci", targets: ["swiftlet-oci"]),
    ],
    dependencies: [
        // The master's HTTPS front: HTTP/1.1 on the event loops themselves.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        // TLS with client certificates.
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        // The agent's, the command line's and RunK's way to any Kubernetes API server.
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        // Certificates of the cluster's own authority.
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        // Manifests, kubeconfig and kuscia.yaml are YAML.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // System libraries
        .systemLibrary(name: "CSQLite", path: "Sources/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSeccomp", path: "Sandbox/CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        // Large lists are sent compressed to clients that ask for it.
        .systemLibrary(name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Layers are tar archives of every dialect, plain or compressed.
        .systemLibrary(name: "CArchive", path: "Sources/CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        // Linux calls that Swift's Glibc module lacks (pidfd, epoll, pipe2): declarations only, no policy.
        .target(name: "CLinux", path: "Sources/CLinux"),

        // Models: values only
        room("JSON"),
        room("KubernetesModel", ["JSON"]),
        room("KusciaModel", ["JSON", "KubernetesModel"]),

        // Pure cores
        room("Scheduling", ["KubernetesModel"]),
        room("Orchestration", ["JSON", "KubernetesModel", "KusciaModel"]),
        room("AgentCore", ["JSON", "KubernetesModel", "KusciaModel"]),

        // Client and store
        room("KubernetesClient", ["JSON", "KubernetesModel", logging, .product(name: "Yams", package: "Yams")]),
        // A server in memory for the tests of whatever talks to one; no product links it.
        room("KubernetesClientTesting", ["JSON", "KubernetesModel", "KubernetesClient"]),
        room("HandlerTypes", [
            nioCore, .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOWebSocket", package: "swift-nio"),
        ]),
        room("KubernetesClientHTTP", [
            "JSON", "KubernetesModel", "KubernetesClient", "HandlerTypes", logging, nioCore, nioPosix,
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOWebSocket", package: "swift-nio"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "AsyncHTTPClient", package: "async-http-client"),
        ]),
        room("ResourceStore", exclude: ["README.md"], ["JSON", "KubernetesModel", "CSQLite", logging]),
        room("PKI", [
            .product(name: "X509", package: "swift-certificates"),
            .product(name: "Crypto", package: "swift-crypto"),
        ]),

        // Secrets on disk: AES-GCM over the values of chosen kinds.
        room("EncryptionAtRest", ["ResourceStore", .product(name: "Crypto", package: "swift-crypto")]),

        // The master
        room("APIServer", ["JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "ResourceStore", logging]),
        room("APIServerHTTP", [
            "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "ResourceStore", "APIServer", "PKI", "HandlerTypes", "CZlib", logging, nioCore,
            nioPosix, .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOWebSocket", package: "swift-nio"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "X509", package: "swift-certificates"),
            .product(name: "Crypto", package: "swift-crypto"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        ]),
        room("Controllers", [
            "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "Orchestration", "Scheduling", logging,
        ]),

        // The node
        room("RuntimeInterface", ["KubernetesModel"]),
        room("Cgroups", ["KubernetesModel"]),
        room("ImageStore", [
            "JSON", "KubernetesModel", "CLinux", "CArchive", .product(name: "Crypto", package: "swift-crypto"),
        ]),
        // Images from registries, into the store.
        room("RegistryClient", [
            "JSON", "ImageStore", "RuntimeInterface", "HandlerTypes", logging, nioCore, nioPosix,
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "AsyncHTTPClient", package: "async-http-client"),
            .product(name: "Crypto", package: "swift-crypto"),
        ]),
        room("SandboxPolicy", path: "Sandbox/SandboxPolicy", ["JSON", "KubernetesModel", "CSeccomp"]),
        // Programs run to their end, with a deadline: network plugins, OCI runtimes.
        room("Spawn", ["CLinux"]),
        // Pod networks through the containernetworking plugins.
        room("CNI", ["JSON", "CLinux", "Spawn"]),
        // The launcher's two other faces: the OCI runtime's verbs, and `swiftlet run` with `swiftlet doctor`.
        room("OCIRuntime", path: "Sandbox/OCIRuntime", ["JSON", "SandboxPolicy", "Cgroups", "CLinux", "Spawn"]),
        room("SandboxRun", path: "Sandbox/SandboxRun", ["JSON", "KubernetesModel", "SandboxPolicy", "Cgroups", "CLinux", "Spawn", "CNI"]),
        // What runtimes of this machine share: records, supervisors, pod networks.
        room("LocalRuntime", path: "Runtimes/Local", [
            "CNI", "Spawn", "JSON", "KubernetesModel", "RuntimeInterface", "SandboxPolicy", "Cgroups", "ImageStore", "CLinux", logging,
        ]),
        room("RunC", path: "Runtimes/RunC", [
            "LocalRuntime", "CNI", "Spawn", "JSON", "KubernetesModel", "RuntimeInterface", "SandboxPolicy", "Cgroups", "ImageStore", "CLinux", logging,
        ]),
        room("RunK", path: "Runtimes/RunK", ["JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "AgentCore", "RuntimeInterface", logging]),
        room("RunP", path: "Runtimes/RunP", [
            "LocalRuntime", "CNI", "Spawn", "JSON", "KubernetesModel", "RuntimeInterface", "SandboxPolicy", "Cgroups", "ImageStore", "CLinux", logging,
        ]),
        room("Agent", [
            "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "AgentCore", "RuntimeInterface", "CLinux", "CZlib", logging,
        ]),
        // Probes that speak to a container's port: HTTP, TCP, gRPC health.
        room("ProbeClient", ["Agent", "RuntimeInterface", nioCore, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl")]),

        // Executables
        .executableTarget(
            name: "swiftlet-sandbox", path: "Sandbox/launcher",
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"] + launcherLibc.headers)],
            // Plain C, linked static and without Swift's runtime: one such process lives as long as each task.
            linkerSettings: [.unsafeFlags(["-static-executable", "-nostartfiles"] + launcherLibc.linking)]),
        // The OCI runtime by itself, for engines that call one per verb: nothing of the cluster is linked, so it starts at once.
        .executableTarget(
            name: "swiftlet-oci", dependencies: ["OCIRuntime", "swiftlet-sandbox"], path: "Sandbox/oci", swiftSettings: warningsAreErrors,
            // Started once per verb: finding and binding the dynamic libraries would take longer than the verb. No target may depend on
            // this one: the flag would be the dependant's too.
            linkerSettings: [.unsafeFlags(["-static-executable"])]),
        .executableTarget(
            name: "Swiftlet",
            dependencies: [
                "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "KubernetesClientHTTP", "ResourceStore", "PKI",
                "APIServer", "APIServerHTTP", "Controllers", "Orchestration", "Agent", "AgentCore", "ProbeClient", "RuntimeInterface", "RunP", "RunC", "RunK", "LocalRuntime",
                "Cgroups", "ImageStore", "RegistryClient", "SandboxPolicy", "SandboxRun", "CLinux", "EncryptionAtRest", "swiftlet-sandbox", logging,
                .product(name: "Yams", package: "Yams"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Sources/Swiftlet", swiftSettings: warningsAreErrors),

        // What benchmarks run beside the peers: load clients, watchers, simulated nodes; no product.
        .executableTarget(
            name: "swiftlet-bench",
            dependencies: [
                "JSON", "KubernetesModel", "KubernetesClient", "KubernetesClientHTTP", "Agent", "AgentCore", "RuntimeInterface", logging, nioCore, nioPosix,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "Benchmarks", exclude: ["Core", "Scheduler"], swiftSettings: warningsAreErrors),
        .executableTarget(
            name: "swiftlet-bench-core", dependencies: ["JSON", "KubernetesModel", "APIServer", "ResourceStore"], path: "Benchmarks/Core",
            swiftSettings: warningsAreErrors),
        .executableTarget(
            name: "swiftlet-bench-scheduler",
            dependencies: [
                "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "APIServer", "ResourceStore", "Scheduling", "Controllers", logging,
            ],
            path: "Benchmarks/Scheduler", swiftSettings: warningsAreErrors),

        // Tests
        tests("JSONTests", ["JSON"]),
        tests("KubernetesModelTests", ["JSON", "KubernetesModel", "KusciaModel"]),
        // SQLite's file system with faults on order: ENOSPC, EIO, short writes, death at the n-th call.
        .target(name: "StoreFaultVFS", dependencies: ["CSQLite"], path: "Tests/StoreFaultVFS"),
        tests("ResourceStoreTests", ["JSON", "ResourceStore", "StoreFaultVFS"]),
        tests("EncryptionAtRestTests", ["EncryptionAtRest", "ResourceStore", "JSON"]),
        tests("SchedulingTests", ["Scheduling", "KubernetesModel"]),
        tests("OrchestrationTests", ["JSON", "Orchestration", "KusciaModel", "KubernetesModel"]),
        tests("AgentCoreTests", ["JSON", "AgentCore", "KubernetesModel", "KusciaModel"]),
        tests("KubernetesClientTests", ["JSON", "KubernetesClient", "KubernetesClientTesting", "KubernetesModel"]),
        tests("APIServerTests", ["JSON", "APIServer", "ResourceStore", "KubernetesClient", "KubernetesModel", "KusciaModel"]),
        tests("APIServerHTTPTests", [
            "JSON", "APIServer", "APIServerHTTP", "ResourceStore", "PKI", "KubernetesClient", "KubernetesClientHTTP", "KubernetesModel", "KusciaModel",
            logging, nioCore, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        ]),
        tests("ControllersTests", ["JSON", "Controllers", "Scheduling", "KubernetesClient", "KubernetesClientTesting", "KubernetesModel", "KusciaModel"]),
        tests("CgroupsTests", ["Cgroups"]),
        tests("SandboxPolicyTests", ["SandboxPolicy", "KubernetesModel", "JSON"]),
        tests("SpawnTests", ["Spawn"]),
        tests("CNITests", ["CNI", "JSON"]),
        tests("OCIRuntimeTests", ["OCIRuntime", "SandboxPolicy", "Cgroups", "JSON", "CLinux", "swiftlet-sandbox"]),
        tests("SandboxRunTests", ["SandboxRun", "SandboxPolicy", "Cgroups", "JSON", "CLinux", "swiftlet-sandbox"]),
        tests("ImageStoreTests", ["ImageStore", "JSON", "Spawn", "CLinux", "CArchive", .product(name: "Crypto", package: "swift-crypto")]),
        tests("RegistryClientTests", [
            "RegistryClient", "ImageStore", "RuntimeInterface", "JSON", "Spawn", "CLinux", nioCore, nioPosix,
            .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "Crypto", package: "swift-crypto"),
        ]),
        tests("RunKTests", ["RunK", "JSON", "KubernetesModel", "KusciaModel", "KubernetesClient", "KubernetesClientTesting", "Agent", "AgentCore", "RuntimeInterface", logging]),
        tests("AgentTests", ["JSON", "Agent", "AgentCore", "KubernetesClient", "KubernetesClientTesting", "KubernetesModel", "RuntimeInterface", logging]),
        tests("ProbeClientTests", ["ProbeClient", "Agent", nioCore, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl")]),
        tests("RuntimeContractTests", [
            "RunP", "RunC", "RunK", "LocalRuntime", "JSON", "KubernetesClient", "KubernetesClientTesting", "CNI", "Spawn", "RuntimeInterface", "KubernetesModel",
            "Cgroups", "ImageStore", "SandboxPolicy", "CLinux", "Agent", "AgentCore", "APIServer", "ResourceStore", logging, "swiftlet-sandbox",
        ]),
        tests("EndToEndTests", ["JSON", "KubernetesModel", "KubernetesClient", "KubernetesClientHTTP", "CLinux", "Swiftlet", "swiftlet-sandbox"]),
        tests("SwiftletTests", ["JSON", "Swiftlet", "ResourceStore", "EncryptionAtRest"]),
        .testTarget(
            name: "ConformanceTests",
            dependencies: [
                "JSON", "KubernetesModel", "KubernetesClient", "KubernetesClientHTTP", "PKI", "Spawn", "CLinux", "Swiftlet",
            ],
            path: "Tests/ConformanceTests", exclude: ["Clients", "Conversations"], swiftSettings: warningsAreErrors),
        tests("TidyTests", []),
    ]
)
