// The kernel's lists of CPUs as numbers: "0-3,6".

enum CPUList {
    /// What cannot be read counts for nothing.
    static func numbers(_ text: String) -> Set<Int> {
        var numbers: Set<Int> = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-").map { UInt16($0) }
            guard let low = ends.first ?? nil, let high = ends.last ?? nil, low <= high else { continue }
            numbers.formUnion(Int(low)...Int(high))
        }
        return numbers
    }
}
