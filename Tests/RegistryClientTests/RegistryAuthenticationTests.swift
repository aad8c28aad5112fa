// Who we say we are, where, and how it is read from Docker's files.
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Testing

@Suite(.timeLimit(.minutes(2))) struct RegistryAuthenticationTests {
    @Test("a token server is asked for pulling this repository and nothing more, once")
    func bearer() async throws {
        let image = try TestImage(layers: [TestImage.bytes(1_000), TestImage.bytes(1_000, seed: 3)])
        let tokens = try await TestRegistry.start { request in
            request.headers.first(name: "Authorization") == "Basic bWU6c2VjcmV0"
                ? .whole(200, body: Array(#"{"token":"t0ken","expires_in":300}"#.utf8)) : .whole(401)
        }
        let realm = tokens.origin
        let registry = try await TestRegistry.start { request in
            guard request.headers.first(name: "Authorization") == "Bearer t0ken" else {
                let challenge = "Bearer realm=\"\(realm)/token\",service=\"registry.example\",scope=\"repository:other:push\""
                return .whole(401, headers: [("WWW-Authenticate", challenge)])
            }
            return image.answer(request)
        }
        let bench = try PullBench()
        let client = try bench.client(registry) {
            $0.credentials = [RegistryCredential(server: $0.hosts[0].registry, username: "me", password: "secret")]
        }
        let wrong = RegistryCredential(server: registry.host, username: "pod", password: "wrong")
        _ = try await bench.pull("\(registry.host)/app:1", client, credentials: [wrong])
        let asked = tokens.asked { $0.headers.first(name: "Authorization") == "Basic bWU6c2VjcmV0" }
        #expect(asked.count == 1)
        #expect(asked.first?.target == "/token?scope=repository%3Aapp%3Apull&service=registry.example")
        await client.shutdown()
        await registry.stop()
        await tokens.stop()
    }

    @Test("an identity token is exchanged, a registry token shown as it is")
    func otherTokens() async throws {
        let image = try TestImage(layers: [TestImage.bytes(10)])
        let tokens = try await TestRegistry.start { request in
            request.method == "POST" && request.body.contains("refresh_token=abc%2Fdef")
                && request.body.contains("grant_type=refresh_token")
                ? .whole(200, body: Array(#"{"access_token":"fresh"}"#.utf8)) : .whole(403)
        }
        let realm = tokens.origin
        for (credential, header) in [
            (RegistryCredential(identityToken: "abc/def"), "Bearer fresh"),
            (RegistryCredential(registryToken: "given"), "Bearer given"),
        ] {
            let registry = try await TestRegistry.start { request in
                request.headers.first(name: "Authorization") == header
                    ? image.answer(request) : .whole(401, headers: [("WWW-Authenticate", "Bearer realm=\"\(realm)/t\"")])
            }
            let bench = try PullBench()
            let client = try bench.client(registry)
            _ = try await bench.pull("\(registry.host)/app:1", client, credentials: [credential])
            await client.shutdown()
            await registry.stop()
        }
        await tokens.stop()
    }

    @Test("Docker's config.json is read as docker login and Kubernetes write it")
    func dockerConfig() throws {
        let text =
            #"{"auths":{"r.example:5000":{"auth":"bWU6c2U6Y3JldA=="},"https://index.docker.io/v1/":{"username":"u","password":"p"},"t.example":{"identitytoken":"x"}}}"#
        let credentials = try DockerConfig.credentials(Array(text.utf8), subject: "config.json")
        #expect(
            credentials == [
                RegistryCredential(server: "https://index.docker.io/v1/", username: "u", password: "p"),
                RegistryCredential(server: "r.example:5000", username: "me", password: "se:cret"),
                RegistryCredential(server: "t.example", identityToken: "x"),
            ])
    }

    @Test(
        "a Docker config that cannot be used says why and shows no secret",
        arguments: [
            (#"{"credHelpers":{"r.example":"ecr-login"}}"#, "credential helpers are not run (ecr-login for r.example)"),
            (#"{"auths":{"r.example":{}},"credsStore":"desktop"}"#, "credential helper \"desktop\""),
            (#"{"auths":{"r.example":{"auth":"c2VjcmV0"}}}"#, "expected base64 of user:password"),
            (#"{"auths":{"r.example":{"auth":7}}}"#, "expected Docker's config.json"),
            ("c2VjcmV0", "expected Docker's config.json"),
        ])
    func refusedDockerConfig(_ text: String, _ words: String) {
        #expect {
            try DockerConfig.credentials(Array(text.utf8), subject: "config.json")
        } throws: { error in
            "\(error)".contains(words) && !"\(error)".contains("c2VjcmV0")
        }
    }
}
