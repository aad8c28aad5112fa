// The master's store: which kinds are encrypted on the disk, which are never there, and by what pods are found.
import APIServer
import EncryptionAtRest
import Glibc
import ResourceStore

enum MasterStore {
    /// Kinds whose values are secrets.
    static let encrypted: Set = [CollectionID(group: "", resource: "secrets")]

    static var options: StoreOptions {
        var options = StoreOptions()
        // Measurements of the moment: agents write them again.
        options.volatile = APIHandler.volatileCollections
        // Every agent lists and watches the pods of its node.
        options.indexedFields = [CollectionID(group: "", resource: "pods"): ["spec.nodeName"]]
        return options
    }

    static func open(_ state: MasterState) throws -> JournaledStore {
        let isNew = !FileText.exists(state.encryptionKeys)
        let values = EncryptedValues(keys: try keys(state), collections: encrypted)
        do throws(StoreError) {
            return try JournaledStore.sqlite(path: state.store, options: options, transformer: values)
        } catch {
            // The key that was just made opens nothing; the right file may still come back to its place.
            if isNew { FileText.remove(state.encryptionKeys) }
            throw CommandFailure("\(error)", hint: hint(error, state))
        }
    }

    /// Of the key file, which is made at a master's first start.
    private static func keys(_ state: MasterState) throws -> EncryptionKeys {
        let path = state.encryptionKeys
        if !FileText.exists(path) {
            // A name of its own: a store that was written with another key then says which one it misses.
            let name = "key-" + String(UInt32.random(in: 1 << 28 ... .max), radix: 16)
            try FileText.write(EncryptionKeys.makeText(name: name), to: path, mode: 0o600)
        }
        var information = stat()
        guard stat(path, &information) == 0, let text = FileText.read(path) else {
            throw CommandFailure("\(path): \(String(cString: strerror(errno)))", hint: "the master needs it to read its secrets")
        }
        guard information.st_mode & 0o077 == 0 else {
            throw CommandFailure(
                "\(path): mode: expected 0600, found 0\(String(information.st_mode & 0o777, radix: 8)): others may read the keys",
                hint: "chmod 600 \(path)")
        }
        do throws(EncryptionKeyError) { return try EncryptionKeys(text: text) } catch {
            throw CommandFailure("\(path): \(error)", hint: "each line is NAME HEX; the first key seals, all open")
        }
    }

    private static func hint(_ error: StoreError, _ state: MasterState) -> String? {
        let text = "\(error)"
        if text.contains("in use") { return "another master runs on this state directory" }
        if text.contains("encrypted with key") {
            return "bring back the key file that the store was written with: \(state.encryptionKeys)"
        }
        if text.contains("corrupt") { return "`swiftlet restore FILE` returns to a backup; the damaged file is kept beside it" }
        return "is the directory writable, and the disk not full?"
    }
}
