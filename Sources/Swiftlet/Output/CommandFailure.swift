// An error for the person at the terminal: what is wrong, and what to do about it.
import KubernetesClient

/// Printed as "Error: message" and a line with the hint; the exit code is 1.
struct CommandFailure: Error, CustomStringConvertible {
    var message: String
    var hint: String?

    init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    var description: String { hint.map { "\(message)\nHint: \($0)" } ?? message }
}

extension CommandFailure {
    /// A failed call with the hint that fits its cause. `subject` is what was tried, e.g. "get pods".
    init(_ error: any Error, while subject: String, server: String?) {
        if let failure = error as? CommandFailure {
            self = failure
            return
        }
        guard let error = error as? KubernetesAPIError else {
            self.init("\(subject): \(error)", hint: nil)
            return
        }
        let place = server.map { " at \($0)" } ?? ""
        switch error {
        case .transport(let message):
            self.init("\(subject): cannot reach the master\(place): \(message)", hint: Self.hint(transport: message))
        case .status(let status):
            self.init("\(subject): \(error)", hint: Self.hint(code: status.code ?? 0))
        }
    }

    /// Of a certificate that is not for the name by which the server was called.
    static let nameHint =
        "the master's certificate is not for this name: add it to swiftlet.certificateNames in the master's configuration and start it again"

    private static func hint(transport message: String) -> String {
        if message.contains("failedToValidateHostname") { return nameHint }
        if message.contains("CERTIFICATE_VERIFY_FAILED") {
            return
                "its certificate is signed by nobody known here: take the kubeconfig that this master wrote (admin.kubeconfig)"
        }
        return "is it running? `swiftlet up` starts one here; --kubeconfig (or KUBECONFIG) names another"
    }

    private static func hint(code: Int) -> String {
        switch code {
        case 401: "the kubeconfig's certificate is not known to this master: take the kubeconfig that its `up` wrote"
        case 403: "this identity may not do that; the administrator's kubeconfig may"
        case 404: "`swiftlet get KIND -A` lists what there is; -n names the namespace (KusciaJobs live in cross-domain)"
        case 409: "it exists already or was changed meanwhile: look with `swiftlet get`, remove with `swiftlet delete`"
        case 400, 422: "the message names the field; `swiftlet get KIND NAME -o yaml` shows a stored example"
        case 429, 503: "the master is busy or starting: try again in a moment"
        default: "the master's log says more (`logs/master.log` in the state directory)"
        }
    }
}
