// The order, environment and input of plugin calls, against a plugin that writes down what it is told.
import Glibc
import JSON
import Testing

@testable import CNI

/// A directory with a plugin `fake` that appends command, input and environment to `calls`, and answers as `answer` says.
private struct PluginLab {
    let directory: String

    init(script: String) throws {
        var template = Array("/tmp/swiftlet-cni-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        for name in ["fake", "other"] { try write(script, to: name, mode: 0o755) }
    }

    func write(_ text: String, to name: String, mode: mode_t = 0o644) throws {
        let path = "\(directory)/\(name)"
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        fclose(file)
        chmod(path, mode)
    }

    func read(_ name: String) -> String {
        SmallFile.read("\(directory)/\(name)").map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func remove() {
        for name in ["fake", "other", "calls", "net.conflist", "broken.conflist"] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }
}

@Suite("CNI")
struct NetworkAttachmentTests {
    private static let recording = """
        #!/bin/sh
        here=$(dirname "$0")
        { echo "$CNI_COMMAND $(basename "$0") $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS"; cat; echo; } >> "$here/calls"
        case $CNI_COMMAND in ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.7/24"}],"dns":{"nameservers":["10.9.0.1"]},"by":"'$(basename "$0")'"}' ;; esac
        """
    private static let target = AttachmentTarget(
        containerID: "uid-1", networkNamespace: "/run/n", arguments: "K8S_POD_NAME=p",
        portMappings: [.init(hostPort: 8080, containerPort: 80)])
    private static let list = """
        {"cniVersion": "1.0.0", "name": "psi", "plugins": [{"type": "fake", "bridge": "b0"}, {"type": "other", "capabilities": {"portMappings": true}}]}
        """

    @Test("plugins are called in order to attach, each with its predecessor's result, and backwards to detach")
    func chain() throws {
        let lab = try PluginLab(script: Self.recording)
        defer { lab.remove() }
        try lab.write(Self.list, to: "net.conflist")
        let network = try NetworkList.find("psi", in: lab.directory)
        var attachment = NetworkAttachment(network, target: Self.target)
        try attachment.add(programs: [lab.directory])
        #expect(attachment.addresses == ["10.9.0.7"])
        #expect(attachment.nameservers == ["10.9.0.1"])

        // The record alone is enough to give the place back.
        let recorded = try JSON.decode(NetworkAttachment.self, from: try JSON.encode(attachment))
        try recorded.check(programs: [lab.directory])
        try recorded.delete(programs: [lab.directory])
        let lines = lab.read("calls").split(separator: "\n")
        let heads = lines.enumerated().filter { $0.offset % 2 == 0 }.map { String($0.element) }
        let suffix = "uid-1 /run/n eth0 K8S_POD_NAME=p"
        #expect(
            heads == ["ADD fake", "ADD other", "CHECK fake", "CHECK other", "DEL other", "DEL fake"].map { "\($0) \(suffix)" })
        let inputs = try lines.enumerated().filter { $0.offset % 2 == 1 }.map { try JSONValue(parsing: String($0.element)) }
        #expect(inputs[0]["prevResult"] == nil)
        #expect(inputs[0]["bridge"]?.stringValue == "b0" && inputs[0]["name"]?.stringValue == "psi")
        #expect(inputs[1]["prevResult"]?["by"]?.stringValue == "fake")
        #expect(inputs[1]["runtimeConfig"]?["portMappings"]?[0]?["hostPort"]?.intValue == 8080)
        #expect(inputs[1]["capabilities"] == nil)
        #expect(inputs[4]["prevResult"]?["by"]?.stringValue == "other")
    }

    @Test("a plugin that fails says why, and the ones before it are told to let go")
    func failure() throws {
        let lab = try PluginLab(
            script: """
                #!/bin/sh
                here=$(dirname "$0")
                echo "$CNI_COMMAND $(basename "$0")" >> "$here/calls"
                case "$CNI_COMMAND $(basename "$0")" in
                    "ADD fake") echo '{"ips":[]}' ;;
                    "ADD other") echo '{"code": 11, "msg": "no address left", "details": "range 10.9.0.0/30"}'; exit 1 ;;
                esac
                """)
        defer { lab.remove() }
        var attachment = NetworkAttachment(try NetworkList(parsing: Array(Self.list.utf8), path: "x"), target: Self.target)
        let error = #expect(throws: CNIError.self) { try attachment.add(programs: [lab.directory]) }
        #expect("\(try #require(error))".contains("no address left: range 10.9.0.0/30"))
        #expect(lab.read("calls") == "ADD fake\nADD other\nDEL other\nDEL fake\n")
        #expect(attachment.result == nil)
    }

    @Test("what is not a network list is refused with its place")
    func refusals() {
        for (text, word) in [
            ("{", "JSON"), (#"{"plugins": []}"#, "name"), (#"{"name": "n", "plugins": []}"#, "plugins"),
            (#"{"name": "n", "plugins": [{"type": "../sh"}]}"#, "plugins[0].type"),
            (#"{"name": "n", "plugins": [{}]}"#, "plugins[0].type"),
        ] {
            let error = #expect(throws: CNIError.self) { _ = try NetworkList(parsing: Array(text.utf8), path: "/etc/x.conflist") }
            #expect(error.map { "\($0)".contains(word) } == true)
        }
        let missing = #expect(throws: CNIError.self) { _ = try NetworkList.find("absent", in: "/nonexistent") }
        #expect(missing?.hint?.contains("absent.conflist") == true)
    }
}
