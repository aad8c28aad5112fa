// A container as its OCI runtime knows it: the id, the bundle, the runtime's own state, and what is given back of it.

import Glibc
import LocalRuntime
import RuntimeInterface
import Spawn

struct OCIContainer: Sendable {
    let id: ContainerID
    let paths: ContainerPaths
    let configuration: LocalConfiguration
    /// nil when the record of which program made it is gone with the node's settings.
    let program: OCIProgram?

    init(id: ContainerID, paths: ContainerPaths, configuration: LocalConfiguration, program: OCIProgram?) {
        self.id = id
        self.paths = paths
        self.configuration = configuration
        self.program = program
    }

    /// By its own record: the handlers of a node may have changed since it was made.
    init(_ container: SupervisedContainer, programs: [String: OCIProgram], configuration: LocalConfiguration) {
        let name = RecordFiles.read(Self.handlerFile(container.paths)).map { String(decoding: $0, as: UTF8.self) }
        self.init(id: container.id, paths: container.paths, configuration: configuration, program: name.flatMap { programs[$0] })
    }

    /// What the runtime calls it: unique on the machine, letters that every runtime takes, and short enough for one that makes a socket of it.
    var name: String { "\(id.podUID)_\(id.name)_\(id.attempt)" }
    var bundle: String { "\(paths.directory)/bundle" }
    var specification: String { "\(bundle)/config.json" }
    /// The runtime's state of all containers of this node.
    func root(_ program: OCIProgram) -> String { "\(configuration.stateDirectory)/oci/\(program.name)" }
    func command(_ program: OCIProgram) -> [String] { program.command(root: root(program), log: runtimeLog) }

    var runtimeLog: String { "\(bundle)/runtime.log" }

    static func handlerFile(_ paths: ContainerPaths) -> String { "\(paths.directory)/handler" }

    /// Blocks, at most as long as a verb may take.
    func run(_ program: OCIProgram, _ verb: [String]) throws -> ProgramRun {
        let arguments = command(program) + verb
        do throws(ProgramRun.Failure) {
            return try ProgramRun(
                arguments[0], arguments: arguments, environment: program.environment,
                deadlineMilliseconds: Int64(program.verbMilliseconds))
        } catch { throw RuntimeError.unavailable(stage: "\(program.name) \(verb.first ?? "")", reason: "\(error)") }
    }

    /// The runtime forgets it, whatever it still knows: its supervisor told it already when it could. Repeatable; a runtime that is
    /// missing or hangs keeps nobody from removing the rest.
    func release() throws {
        awaitSupervisor()
        guard let program, RecordFiles.exists("\(root(program))/\(name)") else { return }
        _ = try? run(program, ["delete", "--force", name])
        CgroupLeftovers.remove(
            "\(configuration.cgroupParent)/\(id.podUID)/\(id.name)_\(id.attempt)", below: configuration.cgroupRoot)
        // What it did not manage to remove itself is of no use to anybody.
        try RecordFiles.removeTree("\(root(program))/\(name)")
    }

    /// A supervisor writes how the task ended, then has the runtime forget it, which writes its log into the bundle: nothing of that is
    /// removed under its hands. Within what a verb may take; one that holds on for longer keeps nobody from removing the rest.
    private func awaitSupervisor() {
        let turn = 2
        for _ in 0..<(program?.verbMilliseconds ?? 0) / turn {
            guard Launcher.isSupervised(paths.directory) else { return }
            usleep(UInt32(turn) * 1000)  // nobody tells of a lock that is let go but flock(2), which has no time limit
        }
    }
}
