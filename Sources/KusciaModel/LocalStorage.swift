// The storage that nodes give to claims: directories of their own, known to master and agents by this name.

public enum LocalStorage {
    /// Of volumes that stand for a directory of the node by the claim's name.
    public static let driver = "local.swiftlet.io"
    /// On a claim: who made its volume (https://kubernetes.io/docs/reference/labels-annotations-taints/).
    public static let provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
    /// The same on a volume.
    public static let provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
}
