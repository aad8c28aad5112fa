// `swiftlet image`: the images of one node. Works beside a running Lite: both take the store's locks.
import ArgumentParser
import Glibc
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Pull, load and look after the images of a node.",
        discussion: """
            The node is the one whose kuscia.yaml is in this directory (or named by --config): its state directory holds the images, and \
            its settings say how registries are reached. --store names a state directory instead.
            """,
        subcommands: [
            ImagePullCommand.self, ImageLoadCommand.self, ImageImportCommand.self, ImageSaveCommand.self, ImageListCommand.self,
            ImageTagCommand.self, ImageRemoveCommand.self, ImageInspectCommand.self, ImageMountCommand.self,
            ImageUnmountCommand.self,
            ImagePruneCommand.self, ImageBuiltinCommand.self, ImageVerifyCommand.self,
        ])
}

/// Which node's images.
struct ImageStoreOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The node's configuration. Default: ./kuscia.yaml where there is one.") var config:
        String?
    @Option(
        help: "The node's state directory. Default: the configuration's, else /var/lib/swiftlet/node.", completion: .directory)
    var store: String?

    struct Opened {
        var store: ImageStore
        var settings: RegistrySettings
        var signatures: SignaturePolicy
    }

    /// `makes`: of a command that brings images. Any other only looks, and must not make a tree out of a name that was misspelt.
    func open(makes: Bool = false) throws -> Opened {
        let path = config ?? (FileText.exists("kuscia.yaml") ? "kuscia.yaml" : nil)
        var images = KusciaConfiguration.Images()
        var state = LiteSettings.joinedStateDirectory
        var base = FileText.absolute(".")
        if let path {
            let configuration = try KusciaConfiguration.load(path: path, joining: true).configuration
            guard configuration.mode == .lite else {
                throw CommandFailure(
                    "\(path): mode: expected lite, found \(configuration.mode.rawValue)",
                    hint: "a master has no images: --config names a Lite's configuration, --store its state directory")
            }
            base = FileText.directory(of: FileText.absolute(path))
            state = FileText.absolute(configuration.extensions.stateDirectory ?? "state", relativeTo: base)
            images = configuration.images
        }
        if let store { state = FileText.absolute(store) }
        guard makes || FileText.isDirectory(state) else {
            throw CommandFailure(
                "there is no state directory \(state)",
                hint: "--store names a node's, or --config its configuration; `swiftlet image pull` or `load` makes one")
        }
        do {
            try FileText.makeDirectory(state, mode: 0o700)
            return Opened(
                store: try ImageStore(stateDirectory: state, extractionPolicy: images.extractionPolicy),
                settings: try images.registrySettings(directory: base), signatures: try images.signaturePolicy(directory: base))
        } catch let error as ImageStoreError {
            throw CommandFailure("\(error)", hint: "--store DIR names another state directory")
        }
    }
}

enum ImageOutput: String, ExpressibleByArgument, CaseIterable { case table, json, name }

extension ImageStoreOptions.Opened {
    /// Throws `CommandFailure` when there is none.
    func image(_ name: String) throws -> StoredImage {
        guard let image = try store.image(named: name, defaultRegistry: settings.defaultRegistry) else {
            throw CommandFailure(
                "image \(name): not found", hint: "`swiftlet image ls` lists what there is; `swiftlet image pull` brings one")
        }
        return image
    }

    func reference(_ name: String) throws -> ImageReference {
        try ImageReference(name, defaultRegistry: settings.defaultRegistry)
    }
}

extension StoredImage {
    /// For `-o json`.
    func shown(size: Int64?) -> JSONValue {
        var object = JSONValue.object([:])
        object["name"] = .string(reference.description)
        object["id"] = id.map { .string($0.description) } ?? .null
        object["manifestDigest"] = .string(manifest.digest.description)
        object["repositoryDigest"] = .string(repositoryDigest)
        object["added"] = .int(added)
        if let size { object["size"] = .int(size) }
        return object
    }
}
