// `swiftlet image mount|unmount|builtin|verify`: an image's files, the host's view as an image, and whether all is as it was.
import ArgumentParser
import FoundationEssentials
import Glibc
import ImageStore
import JSON
import RegistryClient

struct ImageMountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount an image's files with a writable layer, and print where.",
        discussion: "It stays, and keeps the image, until `swiftlet image unmount ID`.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Name or id.") var image: String
    @Option(help: "A name for the mount.") var id = "mounted"

    func run() async throws {
        let opened = try node.open()
        let image = try opened.image(image)
        let name = id
        let path = try await BlockingCall.run {
            Result {
                let rootfs = try opened.store.prepareRootfs(image, id: name)
                // What was prepared under that name before stays what it was.
                guard rootfs.imageID == image.id else {
                    throw CommandFailure(
                        "\(name): image \(rootfs.imageID.short) is mounted under that name at \(rootfs.mountPoint)",
                        hint: "--id gives another name; `swiftlet image unmount \(name)` ends that one")
                }
                return try opened.store.mountRootfs(rootfs)
            }
        }.get()
        Terminal.output.line(path)
    }
}

struct ImageUnmountCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Undo `mount`, and forget what was written there.")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "The mount's name.") var id = "mounted"

    func run() async throws {
        let store = try node.open().store
        let name = id
        try await BlockingCall.run {
            Result {
                guard let rootfs = try store.rootfs(name) else { throw CommandFailure("nothing is mounted as \(name)") }
                try store.unmountRootfs(rootfs)
                try store.removeRootfs(name)
            }
        }.get()
    }
}

struct ImageBuiltinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "builtin", abstract: "Register an image whose files are the node's own.",
        discussion:
            "The manifest is JSON: {\"rootfs\":\"host\",\"readOnlyPaths\":[],\"env\":[],\"entrypoint\":[],\"cmd\":[],\"workingDirectory\":\"/\"}."
    )

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "The image's name.") var name: String
    @Option(name: [.short, .long], help: "The manifest; the host's view when not given.", completion: .file()) var manifest:
        String?

    func run() async throws {
        let store = try node.open(makes: true).store
        var image = BuiltinImage(name: name, env: ["PATH=/usr/local/bin:/usr/bin:/bin"])
        if let manifest {
            guard let bytes = FileText.bytes(manifest) else { throw CommandFailure("\(manifest): cannot be read") }
            do {
                var value = try JSONValue(parsing: bytes)
                value["name"] = .string(name)
                if value["rootfs"] == nil { value["rootfs"] = .string("host") }
                image = try JSON.decode(BuiltinImage.self, from: value)
            } catch {
                throw CommandFailure("\(manifest): \(JSON.describe(error))")
            }
        }
        try store.builtin.register(image)
        Terminal.output.line(image.name)
    }
}

struct ImageVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every byte of images against their digests, and their signatures.",
        discussion: "Signatures are checked by --key, else by the node's policy (swiftlet.image.signatures).")

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "Names or ids; all when none is given.") var images: [String] = []
    @Option(help: "A PEM public key that must have signed them; may be repeated.", completion: .file()) var key: [String] = []

    func run() async throws {
        let opened = try node.open()
        let chosen = try images.isEmpty ? opened.store.references.all().filter { $0.id != nil } : images.map(opened.image)
        var policy = opened.signatures
        if !key.isEmpty {
            policy = SignaturePolicy(rules: [.init(prefix: "", requirement: .keys(try key.map { try SignatureKey(file: $0) }))])
        }
        var problems = 0
        for image in chosen {
            let result = await BlockingCall.run { [policy] in
                Result {
                    let contents = try opened.store.contents(of: image)
                    for layer in contents.manifest.layers { try opened.store.blobs.reader(layer.digest).verifyRest() }
                    try policy.verify(image, in: opened.store)
                }
            }
            switch result {
            case .success: Terminal.output.line("\(image.reference.familiar): verified")
            case .failure(let error):
                problems += 1
                Terminal.output.line("\(image.reference.familiar): \(error)")
            }
        }
        if problems > 0 {
            throw CommandFailure(
                "\(problems) of \(chosen.count) images are not as they should be",
                hint: "what is damaged comes anew with `swiftlet image rm` and `swiftlet image pull` (or load)")
        }
    }
}
