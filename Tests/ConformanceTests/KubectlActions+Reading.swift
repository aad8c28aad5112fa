// Discovery, applying, reading, watching, describing and logs.
import JSON
import KubernetesModel

extension KubectlAction {
    static let definitions = "custom resource definitions come with a later issue; all kinds here are built in"
    static let workloads = "the kinds of apps and batch come with a later issue"

    private static let kinds: [[String?]] = [
        ["configmaps", "cm", "v1", "true", "ConfigMap"], ["endpoints", "ep", "v1", "true", "Endpoints"],
        ["events", "ev", "v1", "true", "Event"], ["namespaces", "ns", "v1", "false", "Namespace"],
        ["nodes", "no", "v1", "false", "Node"], ["pods", "po", "v1", "true", "Pod"],
        ["resourcequotas", "quota", "v1", "true", "ResourceQuota"], ["secrets", "", "v1", "true", "Secret"],
        ["serviceaccounts", "sa", "v1", "true", "ServiceAccount"], ["services", "svc", "v1", "true", "Service"],
        ["tokenreviews", "", "authentication.k8s.io/v1", "false", "TokenReview"],
        ["selfsubjectreviews", "", "authentication.k8s.io/v1", "false", "SelfSubjectReview"],
        ["subjectaccessreviews", "", "authorization.k8s.io/v1", "false", "SubjectAccessReview"],
        ["selfsubjectaccessreviews", "", "authorization.k8s.io/v1", "false", "SelfSubjectAccessReview"],
        ["certificatesigningrequests", "csr", "certificates.k8s.io/v1", "false", "CertificateSigningRequest"],
        ["leases", "", "coordination.k8s.io/v1", "true", "Lease"],
        ["endpointslices", "", "discovery.k8s.io/v1", "true", "EndpointSlice"],
        ["events", "ev", "events.k8s.io/v1", "true", "Event"],
        ["appimages", nil, "kuscia.secretflow/v1alpha1", "false", "AppImage"],
        ["domains", nil, "kuscia.secretflow/v1alpha1", "false", "Domain"],
        ["kusciajobs", nil, "kuscia.secretflow/v1alpha1", "true", "KusciaJob"],
        ["kusciatasks", nil, "kuscia.secretflow/v1alpha1", "true", "KusciaTask"],
        ["nodes", "", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"],
        ["pods", "", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
        ["runtimeclasses", "", "node.k8s.io/v1", "false", "RuntimeClass"],
        ["clusterrolebindings", "", "rbac.authorization.k8s.io/v1", "false", "ClusterRoleBinding"],
        ["clusterroles", "", "rbac.authorization.k8s.io/v1", "false", "ClusterRole"],
        ["rolebindings", "", "rbac.authorization.k8s.io/v1", "true", "RoleBinding"],
        ["roles", "", "rbac.authorization.k8s.io/v1", "true", "Role"],
        ["priorityclasses", "pc", "scheduling.k8s.io/v1", "false", "PriorityClass"],
    ]

    private static let groupVersions = [
        "authentication.k8s.io/v1", "authorization.k8s.io/v1", "certificates.k8s.io/v1", "coordination.k8s.io/v1",
        "discovery.k8s.io/v1",
        "events.k8s.io/v1", "kuscia.secretflow/v1alpha1", "metrics.k8s.io/v1beta1", "node.k8s.io/v1",
        "rbac.authorization.k8s.io/v1",
        "scheduling.k8s.io/v1", "v1",
    ]

    static let discovering: [KubectlAction] = [
        KubectlAction(
            "version", "version", [.prints("Client Version: v1."), .prints("Server Version: v1."), .calls(["GET /version 200"])]),
        KubectlAction(
            "get nodes (cold cache)", "get nodes",
            [
                .table(
                    ["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
                    rows: [["fake-0", "Ready", "<none>", nil, "v1.33.0"], ["fake-1", "Ready", "<none>", nil, "v1.33.0"]]),
                .callsExactly(["GET /api 200", "GET /apis 200", "GET /api/v1/nodes?limit=500 200"]),
            ]),
        KubectlAction(
            "get nodes (warm)", "get nodes",
            [
                .table(["NAME", "STATUS", "ROLES", "AGE", "VERSION"], rows: [["fake-0", "Ready", "<none>", nil, "v1.33.0"]]),
                .callsExactly(["GET /api/v1/nodes?limit=500 200"]),
            ]),
        KubectlAction(
            "api-resources", "api-resources", [.table(["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"], rows: kinds)]),
        KubectlAction("api-versions", "api-versions", groupVersions.map { .prints($0 + "\n") }),
        KubectlAction(
            "explain pod.spec.nodeName", "explain pod.spec.nodeName",
            [
                .prints("KIND:       Pod"), .prints("VERSION:    v1"), .prints("FIELD: nodeName <string>"),
                .calls(["GET /openapi/v3 200"]),
            ]),
    ]

    static let applying: [KubectlAction] = [
        KubectlAction(
            "apply pod (create)", "apply", manifest: Manifests.pod("web"),
            [
                .printsExactly("pod/web created"),
                .calls([
                    "GET /api/v1/namespaces/default/pods/web 404",
                    "POST /api/v1/namespaces/default/pods?fieldManager=kubectl-client-side-apply&fieldValidation=Strict 201",
                ]),
            ]),
        KubectlAction(
            "apply pod (unchanged)", "apply", manifest: Manifests.pod("web"),
            [.printsExactly("pod/web unchanged"), .never("PATCH")]),
        KubectlAction(
            "apply pod (changed label)", "apply", manifest: Manifests.pod("web", labels: ["app": "web", "tier": "front"]),
            [
                .printsExactly("pod/web configured"),
                .calls([
                    "PATCH /api/v1/namespaces/default/pods/web?fieldManager=kubectl-client-side-apply&fieldValidation=Strict 200"
                ]),
                .object(.pods, "default/web", ["metadata", "labels", "tier"], "front"),
            ]),
        .postponed(
            "apply --server-side", "apply --server-side", manifest: Manifests.pod("ssa"), says: "apply-patch",
            because: "server-side apply comes with a later issue"),
        KubectlAction(
            "apply --validate=false", "apply --validate=false",
            manifest: Manifests.pod("web", labels: ["app": "web", "tier": "front"]), [.printsExactly("pod/web unchanged")]),
        KubectlAction(
            "create -f", "create", manifest: Manifests.pod("tmp", node: "fake-1"),
            [
                .printsExactly("pod/tmp created"),
                .calls(["POST /api/v1/namespaces/default/pods?fieldManager=kubectl-create&fieldValidation=Strict 201"]),
                .object(.pods, "default/tmp", ["spec", "nodeName"], "fake-1"),
            ]),
    ]

    private static let wide = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    private static let narrow = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]

    static let reading: [KubectlAction] = [
        KubectlAction(
            "get pods -o wide", "get pods -o wide",
            before: {
                try await $0.isRunning("web")
                try await $0.isRunning("tmp")
            },
            [
                .table(
                    wide,
                    rows: [
                        ["web", "1/1", "Running", "0", nil, "10.1.0.5", "fake-0", "<none>", "<none>"],
                        ["tmp", "1/1", "Running", "0", nil, "10.1.0.5", "fake-1", "<none>", "<none>"],
                    ])
            ]),
        KubectlAction(
            "get pods -A", "get pods -A",
            [
                .table(["NAMESPACE"] + narrow, rows: [["default", "web", "1/1", "Running", "0", nil]]),
                .calls(["GET /api/v1/pods?limit=500 200"]),
            ]),
        KubectlAction(
            "get pod -o yaml", "get pod web -o yaml",
            [
                .prints("kind: Pod\n"), .prints("apiVersion: v1\n"), .prints("\n  nodeName: fake-0\n"),
                .prints("\n    tier: front\n"),
                .prints("\n  restartPolicy: Always\n"), .prints("\n  phase: Running\n"), .doesNotPrint("managedFields"),
            ]),
        KubectlAction(
            "get pods -l", "get pods -l app=web",
            [
                .table(narrow, rows: [["web", "1/1", "Running", "0", nil]]), .noRow("tmp"),
                .calls(["GET /api/v1/namespaces/default/pods?labelSelector=app=web&limit=500 200"]),
            ]),
        KubectlAction(
            "get pods --field-selector", "get pods --field-selector spec.nodeName=fake-1",
            [.table(narrow, rows: [["tmp", "1/1", "Running", "0", nil]]), .noRow("web")]),
        .following(
            "get pods -w", "get pods -w --output-watch-events", untilFirst: "web",
            meanwhile: { try await $0.patch(.pods, "default", "web", ["metadata": ["labels": ["seen": "yes"]]]) },
            until: "MODIFIED",
            [
                .table(
                    ["EVENT"] + narrow,
                    rows: [["ADDED", "web", "1/1", "Running", "0", nil], ["MODIFIED", "web", "1/1", "Running", "0", nil]])
            ]),
        KubectlAction(
            "describe pod", "describe pod web", before: { try await $0.record("Started", "Started container c", about: "web") },
            [
                .prints("Node:             fake-0/192.0.2.7"), .prints("Status:           Running"), .prints("app:1"),
                .prints("tier=front"),
                .prints("IP:               10.1.0.5"), .prints("Started container c"), .prints("Ready             True"),
            ]),
        KubectlAction(
            "describe node", "describe node fake-0",
            [
                .prints("Name:               fake-0"), .prints("HolderIdentity:  fake-0"), .prints("KubeletReady"),
                .prints("Non-terminated Pods:"),
                .prints("web"), .prints("Allocated resources:"), .prints("Unschedulable:      false"), .doesNotPrint("tmp"),
                .calls([
                    "GET /api/v1/nodes/fake-0 200", "GET /api/v1/pods 200", "GET /api/v1/events 200",
                    "GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/fake-0 200",
                ]),
            ]),
        KubectlAction("logs", "logs web -c c", [.printsExactly((1...10).map { "line \($0)" }.joined(separator: "\n"))]),
        KubectlAction(
            "logs -f --tail", "logs web -c c -f --tail=5",
            [
                .printsExactly((6...10).map { "line \($0)" }.joined(separator: "\n")),
                .calls(["GET /api/v1/namespaces/default/pods/web/log?container=c&follow=true&tailLines=5 200"]),
            ]),
        KubectlAction(
            "logs -l", "logs -l app=web -c c --tail=2 --timestamps",
            [.printsExactly("2026-01-02T03:04:05.000000006Z line 9\n2026-01-02T03:04:05.000000006Z line 10")]),
        KubectlAction("exec", "exec web -c c -- date", [.printsExactly("a line of the container")]),
        KubectlAction("exec -i", "exec -i web -c c -- cat", [.printsExactly("")]),
        KubectlAction("attach", "attach web -c c", [.prints("a line of the container")]),
        .following(
            "port-forward", "port-forward pod/web :80", untilFirst: "Forwarding from", meanwhile: { _ in },
            until: "Forwarding from", exit: 0, []),
        KubectlAction("cp (tar through exec)", "cp /etc/hostname web:/tmp/x -c c", [.printsExactly("")]),
    ]
}
