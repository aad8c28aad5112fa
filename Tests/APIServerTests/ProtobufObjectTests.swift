// Protobuf bodies: what kubectl and the kubelet send becomes the JSON that they would have sent.
import JSON
import Testing

@testable import APIServer

struct ProtobufObjectTests {
    /// Writes messages by hand: numbers and wire types as in Kubernetes' generated.proto.
    private struct Message {
        var raw: [UInt8] = []

        mutating func text(_ number: UInt8, _ text: String) { bytes(number, Array(text.utf8)) }
        mutating func bytes(_ number: UInt8, _ content: [UInt8]) {
            var length: [UInt8] = [], rest = content.count
            repeat {
                length.append(UInt8(rest & 127) | (rest > 127 ? 128 : 0))
                rest >>= 7
            } while rest > 0
            raw += [number << 3 | 2] + length + content
        }
        mutating func number(_ number: UInt8, _ value: UInt8) { raw += [number << 3, value] }
    }

    private static func message(_ fill: (inout Message) -> Void) -> [UInt8] {
        var message = Message()
        fill(&message)
        return message.raw
    }

    private static func envelope(_ apiVersion: String, _ kind: String, _ raw: [UInt8]) -> [UInt8] {
        let type = message {
            $0.text(1, apiVersion)
            $0.text(2, kind)
        }
        return Array("k8s\0".utf8)
            + message {
                $0.bytes(1, type)
                $0.bytes(2, raw)
                $0.text(3, "")
                $0.text(4, "")
            }
    }

    private static let metadata = message {
        $0.text(1, "one")
        $0.text(2, "")
        $0.text(3, "alice")
        $0.bytes(8, [])  // a zero creationTimestamp
        $0.bytes(
            11,
            message {
                $0.text(1, "a")
                $0.text(2, "b")
            })
    }

    private func json(_ bytes: [UInt8]) throws -> JSONValue { try JSONValue(parsing: try ProtobufObject.json(bytes)) }

    @Test("a secret's bytes become base64, its maps objects; empty fields are left out")
    func secret() throws {
        let body = Self.message {
            $0.bytes(1, Self.metadata)
            $0.bytes(
                2,
                Self.message {
                    $0.text(1, "k")
                    $0.bytes(2, [0, 255])
                })
            $0.text(3, "Opaque")
            $0.number(5, 1)
        }
        #expect(
            try json(Self.envelope("v1", "Secret", body)) == [
                "apiVersion": "v1", "kind": "Secret",
                "metadata": ["name": "one", "namespace": "alice", "labels": ["a": "b"]],
                "data": ["k": "AP8="], "type": "Opaque", "immutable": true,
            ])
    }

    @Test("repeated messages, inlined types, quantities and int-or-strings are understood")
    func pod() throws {
        let container = Self.message {
            $0.text(1, "c")
            $0.text(2, "busybox")
            $0.text(3, "sleep")
            $0.text(3, "1")
            $0.bytes(
                6,
                Self.message {
                    $0.number(2, 0)
                    $0.number(3, 80)
                    $0.text(4, "TCP")
                })
            $0.bytes(
                8,
                Self.message {
                    $0.bytes(
                        1,
                        Self.message {
                            $0.text(1, "cpu")
                            $0.bytes(2, Self.message { $0.text(1, "500m") })
                        })
                })
            $0.bytes(
                10,
                Self.message {
                    $0.bytes(
                        1,
                        Self.message {
                            $0.bytes(
                                2,
                                Self.message {
                                    $0.text(1, "/")
                                    $0.bytes(
                                        2,
                                        Self.message {
                                            $0.number(1, 0)
                                            $0.number(2, 80)
                                            $0.text(3, "")
                                        })
                                })
                        })
                    $0.number(2, 0)
                    $0.number(4, 9)
                })
        }
        let body = Self.message {
            $0.bytes(1, Self.metadata)
            $0.bytes(
                2,
                Self.message {
                    $0.bytes(2, container)
                    $0.number(4, 0)  // terminationGracePeriodSeconds: 0 is said
                })
            $0.bytes(3, [])
        }
        let pod = try json(Self.envelope("v1", "Pod", body))
        #expect(pod["spec"]?["terminationGracePeriodSeconds"] == 0)
        #expect(
            pod["spec"]?["containers"] == [
                [
                    "name": "c", "image": "busybox", "command": ["sleep", "1"],
                    "ports": [["containerPort": 80, "protocol": "TCP"]], "resources": ["limits": ["cpu": "500m"]],
                    "livenessProbe": ["httpGet": ["path": "/", "port": 80], "periodSeconds": 9],
                ]
            ])
    }

    @Test("lists and maps of half a million entries are read once, not once for each entry")
    func many() throws {
        let count = 500_000
        let metadata = Self.message { $0.text(1, "n") } + [UInt8]((0..<count).flatMap { _ in [14 << 3 | 2, 0] as [UInt8] })
        let namespace = try json(Self.envelope("v1", "Namespace", Self.message { $0.bytes(1, metadata) }))
        #expect(namespace["metadata"]?["finalizers"]?.arrayValue?.count == count)
        let entries = Self.message { message in for index in 0..<count / 4 { message.bytes(2, Self.message { $0.text(1, "k\(index)") }) } }
        let map = try json(Self.envelope("v1", "ConfigMap", entries))
        #expect(map["data"]?.objectValue?.count == count / 4)
    }

    @Test("a lease keeps microseconds")
    func lease() throws {
        let spec = Self.message {
            $0.text(1, "me")
            $0.bytes(
                4,
                Self.message {
                    $0.number(1, 1)
                    $0.raw += [0x10, 0xC0, 0x84, 0x3D]
                })
        }
        let body = Self.message {
            $0.bytes(1, Self.metadata)
            $0.bytes(2, spec)
        }
        let lease = try json(Self.envelope("coordination.k8s.io/v1", "Lease", body))
        #expect(lease["spec"] == ["holderIdentity": "me", "renewTime": "1970-01-01T00:00:01.001000Z"])
    }

    @Test(
        "documents of subresources and options are known",
        arguments: [
            ("v1", "DeleteOptions"), ("policy/v1", "DeleteOptions"), ("policy/v1", "Eviction"), ("v1", "Binding"),
            ("authentication.k8s.io/v1", "TokenRequest"), ("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
            ("authentication.k8s.io/v1", "SelfSubjectReview"), ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("scheduling.k8s.io/v1", "PriorityClass"), ("v1", "ResourceQuota"), ("v1", "Namespace"), ("v1", "ServiceAccount"),
        ])
    func known(_ apiVersion: String, _ kind: String) throws {
        #expect(try json(Self.envelope(apiVersion, kind, []))["kind"]?.stringValue == kind)
    }

    @Test("what is not declared is named in the refusal")
    func unknown() {
        #expect(throws: ProtobufObject.Failure.unknownKind(apiVersion: "apps/v1", kind: "Deployment")) {
            try ProtobufObject.json(Self.envelope("apps/v1", "Deployment", []))
        }
        // A type, but no document.
        #expect(throws: ProtobufObject.Failure.unknownKind(apiVersion: "v1", kind: "Container")) {
            try ProtobufObject.json(Self.envelope("v1", "Container", []))
        }
    }

    @Test("no bytes crash the reader: every cut and every changed byte is refused or understood")
    func mutations() {
        let good = Self.envelope(
            "v1", "Pod",
            Self.message {
                $0.bytes(1, Self.metadata)
                $0.bytes(2, Self.message { $0.bytes(2, Self.message { $0.text(1, "c") }) })
            })
        for cut in 0...good.count { _ = try? ProtobufObject.json(Array(good[..<cut])) }
        for place in good.indices {
            for value in [0, 1, 0x7F, 0x80, 0xFF] as [UInt8] {
                var bytes = good
                bytes[place] = value
                _ = try? ProtobufObject.json(bytes)
            }
        }
    }
}
