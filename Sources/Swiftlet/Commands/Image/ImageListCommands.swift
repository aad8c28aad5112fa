// `swiftlet image ls|inspect|tag|rm|prune`: what there is, under which names, and what goes.
import ArgumentParser
import Glibc
import ImageStore
import JSON
import RegistryClient

struct ImageListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the node's images.", aliases: ["list"])

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Only images whose name holds this text.") var text: String?
    @Option(name: [.short, .long], help: "table, json or name.") var output = ImageOutput.table
    @Flag(help: "Digests in full.") var digests = false

    func run() async throws {
        let opened = try node.open()
        func isWanted(_ name: String) -> Bool { text.map { name.contains($0) } ?? true }
        let images = try opened.store.references.all().filter { isWanted($0.reference.description) }
        let builtins = opened.store.builtin.images().filter { isWanted($0.name) }
        switch output {
        case .name: (images.map(\.reference.description) + builtins.map(\.name)).forEach { Terminal.output.line($0) }
        case .json:
            let shown = images.map { $0.shown(size: try? opened.store.contents(of: $0).size) }
            let own = builtins.map { JSONValue.object(["name": .string($0.name), "builtIn": .bool(true)]) }
            Terminal.output.line(JSONValue.array(shown + own).serializedString(pretty: true))
        case .table: table(images, builtins, opened.store)
        }
        if images.isEmpty, builtins.isEmpty {
            Terminal.error.line(
                text.map { "no image's name holds \"\($0)\"" } ?? "no images yet: `swiftlet image pull NAME` or `load -i FILE`")
        }
    }

    private func table(_ images: [StoredImage], _ builtins: [BuiltinImage], _ store: ImageStore) {
        var table = TextTable(header: ["IMAGE", "ID", "SIZE", "ADDED"] + (digests ? ["DIGEST"] : []))
        for image in images {
            // What cannot be read is a row all the same: `verify` says what is wrong with it.
            let size = image.id == nil ? "-" : (try? store.contents(of: image).size).map(HumanText.bytes) ?? "damaged"
            let row = [
                image.reference.familiar, image.id?.short ?? "-", size,
                HumanText.duration(seconds: HumanText.now - Double(image.added)) + " ago",
            ]
            table.rows.append(row + (digests ? [image.sourceDigest.description] : []))
        }
        for builtin in builtins {
            table.rows.append([builtin.name, "built-in", "-", "-"] + (digests ? ["-"] : []))
        }
        table.print()
    }
}

struct ImageInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show manifest and config of an image as JSON.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Name or id.") var image: String

    func run() async throws {
        let opened = try node.open()
        if let builtin = opened.store.builtin.resolve(image) {
            Terminal.output.line(try JSON.encodeToValue(builtin).serializedString(pretty: true))
            return
        }
        let image = try opened.image(image)
        let contents = try opened.store.contents(of: image)
        var shown = image.shown(size: contents.size)
        shown["platform"] = .string(contents.config.platform.description)
        shown["manifest"] = try JSONValue(parsing: opened.store.blobs.contents(image.manifest.digest))
        shown["config"] = try JSONValue(parsing: opened.store.blobs.contents(contents.manifest.config.digest))
        Terminal.output.line(shown.serializedString(pretty: true))
    }
}

struct ImageTagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "tag", abstract: "Give an image another name.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Name or id.") var image: String
    @Argument(help: "The new name.") var name: String

    func run() async throws {
        let opened = try node.open()
        var image = try opened.image(image)
        let reference = try opened.reference(name)
        guard reference.digest == nil else { throw CommandFailure("\(name): a digest is not given but found") }
        image.reference = reference
        image.added = Int64(time(nil))
        try opened.store.references.set(image)
    }
}

struct ImageRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take names away; an image without a name, and not in use, is removed.",
        discussion: "An id takes all names of the image away.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Names or ids.") var images: [String]

    func run() async throws {
        let opened = try node.open()
        for name in images {
            let image = try opened.image(name)
            let isName = (try? opened.reference(name)) == image.reference
            try opened.store.references.change { all in
                all.removeAll {
                    isName ? $0.reference == image.reference : $0.id == image.id && $0.manifest.digest == image.manifest.digest
                }
            }
            Terminal.output.line(name)
        }
        let store = opened.store
        let result = await BlockingCall.run { Result { () throws(ImageStoreError) in try store.collect(now: Int64(time(nil))) } }
        if case .failure(let error) = result { Terminal.error.line("contents stay until the next prune: \(error)") }
    }
}

struct ImagePruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove what no image needs; with --all, images that no container uses as well.")

    @OptionGroup var node: ImageStoreOptions
    @Flag(name: [.short, .long], help: "Images that no container uses, too.") var all = false
    @Option(help: "Only images that came more than this many hours ago.") var olderThanHours = 0

    /// A century.
    static let hours = 0...876_600

    func validate() throws { try ArgumentChecks.number(olderThanHours, "--older-than-hours", in: Self.hours) }

    func run() async throws {
        let store = try node.open().store
        let (all, age) = (all, Int64(olderThanHours) * 3600)
        let result = try await BlockingCall.run {
            Result { () throws(ImageStoreError) in
                let now = Int64(time(nil))
                return all ? try store.removeUnusedImages(olderThan: age, now: now) : try store.collect(now: now)
            }
        }.get()
        for image in result.images { Terminal.output.line("removed \(image.familiar)") }
        Terminal.output.line(
            "\(result.blobs) blobs and \(result.layers) layers removed, about \(HumanText.bytes(result.freedBytes))")
    }
}
