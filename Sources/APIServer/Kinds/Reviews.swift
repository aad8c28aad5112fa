// authorization.k8s.io/v1 and authentication.k8s.io/v1: questions that are answered and never stored.
import KubernetesModel

extension ResourceKind {
    static let subjectAccessReview = review(
        "authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview",
        types: TypeText(
            package: "io.k8s.api.authorization.v1",
            #"""
            kind SubjectAccessReview -- May this user do that?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec SubjectAccessReviewSpec! -- What is wanted.
              3 status SubjectAccessReviewStatus -- What was last observed; written by the system.
            type SubjectAccessReviewSpec
              1 resourceAttributes ResourceAttributes
              2 nonResourceAttributes NonResourceAttributes
              3 user string
              4 groups []string
              5 extra {}[]string
              6 uid string
            type ResourceAttributes
              1 namespace string -- Namespace of the object.
              2 verb string
              3 group string
              4 version string
              5 resource string
              6 subresource string
              7 name string
              8 fieldSelector FieldSelectorAttributes
              9 labelSelector LabelSelectorAttributes
            type FieldSelectorAttributes
              1 rawSelector string
              2 requirements []meta.FieldSelectorRequirement
            type LabelSelectorAttributes
              1 rawSelector string
              2 requirements []meta.LabelSelectorRequirement
            type NonResourceAttributes
              1 path string
              2 verb string
            type SubjectAccessReviewStatus
              1 allowed bool
              4 denied bool
              2 reason string -- Why, in a word.
              3 evaluationError string
            kind SelfSubjectAccessReview -- May I do this?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec SelfSubjectAccessReviewSpec! -- What is wanted.
              3 status SubjectAccessReviewStatus -- What was last observed; written by the system.
            type SelfSubjectAccessReviewSpec
              1 resourceAttributes ResourceAttributes
              2 nonResourceAttributes NonResourceAttributes
            kind LocalSubjectAccessReview -- May this user do that in this namespace?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec SubjectAccessReviewSpec! -- What is wanted.
              3 status SubjectAccessReviewStatus -- What was last observed; written by the system.
            kind SelfSubjectRulesReview -- What may I do in this namespace?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec SelfSubjectRulesReviewSpec -- What is wanted.
              3 status SubjectRulesReviewStatus -- What was last observed; written by the system.
            type SelfSubjectRulesReviewSpec
              1 namespace string -- Namespace of the object.
            type SubjectRulesReviewStatus
              1 resourceRules []ResourceRule
              2 nonResourceRules []NonResourceRule
              3 incomplete bool
              4 evaluationError string
            type ResourceRule
              1 verbs []string
              2 apiGroups []string
              3 resources []string
              4 resourceNames []string
            type NonResourceRule
              1 verbs []string
              2 nonResourceURLs []string
            """#))
    static let selfSubjectAccessReview = review(
        "authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
    static let localSubjectAccessReview = review(
        "authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced: true)
    static let selfSubjectRulesReview = review(
        "authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview")
    static let tokenReview = review(
        "authentication.k8s.io", "tokenreviews", "TokenReview",
        types: TypeText(
            package: "io.k8s.api.authentication.v1",
            #"""
            kind TokenReview -- Whose token is this?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec TokenReviewSpec! -- What is wanted.
              3 status TokenReviewStatus -- What was last observed; written by the system.
            type TokenReviewSpec
              1 token string
              2 audiences []string
            type TokenReviewStatus
              1 authenticated bool
              2 user UserInfo
              4 audiences []string
              3 error string
            type UserInfo
              1 username string
              2 uid string
              3 groups []string
              4 extra {}[]string
            kind SelfSubjectReview -- Who am I?
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 status SelfSubjectReviewStatus -- What was last observed; written by the system.
            type SelfSubjectReviewStatus
              1 userInfo UserInfo
            kind TokenRequest -- Asks for a token of a service account.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec TokenRequestSpec! -- What is wanted.
              3 status TokenRequestStatus -- What was last observed; written by the system.
            type TokenRequestSpec
              1 audiences []string -- For whom the token is meant.
              4 expirationSeconds int64? =3600 -- How long it shall be valid.
              3 boundObjectRef BoundObjectReference
            type BoundObjectReference
              1 kind string
              2 apiVersion string -- Group and version of the object.
              3 name string
              4 uid string
            type TokenRequestStatus
              1 token string
              2 expirationTimestamp time
            """#))
    static let selfSubjectReview = review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview")

    private static func review(
        _ group: String, _ resource: String, _ kind: String, namespaced: Bool = false, types: TypeText? = nil
    ) -> ResourceKind {
        ResourceKind(
            resource: GroupVersionResource(group: group, resource: resource), kind: kind, singular: kind.lowercased(),
            namespaced: namespaced, isReview: true, types: types)
    }
}
