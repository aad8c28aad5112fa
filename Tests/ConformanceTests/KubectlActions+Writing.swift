// Changing, waiting, draining, deleting; namespaces, kinds of our own, metrics, reviews and the rest.
import JSON
import KubernetesModel

extension KubectlAction {
    private static let eventColumns = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    private static let startedRow: [String?] = [nil, "Normal", "Started", nil, "Started container c"]

    static let changing: [KubectlAction] = [
        KubectlAction(
            "label", "label pod web x=y",
            [
                .printsExactly("pod/web labeled"),
                .calls(["PATCH /api/v1/namespaces/default/pods/web?fieldManager=kubectl-label 200"]),
                .object(.pods, "default/web", ["metadata", "labels", "x"], "y"),
            ]),
        KubectlAction(
            "annotate", "annotate pod web note=hello",
            [.printsExactly("pod/web annotated"), .object(.pods, "default/web", ["metadata", "annotations", "note"], "hello")]),
        KubectlAction(
            "patch", arguments: ["patch", "pod", "web", "-p", #"{"metadata":{"labels":{"x":null,"patched":"yes"}}}"#],
            [
                .printsExactly("pod/web patched"),
                .object(
                    .pods, "default/web", ["metadata", "labels"],
                    ["app": "web", "tier": "front", "seen": "yes", "patched": "yes"]),
            ]),
        KubectlAction(
            "label node", "label node fake-0 disk=ssd",
            [.printsExactly("node/fake-0 labeled"), .object(.nodes, "fake-0", ["metadata", "labels", "disk"], "ssd")]),
        KubectlAction(
            "taint node", "taint node fake-1 k=v:NoSchedule",
            [
                .printsExactly("node/fake-1 tainted"),
                .calls(["PATCH /api/v1/nodes/fake-1?fieldManager=kubectl-taint&fieldValidation=Strict 200"]),
                .object(.nodes, "fake-1", ["spec", "taints"], [["effect": "NoSchedule", "key": "k", "value": "v"]]),
            ]),
        KubectlAction("untaint node", "taint node fake-1 k-", [.printsExactly("node/fake-1 untainted")]),
        KubectlAction("get events", "get events", [.table(eventColumns, rows: [startedRow])]),
        KubectlAction("events", "events", [.table(eventColumns, rows: [startedRow])]),
        KubectlAction(
            "events --for", "events --for pod/web",
            [.table(eventColumns, rows: [[nil, "Normal", "Started", "Pod/web", "Started container c"]])]),
        KubectlAction(
            "wait --for=condition=Ready", "wait --for=condition=Ready pod/web --timeout=20s",
            [.printsExactly("pod/web condition met")]),
        KubectlAction(
            "wait jsonpath", arguments: ["wait", "--for=jsonpath={.status.phase}=Running", "pod/web", "--timeout=20s"],
            [.printsExactly("pod/web condition met")]),
        KubectlAction(
            "cordon", "cordon fake-0",
            [.printsExactly("node/fake-0 cordoned"), .object(.nodes, "fake-0", ["spec", "unschedulable"], true)]),
        KubectlAction(
            "drain", "drain fake-0 --force --ignore-daemonsets --timeout=30s",
            [
                .prints("pod/web evicted"), .prints("node/fake-0 drained"), .gone(.pods, "default/web"),
                .calls([
                    "GET /api/v1 200", "POST /api/v1/namespaces/default/pods/web/eviction 201",
                    "GET /api/v1/namespaces/default/pods/web 404",
                ]),
            ]),
        KubectlAction("uncordon", "uncordon fake-0", [.printsExactly("node/fake-0 uncordoned")]),
    ]

    static let deleting: [KubectlAction] = [
        KubectlAction(
            "delete pod", "delete pod web", before: { try await $0.start("web") },
            [
                .prints("pod \"web\" deleted"), .calls(["DELETE /api/v1/namespaces/default/pods/web 200"]),
                .gone(.pods, "default/web"),
            ]),
        KubectlAction(
            "delete pod --force", "delete pod web --grace-period=0 --force", before: { try await $0.start("web") },
            [.prints("pod \"web\" force deleted"), .complains("Immediate deletion does not wait"), .gone(.pods, "default/web")]),
        KubectlAction(
            "delete -f", "delete", manifest: Manifests.pod("tmp", node: "fake-1"),
            [.prints("pod \"tmp\" deleted"), .gone(.pods, "default/tmp")]),
        KubectlAction(
            "delete --all", "delete pods -l app=ssa",
            before: {
                try await $0.start("ssa")
                try await $0.start("stays")
            },
            [
                .prints("pod \"ssa\" deleted"), .calls(["GET /api/v1/namespaces/default/pods?labelSelector=app=ssa 200"]),
                .gone(.pods, "default/ssa"), .object(.pods, "default/stays", ["status", "phase"], "Running"),
            ]),
        KubectlAction(
            "run", "run runner --image=app:1 --restart=Never",
            [
                .printsExactly("pod/runner created"), .object(.pods, "default/runner", ["spec", "restartPolicy"], "Never"),
                .object(.pods, "default/runner", ["metadata", "labels", "run"], "runner"),
            ]),
        KubectlAction(
            "get ns", "get ns",
            [
                .table(
                    ["NAME", "STATUS", "AGE"],
                    rows: ["default", "kube-system", "kube-public", "kube-node-lease"].map { [$0, "Active", nil] })
            ]),
        KubectlAction(
            "create ns", "create ns team",
            [.printsExactly("namespace/team created"), .object(.namespaces, "team", ["status", "phase"], "Active")]),
        KubectlAction(
            "delete ns", "delete ns team --timeout=30s",
            before: { session in
                _ = try await session.laboratory.api.create(
                    .configMaps, namespace: "team", name: nil, subresource: nil,
                    body: Array(#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"inside"}}"#.utf8))
            },
            [.prints("namespace \"team\" deleted"), .gone(.namespaces, "team"), .gone(.configMaps, "team/inside")]),
    ]

    static let customKinds: [KubectlAction] = [
        .postponed("apply CRD", "apply", manifest: Manifests.definition, says: "no matches for kind", because: definitions),
        KubectlAction(
            "apply CR (cold for the group)", "apply", manifest: Manifests.appImage(tag: "1"),
            before: { _ = try await Program.run(["/bin/rm", "-rf", $0.cache], directory: $0.laboratory.directory) },
            [
                .printsExactly("appimage.kuscia.secretflow/engine created"),
                .calls(["GET /apis 200", "GET /apis/kuscia.secretflow/v1alpha1/appimages/engine 404"]),
            ]),
        KubectlAction(
            "apply CR (changed)", "apply", manifest: Manifests.appImage(tag: "2"),
            [
                .printsExactly("appimage.kuscia.secretflow/engine configured"),
                .calls(["PATCH /apis/kuscia.secretflow/v1alpha1/appimages/engine?fieldValidation=Strict 200"]),
                .object(.appImages, "engine", ["spec", "image", "tag"], "2"),
                .object(.appImages, "engine", ["metadata", "generation"], 2),
            ]),
        KubectlAction(
            "get CR", "get appimages",
            [.table(["NAME", "IMAGE", "TAG", "TEMPLATES", "AGE"], rows: [["engine", "engine", "2", "1", nil]])]),
        KubectlAction(
            "get CR -o json", "get appimage engine -o json",
            [
                .json(["kind"], "AppImage"), .json(["spec", "image"], ["name": "engine", "tag": "2"]),
                .json(["metadata", "name"], "engine"),
            ]),
        KubectlAction(
            "delete CR", "delete appimage engine",
            [.prints("appimage.kuscia.secretflow \"engine\" deleted"), .gone(.appImages, "engine")]),
        .postponed(
            "wait CRD Established", "wait --for=condition=Established crd/widgets.lab.example --timeout=5s",
            says: "the server doesn't have a resource type \"crd\"", because: definitions),
    ]

    static let measuring: [KubectlAction] = [
        KubectlAction("top nodes (no metrics API)", "top nodes", exit: 1, [.complains("metrics not available yet")]),
        .postponed(
            "apply metrics CRDs", "apply", manifest: Manifests.definition, says: "no matches for kind",
            because: "not needed: the kinds of metrics.k8s.io are built in"),
        KubectlAction(
            "apply metrics objects", "apply", manifest: Manifests.metrics(), before: { try await $0.start("web") },
            [.prints("nodemetrics.metrics.k8s.io/fake-0 created"), .prints("podmetrics.metrics.k8s.io/web created")]),
        KubectlAction(
            "top nodes", "top nodes",
            [
                .prints("fake-0"),
                .only(
                    "1.28",
                    [
                        KubectlCheck(
                            .table(
                                ["NAME", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%"],
                                rows: [["fake-0", "250m", "6%", "1024Mi", "12%"]]))
                    ]),
                .only(
                    nil,
                    [
                        KubectlCheck(
                            .table(
                                ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
                                rows: [["fake-0", "250m", "6%", "1024Mi", "12%"]]))
                    ]),
            ]),
        KubectlAction(
            "top pods", "top pods", [.table(["NAME", "CPU(cores)", "MEMORY(bytes)"], rows: [["web", "100m", "64Mi"]])]),
    ]

    static let others: [KubectlAction] = [
        KubectlAction("auth can-i", "auth can-i get pods", [.printsExactly("yes")]),
        KubectlAction(
            "auth whoami", "auth whoami",
            [
                .table(
                    ["ATTRIBUTE", "VALUE"],
                    rows: [["Username", "kubernetes-admin"], ["Groups", "[system:masters system:authenticated]"]])
            ]),
        KubectlAction(
            "cluster-info", "cluster-info",
            [.prints("is running at"), .calls(["GET /api/v1/namespaces/kube-system/services 200"])]),
        .postponed(
            "create deployment", "create deployment d --image=app:1", says: "failed to create deployment", because: workloads),
        .postponed(
            "rollout status", "rollout status deployment/d", says: "the server doesn't have a resource type", because: workloads),
        .postponed(
            "scale", "scale deployment/d --replicas=2", says: "the server doesn't have a resource type", because: workloads),
        KubectlAction(
            "get all", "get all",
            before: { session in
                _ = try await session.laboratory.api.create(
                    .services, namespace: "default", name: nil, subresource: nil,
                    body: Array(
                        #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"front"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}"#
                            .utf8))
            },
            [.prints("pod/web"), .prints("service/front"), .prints("CLUSTER-IP"), .prints("80/TCP")]),
        KubectlAction(
            "set image", arguments: ["set", "image", "pod/web", "c=app:2"],
            [
                .printsExactly("pod/web image updated"),
                .object(.pods, "default/web", ["spec", "containers", "0", "image"], "app:2"),
            ]),
        .postponed(
            "delete deployment", "delete deployment d", says: "the server doesn't have a resource type", because: workloads),
        KubectlAction(
            "create secret", "create secret generic keys --from-literal=k=v",
            [
                .printsExactly("secret/keys created"), .object(.secrets, "default/keys", ["data"], ["k": "dg=="]),
                .object(.secrets, "default/keys", ["type"], "Opaque"),
            ]),
        KubectlAction(
            "create configmap", "create configmap settings --from-literal=k=v",
            [.printsExactly("configmap/settings created"), .object(.configMaps, "default/settings", ["data"], ["k": "v"])]),
        KubectlAction(
            "diff", "diff", manifest: Manifests.pod("web", labels: ["app": "web", "tier": "back"], image: "app:2"), exit: 1,
            [
                .prints("+    tier: back"), .calls(["PATCH /api/v1/namespaces/default/pods/web?dryRun=All 200"]),
                .object(.pods, "default/web", ["metadata", "labels"], ["app": "web"]),
            ]),
        KubectlAction(
            "replace", "replace", manifest: Manifests.pod("web", image: "app:2", container: "other"), exit: 1,
            [
                .complains("The Pod \"web\" is invalid"), .complains("pod updates may not"),
                .calls(["PUT /api/v1/namespaces/default/pods/web?fieldManager=kubectl-replace&fieldValidation=Strict 422"]),
            ]),
        .postponed(
            "get componentstatuses", "get componentstatuses",
            says: "the server doesn't have a resource type \"componentstatuses\"",
            because: "a deprecated kind of clusters with etcd; this server says that it has none"),
        KubectlAction("proxy-less raw", "get --raw /healthz", [.printsExactly("ok")]),
    ]

    /// In the order in which they build on each other; the names are those of the reference recording.
    static let all = discovering + applying + reading + changing + deleting + customKinds + measuring + others
}
