// A static pod's manifest: YAML or JSON, one pod a file.
import JSON
import KubernetesModel

enum StaticManifest {
    static func pod(_ text: [UInt8], file: String) throws -> Pod {
        let documents = try YAMLText.documents(String(decoding: text, as: UTF8.self), source: file)
        guard documents.count == 1, let document = documents.first else {
            throw CommandFailure("\(file): expected one pod, found \(documents.count) documents", hint: nil)
        }
        guard document["kind"]?.stringValue == "Pod", document["apiVersion"]?.stringValue == "v1" else {
            throw CommandFailure("\(file): expected a v1 Pod", hint: nil)
        }
        return try JSON.decode(Pod.self, from: document.serialized())
    }
}
