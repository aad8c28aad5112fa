// No layer, however it was made, changes anything outside the store, leaves half a layer visible, or ends the process.
import Glibc
import Testing

@testable import ImageStore

@Suite(
    "Hostile layers", .enabled(if: Privilege.isRoot, "unpacking gives files to their owners, which needs root"),
    .timeLimit(.minutes(3)))
struct HostileLayerTests {
    @Test(
        "is refused with its reason or kept inside; nothing around the store changes, nothing half-done is seen",
        arguments: HostileLayer.all)
    func layer(_ attack: HostileLayer) throws {
        let stage = try StoreStage(policy: attack.policy)
        let before = try stage.surroundings()
        let layers = attack.layers(stage.path + "/outside")
        let image = try stage.image(layers, uncompressed: attack.uncompressed?())
        switch attack.outcome {
        case .refused(let words):
            do throws(ImageStoreError) {
                try stage.store.unpack(image)
                Issue.record("it was unpacked")
            } catch {
                #expect(error.description.contains(words), "\(error)")
                #expect(
                    error.description.contains(image.reference.description) || words == "kept for others",
                    "the image is named: \(error)")
            }
            // Those below the refused one were whole.
            #expect(try stage.layers().count == layers.count - 1)
            #expect(throws: ImageStoreError.self) { try stage.store.prepareRootfs(image, id: "c") }
            #expect(try stage.store.rootfses().isEmpty)
        case .contained(let paths):
            let tree = try stage.tree(of: image)
            #expect(Tree.paths(tree) == paths.sorted())
            #expect(!tree.contains("overlay.") && !tree.contains("selinux"))
        }
        #expect(try stage.surroundings() == before)
    }

    @Test(
        "in a tree of its own, where overlays cannot be, the same holds",
        arguments: HostileLayer.paths + HostileLayer.links + HostileLayer.whiteouts)
    func copied(_ attack: HostileLayer) throws {
        let stage = try StoreStage(policy: attack.policy, usesOverlays: false)
        let before = try stage.surroundings()
        let image = try stage.image(attack.layers(stage.path + "/outside"), uncompressed: attack.uncompressed?())
        switch attack.outcome {
        case .refused(let words):
            do throws(ImageStoreError) {
                _ = try stage.store.prepareRootfs(image, id: "c")
                Issue.record("it was unpacked")
            } catch { #expect(error.description.contains(words), "\(error)") }
            #expect(try stage.store.rootfs("c") == nil)
        case .contained(let paths): #expect(Tree.paths(try stage.tree(of: image)) == paths.sorted())
        }
        #expect(try stage.surroundings() == before)
    }

    @Test("a blob that changed on the disk is refused whenever it is read, and so is one that is gone")
    func changedBlob() throws {
        for change in ["turned", "cut", "gone"] {
            let stage = try StoreStage()
            let layer = TarText.finished { $0.file("f") }
            let image = try stage.image([layer])
            let path = stage.store.blobs.path(of: ContentDigest(of: layer))
            switch change {
            case "turned":
                let file = try #require(fopen(path, "r+"))
                fseek(file, 600, SEEK_SET)
                fputc(0x55, file)
                fclose(file)
            case "cut": try #require(truncate(path, 512) == 0)
            default: try #require(unlink(path) == 0)
            }
            #expect(throws: ImageStoreError.self) { try stage.store.unpack(image) }
            #expect(try stage.layers().isEmpty)
        }
    }

    @Test("layers of kinds that cannot be unpacked, and more or fewer diff ids than layers, are refused before anything is made")
    func manifests() throws {
        let stage = try StoreStage()
        let layer = TarText.finished { $0.file("f") }
        let foreign = try stage.image([layer], mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
        let missing = try stage.image([layer], diffIDs: [])
        let further = try stage.image([layer], diffIDs: [ContentDigest(of: layer), ContentDigest(of: layer)])
        for image in [foreign, missing, further] { #expect(throws: ImageStoreError.self) { try stage.store.unpack(image) } }
        #expect(try stage.layers().isEmpty)
    }

    @Test("there are more than forty kinds of attack, each under a name of its own")
    func number() {
        #expect(HostileLayer.all.count >= 60)
        #expect(Set(HostileLayer.all.map(\.name)).count == HostileLayer.all.count)
    }
}
