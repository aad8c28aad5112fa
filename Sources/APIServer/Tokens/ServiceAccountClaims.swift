// What a service account's token says: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
import JSON

/// An object by name and uid: a token bound to it ends with it.
public struct BoundObject: Sendable, Hashable {
    public var name: String
    public var uid: String

    public init(name: String, uid: String) {
        self.name = name
        self.uid = uid
    }
}

public struct ServiceAccountClaims: Sendable, Hashable {
    public var issuer: String
    public var audiences: [String]
    /// Seconds since 1970.
    public var issuedAt: Int64
    public var notBefore: Int64
    public var expires: Int64
    /// Names this one token in logs; never the token itself.
    public var id: String
    public var namespace: String
    public var account: BoundObject
    public var pod: BoundObject?
    /// With a pod: the node that it ran on when the token was made.
    public var node: BoundObject?
    public var secret: BoundObject?
}

extension ServiceAccountClaims {
    var accountName: ServiceAccountName { ServiceAccountName(namespace: namespace, name: account.name) }

    var json: JSONValue {
        func object(_ bound: BoundObject) -> JSONValue { ["name": .string(bound.name), "uid": .string(bound.uid)] }
        var place: JSONValue = ["namespace": .string(namespace), "serviceaccount": object(account)]
        if let pod { place["pod"] = object(pod) }
        if let node { place["node"] = object(node) }
        if let secret { place["secret"] = object(secret) }
        return [
            "aud": .array(audiences.map { .string($0) }), "exp": .int(expires), "iat": .int(issuedAt), "iss": .string(issuer),
            "jti": .string(id), "kubernetes.io": place, "nbf": .int(notBefore), "sub": .string(accountName.userName),
        ]
    }

    /// nil unless every member that counts is there, of its type, and `sub` says what the other members say.
    init?(_ value: JSONValue) {
        let place = value["kubernetes.io"]
        func bound(_ member: String) -> BoundObject?? {
            guard let object = place?[member] else { return .some(nil) }
            guard let name = object["name"]?.stringValue, let uid = object["uid"]?.stringValue, !name.isEmpty, !uid.isEmpty else {
                return nil
            }
            return BoundObject(name: name, uid: uid)
        }
        let audiences: [String]
        switch value["aud"] {
        case .string(let one)?: audiences = [one]
        case .array(let several)?: audiences = several.compactMap(\.stringValue)
        default: return nil
        }
        guard let issuer = value["iss"]?.stringValue, let expires = value["exp"]?.intValue, let issuedAt = value["iat"]?.intValue,
            let namespace = place?["namespace"]?.stringValue, let account = bound("serviceaccount"), let account,
            let pod = bound("pod"), let node = bound("node"), let secret = bound("secret")
        else { return nil }
        self.init(
            issuer: issuer, audiences: audiences, issuedAt: issuedAt, notBefore: value["nbf"]?.intValue ?? issuedAt,
            expires: expires,
            id: value["jti"]?.stringValue ?? "", namespace: namespace, account: account, pod: pod, node: node, secret: secret)
        guard value["sub"]?.stringValue == accountName.userName, ServiceAccountName(userName: accountName.userName) != nil else {
            return nil
        }
    }

    /// Clocks differ: a token made this much in the future is still one of today.
    static let clockSkewSeconds: Int64 = 10

    /// Whether the token is ours, for one of these audiences, and of this moment. Says nothing about its signature.
    func problem(issuer: String, audiences accepted: [String], now: Int64) -> TokenProblem? {
        if self.issuer != issuer { return .otherIssuer }
        if !audiences.contains(where: accepted.contains) { return .otherAudience }
        if now >= expires { return .expired }
        if now < notBefore - Self.clockSkewSeconds || now < issuedAt - Self.clockSkewSeconds { return .notYetValid }
        return nil
    }

    /// The user, with what the token is bound to, as Kubernetes names it.
    var user: UserInfo {
        var extra: [String: [String]] = [:]
        func say(_ key: String, _ value: String?) { if let value { extra["authentication.kubernetes.io/\(key)"] = [value] } }
        say("credential-id", id.isEmpty ? nil : "JTI=\(id)")
        say("pod-name", pod?.name)
        say("pod-uid", pod?.uid)
        say("node-name", node?.name)
        say("node-uid", node?.uid)
        return UserInfo(name: accountName.userName, uid: account.uid, groups: accountName.groups, extra: extra)
    }
}

/// Why a token is refused; goes to logs and TokenReviews, and holds no part of the token.
public enum TokenProblem: String, Error, Sendable, Hashable {
    case malformed = "the token is malformed"
    case unknownKey = "the token is signed with an unknown key"
    case badSignature = "the token's signature does not fit"
    case otherIssuer = "the token was issued by somebody else"
    case otherAudience = "the token is not for this audience"
    case expired = "the token has expired"
    case notYetValid = "the token is not valid yet"
    case accountGone = "the token's service account has been deleted"
    case boundObjectGone = "the object that the token is bound to has been deleted"
}
