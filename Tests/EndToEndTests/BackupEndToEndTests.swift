// A real master is copied while it runs, and returns to the copy; its nodes find their way from another history.
import Glibc
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct BackupEndToEndTests {
    @Test(
        "a running master is backed up; stopped, it returns to the backup, and its node is Ready again", .timeLimit(.minutes(5)))
    func backupAndRestore() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let configuration = "\(cluster.state.master)/kuscia.yaml"
            let file = "\(cluster.directory)/backup"
            let backup = try await cluster.run("backup", "--config", configuration, file)
            #expect(backup.output.hasPrefix("\(file): revision "), "\(backup)")
            var information = stat()
            #expect(stat(file, &information) == 0 && information.st_mode & 0o777 == 0o600)
            let again = try await cluster.run("backup", "--config", configuration, file, expecting: 1)
            #expect(again.errors.contains("a backup is a new file"), "\(again)")

            // What comes after the backup is gone after the return.
            try await cluster.run("token", "carol", "--create")
            #expect(try await cluster.exists("domain", "carol"))
            let refused = try await cluster.run("restore", "--config", configuration, file, expecting: 1)
            #expect(refused.errors.contains("in use by another process"), "\(refused)")
            try await cluster.killUp()
            let wrong = try await cluster.run("restore", "--config", configuration, configuration, expecting: 1)
            #expect(wrong.errors.contains("a file that `swiftlet backup` made"), "\(wrong)")
            try await restoreElsewhere(cluster, file)
            let restored = try await cluster.run("restore", "--config", configuration, file)
            #expect(restored.output.contains("goes on at revision "), "\(restored)")
            try await cluster.startUpAgain()
            #expect(try await cluster.exists("domain", "alice"))
            #expect(try await cluster.exists("node", "alice"))
            #expect(try await !cluster.exists("domain", "carol"))
        }
    }

    /// On another machine, where somebody brought the backup and the keys of the secrets, and forgot the authority.
    private func restoreElsewhere(_ cluster: TestCluster, _ backup: String) async throws {
        let directory = "\(cluster.directory)/elsewhere"
        let configuration = "\(directory)/kuscia.yaml"
        try FileText.makeDirectory("\(directory)/state", mode: 0o700)
        var settings = KusciaConfiguration(mode: .master, domainID: "center")
        settings.extensions.stateDirectory = "\(directory)/state"
        settings.extensions.listenAddress = "127.0.0.1"
        settings.extensions.port = try FreePort.find()
        try FileText.write(settings.commentedYAML, to: configuration)
        let keys = try #require(FileText.bytes(MasterState(cluster.state.master).encryptionKeys))
        try FileText.write(bytes: keys, to: MasterState("\(directory)/state").encryptionKeys, mode: 0o600)
        let restored = try await cluster.run("restore", "--config", configuration, backup)
        #expect(restored.errors.contains("\(directory)/state/pki/ca.key"), "\(restored)")
        let master = try cluster.start("master", "--config", configuration)
        try await eventually("the master says that the store is another authority's", state: { master.output + master.errors }) {
            (master.output + master.errors).contains("written under another authority")
        }
        master.identity.signal(SIGTERM)
        _ = try await master.result(within: .seconds(60))
    }
}
