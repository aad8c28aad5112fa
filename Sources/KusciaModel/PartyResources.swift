// A party's resources are what all its pods may use together, as in Kuscia.
import KubernetesModel

public enum PartyResources {
    /// An equal part of the amount, in whole thousandths of a processor or whole bytes, never nothing of something; nil for what
    /// comes in whole pieces only.
    public static func share(of amount: Quantity, _ resource: String, among parts: Int) -> Quantity? {
        guard ["cpu", "memory", "ephemeral-storage"].contains(resource) else { return nil }
        guard parts > 1, !amount.isZero else { return amount }
        return resource == "cpu"
            ? Quantity(millis: max(1, amount.milliValue / Int64(parts)))
            : Quantity(max(1, amount.value / Int64(parts)), format: amount.format)
    }
}
