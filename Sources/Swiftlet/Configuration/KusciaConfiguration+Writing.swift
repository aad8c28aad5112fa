// The commented configuration that `swiftlet init` prints and `swiftlet up` writes for its processes.

extension KusciaConfiguration {
    var commentedYAML: String {
        var text = """
            # Configuration of a Swiftlet process. Keys have Kuscia's names and meaning; ours are under `swiftlet:`.

            # master: schedules, holds the state. lite: runs one organisation's tasks.
            mode: \(mode.rawValue)
            # The organisation's id: 1 to 63 characters a-z, 0-9 and '-'.
            domainID: \(domainID)
            # DEBUG, INFO, WARN or ERROR
            logLevel: \(logLevel.rawValue)
            # TLS or MTLS. The API is always served over TLS, and a Lite always shows its certificate.
            protocol: \(transport.rawValue)

            """
        switch mode {
        case .master: text += masterYAML
        case .lite, .autonomy: text += liteYAML
        }
        return text
    }

    private var masterYAML: String {
        """

        swiftlet:
          # Where the store, the keys and the administrator's kubeconfig lie.
          stateDirectory: \(quoted(extensions.stateDirectory ?? "/var/lib/swiftlet/master"))
          listenAddress: \(quoted(extensions.listenAddress ?? "0.0.0.0"))
          port: \(extensions.port ?? 6443)
          # Names and addresses under which clients reach this master; its certificate is made for them.
          certificateNames: [\(extensions.certificateNames.map(quoted).joined(separator: ", "))]

        """
    }

    private var liteYAML: String {
        """

        # Used once, to get this node's certificate: `swiftlet token \(domainID)` on the master prints one.
        \(line("liteDeployToken", liteDeployToken, placeholder: "TOKEN"))
        masterEndpoint: \(quoted(masterEndpoint ?? "https://master.example:6443"))

        # What runs tasks that name no RuntimeClass: runp (processes in a sandbox of our own), runc (containers by an OCI runtime) or
        # runk (pods of the organisation's own cluster, docs/RUNK.md).
        runtime: \(runtime.rawValue)
        # What the node offers; measured when absent. bandwidth is in Mbit/s.
        \(resources("capacity", capacity))
        # What it keeps for itself.
        \(resources("reservedResources", reserved))
        # A container's log: how many files, of which size, and for how long its lines are kept.
        \(logRotationLine)
        # The organisation's own cluster; with another runtime only pods of RuntimeClass runk go there. More: dnsServers: [10.96.0.10].
        \(runtime == .runk ? "runk: {namespace: kuscia-tasks}" : "# runk: {namespace: kuscia-tasks, kubeconfigFile: cluster.yaml}")
        # agent: {provider: {k8s: {qps: 50, burst: 100, labelsToAdd: {team: a}, annotationsToAdd: {}, serviceAccountName: tasks, runtimeClassName: kata, nodeSelector: {}, affinity: {}, tolerations: [], dns: {servers: [], searches: []}}}}
        # Where images come from: the registry of names without one, and registries with a password, an authority of their own, mirrors
        # or no TLS (endpoint: http://...). Pods may bring secrets of their own. With pullPolicy local nothing is pulled for pods.
        # image: {pullPolicy: local, defaultRegistry: registry.example/secretflow, httpProxy: "http://proxy.example:3128", registries: [{name: ours, endpoint: registry.example, username: me, password: secret, caFile: registry-ca.crt, mirrors: ["https://mirror.example"]}]}

        swiftlet:
          # More of images: credentials as docker login writes them, what becomes of device nodes in them (refuse, leave-out, make), and
          # which must be signed (cosign's keys).
          # image: {dockerConfig: /root/.docker/config.json, deviceNodes: leave-out, parallelLayers: 3, noProxy: [.example], signatures: {refuseUnlisted: true, rules: [{prefix: registry.example, require: signed, keys: [cosign.pub]}]}}
          # Where logs, volumes and records of running tasks lie.
          stateDirectory: \(quoted(extensions.stateDirectory ?? "/var/lib/swiftlet/\(domainID)"))
          # The authority that signed the master's certificate (PEM).
          \(line("masterCAFile", extensions.masterCAFile, placeholder: "ca.crt"))
          \(line("nodeName", extensions.nodeName, placeholder: domainID))
          # RunK: claims of tasks -> claims of the cluster's namespace; what stands for claims that are not named; how ports are reached.
          # runk: {claims: {domain-data: data, "job-*": jobs}, localData: refuse, exposure: ClusterIP, leaderElection: false}
          # OCI runtimes by RuntimeClass handler; those that are installed (runc, crun) serve theirs when this is absent.
          # runtimes: {runc: /usr/sbin/runc, kata: /usr/bin/kata-runtime}
          # The address under which other nodes reach this node's tasks; found out when absent.
          \(line("nodeAddress", extensions.nodeAddress, placeholder: "192.0.2.10"))
          # Files that this organisation's tasks see, read-only.
          \(line("dataDirectory", extensions.dataDirectory, placeholder: "/srv/data"))
          # Below this cgroup the node makes its own.
          \(line("cgroupParent", extensions.cgroupParent, placeholder: "swiftlet"))
          # What tasks may ask for beyond a plain sandbox. Each widens what an engine can reach; all are off when absent.
          sandbox:
            permitPrivileged: \(extensions.sandbox.permitPrivileged)
            permitUnconfined: \(extensions.sandbox.permitUnconfined)
            permitHostUsers: \(extensions.sandbox.permitHostUsers)
            # Run tasks whose limits this machine cannot enforce (the node then says so in a condition).
            allowUnenforced: \(extensions.sandbox.allowUnenforced)
            # Capabilities that pods may add; the harmless ones when absent.
            \(list("capabilities", extensions.sandbox.capabilities ?? [], placeholder: ["NET_BIND_SERVICE", "CHOWN"]))
            \(line("seccompProfiles", extensions.sandbox.seccompProfiles, placeholder: "/etc/swiftlet/seccomp"))
            \(line("cniConfigurations", extensions.sandbox.cniConfigurations, placeholder: "/etc/cni/net.d"))
            \(list("cniPlugins", extensions.sandbox.cniPlugins, placeholder: ["/opt/cni/bin", "/usr/lib/cni"]))
          node:
            # Beside those that the node gives itself.
            \(texts("labels", extensions.node.labels, placeholder: ["disk": "ssd"]))
            # Resources of other names, counted; and devices, as many as their paths match.
            \(texts("extendedResources", extensions.node.extendedResources, placeholder: ["kuscia.io/tokens": "8"]))
            \(texts("devices", extensions.node.devices, placeholder: ["example.com/gpu": "/dev/nvidia[0-9]*"]))
            # leave: tasks run on when the Lite stops, and its next start finds them. drain: they are ended.
            \(line("stopPolicy", extensions.node.stopPolicy, placeholder: "leave"))
            # When pods are evicted; the kubelet's signals.
            \(line("evictionHard", extensions.node.evictionHard, placeholder: "memory.available<100Mi,nodefs.available<10%"))
            \(line("evictionSoft", extensions.node.evictionSoft, placeholder: "memory.available<300Mi"))
            \(number("evictionSoftGraceSeconds", extensions.node.evictionSoftGraceSeconds, placeholder: 90))
            # How long a pressure stays told when it is over.
            \(number("evictionPressureTransitionSeconds", extensions.node.evictionPressureTransitionSeconds, placeholder: 300))
            # Processes and threads of one container, at most.
            \(number("podPidsLimit", extensions.node.podPidsLimit, placeholder: 4096))
            # Pods that run without being asked for by the master: one manifest a file.
            \(line("podManifests", extensions.node.podManifests, placeholder: "/etc/swiftlet/manifests"))
            # /metrics and /healthz on 127.0.0.1.
            \(extensions.node.metricsPort.map { "metricsPort: \($0)" } ?? "# metricsPort: 10255")
            # Paths of this machine that pods may mount (hostPath), with what lies below them; none when absent.
            \(list("hostPaths", extensions.node.hostPaths, placeholder: ["/data/shared"]))
            # How long logs stay when their pod is gone, and their size together.
            \(number("keepLogsDays", extensions.node.keepLogsDays, placeholder: 7))
            \(number("keepLogsMB", extensions.node.keepLogsMB, placeholder: 1024))
            # What a job left on this node (volumes/NAMESPACE/job-JOB) goes so long after its last pod here; when absent it stays.
            \(number("keepJobDataDays", extensions.node.keepJobDataDays, placeholder: 90))

        """
    }

    private var logRotationLine: String {
        let pairs = [
            ("maxFiles", logRotation.maxFiles), ("maxFileSizeMB", logRotation.maxFileSizeMB),
            ("maxAgeDays", logRotation.maxAgeDays),
        ].compactMap { name, value in value.map { "\(name): \($0)" } }
        return pairs.isEmpty
            ? "# logrotate: {maxFiles: 5, maxFileSizeMB: 50, maxAgeDays: 30}" : "logrotate: {\(pairs.joined(separator: ", "))}"
    }

    private func list(_ key: String, _ values: [String], placeholder: [String]) -> String {
        let words = (values.isEmpty ? placeholder : values).map(quoted).joined(separator: ", ")
        return "\(values.isEmpty ? "# " : "")\(key): [\(words)]"
    }

    private func texts(_ key: String, _ values: [String: String], placeholder: [String: String]) -> String {
        let pairs = (values.isEmpty ? placeholder : values).sorted { $0.key < $1.key }.map { "\(quoted($0.key)): \(quoted($0.value))" }
        return "\(values.isEmpty ? "# " : "")\(key): {\(pairs.joined(separator: ", "))}"
    }

    private func number(_ key: String, _ value: Int?, placeholder: Int) -> String {
        value.map { "\(key): \($0)" } ?? "# \(key): \(placeholder)"
    }

    private func line(_ key: String, _ value: String?, placeholder: String) -> String {
        value.map { "\(key): \(quoted($0))" } ?? "# \(key): \(quoted(placeholder))"
    }

    private func resources(_ key: String, _ resources: Resources) -> String {
        let pairs = [
            ("cpu", resources.cpu), ("memory", resources.memory), ("pods", resources.pods),
            ("ephemeralStorage", resources.ephemeralStorage), ("bandwidth", resources.bandwidth),
        ].compactMap { name, value in value.map { "\(name): \(quoted($0))" } }
        return pairs.isEmpty ? "# \(key): {cpu: \"2\", memory: 4Gi, ephemeralStorage: 20Gi, pods: \"110\", bandwidth: \"100\"}" : "\(key): {\(pairs.joined(separator: ", "))}"
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
