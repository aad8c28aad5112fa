// Why a Lite got no certificate, in the words of its own configuration: the person at its terminal has no other.
import KubernetesClient

enum LiteRefusal {
    static func failure(_ error: any Error, _ settings: LiteSettings) -> CommandFailure {
        guard let error = error as? KubernetesAPIError else {
            return error as? CommandFailure ?? CommandFailure("ask for this node's certificate: \(error)")
        }
        let subject = "ask \(settings.masterURL) for this node's certificate"
        guard settings.membership == nil else {
            return CommandFailure(
                "\(subject): \(error)",
                hint: "is \(settings.membership?.path ?? "the kubeconfig") right, and its token still good?")
        }
        return CommandFailure("\(subject): \(error)", hint: hint(error, settings))
    }

    static func hint(_ error: KubernetesAPIError, _ settings: LiteSettings) -> String {
        let newToken = "`swiftlet token \(settings.domain ?? "DOMAIN")` on the master prints an unused one"
        switch error {
        case .transport(let message):
            if message.contains("failedToValidateHostname") { return CommandFailure.nameHint }
            if message.contains("CERTIFICATE_VERIFY_FAILED") {
                return "swiftlet.masterCAFile is not the authority of this master: copy its pki/ca.crt"
                    + (settings.masterCAFile == nil ? ", and name the copy there" : " to \(settings.masterCAFile ?? "") again")
            }
            return "is the master running, and masterEndpoint right and reachable from here (firewall, proxy, DNS)?"
        case .status(let status):
            switch status.code ?? 0 {
            case 401: return "liteDeployToken is wrong, was used already, or is another master's: \(newToken)"
            case 403, 422:
                return
                    "liteDeployToken gives a certificate to a node of its own domain only: are domainID and nodeName right? "
                    + newToken
            default: return "the master's log says more"
            }
        }
    }
}
