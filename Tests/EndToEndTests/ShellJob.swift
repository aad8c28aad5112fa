// Jobs of shell scripts for tests about the cluster itself: each task an AppImage on the node's `host` image.
import FoundationEssentials
import JSON

@testable import Swiftlet

struct ShellTask {
    var alias: String
    /// Runs with /bin/sh; $KUSCIA_DOMAIN_ID tells the party, the job's volume is $JOB.
    var script: String
    var dependencies: [String] = []
    var parties = ["alice", "bob"]
    var memory = "64Mi"
    var tolerable = false
}

struct ShellJob {
    var name: String
    var tasks: [ShellTask]

    static let jobVolume = "/home/kuscia/var/storage/job"

    var documents: [JSONValue] { tasks.map(appImage) + [job] }

    /// Writes the manifests as one YAML file (JSON documents are YAML) and returns its path.
    func write(to directory: String) throws -> String {
        let path = "\(directory)/\(name).yaml"
        // The comment makes it YAML for kubectl, which takes a file that begins with a brace for JSON and knows no "---" there.
        let text = documents.map { $0.serializedString() }.joined(separator: "\n---\n")
        try FileText.write("# \(name), made by a test\n\(text)\n", to: path)
        return path
    }

    private func appImage(_ task: ShellTask) -> JSONValue {
        let container: JSONValue = [
            "name": "sh", "command": ["/bin/sh", "-c", .string("JOB=\(Self.jobVolume)\n\(task.script)")],
            "workingDir": "/scratch",
        ]
        return [
            "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "AppImage",
            "metadata": ["name": .string("\(name)-\(task.alias)")],
            "spec": [
                "image": ["name": "host", "tag": "latest"],
                "deployTemplates": [
                    ["name": "sh", "replicas": 1, "spec": ["restartPolicy": "Never", "containers": [container]]]
                ],
            ],
        ]
    }

    private var job: JSONValue {
        [
            "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "KusciaJob",
            "metadata": ["name": .string(name), "namespace": "cross-domain"],
            "spec": [
                "initiator": "alice", "scheduleMode": "Strict", "maxParallelism": 2,
                "tasks": .array(tasks.map(jobTask)),
            ],
        ]
    }

    private func jobTask(_ task: ShellTask) -> JSONValue {
        let resources: JSONValue = [
            "limits": ["cpu": "1", "memory": .string(task.memory)], "requests": ["cpu": "50m", "memory": "16Mi"],
        ]
        var value: JSONValue = [
            "alias": .string(task.alias), "taskID": .string("\(name)-\(task.alias)"), "priority": 100,
            "tolerable": .bool(task.tolerable), "appImage": .string("\(name)-\(task.alias)"), "taskInputConfig": "{}",
            "parties": .array(task.parties.map { ["domainID": .string($0), "resources": resources] }),
        ]
        if !task.dependencies.isEmpty { value["dependencies"] = .array(task.dependencies.map { .string($0) }) }
        return value
    }
}
