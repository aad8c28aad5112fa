// Kubeconfigs are read and written; what is wrong in one is named.
import KubernetesClient
import Testing

@Suite("Kubeconfig")
struct KubeconfigTests {
    private static let text = """
        apiVersion: v1
        kind: Config
        current-context: admin@home
        preferences: {}
        clusters:
        - name: home
          cluster:
            server: https://127.0.0.1:6443
            certificate-authority-data: Q0E=
            extensions:
            - name: x
              extension: {a: b}
        - name: lab
          cluster: {server: "https://lab:6443", certificate-authority: ca.crt, insecure-skip-tls-verify: true}
        users:
        - name: admin
          user:
            client-certificate-data: Q0VSVA==
            client-key-data: S0VZ
        - name: robot
          user: {token: "123456", tokenFile: /run/token}
        - name: nobody
          user:
        - name: files
          user: {client-certificate: pki/c.crt, client-key: /etc/c.key}
        contexts:
        - name: admin@home
          context: {cluster: home, user: admin, namespace: alice}
        - name: robot@lab
          context: {cluster: lab, user: robot}
        - name: files@lab
          context: {cluster: lab, user: files}
        - name: lost
          context: {cluster: gone, user: robot}
        - name: nobody@home
          context: {cluster: home, user: nobody}
        """

    @Test("the current context leads to its cluster and user")
    func current() throws {
        let connection = try Kubeconfig(parsing: Self.text).connection()
        #expect(connection.cluster.server == "https://127.0.0.1:6443")
        #expect(connection.cluster.certificateAuthorityData == "Q0E=")
        #expect(connection.user.clientCertificateData == "Q0VSVA==" && connection.user.clientKeyData == "S0VZ")
        #expect(connection.namespace == "alice")
    }

    @Test("another context, with a token that looks like a number and paths below the file's directory")
    func other() throws {
        let config = try Kubeconfig(parsing: Self.text)
        let robot = try config.connection(context: "robot@lab", directory: "/home/me/.kube")
        #expect(robot.user.token == "123456" && robot.user.tokenFile == "/run/token")
        #expect(robot.cluster.insecureSkipTLSVerify == true)
        #expect(robot.cluster.certificateAuthority == "/home/me/.kube/ca.crt")
        let files = try config.connection(context: "files@lab", directory: "/home/me/.kube")
        #expect(files.user.clientCertificate == "/home/me/.kube/pki/c.crt" && files.user.clientKey == "/etc/c.key")
        #expect(try config.connection(context: "nobody@home").user == Kubeconfig.User())
    }

    @Test("what is written is read back the same, and long base64 stays on one line")
    func roundTrip() throws {
        var config = try Kubeconfig(parsing: Self.text)
        let data = String(repeating: "QUJD", count: 1000)
        config.users["admin"]?.clientKeyData = data
        let text = try config.yaml()
        #expect(try Kubeconfig(parsing: text) == config)
        #expect(text.contains("client-key-data: \(data)\n"))
        let single = Kubeconfig(
            name: "swiftlet", cluster: .init(server: "https://h:1"), user: .init(token: "t"), namespace: "alice")
        #expect(try Kubeconfig(parsing: single.yaml()).connection().user.token == "t")
    }

    @Test("JSON is YAML too")
    func json() throws {
        let text =
            #"{"clusters":[{"name":"c","cluster":{"server":"https://h:1"}}],"users":[{"name":"u","user":{}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}"#
        #expect(try Kubeconfig(parsing: text).connection().cluster.server == "https://h:1")
    }

    @Test(
        "what cannot be read says where and what was expected",
        arguments: [
            ("kind: Pod", "expected Config"), ("clusters: 7", "clusters"), ("clusters:\n- cluster: {server: x}", "name"),
            ("a: [", "YAML"), ("clusters:\n- name: c\n  cluster: {}", "server"), ("- a\n- b", "kubeconfig:"), ("", "kubeconfig:"),
        ])
    func malformed(text: String, mentions: String) {
        let error = #expect(throws: KubeconfigError.self) { try Kubeconfig(parsing: text) }
        #expect(error?.description.contains(mentions) == true, "\(error?.description ?? "")")
    }

    @Test("an unknown context, cluster or user is named, with what there is")
    func unknown() throws {
        let config = try Kubeconfig(parsing: Self.text)
        let context = #expect(throws: KubeconfigError.self) { try config.connection(context: "admin@hom") }
        #expect(context?.message.contains("\"admin@hom\"") == true && context?.message.contains("admin@home") == true)
        let cluster = #expect(throws: KubeconfigError.self) { try config.connection(context: "lost") }
        #expect(cluster?.message.contains("\"gone\"") == true)
        #expect(throws: KubeconfigError.self) { try Kubeconfig().connection() }
        var broken = config
        broken.clusters["home"]?.server = "127.0.0.1:6443"
        #expect(throws: KubeconfigError.self) { try broken.connection() }
    }
}
