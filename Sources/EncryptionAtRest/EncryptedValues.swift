// Values of chosen kinds, sealed with AES-GCM on their way to the disk.
//
// A sealed value is `aesgcm:1:KEY:`, then nonce, ciphertext and tag. The object's name is authenticated with it: a value that was
// copied to another object's row, or changed in any byte, does not open.
import Crypto
import ResourceStore

public struct EncryptedValues: ValueTransformer {
    private static let format = "aesgcm:1:"

    private let keys: EncryptionKeys
    private let collections: Set<CollectionID>

    /// Seals with the first key what belongs to the collections; opens whatever any of the keys has sealed.
    public init(keys: EncryptionKeys, collections: Set<CollectionID>) {
        self.keys = keys
        self.collections = collections
    }

    public func seals(_ key: ResourceKey) -> Bool { collections.contains(key.collection) }

    public func seal(_ value: [UInt8], key: ResourceKey) throws(ValueTransformError) -> [UInt8]? {
        guard seals(key) else { return nil }
        let first = keys.keys[0]
        let box: AES.GCM.SealedBox
        do { box = try AES.GCM.seal(value, using: first.secret, authenticating: Self.name(key)) } catch {
            throw ValueTransformError("it cannot be encrypted: \(error)")
        }
        var sealed = Array((Self.format + first.name + ":").utf8)
        sealed.reserveCapacity(sealed.count + value.count + 28)
        box.nonce.withUnsafeBytes { sealed.append(contentsOf: $0) }
        sealed.append(contentsOf: box.ciphertext)
        sealed.append(contentsOf: box.tag)
        return sealed
    }

    public func open(_ sealed: [UInt8], key: ResourceKey) throws(ValueTransformError) -> OpenedValue {
        let format = Array(Self.format.utf8)
        guard sealed.starts(with: format), let end = sealed.dropFirst(format.count).prefix(64).firstIndex(of: UInt8(ascii: ":"))
        else {
            throw ValueTransformError("it is encrypted in a way that is not known here")
        }
        let name = String(decoding: sealed[format.count..<end], as: UTF8.self)
        guard let position = keys.keys.firstIndex(where: { $0.name == name }) else {
            throw ValueTransformError("it is encrypted with key \(name), which is not among the keys given")
        }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed[(end + 1)...])
            let value = try AES.GCM.open(box, using: keys.keys[position].secret, authenticating: Self.name(key))
            return OpenedValue(value: Array(value), isCurrent: position == 0 && seals(key))
        } catch {
            throw ValueTransformError("it does not open with key \(name): it was changed, or belongs to another object")
        }
    }

    /// "\0" is in no name, so different objects have different texts.
    private static func name(_ key: ResourceKey) -> [UInt8] {
        Array([key.group, key.resource, key.namespace, key.name].joined(separator: "\0").utf8)
    }
}
